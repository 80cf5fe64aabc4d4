//! What clients asked and were answered, in the order in which it happened. What was judged is let go.

use ftqueue::{Answer, Operation, QueueError, Sequence, SessionId};
use raft_core::{Instant, LogIndex};
use trace::{CallNumber, Happening, What};

/// The calls of all clients that are not settled yet.
#[derive(Clone, Debug, Default)]
pub struct History {
    calls: Vec<Call>,
    /// What names the next call.
    next: usize,
    /// Counts invocations and returns: of two, the lower came first.
    order: u64,
    /// What clients did, for who watches them.
    pub(crate) seen: Option<Vec<Happening>>,
}

/// Names a call. Counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub usize);

/// One operation of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub id: CallId,
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
    /// Whether its client waits no more: it will not return.
    pub given_up: bool,
    /// A place in the log before which it did not happen, once that was settled.
    pub not_before: Option<LogIndex>,
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
    /// A history that keeps what clients did until [`History::take_seen`].
    pub fn watched() -> History {
        History {
            seen: Some(Vec::new()),
            ..History::default()
        }
    }

    /// What clients did since the last time, if it is kept.
    pub fn take_seen(&mut self) -> Vec<Happening> {
        self.seen.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// This history stands again, from which `taken_back` had gone on. Its calls get names that none of those had.
    pub(crate) fn stands_again_after(&mut self, taken_back: &mut History) {
        self.next = taken_back.next;
        self.order = taken_back.order;
        self.seen = taken_back.seen.take();
    }

    /// Only what was asked and answered up to an instant stands. Nobody waits for an answer any more; what had one that does not
    /// count has none.
    pub(super) fn back_to(&mut self, at: Instant, mut counts: impl FnMut(&Call, Returned) -> bool) {
        self.calls.retain(|call| call.at <= at);
        for call in &mut self.calls {
            let returned = call.returned.filter(|returned| counts(call, *returned));
            call.returned = returned;
            call.given_up |= call.returned.is_none();
        }
        if let Some(seen) = &mut self.seen {
            seen.clear();
        }
    }

    /// Nobody waits any more.
    pub(super) fn all_give_up(&mut self) {
        for call in &mut self.calls {
            call.given_up |= call.returned.is_none();
        }
        if let Some(seen) = &mut self.seen {
            seen.clear();
        }
    }

    /// The calls whose clients wait for them.
    pub(crate) fn awaited(&self) -> impl Iterator<Item = CallId> {
        let awaited = self
            .calls
            .iter()
            .filter(|call| call.returned.is_none() && !call.given_up);
        awaited.map(|call| call.id)
    }

    /// A client asks.
    pub fn invoke(&mut self, client: u16, operation: Operation, at: Instant) -> CallId {
        self.order += 1;
        let id = CallId(self.next);
        let call = CallNumber(self.next as u64);
        self.see(at, || What::Invoked {
            client,
            call,
            operation,
        });
        self.next += 1;
        self.calls.push(Call {
            id,
            client,
            operation,
            at,
            invoked: self.order,
            key: None,
            returned: None,
            given_up: false,
            not_before: None,
        });
        id
    }

    /// A write was sent under this name. One that the cluster did not know is sent again under another.
    pub fn sent(&mut self, call: CallId, key: (SessionId, Sequence)) {
        self.call(call).key = Some(key);
    }

    /// It was answered.
    pub fn answer(&mut self, call: CallId, result: Result<Answer, QueueError>, at: Instant) {
        self.order += 1;
        let order = self.order;
        let answered = self.call(call);
        let client = answered.client;
        answered.returned = Some(Returned { at, order, result });
        let call = CallNumber(call.0 as u64);
        self.see(at, || What::Returned { client, call, result });
    }

    /// It was given up before it could have any effect: it never was.
    pub fn never_sent(&mut self, call: CallId, at: Instant) {
        self.gave_up(call, at);
        self.calls.retain(|known| known.id != call);
    }

    /// Its client waits no more. It may have happened, or happen yet.
    pub fn give_up(&mut self, call: CallId, at: Instant) {
        self.gave_up(call, at);
        self.call(call).given_up = true;
    }

    fn gave_up(&mut self, call: CallId, at: Instant) {
        let client = self.call(call).client;
        let call = CallNumber(call.0 as u64);
        self.see(at, || What::GaveUp { client, call });
    }

    fn see(&mut self, at: Instant, what: impl FnOnce() -> What) {
        if let Some(seen) = &mut self.seen {
            seen.push(Happening { at, what: what() });
        }
    }

    /// The calls, in the order of their invocation.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The same, for who settles some of them.
    pub(super) fn calls_mut(&mut self) -> &mut Vec<Call> {
        &mut self.calls
    }

    /// A call that has neither returned nor been settled.
    fn call(&mut self, id: CallId) -> &mut Call {
        // Each id is one more than the one before, so where none is gone yet it stands as far behind the first as its id says, else before that.
        let first = self.calls.first().map_or(0, |call| call.id.0);
        let furthest = id.0.saturating_sub(first);
        let place = match self.calls.get(furthest) {
            Some(call) if call.id == id => Ok(furthest),
            _ => self.calls.binary_search_by_key(&id, |call| call.id),
        };
        &mut self.calls[place.expect("a call stays until it has come to its end")]
    }
}
