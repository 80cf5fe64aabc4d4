//! Our core, with a host that is as thin as can be.

use raft_core::{
    Config, Entry, Input, Instant, LogIndex, Machine, Message, NodeId, Outbox, Raft, Recovered, Role, Rules, Ticket,
    Timing,
};

use super::{Proposal, Queues};

/// A cluster of our nodes.
pub(super) struct Cluster {
    nodes: Vec<Node>,
    leader: usize,
    tickets: u64,
    messages: u64,
    outbox: Outbox<Proposal, ()>,
    /// What is on its way, and for whom it is kept while it is delivered.
    delivered: Vec<(NodeId, Message<Proposal>)>,
}

struct Node {
    id: NodeId,
    raft: Raft<Queues>,
    /// What has been flushed, were there a disk.
    disk: Vec<Entry<Proposal>>,
    inbox: Vec<(NodeId, Message<Proposal>)>,
}

impl Machine for Queues {
    type Command = Proposal;
    type Output = ();

    fn apply(&mut self, _: LogIndex, proposal: &Proposal) {
        Queues::apply(self, proposal);
    }

    fn snapshot(&self) -> Vec<u8> {
        unreachable!("the log is never compacted here, as that of raft-rs is not")
    }

    fn restored(&self, _: &[u8]) -> Option<Queues> {
        None
    }

    fn wire_bytes(_: &Proposal) -> usize {
        size_of::<Proposal>()
    }
}

impl super::Cluster for Cluster {
    fn of(nodes: u8) -> Cluster {
        let members: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
        let mut outbox = Outbox::default();
        let mut node = |id: NodeId| {
            let config = Config {
                id,
                members: members.clone(),
                timing: Timing::default(),
                seed: id.0.into(),
                rules: Rules::default(),
                compact_after: u64::MAX,
            };
            let recovered = Recovered {
                hard_state: Default::default(),
                snapshot: None,
                log: Vec::new(),
            };
            let raft = Raft::boot(config, recovered, Queues::new(), Instant(0), &mut outbox)
                .expect("the configuration is sound");
            Node {
                id,
                raft,
                disk: Vec::new(),
                inbox: Vec::new(),
            }
        };
        let nodes = members.iter().map(|id| node(*id)).collect();
        let mut cluster = Cluster {
            nodes,
            leader: 0,
            tickets: 0,
            messages: 0,
            outbox,
            delivered: Vec::new(),
        };
        // The first timer that runs out makes a leader: the links take no time.
        let first = (0..cluster.nodes.len())
            .min_by_key(|place| cluster.nodes[*place].raft.deadline())
            .unwrap_or(0);
        let at = cluster.nodes[first].raft.deadline();
        let node = &mut cluster.nodes[first];
        node.raft.take(at, Input::Tick, &mut cluster.outbox);
        cluster.settle(first);
        cluster.run();
        assert_eq!(
            cluster.nodes[first].raft.view().role,
            Role::Leader,
            "nobody else stood for election"
        );
        cluster.leader = first;
        cluster
    }

    fn commit(&mut self, proposals: &[Proposal]) {
        let leader = &mut self.nodes[self.leader];
        for proposal in proposals {
            self.tickets += 1;
            leader.raft.take(
                Instant(0),
                Input::Propose {
                    ticket: Ticket(self.tickets),
                    command: *proposal,
                },
                &mut self.outbox,
            );
        }
        self.settle(self.leader);
        self.run();
        // Followers learn of the commit with the next append; an empty one, where none comes, at the next heartbeat.
        self.beat();
    }

    fn messages(&self) -> u64 {
        self.messages
    }

    fn digests(&self) -> Vec<u64> {
        self.nodes
            .iter()
            .map(|node| node.raft.view().machine.digest())
            .collect()
    }
}

impl Cluster {
    /// Delivers messages until there are none.
    fn run(&mut self) {
        let mut idle = false;
        while !idle {
            idle = true;
            for place in 0..self.nodes.len() {
                let node = &mut self.nodes[place];
                if node.inbox.is_empty() {
                    continue;
                }
                idle = false;
                std::mem::swap(&mut node.inbox, &mut self.delivered);
                for (from, message) in self.delivered.drain(..) {
                    node.raft
                        .take(Instant(0), Input::Receive { from, message }, &mut self.outbox);
                }
                self.settle(place);
            }
        }
    }

    /// Carries out what a node asks for, until it asks for nothing more.
    fn settle(&mut self, place: usize) {
        loop {
            let node = &mut self.nodes[place];
            node.raft.flush(&mut self.outbox);
            let mut flushed = None;
            for persist in self.outbox.persist.drain(..) {
                if let Some(from) = persist.truncate_from {
                    node.disk.truncate(from.0 as usize - 1);
                }
                node.disk.extend(persist.append);
                flushed = Some(persist.id);
            }
            let from = node.id;
            for (to, message) in self.outbox.messages.drain(..) {
                self.messages += 1;
                self.nodes[usize::from(to.0) - 1].inbox.push((from, message));
            }
            self.outbox.events.clear();
            self.outbox.outcomes.clear();
            let node = &mut self.nodes[place];
            match flushed {
                Some(id) => node.raft.take(Instant(0), Input::Persisted(id), &mut self.outbox),
                None if node.raft.deadline() == Instant(0) => node.raft.take(Instant(0), Input::Tick, &mut self.outbox),
                None => return,
            }
        }
    }

    /// Lets the followers catch up with the leader's commit index.
    fn beat(&mut self) {
        let behind = |node: &Node, index: LogIndex| node.raft.view().last_applied < index;
        let committed = self.nodes[self.leader].raft.view().commit_index;
        if self.nodes.iter().any(|node| behind(node, committed)) {
            let at = self.nodes[self.leader].raft.deadline();
            self.nodes[self.leader].raft.take(at, Input::Tick, &mut self.outbox);
            self.settle(self.leader);
            self.run();
        }
        assert!(
            !self.nodes.iter().any(|node| behind(node, committed)),
            "every node has applied what was committed"
        );
    }
}
