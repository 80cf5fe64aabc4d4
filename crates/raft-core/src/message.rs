//! What nodes say to one another: the remote procedure calls of figures 2 and 13 of the paper.

use serde::{Deserialize, Serialize};

use crate::{LogIndex, Term};

/// One place in the log (§5.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<C> {
    /// The term of the leader that made the entry.
    pub term: Term,
    /// What the entry holds.
    pub payload: Payload<C>,
}

/// What an entry holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload<C> {
    /// Nothing: the entry with which a leader opens its term, so that it can commit what came before (§8).
    NoOp,
    /// A command for the state machine.
    Command(C),
}

/// A counter of rounds in which a leader asks whether it still leads, made by the leader itself (ReadIndex, §8). Each leadership
/// counts from 0, so a round means something only together with the term of the message that carried it. A reply carries back
/// the round of the message that it answers, and it confirms that round only if it accepts that message: then its own term is the
/// message's term. A refusal for a stale term carries the term of the follower, which is another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReadRound(pub u64);

/// A message from one node to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message<C> {
    /// A candidate asks for a vote (§5.2).
    RequestVote(RequestVote),
    /// The answer to [`Message::RequestVote`].
    RequestVoteReply(RequestVoteReply),
    /// A leader replicates entries, or, with none, shows that it is alive (§5.3).
    AppendEntries(AppendEntries<C>),
    /// The answer to [`Message::AppendEntries`].
    AppendEntriesReply(AppendEntriesReply),
    /// A leader sends a part of its snapshot (§7).
    InstallSnapshot(InstallSnapshot),
    /// The answer to [`Message::InstallSnapshot`].
    InstallSnapshotReply(InstallSnapshotReply),
}

/// A candidate asks for a vote (§5.2, §5.4.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestVote {
    /// The candidate's term.
    pub term: Term,
    /// Where the candidate's log ends.
    pub last_log_index: LogIndex,
    /// The term of the candidate's last entry.
    pub last_log_term: Term,
}

/// The answer to a request for a vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestVoteReply {
    /// The voter's term, for the candidate to update itself.
    pub term: Term,
    /// Whether the candidate got the vote.
    pub granted: bool,
}

/// A leader replicates entries (§5.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendEntries<C> {
    /// The leader's term.
    pub term: Term,
    /// The place before the first of `entries`.
    pub prev_log_index: LogIndex,
    /// The term of the leader's entry there.
    pub prev_log_term: Term,
    /// What to store; none in a heartbeat.
    pub entries: Vec<Entry<C>>,
    /// How far the leader knows entries to be committed.
    pub leader_commit: LogIndex,
    /// The latest round in which the leader asks whether it still leads (§8).
    pub read_round: ReadRound,
}

/// The answer to an append.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendEntriesReply {
    /// The follower's term, for the leader to update itself.
    pub term: Term,
    /// What became of the append.
    pub outcome: AppendOutcome,
    /// The round carried by the append this answers.
    pub read_round: ReadRound,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppendOutcome {
    /// The follower's log agrees with the leader's up to here, durably.
    Matched {
        /// `prev_log_index` plus the number of entries in the append: never the follower's own last index.
        match_index: LogIndex,
    },
    /// The follower has no entry of the right term at `prev_log_index` (§5.3, fast backtracking).
    Conflict {
        /// The `prev_log_index` that was refused, so that the leader can tell an old refusal.
        prev_log_index: LogIndex,
        /// The term of the follower's entry there, if it has one.
        conflict_term: Option<Term>,
        /// The first index of `conflict_term`, or the place after the follower's last entry.
        conflict_index: LogIndex,
    },
    /// The append came from a leader of an older term.
    StaleTerm,
}

/// A leader sends a part of its snapshot to a follower that lacks entries which the leader has no more (§7, figure 13).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallSnapshot {
    /// The leader's term.
    pub term: Term,
    /// The last entry that the snapshot stands for.
    pub last_included_index: LogIndex,
    /// The term of that entry.
    pub last_included_term: Term,
    /// Where in the snapshot `data` begins, in bytes.
    pub offset: u64,
    /// A part of the snapshot; nothing, where the leader only asks how far the follower has come.
    pub data: Vec<u8>,
    /// Whether the snapshot ends with this part.
    pub done: bool,
    /// How often the leader has asked this follower, in its term, how far it has come with a snapshot: the number of this
    /// question, or of the last before this part.
    pub question: u64,
    /// The latest round in which the leader asks whether it still leads (§8).
    pub read_round: ReadRound,
}

/// The answer to a part of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallSnapshotReply {
    /// The follower's term, for the leader to update itself.
    pub term: Term,
    /// The snapshot that this answers.
    pub last_included_index: LogIndex,
    /// The number of the question that this answers, or of the last before the part that it answers.
    pub question: u64,
    /// How far the follower has come with it.
    pub outcome: InstallOutcome,
    /// The round carried by the part this answers.
    pub read_round: ReadRound,
}

/// How far a follower has come with a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InstallOutcome {
    /// It has the first so many bytes, in memory, and perhaps parts behind a gap.
    Received {
        /// How many.
        bytes: u64,
    },
    /// It has all that the snapshot stands for, durably.
    Installed,
    /// The part came from a leader of an older term.
    StaleTerm,
}

impl AppendOutcome {
    /// Whether the follower recognised the append's sender as the leader of its term. It does so, too, where its log does not
    /// fit.
    pub fn accepts_leader(&self) -> bool {
        !matches!(self, AppendOutcome::StaleTerm)
    }
}

impl InstallOutcome {
    /// Whether the follower recognised the part's sender as the leader of its term.
    pub fn accepts_leader(&self) -> bool {
        !matches!(self, InstallOutcome::StaleTerm)
    }
}

impl<C> Message<C> {
    /// The sender's term.
    pub fn term(&self) -> Term {
        match self {
            Message::RequestVote(m) => m.term,
            Message::RequestVoteReply(m) => m.term,
            Message::AppendEntries(m) => m.term,
            Message::AppendEntriesReply(m) => m.term,
            Message::InstallSnapshot(m) => m.term,
            Message::InstallSnapshotReply(m) => m.term,
        }
    }
}
