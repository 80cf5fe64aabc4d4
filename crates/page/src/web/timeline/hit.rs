//! What is drawn where, so that a pointer can ask, and what is said about it.

use cluster::host::MessageSummary;
use raft_core::{Instant, NodeId, Role};

use crate::model::{ClientOperation, Fault, Flight, FlightEnd, Mark, MarkKind, Model, Span};

/// How far from a thin thing the pointer may be, in pixels.
const REACH_PX: f64 = 6.0;

/// Everything that was drawn last and has something to say; what lies on top comes last.
#[derive(Default)]
pub(super) struct Shapes(Vec<(Outline, Subject)>);

#[derive(Clone, Copy)]
pub(super) enum Outline {
    Line { from: (f64, f64), to: (f64, f64) },
    Box { x: f64, y: f64, width: f64, height: f64 },
}

/// What something on the timeline is.
#[derive(Clone)]
pub(super) enum Subject {
    Flight(Flight),
    Mark(Mark),
    Span(NodeId, Span),
    Operation(ClientOperation),
    Fault(Fault),
}

impl Shapes {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), subject: Subject) {
        self.0.push((Outline::Line { from, to }, subject));
    }

    pub(super) fn area(&mut self, x: f64, y: f64, width: f64, height: f64, subject: Subject) {
        self.0.push((Outline::Box { x, y, width, height }, subject));
    }

    /// What is at this place: the nearest, and of those as near the one on top.
    pub(super) fn at(&self, x: f64, y: f64) -> Option<&Subject> {
        let near = self
            .0
            .iter()
            .map(|(outline, subject)| (outline.distance(x, y), subject));
        near.filter(|(distance, _)| *distance <= REACH_PX)
            .fold(None, |best: Option<(f64, &Subject)>, found| match best {
                Some(best) if best.0 < found.0 => Some(best),
                _ => Some(found),
            })
            .map(|(_, subject)| subject)
    }
}

impl Outline {
    fn distance(&self, x: f64, y: f64) -> f64 {
        match *self {
            Outline::Line { from, to } => {
                let (dx, dy) = (to.0 - from.0, to.1 - from.1);
                let length = (dx * dx + dy * dy).max(1e-9);
                let part = (((x - from.0) * dx + (y - from.1) * dy) / length).clamp(0.0, 1.0);
                length_of(x - from.0 - part * dx, y - from.1 - part * dy)
            }
            Outline::Box {
                x: left,
                y: top,
                width,
                height,
            } => {
                let across = (left - x).max(x - left - width).max(0.0);
                let down = (top - y).max(y - top - height).max(0.0);
                // A bar behind a line gives way to it.
                length_of(across, down) + 2.0
            }
        }
    }
}

fn length_of(dx: f64, dy: f64) -> f64 {
    (dx * dx + dy * dy).sqrt()
}

impl Subject {
    /// The instant it stands for.
    pub(super) fn at(&self) -> Instant {
        match self {
            Subject::Flight(flight) => flight.sent,
            Subject::Mark(mark) => mark.at,
            Subject::Span(_, span) => span.from,
            Subject::Operation(operation) => operation.invoked,
            Subject::Fault(fault) => fault.from,
        }
    }

    /// What it is, in a line.
    pub(super) fn title(&self) -> String {
        match self {
            Subject::Flight(flight) => format!("{} → {}: {}", flight.id.from, flight.to, flight.summary),
            Subject::Mark(mark) => format!("{} {}", mark.node, happened(mark.kind)),
            Subject::Span(node, span) => format!("{node}, {} in {}", span.role, span.term),
            Subject::Operation(operation) => operation.text.clone(),
            Subject::Fault(fault) => fault.text.clone(),
        }
    }

    /// When, in a line.
    pub(super) fn when(&self) -> String {
        match self {
            Subject::Flight(flight) => {
                let took = flight.ends.since(flight.sent);
                let sent = seconds(flight.sent);
                match flight.end {
                    FlightEnd::Arrives => format!("sent {sent}, arrives after {took}"),
                    FlightEnd::Lost => format!("sent {sent}, lost on the way"),
                    FlightEnd::Cut => format!("sent {sent}, the link was cut"),
                    FlightEnd::Down => format!("sent {sent}, its receiver was down"),
                }
            }
            Subject::Mark(mark) => format!("at {}", seconds(mark.at)),
            Subject::Span(_, span) => stretch(span.from, span.until),
            Subject::Fault(fault) => stretch(fault.from, fault.until),
            Subject::Operation(operation) => {
                let tries = match operation.tries {
                    0 | 1 => String::new(),
                    tries => format!(", {tries} tries"),
                };
                format!("{}{tries}", stretch(operation.invoked, Some(operation.returned)))
            }
        }
    }

    /// All that is known about it: reasons and consequences as the nodes told them, with their places in the paper.
    pub(super) fn lines(&self, model: &Model) -> Vec<String> {
        let mut lines = vec![self.when()];
        match self {
            Subject::Flight(flight) => {
                lines.push(format!(
                    "{} (Raft {})",
                    meaning(&flight.summary),
                    paper(&flight.summary)
                ));
                for event in model.history.consequences(flight.id, flight.to) {
                    lines.push(format!("{}: {event} (Raft {})", flight.to, event.paper()));
                }
            }
            Subject::Mark(mark) => match model.history.event_of(mark) {
                Some(event) => lines.push(format!("{event} (Raft {})", event.paper())),
                None => lines.extend(explained(mark.kind).map(str::to_owned)),
            },
            Subject::Span(_, span) => lines.push(role_meaning(span.role).to_owned()),
            Subject::Operation(operation) if !operation.ok => lines.push("It was not answered as asked.".to_owned()),
            Subject::Operation(_) | Subject::Fault(_) => {}
        }
        lines
    }
}

/// An instant as people read it on the axis.
pub(super) fn seconds(at: Instant) -> String {
    format!("{:.3} s", at.0 as f64 / 1e6)
}

fn stretch(from: Instant, until: Option<Instant>) -> String {
    match until {
        Some(until) => format!("{} – {}, {}", seconds(from), seconds(until), until.since(from)),
        None => format!("since {}", seconds(from)),
    }
}

fn happened(kind: MarkKind) -> String {
    match kind {
        MarkKind::Booted { last_index } => format!("booted with a log up to {} on its disk", last_index.0),
        MarkKind::Crashed => "crashed".to_owned(),
        MarkKind::Wiped => "had its disk wiped".to_owned(),
        MarkKind::Candidate { term } => format!("stands for election in {term}"),
        MarkKind::Elected { term, votes } => format!("leads {term} by {votes} votes"),
        MarkKind::Deposed { term } => format!("leads no more: {term} has begun"),
        MarkKind::Committed { to } => format!("committed up to entry {to}"),
        MarkKind::Truncated { from } => format!("dropped entries from {from} on"),
    }
}

fn explained(kind: MarkKind) -> Option<&'static str> {
    match kind {
        MarkKind::Booted { .. } => {
            Some("It read its term, vote and log from its disk; everything else starts anew (Raft figure 2)")
        }
        MarkKind::Crashed => Some("It lost everything but its term, its vote and its log (Raft figure 2)"),
        MarkKind::Wiped => Some(
            "Raft rests on stable storage: a node that forgets its vote or its log breaks what it promised (Raft §5.2)",
        ),
        _ => None,
    }
}

fn role_meaning(role: Role) -> &'static str {
    match role {
        Role::Follower => {
            "It answers leaders and candidates, and stands for election when it hears from none (Raft §5.1)"
        }
        Role::Candidate => "It asks the others for their votes; a majority makes it the leader (Raft §5.2)",
        Role::Leader => "It takes the clients' commands into its log and replicates them (Raft §5.3)",
    }
}

fn meaning(summary: &MessageSummary) -> &'static str {
    match summary {
        MessageSummary::RequestVote { .. } => "A candidate asks for a vote",
        MessageSummary::Vote { granted: true, .. } => "A vote given; it was durable before it left",
        MessageSummary::Vote { granted: false, .. } => "A vote refused",
        MessageSummary::Heartbeat { .. } => "An append without entries: the leader shows that it is alive",
        MessageSummary::Append { .. } => "The leader replicates entries of its log",
        MessageSummary::Matched { .. } => "The follower has the log up to there, durably",
        MessageSummary::Refused { .. } => "The follower's log differs there; the leader goes back",
        MessageSummary::StaleTerm { .. } => "The sender of that append leads no more",
        MessageSummary::Snapshot { .. } => {
            "The follower lacks entries that the leader has dropped: it gets the state instead"
        }
        MessageSummary::SnapshotReceived { .. } => "The follower has so much of the leader's snapshot",
    }
}

fn paper(summary: &MessageSummary) -> &'static str {
    match summary {
        MessageSummary::RequestVote { .. } | MessageSummary::Vote { .. } => "§5.2, §5.4.1",
        MessageSummary::Heartbeat { .. } => "§5.2",
        MessageSummary::Append { .. } | MessageSummary::Matched { .. } | MessageSummary::Refused { .. } => "§5.3",
        MessageSummary::StaleTerm { .. } => "§5.1",
        MessageSummary::Snapshot { .. } | MessageSummary::SnapshotReceived { .. } => "§7, figure 13",
    }
}
