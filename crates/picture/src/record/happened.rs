//! What can have happened: messages, marks, spans of role and term, faults, operations of clients.

use cluster::host::{MessageId, MessageSummary};
use ftqueue::{Answer, Operation, QueueError};
use raft_core::{Event, FollowReason, Instant, LogIndex, NodeId, Role, Term};

/// A message on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flight {
    /// Its name.
    pub id: MessageId,
    /// Whom it is for.
    pub to: NodeId,
    /// When it left.
    pub sent: Instant,
    /// When it arrives; for one that is lost, when it would have.
    pub ends: Instant,
    /// When it arrives once more, if it is duplicated.
    pub again: Option<Instant>,
    /// Whether it arrives.
    pub end: FlightEnd,
    /// What it says.
    pub summary: MessageSummary,
}

/// How a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlightEnd {
    /// It arrives, or has arrived.
    Arrives,
    /// It is lost on the way.
    Lost,
    /// The link is cut.
    Cut,
    /// Its receiver is down.
    Down,
    /// Somebody holds it.
    Held,
}

/// A point in time on one node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// When.
    pub at: Instant,
    /// Where.
    pub node: NodeId,
    /// What.
    pub kind: MarkKind,
}

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// It recovered and takes part.
    Booted {
        /// Where its log ended.
        last_index: LogIndex,
    },
    /// It runs no longer.
    Crashed,
    /// It is gone for good, or its disk was emptied.
    Lost,
    /// It stands for election.
    Candidate {
        /// In which term.
        term: Term,
    },
    /// It won.
    Elected {
        /// The term it leads.
        term: Term,
        /// How many voted for it.
        votes: u8,
    },
    /// It follows a leader of a newer term after it led itself.
    Deposed {
        /// The newer term.
        term: Term,
    },
    /// A leader committed up to here.
    Committed {
        /// The last entry of them.
        to: LogIndex,
    },
    /// A follower learned that so much is committed.
    Learned {
        /// The last entry of them.
        to: LogIndex,
    },
    /// Entries were put into the log.
    Appended {
        /// The first of them.
        first: LogIndex,
        /// The last.
        last: LogIndex,
    },
    /// Bytes were made durable.
    Synced {
        /// How many.
        bytes: u64,
    },
    /// Entries were dropped for a leader's.
    Truncated {
        /// The first entry of them.
        from: LogIndex,
    },
}

/// A stretch of one role and term.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// From when.
    pub from: Instant,
    /// Until when; none while it lasts.
    pub until: Option<Instant>,
    /// The role.
    pub role: Role,
    /// The term.
    pub term: Term,
}

/// Something that was done to the cluster, for as long as it lasted.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Tells it from others.
    pub number: usize,
    /// From when.
    pub from: Instant,
    /// Until when; none while it lasts.
    pub until: Option<Instant>,
    /// In words.
    pub text: String,
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has no answer yet.
    Waits,
    /// It was answered, as asked or not.
    Answered(Result<Answer, QueueError>),
    /// Its client waits no more.
    GivenUp,
    /// Its answer is not of this future.
    Unknown,
}

/// A client's operation from invocation to return.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClientOperation {
    /// Which client.
    pub client: u16,
    /// When it was invoked.
    pub invoked: Instant,
    /// When it returned; none, if it has not.
    pub returned: Option<Instant>,
    /// What was asked.
    pub operation: Operation,
    /// What became of it.
    pub outcome: Outcome,
}

impl ClientOperation {
    /// The operation and its answer.
    pub fn text(&self) -> String {
        let operation = self.operation;
        match self.outcome {
            Outcome::Waits => format!("{operation} → no answer yet"),
            Outcome::Answered(Ok(answer)) => format!("{operation} → {answer}"),
            Outcome::Answered(Err(error)) => format!("{operation} → {error}"),
            Outcome::GivenUp => format!("{operation} → given up"),
            Outcome::Unknown => format!("{operation} → no answer"),
        }
    }

    /// Whether nothing else is known than that it was answered as asked, or may yet be.
    pub fn is_well(&self) -> bool {
        !matches!(self.outcome, Outcome::Answered(Err(_)) | Outcome::GivenUp)
    }

    /// When it returned, or the latest instant there is.
    pub fn end(&self, now: Instant) -> Instant {
        self.returned.unwrap_or(now)
    }
}

/// The mark that an event of a node leaves, if any; it depends on whether the node led.
pub(super) fn mark_of(event: &Event, led: bool) -> Option<MarkKind> {
    Some(match event {
        Event::BecameCandidate { term } => MarkKind::Candidate { term: *term },
        Event::BecameLeader { term, votes } => MarkKind::Elected {
            term: *term,
            votes: votes.len() as u8,
        },
        Event::BecameFollower {
            term,
            reason: FollowReason::NewerTerm { .. },
            ..
        } if led => MarkKind::Deposed { term: *term },
        Event::CommitAdvanced { to, copies, .. } if !copies.is_empty() => MarkKind::Committed { to: *to },
        Event::CommitAdvanced { to, .. } => MarkKind::Learned { to: *to },
        Event::Appended { first, last, .. } => MarkKind::Appended {
            first: *first,
            last: *last,
        },
        Event::Truncated { from, .. } => MarkKind::Truncated { from: *from },
        _ => return None,
    })
}

/// The role and term that an event shows.
pub(super) fn role_of(event: &Event) -> Option<(Role, Term)> {
    match event {
        Event::BecameFollower { term, .. } => Some((Role::Follower, *term)),
        Event::BecameCandidate { term } => Some((Role::Candidate, *term)),
        Event::BecameLeader { term, .. } => Some((Role::Leader, *term)),
        _ => None,
    }
}
