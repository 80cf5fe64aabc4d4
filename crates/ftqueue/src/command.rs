//! What clients ask and what they are answered.

use serde::{Deserialize, Serialize};

/// The number a client gives a queue by which others find it; from [`crate::LABEL_MIN`] to [`crate::LABEL_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Label(pub i64);

/// The number the machine gives a queue, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueueId(pub u64);

/// A session of a client. The machine knows a session by both parts: no two in one log have the same index, and where a log was
/// taken back and the index is given out anew, the nonce differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId {
    /// The log index of the command that opened it.
    pub index: u64,
    /// What its client drew at random when it asked for the session.
    pub nonce: u64,
}

/// Counts a session's writes from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sequence(pub u64);

/// The six operations, as a person types them: `Display` and `FromStr` are inverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// An operation that goes through the log.
    Write(Write),
    /// An operation that does not.
    Read(Read),
}

/// Operations that change a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Write {
    /// `create_queue LABEL` → queue id
    CreateQueue {
        /// The label that no queue has yet.
        label: Label,
    },
    /// `push QID ITEM` → ok
    Push {
        /// The queue.
        qid: QueueId,
        /// What to add at its end.
        item: i64,
    },
    /// `pop QID` → the item that was pushed first, removed
    Pop {
        /// The queue.
        qid: QueueId,
    },
}

/// Operations that look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Read {
    /// `get_qid LABEL` → queue id
    GetQid {
        /// The queue's label.
        label: Label,
    },
    /// `top QID` → the item that was pushed first
    Top {
        /// The queue.
        qid: QueueId,
    },
    /// `qsize QID` → number of items
    Qsize {
        /// The queue.
        qid: QueueId,
    },
}

/// What an operation answers when it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The queue's id.
    Qid(QueueId),
    /// The item was pushed.
    Pushed,
    /// The item.
    Item(i64),
    /// The number of items.
    Size(u64),
}

/// What an operation answers when it cannot. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueError {
    /// The label has a queue already.
    LabelTaken {
        /// That queue.
        qid: QueueId,
    },
    /// The label is not between [`crate::LABEL_MIN`] and [`crate::LABEL_MAX`].
    LabelOutOfRange,
    /// No queue has the label.
    NoSuchLabel,
    /// No queue has the id.
    NoSuchQueue,
    /// The queue has no item.
    Empty,
    /// The queue, the machine, or the table of queues is full.
    Full,
}

/// What the log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Opens a session; the output names it.
    OpenSession {
        /// Drawn at random by the client for this session alone: a part of the session's id.
        nonce: u64,
    },
    /// A write of a session, applied once however often it stands in the log.
    Write {
        /// Whose write it is.
        session: SessionId,
        /// Which of its writes.
        sequence: Sequence,
        /// What to do.
        write: Write,
    },
}

/// What applying a [`Command`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// The session is open.
    SessionOpened(SessionId),
    /// The write's answer, the same however often it is asked for.
    Answered(Result<Answer, QueueError>),
    /// The session is not known: it never was, or expired. Nothing was applied; whether an earlier try was is unknown.
    SessionExpired,
    /// The session has moved past this sequence, or it skips one. Nothing was applied.
    OutOfSequence {
        /// The sequence of the write that may come next.
        next: Sequence,
    },
}
