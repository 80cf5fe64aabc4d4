//! The state of a node, for those who look: checkers, the page, tests.

use serde::{Deserialize, Serialize};

use crate::{Duration, Entry, HardState, Instant, LogIndex, NodeId, Snapshot, Term};

/// The part a node plays (§5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// Follows a leader, or waits for one.
    Follower,
    /// Stands for election.
    Candidate,
    /// Leads its term.
    Leader,
}

/// A node's state, read-only. Slices and references, no copies: checkers look after every event.
#[derive(Debug)]
pub struct View<'a, M: crate::Machine> {
    /// This node.
    pub id: NodeId,
    /// Its role.
    pub role: Role,
    /// Its latest term.
    pub term: Term,
    /// Its vote in that term.
    pub voted_for: Option<NodeId>,
    /// The leader it knows of in that term, itself if it leads.
    pub leader: Option<NodeId>,
    /// What stands in the place of the log's beginning.
    pub snapshot: Option<&'a Snapshot>,
    /// The log behind the snapshot; without one, the entry at index 1 comes first.
    pub log: &'a [Entry<M::Command>],
    /// How far it knows the log to be committed.
    pub commit_index: LogIndex,
    /// How far its machine has applied the log.
    pub last_applied: LogIndex,
    /// How much of the log is durable here.
    pub durable_index: LogIndex,
    /// The term and vote that are durable here.
    pub durable_hard_state: HardState,
    /// When the timer that is running runs out.
    pub deadline: Instant,
    /// How long that timer was set for.
    pub timeout: Duration,
    /// How long the last write took, from when it was asked for until it was said to be durable; 0 before the first. If it is as
    /// long as `election_min` on a majority of the members, nobody may be elected (§5.6).
    pub last_write_took: Duration,
    /// The votes a candidate or leader got in this term, in rising order.
    pub votes: &'a [NodeId],
    /// What a leader knows of each other member; empty in other roles.
    pub progress: &'a [Progress],
    /// The machine.
    pub machine: &'a M,
}

impl<M: crate::Machine> View<'_, M> {
    /// The last place that the snapshot stands for; 0 without one.
    pub fn snapshot_index(&self) -> LogIndex {
        self.snapshot
            .map_or(LogIndex::ZERO, |snapshot| snapshot.last_included_index)
    }

    /// Where the log ends.
    pub fn last_index(&self) -> LogIndex {
        LogIndex(self.snapshot_index().0 + self.log.len() as u64)
    }

    /// The entry at `index`, if it stands in the log, and not in the snapshot's place.
    pub fn entry(&self, index: LogIndex) -> Option<&Entry<M::Command>> {
        let offset = index.0.checked_sub(self.snapshot_index().0 + 1)?;
        self.log.get(usize::try_from(offset).ok()?)
    }
}

/// What a leader knows of a follower.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The follower.
    pub id: NodeId,
    /// The next place to send it.
    pub next_index: LogIndex,
    /// How far its log is known to match, durably.
    pub match_index: LogIndex,
    /// The bytes of commands on the way to it.
    pub inflight_bytes: usize,
}
