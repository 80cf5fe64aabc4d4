//! What happened in a step, and why. Whatever a page or a log file explains about Raft is drawn from these.

use serde::{Deserialize, Serialize};

use crate::{Duration, LogIndex, NodeId, ReadRound, Term};

/// One decision of the core with its reason. `Display` gives one line of English; [`Event::paper`] its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The election timer was set anew. Not said for each heartbeat that sets it back.
    ElectionTimerSet {
        /// How long it will run.
        timeout: Duration,
    },
    /// The election timer ran out without word from a leader or a vote given.
    ElectionTimedOut {
        /// How long it ran.
        timeout: Duration,
    },
    /// The election timer ran out while a write was under way. The node stands for election when that is done, unless it hears
    /// from a leader first.
    ElectionPutOff {
        /// How long the timer ran.
        timeout: Duration,
    },
    /// The node became a follower, or followed another leader or term.
    BecameFollower {
        /// Its term from now on.
        term: Term,
        /// Whom it follows, if it knows.
        leader: Option<NodeId>,
        /// Why.
        reason: FollowReason,
    },
    /// The node stands for election.
    BecameCandidate {
        /// The term in which it wants to lead.
        term: Term,
    },
    /// The node won the election.
    BecameLeader {
        /// The term it leads.
        term: Term,
        /// Who voted for it, in rising order.
        votes: Vec<NodeId>,
    },
    /// The node gave its vote. It leaves once it is durable.
    VoteGranted {
        /// Who got it.
        candidate: NodeId,
        /// The term in which it holds.
        term: Term,
    },
    /// The node refused its vote.
    VoteRefused {
        /// Who asked.
        candidate: NodeId,
        /// The term for which it was asked.
        term: Term,
        /// Why.
        reason: VoteRefusal,
    },
    /// A candidate heard a vote; its own counts once it is durable.
    VoteCounted {
        /// Who voted.
        voter: NodeId,
        /// The term of the election.
        term: Term,
        /// Whether for the candidate.
        granted: bool,
        /// How many votes the candidate has now.
        votes: u8,
        /// How many it needs.
        needed: u8,
    },
    /// Entries were added to the log.
    Appended {
        /// The first of them.
        first: LogIndex,
        /// The last of them.
        last: LogIndex,
        /// The term of the last of them.
        term: Term,
    },
    /// Entries were dropped: the leader's entry in the first of these places is of another term.
    Truncated {
        /// The first entry that was dropped.
        from: LogIndex,
        /// The last entry that was dropped.
        last: LogIndex,
        /// The term of the entry that stood at `from`.
        our_term: Term,
        /// The term of the leader's entry there.
        leader_term: Term,
    },
    /// An append was refused.
    AppendRefused {
        /// Who sent it.
        leader: NodeId,
        /// Why.
        reason: AppendRefusal,
    },
    /// A leader learned that a follower's log does not match, and goes back.
    Backtracked {
        /// The follower.
        follower: NodeId,
        /// The place where the logs do not agree.
        refused: LogIndex,
        /// What is sent next.
        next_index: LogIndex,
        /// The term of the follower's entry at `refused`, if it has one.
        conflict_term: Option<Term>,
    },
    /// A leader learned that a follower has more of the log, durably.
    Matched {
        /// The follower.
        follower: NodeId,
        /// How far.
        match_index: LogIndex,
    },
    /// The commit index advanced.
    CommitAdvanced {
        /// What it was.
        from: LogIndex,
        /// What it is.
        to: LogIndex,
        /// On a leader, the members that have `to` durably, in rising order; on a follower, none.
        copies: Vec<NodeId>,
    },
    /// An entry in the leader's log is not committed. Said when the reason changes.
    CommitHeld {
        /// The last entry, or the last that a majority has.
        index: LogIndex,
        /// Why.
        reason: CommitHold,
    },
    /// The machine applied entries.
    Applied {
        /// The first of them.
        first: LogIndex,
        /// The last of them.
        last: LogIndex,
    },
    /// The machine's state was kept, for the time when it takes the place of the entries that led to it.
    SnapshotTaken {
        /// The last entry it stands for.
        last_included_index: LogIndex,
        /// How long it is.
        bytes: u64,
    },
    /// Entries were dropped from the beginning of the log: a snapshot stands for them.
    Compacted {
        /// The first of them.
        first: LogIndex,
        /// The last of them.
        last: LogIndex,
    },
    /// A leader has no more what a follower needs next, and begins to send it a snapshot.
    SnapshotNeeded {
        /// The follower.
        follower: NodeId,
        /// What it needs next.
        next_index: LogIndex,
        /// The last entry that the snapshot stands for.
        last_included_index: LogIndex,
    },
    /// A snapshot took the place of the machine's state and of the log.
    SnapshotInstalled {
        /// Who sent it.
        leader: NodeId,
        /// The last entry it stands for.
        last_included_index: LogIndex,
        /// The term of that entry.
        last_included_term: Term,
        /// Where the log ended that was dropped.
        dropped_to: LogIndex,
    },
    /// A write was asked for.
    PersistRequested {
        /// Its number.
        sequence: u64,
    },
    /// A write is durable.
    PersistCompleted {
        /// Its number.
        sequence: u64,
        /// How much of the log is durable now.
        durable_index: LogIndex,
    },
    /// A write is done, but entries in it had been overwritten meanwhile; those do not count as durable.
    PersistStale {
        /// Its number.
        sequence: u64,
    },
    /// A write took as long as the shortest election timeout, or longer. Where a majority's do, nobody may be elected: timers
    /// must be long beside what a vote takes to be written and sent.
    WriteOutlastedTimeout {
        /// Its number.
        sequence: u64,
        /// How long it took, from when it was asked for.
        took: Duration,
    },
    /// A read waits for a majority to confirm this leader.
    ReadStarted {
        /// The round that must be confirmed.
        round: ReadRound,
        /// What must be applied.
        read_index: LogIndex,
    },
    /// A majority confirmed the round; reads up to it may be served.
    ReadConfirmed {
        /// The round.
        round: ReadRound,
    },
    /// A message, a completion or a setting was ignored.
    Ignored {
        /// Whose it was; the node's own id, if its host gave it.
        from: NodeId,
        /// Why.
        reason: IgnoreReason,
    },
}

/// Why a node became a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FollowReason {
    /// It booted.
    Booted,
    /// It saw a newer term in a message of this node.
    NewerTerm {
        /// The sender.
        from: NodeId,
    },
    /// The leader of this term made itself known.
    LeaderAppeared,
}

/// Why a vote was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VoteRefusal {
    /// The candidate's term has passed.
    StaleTerm {
        /// The voter's term.
        ours: Term,
    },
    /// The vote of this term has gone to another.
    AlreadyVoted {
        /// Who got it.
        voted_for: NodeId,
    },
    /// The node leads this term itself.
    Leading,
    /// The voter's log is newer: its last entry is of a later term, or of the same term and further on.
    LogBehind {
        /// The term of the voter's last entry.
        our_last_term: Term,
        /// Where the voter's log ends.
        our_last_index: LogIndex,
        /// The term of the candidate's last entry.
        their_last_term: Term,
        /// Where the candidate's log ends.
        their_last_index: LogIndex,
    },
}

/// Why an append was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppendRefusal {
    /// The leader's term has passed.
    StaleTerm {
        /// The follower's term.
        ours: Term,
    },
    /// The log ends before the previous entry.
    Gap {
        /// The previous entry's place.
        prev_log_index: LogIndex,
        /// Where the log ends.
        last_index: LogIndex,
    },
    /// The previous entry is of another term.
    Mismatch {
        /// The previous entry's place.
        prev_log_index: LogIndex,
        /// Its term in the leader's log.
        prev_log_term: Term,
        /// Its term in this log.
        our_term: Term,
    },
}

/// Why an entry is not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommitHold {
    /// Too few members have it durably.
    LacksCopies {
        /// How many have it.
        copies: u8,
        /// How many must.
        needed: u8,
    },
    /// A majority has it, but it is of an older term, which counting cannot commit (figure 8).
    OlderTerm {
        /// The entry's term.
        term: Term,
    },
}

/// Why a message was ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IgnoreReason {
    /// Its sender is not a member, or is this node itself.
    NotAMember,
    /// It is of a term that has passed.
    StaleTerm {
        /// The message's term.
        theirs: Term,
        /// The node's term.
        ours: Term,
    },
    /// It answers something that this node, in its present role, did not ask.
    NotAsked,
    /// It says what was known already, or less.
    Outdated,
    /// No correct node says this; which part was wrong.
    Malformed {
        /// The part.
        what: Malformed,
    },
    /// It is the last part of a snapshot that holds no state of the machine.
    UnreadableSnapshot,
    /// It would change an entry that is committed here.
    ContradictsCommitted {
        /// The first such entry.
        index: LogIndex,
    },
    /// Two leaders in one term: this node leads it, or follows another.
    SecondLeader {
        /// Who leads the term.
        leader: NodeId,
    },
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
    /// Timing that [`crate::Timing::check`] refuses.
    Timing,
}
