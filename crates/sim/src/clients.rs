//! The clients: each carries out its operations one after the other, and keeps some requests to send again.

use std::collections::VecDeque;

use cluster::client::{Client, Failure};
use cluster::host::{Request, RequestId};
use ftqueue::{Operation, Sequence, SessionId};
use raft_core::{Instant, NodeId};

use crate::check::{CallId, History};

/// How many of its requests a client keeps.
const RECENT_MAX: usize = 8;

/// How many operations a client has waiting before it is asked for no more: else a cluster that is slower than its clients
/// would have them wait for ever, and ever more of them.
const WAITING_MAX: usize = 1024;

/// One client, with what it still has to do.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) client: Client,
    members: Vec<NodeId>,
    number: u16,
    waiting: VecDeque<Operation>,
    call: Option<(CallId, Operation)>,
    /// The name under which the cluster knows the write of that call, once it was sent.
    key: Option<(SessionId, Sequence)>,
    recent: VecDeque<(RequestId, Request)>,
}

impl Caller {
    pub(crate) fn new(number: u16, nonce: u64, members: Vec<NodeId>) -> Caller {
        Caller {
            client: Client::new(number, nonce, members.clone()),
            members,
            number,
            waiting: VecDeque::new(),
            call: None,
            key: None,
            recent: VecDeque::new(),
        }
    }

    /// The members of its cluster.
    pub(crate) fn members(&self) -> Vec<NodeId> {
        self.members.clone()
    }

    /// Has it carry out an operation, after those that it has to do already.
    pub(crate) fn enqueue(&mut self, operation: Operation) {
        self.waiting.push_back(operation);
    }

    /// Whether it has so much to do that it is asked for no more.
    pub(crate) fn is_far_behind(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    /// Gives up what it has not begun.
    pub(crate) fn forget_waiting(&mut self) {
        self.waiting.clear();
    }

    /// Whether it has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.call.is_none() && self.waiting.is_empty()
    }

    /// Takes what has come to its end, begins what comes next, and gives the requests that are to be sent. Says how many
    /// operations were answered.
    pub(crate) fn work(
        &mut self,
        now: Instant,
        history: &mut History,
        requests: &mut Vec<(NodeId, RequestId, Request)>,
    ) -> u64 {
        let mut answered = 0;
        loop {
            if let Some(done) = self.client.take_done()
                && let Some((call, _)) = self.call.take()
            {
                match done.result {
                    Ok(answer) => history.answer(call, Ok(answer), now),
                    Err(Failure::Queue(error)) => history.answer(call, Err(error), now),
                    Err(Failure::Cancelled) => history.never_sent(call, now),
                    Err(Failure::OutcomeUnknown) => history.give_up(call, now),
                }
                answered += u64::from(matches!(done.result, Ok(_) | Err(Failure::Queue(_))));
            }
            if self.call.is_none()
                && let Some(operation) = self.waiting.pop_front()
                && self.client.submit(now, operation).is_ok()
            {
                self.call = Some((history.invoke(self.number, operation, now), operation));
                self.key = None;
            }
            for (node, request, body) in self.client.take_requests() {
                if let (Request::Write { session, sequence, .. }, Some((call, _))) = (body, self.call) {
                    self.key = Some((session, sequence));
                    history.sent(call, (session, sequence));
                }
                if self.recent.len() == RECENT_MAX {
                    self.recent.pop_front();
                }
                self.recent.push_back((request, body));
                requests.push((node, request, body));
            }
            if self.call.is_some() || self.waiting.is_empty() {
                return answered;
            }
        }
    }

    /// The cluster was put back, and this history stands. The client begins anew, with what this seed draws: what it waited for
    /// is not waited for any more.
    pub(crate) fn begin_anew(&mut self, seed: u64) {
        self.client = Client::new(self.number, seed, self.members.clone());
        (self.call, self.key) = (None, None);
        self.recent.clear();
    }

    /// The cluster was put back, and this history stands. The client knows nothing of that: it goes on with its session, and with what
    /// it waits for, which it asks in this history from now on, unless it did so before.
    pub(crate) fn go_on(&mut self, now: Instant, history: &mut History) {
        self.recent.clear();
        let Some((call, operation)) = self.call else { return };
        if history.awaited().any(|awaited| awaited == call) {
            return;
        }
        let again = history.invoke(self.number, operation, now);
        if let Some(key) = self.key {
            history.sent(again, key);
        }
        self.call = Some((again, operation));
    }

    /// The call that it waits for.
    pub(crate) fn call(&self) -> Option<CallId> {
        self.call.map(|(call, _)| call)
    }

    /// The request of so many before the last, if it is kept.
    pub(crate) fn old_request(&self, back: u8) -> Option<(RequestId, Request)> {
        let place = self.recent.len().checked_sub(1 + usize::from(back))?;
        self.recent.get(place).copied()
    }
}
