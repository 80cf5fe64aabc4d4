//! The clients on the page: they carry operations to the cluster, through crashes and new leaders.

use std::collections::VecDeque;

use cluster::client::{Client, Done, Failure};
use cluster::host::{Reply, Request, RequestId};
use ftqueue::Operation;
use raft_core::{Instant, NodeId, Term};
use trace::Asked;

use super::wall;

/// How many operations are under way at once; more wait in line.
pub(super) const CLIENTS_MAX: u16 = 64;
/// How many operations wait in line. A load generator faster than the cluster stops there.
pub(super) const WAITING_MAX: usize = 10_000;

/// Says what came of an operation.
pub(super) type Answer = Box<dyn FnOnce(Returned)>;

/// The clients, and what they have still to do.
pub(super) struct Clients {
    members: Vec<NodeId>,
    down: Vec<NodeId>,
    leader: Option<(NodeId, Term)>,
    desks: Vec<Desk>,
    waiting: VecDeque<Job>,
    /// When an operation came to its end last, or the page went on after it had stood still, in wall milliseconds.
    returned_wall_ms: f64,
    /// What clients did, for who records it.
    asked: Vec<(Instant, u16, Asked)>,
}

struct Desk {
    client: Client,
    job: Option<Job>,
}

struct Job {
    operation: Operation,
    submitted_wall_ms: f64,
    answer: Answer,
}

impl Job {
    /// It comes to its end before it was given to a client.
    fn cancelled(self, now: Instant) -> (Answer, Returned) {
        let done = Done {
            operation: self.operation,
            result: Err(Failure::Cancelled),
            tries: 0,
            leaders: Vec::new(),
            invoked: now,
            returned: now,
        };
        let returned = Returned {
            done,
            wall_ms: wall::wall_ms() - self.submitted_wall_ms,
            went_back: None,
            overloaded: None,
        };
        (self.answer, returned)
    }
}

/// An operation that has come to its end.
pub(super) struct Returned {
    /// What became of it.
    pub(super) done: Done,
    /// How long it took, in wall milliseconds, with the time in line.
    pub(super) wall_ms: f64,
    /// The instant that the cluster went back to, if that is why it came to its end.
    pub(super) went_back: Option<Instant>,
    /// How many operations waited in line already, if that is why it was not taken.
    pub(super) overloaded: Option<usize>,
}

/// What is to be done after a change: requests to send, answers to give.
#[derive(Default)]
pub(super) struct Work {
    /// Requests to post to nodes.
    pub(super) requests: Vec<(NodeId, RequestId, Request)>,
    /// Answers to give; each may submit more.
    pub(super) answers: Vec<(Answer, Returned)>,
    /// What clients did.
    pub(super) asked: Vec<(Instant, u16, Asked)>,
}

impl Clients {
    /// No clients yet; none of the members is up.
    pub(super) fn new(members: Vec<NodeId>) -> Clients {
        Clients {
            down: members.clone(),
            members,
            leader: None,
            desks: Vec::new(),
            waiting: VecDeque::new(),
            returned_wall_ms: 0.0,
            asked: Vec::new(),
        }
    }

    /// How many operations were submitted before then and have not come to their end.
    pub(super) fn waiting_since(&self, wall_ms: f64) -> usize {
        let jobs = self
            .waiting
            .iter()
            .chain(self.desks.iter().filter_map(|desk| desk.job.as_ref()));
        jobs.filter(|job| job.submitted_wall_ms < wall_ms).count()
    }

    /// Whether nobody waits for anything.
    pub(super) fn are_idle(&self) -> bool {
        self.waiting.is_empty() && self.desks.iter().all(|desk| desk.job.is_none())
    }

    /// Takes an operation, to be done as soon as a client is free. If there is no room in line, gives the answer to be given at once.
    pub(super) fn submit(&mut self, now: Instant, operation: Operation, answer: Answer) -> Option<(Answer, Returned)> {
        let job = Job {
            operation,
            submitted_wall_ms: wall::wall_ms(),
            answer,
        };
        let in_line = self.waiting.len();
        if in_line < WAITING_MAX {
            self.waiting.push_back(job);
            return None;
        }
        let (answer, mut returned) = job.cancelled(now);
        returned.overloaded = Some(in_line);
        Some((answer, returned))
    }

    /// How long no operation has come to its end, at most since then, in wall milliseconds.
    pub(super) fn quiet_ms(&self, since_wall_ms: f64) -> f64 {
        wall::wall_ms() - since_wall_ms.max(self.returned_wall_ms)
    }

    /// The page has stood still until now: whoever waits has waited for nothing.
    pub(super) fn stood_still(&mut self) {
        self.returned_wall_ms = wall::wall_ms();
    }

    /// A node has answered.
    pub(super) fn receive(&mut self, now: Instant, from: NodeId, request: RequestId, reply: Reply) {
        if let Some(desk) = self.desks.get_mut((request.0 >> 40) as usize) {
            desk.client.receive(now, from, request, reply);
        }
    }

    /// A node can be asked.
    pub(super) fn node_up(&mut self, now: Instant, node: NodeId) {
        self.down.retain(|&down| down != node);
        self.desks.iter_mut().for_each(|desk| desk.client.node_up(now, node));
    }

    /// A node cannot be asked any more.
    pub(super) fn node_down(&mut self, now: Instant, node: NodeId) {
        if !self.down.contains(&node) {
            self.down.push(node);
        }
        self.leader = self.leader.filter(|&(leader, _)| leader != node);
        self.desks.iter_mut().for_each(|desk| desk.client.node_down(now, node));
    }

    /// A node has announced that it leads.
    pub(super) fn leading(&mut self, now: Instant, node: NodeId, term: Term) {
        if self.leader.is_none_or(|(_, known)| known <= term) {
            self.leader = Some((node, term));
        }
        self.desks
            .iter_mut()
            .for_each(|desk| desk.client.leading(now, node, term));
    }

    /// Does what is due.
    pub(super) fn work(&mut self, now: Instant) -> Work {
        let mut work = Work::default();
        for (number, desk) in self.desks.iter_mut().enumerate() {
            desk.client.tick(now);
            if let Some(done) = desk.client.take_done()
                && let Some(job) = desk.job.take()
            {
                let wall_ms = wall::wall_ms() - job.submitted_wall_ms;
                let asked = match done.result {
                    Ok(answer) => Asked::Returned(Ok(answer)),
                    Err(Failure::Queue(error)) => Asked::Returned(Err(error)),
                    Err(Failure::Cancelled) => Asked::Cancelled,
                    Err(Failure::OutcomeUnknown) => Asked::GaveUp,
                };
                self.asked.push((now, number as u16, asked));
                self.returned_wall_ms = wall::wall_ms();
                work.answers.push((
                    job.answer,
                    Returned {
                        done,
                        wall_ms,
                        went_back: None,
                        overloaded: None,
                    },
                ));
            }
        }
        while !self.waiting.is_empty() && self.take_job(now) {}
        for (desk, number) in self.desks.iter_mut().zip(0..) {
            for (node, request, body) in desk.client.take_requests() {
                if let Request::Write { session, sequence, .. } = body {
                    self.asked.push((now, number, Asked::Sent(session, sequence)));
                }
                work.requests.push((node, request, body));
            }
        }
        work.asked = self.take_asked();
        work
    }

    /// What clients did since the last time.
    pub(super) fn take_asked(&mut self) -> Vec<(Instant, u16, Asked)> {
        std::mem::take(&mut self.asked)
    }

    /// When to do so next.
    pub(super) fn deadline(&self) -> Instant {
        self.desks
            .iter()
            .map(|desk| desk.client.deadline())
            .min()
            .unwrap_or(Instant::NEVER)
    }

    /// Gives up everything in line and under way. What is under way may still be applied, and its answer says so; that
    /// comes with the next [`Clients::work`]. What was in line is answered right here.
    pub(super) fn cancel(&mut self, now: Instant) -> Vec<(Answer, Returned)> {
        self.desks.iter_mut().for_each(|desk| desk.client.cancel(now));
        self.waiting.drain(..).map(|job| job.cancelled(now)).collect()
    }

    /// The cluster goes back in time, to `to`: these clients are done with, and what they had to do comes to its end. Those who
    /// come after them know nothing of their sessions.
    pub(super) fn renew(&mut self, now: Instant, to: Instant) -> Work {
        let in_line = self.cancel(now);
        let mut work = self.work(now);
        work.answers.extend(in_line);
        for (_, returned) in &mut work.answers {
            // An answer that was there already stays one.
            if returned.done.result.is_err() {
                returned.went_back = Some(to);
            }
        }
        work.requests.clear();
        *self = Clients::new(std::mem::take(&mut self.members));
        work
    }

    fn take_job(&mut self, now: Instant) -> bool {
        let free = self.desks.iter().position(|desk| desk.job.is_none());
        let place = match free {
            Some(place) => place,
            None if self.desks.len() < usize::from(CLIENTS_MAX) => self.hire(now),
            None => return false,
        };
        let Some(job) = self.waiting.pop_front() else {
            return false;
        };
        let desk = &mut self.desks[place];
        let taken = desk.client.submit(now, job.operation).is_ok();
        if taken {
            self.asked.push((now, place as u16, Asked::Invoked(job.operation)));
            desk.job = Some(job);
        } else {
            self.waiting.push_front(job);
        }
        taken
    }

    fn hire(&mut self, now: Instant) -> usize {
        let number = self.desks.len();
        let mut client = Client::new(number as u16, wall::seed(), self.members.clone());
        for &node in &self.down {
            client.node_down(now, node);
        }
        if let Some((leader, term)) = self.leader {
            client.leading(now, leader, term);
        }
        self.desks.push(Desk { client, job: None });
        number
    }
}
