//! The state of a node, for those who look: checkers, the page, tests.

use serde::{Deserialize, Serialize};

use crate::{Duration, Entry, HardState, Instant, LogIndex, NodeId, Term};

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
    /// The log; the entry at index 1 comes first.
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
    /// The votes a candidate or leader got in this term, in rising order.
    pub votes: &'a [NodeId],
    /// What a leader knows of each other member; empty in other roles.
    pub progress: &'a [Progress],
    /// The machine.
    pub machine: &'a M,
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
