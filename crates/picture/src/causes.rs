//! What led to what: the causal past and future of an instant on a node, the copies that made a commit, the life of an entry.

use std::collections::BTreeMap;

use cluster::host::MessageSummary;
use raft_core::{Instant, LogIndex, NodeId};

use crate::record::{Flight, FlightEnd, Mark, MarkKind, Record};

/// How far a cone reaches, either way, in microseconds. Beyond it, everything is related to everything.
const REACH_US: u64 = 2_000_000;
/// How many messages are looked at for one cone, either way.
const LOOKED_AT_MAX: usize = 20_000;

/// The causal past and future of something: on each node, everything up to an instant, and everything from another on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cone {
    past: BTreeMap<NodeId, Instant>,
    future: BTreeMap<NodeId, Instant>,
}

impl Cone {
    /// That of what happens on `node` at `at`. A message has what led to its sending, and what followed from its arrival.
    pub fn of(record: &Record, (node, past): (NodeId, Instant), (to, future): (NodeId, Instant)) -> Cone {
        let mut cone = Cone::default();
        cone.past.insert(node, past);
        cone.future.insert(to, future);
        let lists = [&record.telling, &record.routine];
        // Forth: whoever hears from somebody inside is inside from then on. In the order of sending, one pass is enough.
        let mut after: Vec<Flight> = Vec::new();
        let mut before: Vec<Flight> = Vec::new();
        for list in lists {
            let window = record.window(list, future, Instant(future.0 + REACH_US));
            after.extend(list.range(window).take(LOOKED_AT_MAX));
            let window = record.window(list, Instant(past.0.saturating_sub(REACH_US)), past);
            before.extend(list.range(window).rev().take(LOOKED_AT_MAX));
        }
        let arrives = |flight: &&Flight| flight.end == FlightEnd::Arrives;
        after.sort_by_key(|flight| flight.sent);
        for flight in after.iter().filter(arrives) {
            if cone
                .future
                .get(&flight.id.from)
                .is_some_and(|from| *from <= flight.sent)
            {
                let known = cone.future.entry(flight.to).or_insert(flight.ends);
                *known = (*known).min(flight.ends);
            }
        }
        before.sort_by_key(|flight| std::cmp::Reverse(flight.ends));
        for flight in before.iter().filter(arrives) {
            if cone.past.get(&flight.to).is_some_and(|until| flight.ends <= *until) {
                let known = cone.past.entry(flight.id.from).or_insert(flight.sent);
                *known = (*known).max(flight.sent);
            }
        }
        cone
    }

    /// Whether what happens on a node at an instant led to it, or followed from it.
    pub fn has(&self, node: NodeId, at: Instant) -> bool {
        self.past.get(&node).is_some_and(|until| at <= *until) || self.future.get(&node).is_some_and(|from| at >= *from)
    }

    /// Whether a message did.
    pub fn has_flight(&self, flight: &Flight) -> bool {
        let led = self.past.get(&flight.to).is_some_and(|until| flight.ends <= *until);
        let followed = self
            .future
            .get(&flight.id.from)
            .is_some_and(|from| flight.sent >= *from);
        led || followed
    }

    /// On each node, up to when everything led to it.
    pub fn past(&self, node: NodeId) -> Option<Instant> {
        self.past.get(&node).copied()
    }

    /// On each node, from when on everything follows from it.
    pub fn future(&self, node: NodeId) -> Option<Instant> {
        self.future.get(&node).copied()
    }
}

/// The acknowledgements that made a leader's commit: of each follower the first that covers it, as far as they had arrived.
pub fn quorum(record: &Record, commit: &Mark) -> Vec<Flight> {
    let MarkKind::Committed { to } = commit.kind else {
        return Vec::new();
    };
    let window = record.window(
        &record.telling,
        Instant(commit.at.0.saturating_sub(REACH_US)),
        commit.at,
    );
    let mut first: BTreeMap<NodeId, Flight> = BTreeMap::new();
    for flight in record.telling.range(window) {
        let covers = matches!(flight.summary, MessageSummary::Matched { match_index, .. } if match_index >= to);
        let counted = flight.to == commit.node && flight.end == FlightEnd::Arrives && flight.ends <= commit.at;
        if covers && counted {
            first.entry(flight.id.from).or_insert(flight);
        }
    }
    first.into_values().collect()
}

/// What became of an entry on each node, by time: appended, durable, committed, learned to be committed, dropped.
pub fn life(record: &Record, index: LogIndex) -> Vec<Mark> {
    let mut life = Vec::new();
    for &node in record.members() {
        let mut unsynced = false;
        let mut is_known = false;
        let all = record
            .fine
            .iter()
            .chain(record.commits.iter())
            .chain(record.rare.iter());
        let mut marks: Vec<Mark> = all.filter(|mark| mark.node == node).collect();
        marks.sort_by_key(|mark| mark.at);
        for mark in marks {
            match mark.kind {
                MarkKind::Appended { first, last } if (first..=last).contains(&index) => {
                    (unsynced, is_known) = (true, false);
                    life.push(mark);
                }
                MarkKind::Synced { .. } if unsynced => {
                    unsynced = false;
                    life.push(mark);
                }
                MarkKind::Committed { to } | MarkKind::Learned { to } if to >= index && !is_known => {
                    is_known = true;
                    life.push(mark);
                }
                MarkKind::Truncated { from } if from <= index => {
                    unsynced = false;
                    life.push(mark);
                }
                _ => {}
            }
        }
    }
    life.sort_by_key(|mark| mark.at);
    life
}
