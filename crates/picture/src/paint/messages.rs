//! Messages: arrows, and strips of heartbeats.

use raft_core::{Instant, Term};

use super::shapes::{barrier, cross, densities, direction, head};
use super::{BIN_PX, Painter};
use crate::layout::{LEFT, RIGHT};
use crate::record::{Filed, Flight, FlightEnd};
use crate::scene::Outline;
use crate::subject::Subject;
use crate::surface::{Line, Pen, Surface};

/// How many messages are drawn as arrows; of more, a part.
const ARROWS_MAX: usize = 1_000;
/// Up to how many arrows in view have heads.
const HEADED_MAX: usize = 500;
/// Up to how many arrows in view carry their names.
const LABELLED_MAX: usize = 160;
/// The width of a letter of a label, near enough to see whether there is room.
const LETTER_PX: f64 = 5.4;
/// How many hues terms have.
const TERM_HUES: u64 = 5;
/// What lies outside of a lit cone.
const UNLIT: f64 = 0.13;

impl<S: Surface> Painter<'_, S> {
    /// Messages: those that say something as arrows, heartbeats as a strip of how many there were. Says how many arrows were left out.
    pub(super) fn messages(&mut self) -> usize {
        let bins = ((self.width - LEFT - RIGHT) / BIN_PX).ceil().max(1.0) as usize;
        let routine = &self.record.routine;
        let counts = densities(bins, |bin| {
            let at = self.axis.at(bin as f64 * BIN_PX);
            routine.before(at)
        });
        let bottom = self.layout.heartbeats + 10.0;
        let pen = Pen::new(&self.palette.faint).faded(0.7);
        self.bars(&counts, bottom, 11.0, pen);
        if self.scene.hidden.messages {
            return 0;
        }
        let mut left_out = 0;
        if self.scene.heartbeats {
            let (flights, more) = self.sampled(routine);
            left_out += more;
            self.arrows(&flights, 0.5);
        }
        let (flights, more) = self.sampled(&self.record.telling);
        let alpha = if flights.len() > ARROWS_MAX / 2 { 0.5 } else { 0.95 };
        self.arrows(&flights, alpha);
        if flights.len() <= LABELLED_MAX {
            self.labels(&flights);
        }
        left_out + more
    }

    /// The messages in view; where they are too many, one of so many. What was lost is never left out.
    pub(super) fn sampled(&self, list: &Filed<Flight>) -> (Vec<Flight>, usize) {
        /// How many messages are looked at for those that were lost, at most.
        const LOOKED_AT_MAX: usize = 12_000;
        let window = self.record.window(list, self.from, self.until);
        let stride = window.len().div_ceil(ARROWS_MAX).max(1);
        let looked_at = stride.div_ceil((LOOKED_AT_MAX / ARROWS_MAX).max(1)).max(1);
        let mut flights = Vec::with_capacity(window.len().min(ARROWS_MAX * 2));
        let mut left_out = 0;
        let mut place = window.start;
        while place < window.end {
            let flight = list.get(place);
            let is_in_view = flight.again.unwrap_or(flight.ends) >= self.from && self.scene.shows_flight(&flight);
            let is_sample = (place - window.start) % stride < looked_at;
            if is_in_view && (is_sample || flight.end != FlightEnd::Arrives) {
                flights.push(flight);
            } else if is_in_view {
                left_out += looked_at;
            }
            place += looked_at;
        }
        (flights, left_out)
    }

    /// Where an arrow begins and ends; a message that does not arrive ends on the way.
    pub(super) fn ends(&self, flight: &Flight, ends: Instant) -> Line {
        let (x0, y0) = (self.x(flight.sent), self.layout.lane(flight.id.from));
        let (x1, y1) = (self.x(ends), self.layout.lane(flight.to));
        let part = match flight.end {
            FlightEnd::Arrives => 1.0,
            FlightEnd::Down => 0.94,
            FlightEnd::Held => 0.75,
            FlightEnd::Lost => 0.55,
            FlightEnd::Cut => 0.5,
        };
        [x0, y0, x0 + (x1 - x0) * part, y0 + (y1 - y0) * part]
    }

    pub(super) fn arrows(&mut self, flights: &[Flight], alpha: f64) {
        for hue in 0..TERM_HUES {
            let (mut lit, mut unlit, mut dashed) = (Vec::new(), Vec::new(), Vec::new());
            let mut heads: Vec<[(f64, f64); 3]> = Vec::new();
            for flight in flights
                .iter()
                .filter(|flight| flight.summary.term().0 % TERM_HUES == hue)
            {
                let line = self.ends(flight, flight.ends);
                if self.cone.as_ref().is_some_and(|cone| !cone.has_flight(flight)) {
                    unlit.push(line);
                    continue;
                }
                lit.push(line);
                match flight.end {
                    // Where there are so many, nobody sees their heads.
                    FlightEnd::Arrives if flights.len() > HEADED_MAX => {}
                    FlightEnd::Arrives => heads.push(head(line)),
                    FlightEnd::Cut => lit.push(barrier(line)),
                    _ => lit.extend(cross(line)),
                }
                if let Some(again) = flight.again {
                    let line = self.ends(flight, again);
                    dashed.push(line);
                    heads.push(head(line));
                }
            }
            let pen = Pen::new(self.palette.term(Term(hue))).faded(alpha);
            self.surface.lines(pen, &lit);
            self.surface.lines(pen.faded(UNLIT), &unlit);
            self.surface.lines(pen.dashed(), &dashed);
            let polygons: Vec<&[(f64, f64)]> = heads.iter().map(|head| &head[..]).collect();
            self.surface.polygons(pen, &polygons);
        }
        for flight in flights {
            let line = self.ends(flight, flight.ends);
            self.shapes.push((Outline::Line(line), Subject::Flight(*flight)));
        }
    }

    /// Names along the arrows, where an arrow is long enough and no other name is in the way.
    pub(super) fn labels(&mut self, flights: &[Flight]) {
        let mut taken: Vec<(f64, f64, f64)> = Vec::new();
        for flight in flights {
            if self.cone.as_ref().is_some_and(|cone| !cone.has_flight(flight)) {
                continue;
            }
            let label = flight.summary.label();
            let [x0, y0, x1, y1] = self.ends(flight, flight.ends);
            let (ux, uy, length) = direction((x0, y0), (x1, y1));
            let need = label.chars().count() as f64 * LETTER_PX;
            let middle = ((x0 + x1) / 2.0, (y0 + y1) / 2.0);
            let clear = |&(x, y, reach): &(f64, f64, f64)| direction((x, y), middle).2 > reach.max(need) * 0.5 + 9.0;
            let room = length >= need + 18.0 && ux.abs() * length >= 5.0;
            if label.is_empty() || !room || !taken.iter().all(clear) {
                continue;
            }
            taken.push((middle.0, middle.1, need));
            // All messages arrive after they left, so that no label stands on its head.
            let pen = Pen::new(&self.palette.dim);
            self.surface
                .text_along(pen, &self.palette.panel, &label, middle, (ux, uy));
        }
    }
}
