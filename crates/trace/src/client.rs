//! What clients do, as a page tells it.

use ftqueue::{Answer, Operation, QueueError, Sequence, SessionId};
use serde::{Deserialize, Serialize};

/// What one client does. It has at most one operation under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// It asks for an operation.
    Invoked(Operation),
    /// It has sent the write under this name.
    Sent(SessionId, Sequence),
    /// It was answered.
    Returned(Result<Answer, QueueError>),
    /// It waits no more for what it never sent.
    Cancelled,
    /// It waits no more. What it asked for may have happened, or happen yet.
    GaveUp,
}
