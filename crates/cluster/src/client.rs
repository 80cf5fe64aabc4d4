//! A client: carries one operation at a time through crashes and changes of leader until it is answered, once.
//!
//! A write is numbered within a session that the cluster keeps, so it may be sent as often as need be and is applied once.
//! A read has no number, for asking twice does no harm. Like everything here, the client has no clock and no network: its
//! owner tells it what has arrived and what time it is, sends what [`Client::take_requests`] gives, and calls
//! [`Client::tick`] at [`Client::deadline`].

use std::collections::BTreeSet;
use std::fmt;

use ftqueue::{Answer, Operation, QueueError, Sequence, SessionId};
use raft_core::{Duration, Instant, NodeId, Term};

use crate::host::{Reply, Request, RequestId};

/// How long a client waits for the first request of an operation to be answered. Each time that none comes, it doubles,
/// up to [`ANSWER_TIMEOUT_MAX`], so that a link that is merely slow is given the time it needs.
pub const ANSWER_TIMEOUT_MIN: Duration = Duration::from_millis(400);
/// The longest that a client waits for an answer.
pub const ANSWER_TIMEOUT_MAX: Duration = Duration::from_millis(6_400);
/// How long a client waits when nobody could tell it who leads. Each time that still nobody can, it doubles, up to
/// [`SEARCH_PAUSE_MAX`]; a leader that announces itself ends the wait.
pub const SEARCH_PAUSE_MIN: Duration = Duration::from_millis(30);
/// The longest that a client waits before it asks again who leads.
pub const SEARCH_PAUSE_MAX: Duration = Duration::from_millis(240);
/// How long a client leaves a busy node alone. Each time that it still is, it doubles, up to [`BUSY_PAUSE_MAX`].
pub const BUSY_PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest that a client leaves a busy node alone.
pub const BUSY_PAUSE_MAX: Duration = Duration::from_millis(800);

/// How many requests one client makes before its ids run into another's.
const REQUEST_NUMBER_BITS: u32 = 40;

/// One client of the cluster. It has at most one operation under way.
///
/// - A session's next sequence is used by one operation only, and moves on only when that operation is answered.
/// - At most one request is under way; a reply to any other is ignored.
#[derive(Clone, Debug)]
pub struct Client {
    seed: u64,
    sessions_asked: u64,
    members: Vec<NodeId>,
    down: BTreeSet<NodeId>,
    leader: Option<NodeId>,
    leader_term: Term,
    session: Option<(SessionId, Sequence)>,
    last_asked: Option<NodeId>,
    next_request: RequestId,
    work: Option<Work>,
    requests: Vec<(NodeId, RequestId, Request)>,
    done: Option<Done>,
}

/// A client has an operation under way already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// An operation that has come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The operation.
    pub operation: Operation,
    /// What came of it.
    pub result: Result<Answer, Failure>,
    /// How many requests were sent for it. Opening a session does not count.
    pub tries: u32,
    /// The nodes that were tried, each once, in the order in which they were.
    pub leaders: Vec<NodeId>,
    /// When it was submitted.
    pub invoked: Instant,
    /// When it came to its end.
    pub returned: Instant,
}

/// Why an operation has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The cluster did what it was asked, and this is the outcome. No queue was changed.
    Queue(QueueError),
    /// It was given up, or its session expired, when it had been sent: it may have been applied, or may be yet.
    OutcomeUnknown,
    /// It was given up before it could have any effect.
    Cancelled,
}

/// An operation under way.
#[derive(Clone, Debug)]
struct Work {
    operation: Operation,
    invoked: Instant,
    tries: u32,
    leaders: Vec<NodeId>,
    /// Whether some request for this write may have been applied, or may be yet.
    may_be_applied: bool,
    answer_timeout: Duration,
    search_pause: Duration,
    busy_pause: Duration,
    /// How many hints were followed since the last pause. Two nodes may each take the other for the leader.
    hints_followed: usize,
    phase: Phase,
}

/// What a client that has work does.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// It waits for the reply to a request.
    Asking {
        node: NodeId,
        request: RequestId,
        opens_session: bool,
        until: Instant,
    },
    /// It lets some time pass. With `until` never, it waits for a node to come up.
    Pausing { until: Instant },
}

impl Client {
    /// A client that knows nobody yet. `number` must be its own among all clients whose requests meet: request ids are made
    /// of it. `seed` is to be random: the nonces of its sessions and the number of its first request are drawn from it, so
    /// that a client that begins anew where history was taken back is never taken for the one before it.
    pub fn new(number: u16, seed: u64, members: Vec<NodeId>) -> Client {
        let first = mixed(seed) % (1 << REQUEST_NUMBER_BITS);
        Client {
            seed,
            sessions_asked: 0,
            members,
            down: BTreeSet::new(),
            leader: None,
            leader_term: Term(0),
            session: None,
            last_asked: None,
            next_request: RequestId(u64::from(number) << REQUEST_NUMBER_BITS | first),
            work: None,
            requests: Vec::new(),
            done: None,
        }
    }

    /// Begins an operation.
    ///
    /// # Errors
    /// One is under way, or the end of the last one has not been taken yet.
    pub fn submit(&mut self, now: Instant, operation: Operation) -> Result<(), Busy> {
        if self.is_busy() {
            return Err(Busy);
        }
        self.work = Some(Work {
            operation,
            invoked: now,
            tries: 0,
            leaders: Vec::new(),
            may_be_applied: false,
            answer_timeout: ANSWER_TIMEOUT_MIN,
            search_pause: SEARCH_PAUSE_MIN,
            busy_pause: BUSY_PAUSE_MIN,
            hints_followed: 0,
            phase: Phase::Pausing { until: now },
        });
        self.ask_someone(now);
        Ok(())
    }

    /// Takes a node's reply. One to a request that is no longer waited for is ignored.
    pub fn receive(&mut self, now: Instant, from: NodeId, request: RequestId, reply: Reply) {
        let Some(Phase::Asking {
            node,
            request: asked,
            opens_session,
            ..
        }) = self.phase()
        else {
            return;
        };
        if (node, asked) != (from, request) {
            return;
        }
        match reply {
            Reply::SessionOpened(session) if opens_session => {
                self.session = Some((session, Sequence(1)));
                self.leader = Some(from);
                self.ask(now, from);
            }
            Reply::Answered(result) if !opens_session => {
                self.leader = Some(from);
                self.answered(now, result);
            }
            Reply::SessionExpired | Reply::OutOfSequence { .. } if !opens_session => self.session_gone(now, from),
            Reply::NotLeader { leader } => self.redirected(now, from, leader),
            Reply::Lost { leader } => {
                self.request_may_be_applied();
                self.redirected(now, from, leader);
            }
            Reply::Busy => self.back_off(now),
            // No node answers so. The request times out.
            Reply::SessionOpened(_) | Reply::Answered(_) | Reply::SessionExpired | Reply::OutOfSequence { .. } => {}
        }
    }

    /// A node has crashed. What it was asked is asked of another.
    pub fn node_down(&mut self, now: Instant, node: NodeId) {
        self.down.insert(node);
        self.forget_leader(node);
        if self.asked() == Some(node) {
            self.request_may_be_applied();
            self.ask_someone(now);
        }
    }

    /// A node takes part again.
    pub fn node_up(&mut self, now: Instant, node: NodeId) {
        self.down.remove(&node);
        if let Some(Phase::Pausing { until: Instant::NEVER }) = self.phase() {
            self.ask_someone(now);
        }
    }

    /// A node leads a new term. It is asked at once.
    pub fn leading(&mut self, now: Instant, node: NodeId, term: Term) {
        if term < self.leader_term || !self.members.contains(&node) {
            return;
        }
        self.leader_term = term;
        self.leader = Some(node);
        if self.work.is_some() && self.asked() != Some(node) && !self.down.contains(&node) {
            self.request_may_be_applied();
            self.ask(now, node);
        }
    }

    /// Time has passed. Has an effect only at or after [`Client::deadline`].
    pub fn tick(&mut self, now: Instant) {
        if now < self.deadline() {
            return;
        }
        if let Some(node) = self.asked() {
            self.request_may_be_applied();
            self.forget_leader(node);
            if let Some(work) = &mut self.work {
                work.answer_timeout = doubled(work.answer_timeout, ANSWER_TIMEOUT_MAX);
            }
        }
        self.ask_someone(now);
    }

    /// When to call [`Client::tick`] next.
    pub fn deadline(&self) -> Instant {
        match self.phase() {
            Some(Phase::Asking { until, .. } | Phase::Pausing { until }) => until,
            None => Instant::NEVER,
        }
    }

    /// Gives the operation up. A write that may have been applied leaves its session behind: its sequence may be used or
    /// not, so the next write has a session of its own, and nothing that is still on its way can be taken for it.
    pub fn cancel(&mut self, now: Instant) {
        self.request_may_be_applied();
        let Some(work) = &self.work else { return };
        if work.may_be_applied {
            self.session = None;
            self.finish(now, Err(Failure::OutcomeUnknown));
        } else {
            self.finish(now, Err(Failure::Cancelled));
        }
    }

    /// What is to be sent, and to whom. What is sent to a node that is down is just lost.
    pub fn take_requests(&mut self) -> Vec<(NodeId, RequestId, Request)> {
        std::mem::take(&mut self.requests)
    }

    /// The operation that has come to its end, if one has since the last call.
    pub fn take_done(&mut self) -> Option<Done> {
        self.done.take()
    }

    /// Whether an operation is under way, or its end has not been taken yet.
    pub fn is_busy(&self) -> bool {
        self.work.is_some() || self.done.is_some()
    }

    /// How many requests were sent for the operation under way.
    pub fn tries(&self) -> u32 {
        self.work.as_ref().map_or(0, |work| work.tries)
    }

    /// The node that the client takes for the leader.
    pub fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    fn phase(&self) -> Option<Phase> {
        self.work.as_ref().map(|work| work.phase)
    }

    /// The node whose reply is waited for.
    fn asked(&self) -> Option<NodeId> {
        match self.phase() {
            Some(Phase::Asking { node, .. }) => Some(node),
            _ => None,
        }
    }

    /// The request under way, if it is for a write, may be applied whatever becomes of its reply.
    fn request_may_be_applied(&mut self) {
        if let Some(work) = &mut self.work
            && let Phase::Asking {
                opens_session: false, ..
            } = work.phase
            && let Operation::Write(_) = work.operation
        {
            work.may_be_applied = true;
        }
    }

    fn forget_leader(&mut self, node: NodeId) {
        if self.leader == Some(node) {
            self.leader = None;
        }
    }

    /// Asks the leader if it is known, else the next node in turn; if all are down, waits for one.
    fn ask_someone(&mut self, now: Instant) {
        match self
            .leader
            .filter(|leader| !self.down.contains(leader))
            .or_else(|| self.next_in_turn())
        {
            Some(node) => self.ask(now, node),
            None => self.pause(Instant::NEVER),
        }
    }

    fn next_in_turn(&self) -> Option<NodeId> {
        let after = |node: &&NodeId| self.last_asked.is_none_or(|last| **node > last);
        let up = || self.members.iter().filter(|node| !self.down.contains(node));
        up().find(after).or_else(|| up().next()).copied()
    }

    /// Sends what comes next to a node: for a write without a session, that is to open one.
    fn ask(&mut self, now: Instant, node: NodeId) {
        let nonce = self.next_nonce();
        let Some(work) = &mut self.work else { return };
        let body = match (work.operation, self.session) {
            (Operation::Read(read), _) => Request::Read(read),
            (Operation::Write(write), Some((session, sequence))) => Request::Write {
                session,
                sequence,
                write,
            },
            (Operation::Write(_), None) => Request::OpenSession { nonce },
        };
        let opens_session = matches!(body, Request::OpenSession { .. });
        if opens_session {
            self.sessions_asked += 1;
        } else {
            work.tries = work.tries.saturating_add(1);
            if !work.leaders.contains(&node) {
                work.leaders.push(node);
            }
        }
        let request = self.next_request;
        work.phase = Phase::Asking {
            node,
            request,
            opens_session,
            until: now + work.answer_timeout,
        };
        self.next_request = after(request);
        self.last_asked = Some(node);
        self.requests.push((node, request, body));
    }

    /// What the next session that it asks for is called. Each request for one has a nonce of its own, for each may open one.
    fn next_nonce(&self) -> u64 {
        mixed(mixed(self.seed) ^ (self.sessions_asked + 1))
    }

    fn pause(&mut self, until: Instant) {
        if let Some(work) = &mut self.work {
            work.phase = Phase::Pausing { until };
            work.hints_followed = 0;
        }
    }

    /// A node said that it does not lead, and perhaps who does.
    fn redirected(&mut self, now: Instant, from: NodeId, hint: Option<NodeId>) {
        self.forget_leader(from);
        let Some(work) = &mut self.work else { return };
        let hint = hint.filter(|hint| *hint != from && self.members.contains(hint) && !self.down.contains(hint));
        match hint {
            Some(leader) if work.hints_followed < self.members.len() => {
                work.hints_followed += 1;
                self.leader = Some(leader);
                self.ask(now, leader);
            }
            _ => {
                let pause = work.search_pause;
                work.search_pause = doubled(pause, SEARCH_PAUSE_MAX);
                self.pause(now + pause);
            }
        }
    }

    fn back_off(&mut self, now: Instant) {
        let Some(work) = &mut self.work else { return };
        let pause = work.busy_pause;
        work.busy_pause = doubled(pause, BUSY_PAUSE_MAX);
        self.pause(now + pause);
    }

    /// The cluster does not know the session, or has something else in this write's place. The reply says that this
    /// request was not applied; an earlier one may have been.
    fn session_gone(&mut self, now: Instant, from: NodeId) {
        self.session = None;
        if self.work.as_ref().is_some_and(|work| work.may_be_applied) {
            self.finish(now, Err(Failure::OutcomeUnknown));
        } else {
            self.ask(now, from);
        }
    }

    fn answered(&mut self, now: Instant, result: Result<Answer, QueueError>) {
        if let Some(Operation::Write(_)) = self.work.as_ref().map(|work| work.operation)
            && let Some((_, sequence)) = &mut self.session
        {
            *sequence = Sequence(sequence.0.saturating_add(1));
        }
        self.finish(now, result.map_err(Failure::Queue));
    }

    fn finish(&mut self, now: Instant, result: Result<Answer, Failure>) {
        if let Some(Work {
            operation,
            invoked,
            tries,
            leaders,
            ..
        }) = self.work.take()
        {
            self.done = Some(Done {
                operation,
                result,
                tries,
                leaders,
                invoked,
                returned: now,
            });
        }
    }
}

/// The next request of the same client: its number stays.
fn after(request: RequestId) -> RequestId {
    let numbers = (1 << REQUEST_NUMBER_BITS) - 1;
    RequestId(request.0 & !numbers | request.0.wrapping_add(1) & numbers)
}

/// Each word made into another that looks random (Steele, Lea and Flood's SplitMix): neighbours come out far apart.
fn mixed(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

fn doubled(span: Duration, max: Duration) -> Duration {
    Duration(span.0.saturating_mul(2)).min(max)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Queue(error) => error.fmt(f),
            Failure::OutcomeUnknown => {
                f.write_str("the outcome is unknown: the write was sent, and may have been applied or not; look before you repeat it")
            }
            Failure::Cancelled => f.write_str("given up before it could have any effect"),
        }
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client has an operation under way: wait until it is done")
    }
}

impl std::error::Error for Busy {}

#[cfg(test)]
mod tests;
