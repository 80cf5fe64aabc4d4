//! What clients ask and what they are answered.

use serde::{Deserialize, Serialize};

/// The number a client gives a queue by which others find it; from [`crate::LABEL_MIN`] to [`crate::LABEL_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Label(pub i64);

/// The number the machine gives a queue, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueueId(pub u64);

/// A session of a client: the log index of the command that opened it, so that no two are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub u64);

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
    CreateQueue { label: Label },
    /// `push QID ITEM` → ok
    Push { qid: QueueId, item: i64 },
    /// `pop QID` → the item that was pushed first, removed
    Pop { qid: QueueId },
}

/// Operations that look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Read {
    /// `get_qid LABEL` → queue id
    GetQid { label: Label },
    /// `top QID` → the item that was pushed first
    Top { qid: QueueId },
    /// `qsize QID` → number of items
    Qsize { qid: QueueId },
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
    LabelTaken { qid: QueueId },
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
    /// Opens a session; the output names it. `nonce` tells apart clients that open at once in the log's record.
    OpenSession { nonce: u64 },
    /// A write of a session, applied once however often it stands in the log.
    Write { session: SessionId, sequence: Sequence, write: Write },
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
    OutOfSequence { next: Sequence },
}
