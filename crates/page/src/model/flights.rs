//! Messages on their way, as nodes tell of them: what the ring draws. What happened is kept by the lockstep host.

use std::collections::VecDeque;

use cluster::host::{DropReason, Fact, MessageId, MessageSummary};
use netem::Fate;
use raft_core::{Duration, Instant, NodeId, Term};

/// How many messages are kept.
pub const MESSAGES_MAX: usize = 4_096;
/// How long a lost message seems to fly when none has arrived yet to compare it with.
const FLIGHT_DEFAULT: Duration = Duration::from_millis(10);

/// Messages by the time they were sent.
#[derive(Debug, Default)]
pub struct Flights {
    messages: VecDeque<Flight>,
    /// How long the longest flight took, so that a search by the time of sending misses none.
    longest: Duration,
}

/// A message on its way.
#[derive(Clone, Copy, Debug)]
pub struct Flight {
    /// Its name.
    pub id: MessageId,
    /// Whom it is for.
    pub to: NodeId,
    /// When it left.
    pub sent: Instant,
    /// When it arrives; for one that is lost, when it would have.
    pub ends: Instant,
    /// Whether it arrives.
    pub arrives: bool,
    /// What it says.
    pub summary: MessageSummary,
}

impl Flight {
    /// Whether it is a heartbeat: small, for there are many.
    pub fn is_heartbeat(&self) -> bool {
        matches!(self.summary, MessageSummary::Heartbeat { .. })
    }

    /// Whether it answers another message.
    pub fn is_reply(&self) -> bool {
        !matches!(
            self.summary,
            MessageSummary::RequestVote { .. }
                | MessageSummary::Heartbeat { .. }
                | MessageSummary::Append { .. }
                | MessageSummary::Snapshot { .. }
        )
    }

    /// Its sender's term.
    pub fn term(&self) -> Term {
        self.summary.term()
    }

    /// A word or two for the picture.
    pub fn label(&self) -> String {
        self.summary.label()
    }
}

impl Flights {
    /// Files what a node told, if it tells of a message.
    pub fn record(&mut self, at: Instant, fact: &Fact, is_up: impl Fn(NodeId) -> bool) {
        match fact {
            Fact::Sent {
                message,
                to,
                summary,
                fate,
            } => {
                let usual = self
                    .messages
                    .back()
                    .map_or(FLIGHT_DEFAULT, |last| last.ends.since(last.sent));
                let (ends, arrives) = match fate {
                    Fate::Arrives { at_us, .. } => (Instant(*at_us), is_up(*to)),
                    Fate::Lost | Fate::Cut => (at + usual, false),
                };
                self.insert(Flight {
                    id: *message,
                    to: *to,
                    sent: at,
                    ends,
                    arrives,
                    summary: *summary,
                });
            }
            Fact::Dropped {
                message: Some(message),
                why: DropReason::Cut | DropReason::ByHand,
                ..
            } => {
                if let Some(flight) = self.messages.iter_mut().rev().find(|flight| flight.id == *message) {
                    (flight.ends, flight.arrives) = (at, false);
                }
            }
            _ => {}
        }
    }

    /// A message that somebody knows to be on its way.
    pub fn insert(&mut self, flight: Flight) {
        self.longest = self.longest.max(flight.ends.since(flight.sent));
        // Reports of different nodes interleave, each only slightly late, so that the place is near the end.
        let earlier = self.messages.iter().rposition(|known| known.sent <= flight.sent);
        self.messages.insert(earlier.map_or(0, |place| place + 1), flight);
        if self.messages.len() > MESSAGES_MAX {
            self.messages.pop_front();
        }
    }

    /// A node runs no longer: it takes nothing that is on its way.
    pub fn stopped(&mut self, node: NodeId, at: Instant) {
        for flight in self
            .messages
            .iter_mut()
            .filter(|flight| flight.to == node && flight.ends > at)
        {
            flight.arrives = false;
        }
    }

    /// The messages that were on their way at some time between `from` and `until`, oldest first.
    pub fn between(&self, from: Instant, until: Instant) -> impl Iterator<Item = &Flight> {
        let earliest = from.0.saturating_sub(self.longest.0);
        let first = self.messages.partition_point(|flight| flight.sent.0 < earliest);
        let begun = self
            .messages
            .range(first..)
            .take_while(move |flight| flight.sent <= until);
        begun.filter(move |flight| flight.ends >= from)
    }
}
