//! When members' disks and timers, and clients' timers, come next. To ask each of them at every event would be most of the world's own work, so
//! what they said last is kept, and only those are asked again that something has happened to.

use raft_core::Instant;

use super::{Event, Next, World, place};

/// What they said last.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// Of each member: its next flush, and its timer.
    seats: Vec<(Instant, Instant)>,
    callers: Vec<Instant>,
    /// Whether all are to be asked again.
    pub(super) is_old: bool,
}

/// Whom an event happens to, if only one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Met {
    Seat(usize),
    Caller(usize),
    Many,
}

impl Due {
    /// Nobody was asked yet.
    pub(super) fn not_asked() -> Due {
        Due {
            is_old: true,
            ..Due::default()
        }
    }
}

impl World<'_> {
    /// Whom the event happens to.
    pub(super) fn meets(&self, event: &Event) -> Met {
        match event {
            Event::Frame { to, .. } | Event::Request { to, .. } => Met::Seat(place(*to)),
            Event::Reply { request, .. } => Met::Caller(self.caller_of(*request)),
            Event::Leading { .. } | Event::Boot { .. } | Event::FaultEnds { .. } | Event::Flap { .. } => Met::Many,
        }
    }

    /// Something happened to these: they are asked again.
    pub(super) fn has_met(&mut self, met: Met) {
        match met {
            _ if self.due.is_old => {}
            Met::Seat(place) => self.due.seats[place] = self.seat_is_due(place),
            Met::Caller(place) => self.due.callers[place] = self.callers[place].client.deadline(),
            Met::Many => self.due.is_old = true,
        }
    }

    /// What happens next of all that is not told by others, and when.
    pub(super) fn next_due(&mut self) -> (Instant, Option<Next>) {
        if std::mem::take(&mut self.due.is_old) {
            self.due.seats = (0..self.seats.len()).map(|place| self.seat_is_due(place)).collect();
            self.due.callers = self.callers.iter().map(|caller| caller.client.deadline()).collect();
        }
        // Now and then, for to ask all is what this is to save.
        const EVENTS_BETWEEN_CHECKS: u64 = 61;
        debug_assert!(
            !self.events.is_multiple_of(EVENTS_BETWEEN_CHECKS)
                || (0..self.seats.len()).all(|place| self.due.seats[place] == self.seat_is_due(place))
                    && (self.callers.iter().zip(&self.due.callers))
                        .all(|(caller, due)| caller.client.deadline() == *due),
            "what changed has been asked again"
        );
        let mut first = (Instant::NEVER, None);
        let mut offer = |at: Instant, next: Next| {
            if at < first.0 {
                first = (at, Some(next));
            }
        };
        for (place, (flushed, timer)) in self.due.seats.iter().enumerate() {
            offer(*flushed, Next::Flushed(place));
            offer(*timer, Next::Timer(place));
        }
        for (place, at) in self.due.callers.iter().enumerate() {
            offer(*at, Next::Client(place));
        }
        first
    }

    fn seat_is_due(&self, place: usize) -> (Instant, Instant) {
        let seat = &self.seats[place];
        match &seat.node {
            Some(node) => (seat.disk.next_done(), node.deadline()),
            None => (Instant::NEVER, Instant::NEVER),
        }
    }
}
