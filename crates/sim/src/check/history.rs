//! What clients asked and were answered, in the order in which it happened.

use ftqueue::{Answer, Operation, QueueError, Sequence, SessionId};
use raft_core::Instant;

/// Every call of every client.
#[derive(Clone, Debug, Default)]
pub struct History {
    calls: Vec<Call>,
    /// Counts invocations and returns: of two, the lower came first.
    order: u64,
}

/// Names a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub usize);

/// One operation of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Whose.
    pub client: u16,
    /// What was asked.
    pub operation: Operation,
    /// When.
    pub at: Instant,
    /// The same among all invocations and returns.
    pub invoked: u64,
    /// Under which name the cluster knows a write, once it was sent.
    pub key: Option<(SessionId, Sequence)>,
    /// What came of it. None: it may have happened, or may happen yet, or never.
    pub returned: Option<Returned>,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returned {
    /// When.
    pub at: Instant,
    /// The same among all invocations and returns.
    pub order: u64,
    /// What.
    pub result: Result<Answer, QueueError>,
}

impl History {
    /// A client asks.
    pub fn invoke(&mut self, client: u16, operation: Operation, at: Instant) -> CallId {
        self.order += 1;
        self.calls.push(Call {
            client,
            operation,
            at,
            invoked: self.order,
            key: None,
            returned: None,
        });
        CallId(self.calls.len() - 1)
    }

    /// A write was sent under this name. One that the cluster did not know is sent again under another.
    pub fn sent(&mut self, call: CallId, key: (SessionId, Sequence)) {
        self.calls[call.0].key = Some(key);
    }

    /// It was answered.
    pub fn answer(&mut self, call: CallId, result: Result<Answer, QueueError>, at: Instant) {
        self.order += 1;
        self.calls[call.0].returned = Some(Returned {
            at,
            order: self.order,
            result,
        });
    }

    /// It was given up before it could have any effect: it never was.
    pub fn never_sent(&mut self, call: CallId) {
        // The name stays with the place, so that those of later calls stay right; a read without an answer says nothing.
        let qid = ftqueue::QueueId(0);
        self.calls[call.0].operation = Operation::Read(ftqueue::Read::Qsize { qid });
        self.calls[call.0].key = None;
    }

    /// All calls, in the order of their invocation.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }
}
