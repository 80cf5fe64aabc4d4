//! Clients, and what is said of the cluster to those who ask it.

use ftqueue::QueueId;
use raft_core::{Duration, Instant, Role};
use rand::Rng;

use super::{Event, Seat, World};
use crate::plan::What;

/// The longest that a message between a client and a node takes, in microseconds, unless it is lost.
const CLIENT_DELAY_US_MAX: u64 = 2_000;

impl World<'_> {
    pub(super) fn client_works(&mut self, client: usize) {
        let mut requests = std::mem::take(&mut self.requests);
        self.answered += self.callers[client].work(self.now, &mut self.audit.history, &mut requests);
        if let (Some(seen), Some(of_clients)) = (&mut self.seen, &mut self.audit.history.seen) {
            seen.append(of_clients);
        }
        for (to, request, body) in requests.drain(..) {
            if let Some(at) = self.client_way() {
                self.schedule(at, Event::Request { to, request, body });
            }
        }
        self.requests = requests;
    }

    /// When something that a client and a node say to each other arrives, if it does.
    pub(super) fn client_way(&mut self) -> Option<Instant> {
        let lost_per_mille = self.active().find_map(|fault| match fault.what {
            What::Drop { per_mille } => Some(u64::from(per_mille)),
            _ => None,
        });
        let (loss, delay) = (self.random.next_u64(), self.random.next_u64());
        if lost_per_mille.is_some_and(|per_mille| loss % 1000 < per_mille) {
            return None;
        }
        Some(self.now + Duration(delay % CLIENT_DELAY_US_MAX))
    }

    /// The queues, and how many items they hold, by the word of whoever has applied most.
    pub(crate) fn queue_sizes(&self) -> Vec<(QueueId, usize)> {
        let knows_most = self.nodes().max_by_key(|node| node.view().last_applied);
        knows_most.map_or(Vec::new(), |node| {
            node.queues()
                .queues()
                .map(|queue| (queue.qid, queue.items.len()))
                .collect()
        })
    }

    /// Who has not come to rest, in words.
    pub(crate) fn unsettled(&self) -> String {
        let node = |seat: &Seat| match &seat.node {
            None if seat.lost => format!("{} is lost", seat.id),
            None => format!("{} is down", seat.id),
            Some(node) => {
                let view = node.view();
                let role = match view.role {
                    Role::Leader => "leads",
                    Role::Candidate => "stands for election in",
                    Role::Follower => "follows in",
                };
                format!(
                    "{} {role} {}, committed {} of {}",
                    seat.id,
                    view.term,
                    view.commit_index,
                    view.last_index()
                )
            }
        };
        let nodes: Vec<String> = self.seats.iter().map(node).collect();
        let busy = self.callers.iter().filter(|caller| !caller.is_idle()).count();
        format!(
            "long after the last fault, clients still wait: {busy}; {}",
            nodes.join("; ")
        )
    }
}
