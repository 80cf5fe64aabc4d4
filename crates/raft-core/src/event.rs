//! What happened in a step, and why. Whatever a page or a log file explains about Raft is drawn from these.

use serde::{Deserialize, Serialize};

use crate::{Duration, LogIndex, NodeId, ReadRound, Term};

/// One decision of the core with its reason. `Display` gives one line of English; [`Event::paper`] its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The election timer was set to run out after this long.
    ElectionTimerSet { timeout: Duration },
    /// The election timer ran out without word from a leader or a vote given.
    ElectionTimedOut { timeout: Duration },
    /// The node became a follower, or followed another leader or term.
    BecameFollower {
        term: Term,
        leader: Option<NodeId>,
        reason: FollowReason,
    },
    /// The node stands for election.
    BecameCandidate { term: Term },
    /// The node won the election with these votes.
    BecameLeader { term: Term, votes: Vec<NodeId> },
    /// The node gave its vote. It leaves once it is durable.
    VoteGranted { candidate: NodeId, term: Term },
    /// The node refused its vote.
    VoteRefused {
        candidate: NodeId,
        term: Term,
        reason: VoteRefusal,
    },
    /// A candidate heard a vote.
    VoteCounted {
        voter: NodeId,
        term: Term,
        granted: bool,
        votes: u8,
        needed: u8,
    },
    /// Entries were added to the log, `last` included.
    Appended {
        first: LogIndex,
        last: LogIndex,
        term: Term,
    },
    /// Entries from `from` on were dropped: the leader's entry there is of another term.
    Truncated {
        from: LogIndex,
        last: LogIndex,
        our_term: Term,
        leader_term: Term,
    },
    /// An append was refused.
    AppendRefused { leader: NodeId, reason: AppendRefusal },
    /// A leader learned that a follower's log does not match, and goes back.
    Backtracked {
        follower: NodeId,
        refused: LogIndex,
        next_index: LogIndex,
        conflict_term: Option<Term>,
    },
    /// A leader learned that a follower has the log up to here.
    Matched { follower: NodeId, match_index: LogIndex },
    /// The commit index advanced. On a leader, `copies` are the members that have `to` durably; on a follower, none.
    CommitAdvanced {
        from: LogIndex,
        to: LogIndex,
        copies: Vec<NodeId>,
    },
    /// The leader's last entry is not committed, for this reason. Said once for each reason and place.
    CommitHeld { index: LogIndex, reason: CommitHold },
    /// The machine applied entries, `last` included.
    Applied { first: LogIndex, last: LogIndex },
    /// A write was asked for.
    PersistRequested { sequence: u64 },
    /// A write is durable.
    PersistCompleted { sequence: u64, durable_index: LogIndex },
    /// A write completed after its entries had been overwritten; its entries do not count.
    PersistStale { sequence: u64 },
    /// A read waits for a majority to confirm this leader.
    ReadStarted { round: ReadRound, read_index: LogIndex },
    /// A majority confirmed the round; reads up to it may be served.
    ReadConfirmed { round: ReadRound },
    /// A message was ignored.
    Ignored { from: NodeId, reason: IgnoreReason },
}

/// Why a node became a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FollowReason {
    /// It booted.
    Booted,
    /// It saw a newer term in a message of this node.
    NewerTerm { from: NodeId },
    /// The leader of this term made itself known.
    LeaderAppeared,
}

/// Why a vote was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VoteRefusal {
    /// The candidate's term has passed.
    StaleTerm { ours: Term },
    /// The vote of this term has gone to another.
    AlreadyVoted { voted_for: NodeId },
    /// The node leads this term itself.
    Leading,
    /// The voter's log is newer: its last entry is of a later term, or of the same term and further on.
    LogBehind {
        our_last_term: Term,
        our_last_index: LogIndex,
        their_last_term: Term,
        their_last_index: LogIndex,
    },
}

/// Why an append was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppendRefusal {
    /// The leader's term has passed.
    StaleTerm { ours: Term },
    /// The log ends before the previous entry.
    Gap {
        prev_log_index: LogIndex,
        last_index: LogIndex,
    },
    /// The previous entry is of another term.
    Mismatch {
        prev_log_index: LogIndex,
        prev_log_term: Term,
        our_term: Term,
    },
}

/// Why an entry is not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommitHold {
    /// Too few members have it durably.
    LacksCopies { copies: u8, needed: u8 },
    /// A majority has it, but it is of an older term, which counting cannot commit (figure 8).
    OlderTerm { term: Term },
}

/// Why a message was ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IgnoreReason {
    /// Its sender is not a member, or is this node itself.
    NotAMember,
    /// It is of a term that has passed.
    StaleTerm { theirs: Term, ours: Term },
    /// It answers something that this node, in its present role, did not ask.
    NotAsked,
    /// It says what was known already, or less.
    Outdated,
    /// No correct node says this; which part was wrong.
    Malformed { what: Malformed },
    /// It would change an entry that is committed here.
    ContradictsCommitted { index: LogIndex },
    /// Two leaders in one term: this node leads it, or follows another.
    SecondLeader { leader: NodeId },
}

/// What is wrong with a message that no correct node sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Malformed {
    /// Terms in the entries fall, or exceed the leader's.
    EntryTerms,
    /// The previous entry's place and term do not go together.
    PreviousEntry,
    /// More entries or bytes than one append may carry, or an index at the end of numbers.
    TooLarge,
    /// A follower acknowledges more than the leader has.
    MatchBeyondLog,
    /// A reply's term or round is one that was never asked.
    NeverAsked,
    /// A term of 0, which no node votes or leads in, or one at the end of numbers.
    Term,
    /// Timing whose parts are zero, reversed, or a heartbeat not shorter than the election timeouts.
    Timing,
}
