//! Where an instant stands. In real time, as far from another as it happened after it. In warped time, at least so far that both can be seen.
//! In the order of events, each one step after the one before.

use raft_core::Instant;
use serde::{Deserialize, Serialize};

use crate::record::{Flight, Record};
use crate::viewport::{Tick, Viewport};

/// How far from each other instants stand in warped time, at least, in pixels.
const APART_PX: f64 = 20.0;
/// How far in the order of events.
const STEP_PX: f64 = 26.0;
/// More instants than this have no place in any picture.
const KNOTS_MAX: usize = 4_096;

/// How time is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AxisMode {
    /// As it passed.
    #[default]
    Real,
    /// Stretched where much happens at once.
    Warped,
    /// One step an event.
    Order,
}

/// The places of the instants in view.
#[derive(Clone, Debug)]
pub struct Axis {
    viewport: Viewport,
    /// Instants and their places, both rising; empty in real time.
    knots: Vec<(Instant, f64)>,
}

impl Axis {
    /// The axis of a view of a run. While now is followed, it is the right end that stays in its place, else the left.
    pub fn new(mode: AxisMode, viewport: Viewport, record: &Record, now: Instant) -> Axis {
        let knots = match mode {
            AxisMode::Real => Vec::new(),
            AxisMode::Warped | AxisMode::Order => knots(mode, &viewport, record, now),
        };
        Axis { viewport, knots }
    }

    /// Where an instant stands, in pixels from the left.
    pub fn x(&self, at: Instant) -> f64 {
        let (Some(first), Some(last)) = (self.knots.first(), self.knots.last()) else {
            return self.viewport.x(at);
        };
        let per_us = 1.0 / self.viewport.us_per_px();
        let place = self.knots.partition_point(|(knot, _)| *knot <= at);
        match (
            place.checked_sub(1).map(|before| self.knots[before]),
            self.knots.get(place),
        ) {
            (Some((before, x)), Some((after, next))) => {
                let part = at.since(before).0 as f64 / after.since(before).0.max(1) as f64;
                x + (next - x) * part
            }
            (None, _) => first.1 - first.0.since(at).0 as f64 * per_us,
            (_, None) => last.1 + at.since(last.0).0 as f64 * per_us,
        }
    }

    /// The instant at a place.
    pub fn at(&self, x: f64) -> Instant {
        let (Some(first), Some(last)) = (self.knots.first(), self.knots.last()) else {
            return self.viewport.at(x);
        };
        let us_per_px = self.viewport.us_per_px();
        let place = self.knots.partition_point(|(_, knot)| *knot <= x);
        let us = match (
            place.checked_sub(1).map(|before| self.knots[before]),
            self.knots.get(place),
        ) {
            (Some((before, from)), Some((after, to))) => {
                before.0 as f64 + after.since(before).0 as f64 * (x - from) / (to - from).max(1e-9)
            }
            (None, _) => first.0.0 as f64 - (first.1 - x) * us_per_px,
            (_, None) => last.0.0 as f64 + (x - last.1) * us_per_px,
        };
        Instant(us.max(0.0).round() as u64)
    }

    /// The first instant in view, and the last.
    pub fn ends(&self) -> (Instant, Instant) {
        (self.at(0.0), self.at(self.viewport.width_px()))
    }

    /// The lines of the axis: at round numbers in real time, at instants in the others.
    pub fn ticks(&self, apart_px: f64) -> Vec<Tick> {
        if self.knots.is_empty() {
            return self.viewport.ticks(apart_px);
        }
        let mut ticks = Vec::new();
        let mut free = 0.0;
        for (at, x) in self
            .knots
            .iter()
            .filter(|(_, x)| (0.0..=self.viewport.width_px()).contains(x))
        {
            if *x >= free {
                free = x + apart_px;
                ticks.push(Tick {
                    x: *x,
                    label: format!("{:.4}", at.0 as f64 / 1e6),
                });
            }
        }
        ticks
    }
}

/// The instants at which anything but the routine happens, from the end of the view that stays in its place, with their places.
fn knots(mode: AxisMode, viewport: &Viewport, record: &Record, now: Instant) -> Vec<(Instant, f64)> {
    let width = viewport.width_px();
    let step = |us: u64| match mode {
        AxisMode::Order => STEP_PX,
        _ => (us as f64 / viewport.us_per_px()).max(APART_PX),
    };
    let most = ((width / APART_PX) as usize + 2).min(KNOTS_MAX);
    if viewport.follows() {
        let end = viewport.x(now).min(width);
        let mut knots = vec![(now, end)];
        for at in instants_before(record, now, most) {
            let (after, x) = knots[knots.len() - 1];
            if x < 0.0 {
                break;
            }
            knots.push((at, x - step(after.since(at).0)));
        }
        knots.reverse();
        return knots;
    }
    let mut knots = vec![(viewport.start(), 0.0)];
    for at in instants_after(record, viewport.start(), most) {
        let (before, x) = knots[knots.len() - 1];
        if x > width {
            break;
        }
        if at > before {
            knots.push((at, x + step(at.since(before).0)));
        }
    }
    knots
}

/// The next instants after `at`, rising, each once; about `most` of each kind.
fn instants_after(record: &Record, at: Instant, most: usize) -> Vec<Instant> {
    let window = record.window(&record.telling, at, Instant::NEVER);
    let both = |flight: Flight| [flight.sent, flight.ends];
    let mut all: Vec<Instant> = record
        .telling
        .from(window.start)
        .take(most * 2)
        .flat_map(both)
        .collect();
    for marks in [&record.rare, &record.commits] {
        all.extend(marks.from(marks.before(at)).take(most).map(|mark| mark.at));
    }
    all.retain(|known| *known > at);
    all.sort_unstable();
    all.dedup();
    all
}

/// The last instants before `at`, falling, each once; about `most` of each kind.
fn instants_before(record: &Record, at: Instant, most: usize) -> Vec<Instant> {
    let both = |flight: Flight| [flight.sent, flight.ends];
    let mut all: Vec<Instant> = record.telling.iter().rev().take(most * 2).flat_map(both).collect();
    for marks in [&record.rare, &record.commits] {
        all.extend(marks.iter().rev().take(most).map(|mark| mark.at));
    }
    all.retain(|known| *known < at);
    all.sort_unstable_by_key(|known| std::cmp::Reverse(*known));
    all.dedup();
    all
}
