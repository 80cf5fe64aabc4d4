//! What stands on the timeline, and what is said about it.

use cluster::host::MessageSummary;
use raft_core::{Instant, LogIndex, NodeId, Role};

use crate::record::{ClientOperation, Fault, Flight, FlightEnd, Mark, MarkKind, Span};

/// Something on the timeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// A message.
    Flight(Flight),
    /// A point in time.
    Mark(Mark),
    /// A stretch of one role.
    Span(NodeId, Span),
    /// An operation.
    Operation(ClientOperation),
    /// A fault.
    Fault(Fault),
    /// A broken promise.
    Violation(Instant, String),
    /// An entry of the log, on every node.
    Entry(LogIndex, Instant),
}

impl Subject {
    /// The instant it stands for.
    pub fn at(&self) -> Instant {
        match self {
            Subject::Flight(flight) => flight.sent,
            Subject::Mark(mark) => mark.at,
            Subject::Span(_, span) => span.from,
            Subject::Operation(operation) => operation.invoked,
            Subject::Fault(fault) => fault.from,
            Subject::Violation(at, _) | Subject::Entry(_, at) => *at,
        }
    }

    /// What it is, in a line.
    pub fn title(&self) -> String {
        match self {
            Subject::Flight(flight) => format!("{} → {}: {}", flight.id.from, flight.to, flight.summary),
            Subject::Mark(mark) => format!("{} {}", mark.node, happened(mark.kind)),
            Subject::Span(node, span) => format!("{node}, {} in {}", span.role, span.term),
            Subject::Operation(operation) => operation.text(),
            Subject::Fault(fault) => fault.text.clone(),
            Subject::Violation(_, text) => text.clone(),
            Subject::Entry(index, _) => format!("Entry {index} on every node"),
        }
    }

    /// When, in a line.
    pub fn when(&self) -> String {
        match self {
            Subject::Flight(flight) => {
                let took = flight.ends.since(flight.sent);
                let sent = seconds(flight.sent);
                let again = flight.again.map_or(String::new(), |again| {
                    format!(", and again after {}", again.since(flight.sent))
                });
                match flight.end {
                    FlightEnd::Arrives => format!("sent {sent}, arrives after {took}{again}"),
                    FlightEnd::Lost => format!("sent {sent}, lost on the way"),
                    FlightEnd::Cut => format!("sent {sent}, the link was cut"),
                    FlightEnd::Down => format!("sent {sent}, its receiver was down"),
                    FlightEnd::Held => format!("sent {sent}, somebody holds it"),
                }
            }
            Subject::Mark(_) | Subject::Violation(..) | Subject::Entry(..) => format!("at {}", seconds(self.at())),
            Subject::Span(_, span) => stretch(span.from, span.until),
            Subject::Fault(fault) => stretch(fault.from, fault.until),
            Subject::Operation(operation) => stretch(operation.invoked, operation.returned),
        }
    }

    /// What it means, with its place in the paper. Reasons and consequences, whoever has the nodes' own words adds.
    pub fn meaning(&self) -> Option<String> {
        Some(match self {
            Subject::Flight(flight) => format!("{} (Raft {})", meaning(&flight.summary), paper(&flight.summary)),
            Subject::Mark(mark) => explained(mark.kind).to_owned(),
            Subject::Span(_, span) => role_meaning(span.role).to_owned(),
            Subject::Operation(operation) if !operation.is_well() => "It was not answered as asked.".to_owned(),
            Subject::Operation(_) => "From the invocation to the return; the tick is the commit (Raft §8)".to_owned(),
            Subject::Fault(_) => return None,
            Subject::Violation(..) => "What nodes showed, wrote or answered contradicts what Raft promises.".to_owned(),
            Subject::Entry(..) => {
                "Where it was put into a log, made durable, committed, and learned to be (Raft §5.3)".to_owned()
            }
        })
    }

    /// The node at which its consequences show, and when they do.
    pub fn place(&self) -> Option<(NodeId, Instant)> {
        match self {
            Subject::Flight(flight) if flight.end == FlightEnd::Arrives => Some((flight.to, flight.ends)),
            Subject::Mark(mark) => Some((mark.node, mark.at)),
            _ => None,
        }
    }
}

/// An instant as people read it on the axis.
pub fn seconds(at: Instant) -> String {
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
        MarkKind::Lost => "is lost, or had its disk wiped".to_owned(),
        MarkKind::Candidate { term } => format!("stands for election in {term}"),
        MarkKind::Elected { term, votes } => format!("leads {term} by {votes} votes"),
        MarkKind::Deposed { term } => format!("leads no more: {term} has begun"),
        MarkKind::Committed { to } => format!("committed up to entry {to}"),
        MarkKind::Learned { to } => format!("learned that entries up to {to} are committed"),
        MarkKind::Appended { first, last } if first == last => format!("appended entry {first}"),
        MarkKind::Appended { first, last } => format!("appended entries {first} to {last}"),
        MarkKind::Synced { bytes } => format!("made {bytes} bytes durable"),
        MarkKind::Truncated { from } => format!("dropped entries from {from} on"),
    }
}

fn explained(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Booted { .. } => {
            "It read its term, vote and log from its disk; everything else starts anew (Raft figure 2)"
        }
        MarkKind::Crashed => "It lost everything but its term, its vote and its log (Raft figure 2)",
        MarkKind::Lost => {
            "Raft rests on stable storage: a node that forgets its vote or its log breaks what it promised (Raft §5.2)"
        }
        MarkKind::Candidate { .. } => "It heard of no leader in time, and asks for votes in a new term (Raft §5.2)",
        MarkKind::Elected { .. } => "A majority gave it its vote; no other can win this term (Raft §5.2)",
        MarkKind::Deposed { .. } => "A greater term is newer: it follows (Raft §5.1)",
        MarkKind::Committed { .. } => {
            "A majority has it on disk, and it is of the leader's own term (Raft §5.3, §5.4.2)"
        }
        MarkKind::Learned { .. } => "The leader says how far the log is committed (Raft §5.3)",
        MarkKind::Appended { .. } => "Put into the log in memory; it counts once it is durable (Raft §5.3)",
        MarkKind::Synced { .. } => "Only now may the node say what rests on these bytes (Raft figure 2)",
        MarkKind::Truncated { .. } => {
            "The leader's log wins where they differ; none of these was committed (Raft §5.3)"
        }
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
