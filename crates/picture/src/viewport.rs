//! Which stretch of virtual time the timeline shows, and where an instant stands in it.

use raft_core::Instant;

/// The shortest stretch that is shown, in microseconds.
pub const SPAN_US_MIN: f64 = 200.0;
/// The longest stretch that is shown, in microseconds: a day.
pub const SPAN_US_MAX: f64 = 86_400_000_000.0;
/// The part of the picture that lies ahead of now, so that messages on the way are seen to arrive.
const AHEAD: f64 = 0.04;

/// A stretch of time, and the width it is drawn in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Viewport {
    start_us: f64,
    span_us: f64,
    width_px: f64,
    follows: bool,
}

/// A line of the axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Where it stands, in pixels from the left.
    pub x: f64,
    /// What is written there.
    pub label: String,
}

impl Viewport {
    /// Follows now with one second in view.
    pub fn new() -> Viewport {
        Viewport {
            start_us: 0.0,
            span_us: 1_000_000.0,
            width_px: 1.0,
            follows: true,
        }
    }

    /// Whether it moves along with now.
    pub fn follows(&self) -> bool {
        self.follows
    }

    /// The width in pixels.
    pub fn width_px(&self) -> f64 {
        self.width_px
    }

    /// The picture is this wide from now on.
    pub fn set_width(&mut self, width_px: f64) {
        self.width_px = width_px.max(1.0);
    }

    /// The first instant in view.
    pub fn start(&self) -> Instant {
        Instant(self.start_us.max(0.0) as u64)
    }

    /// The last instant in view.
    pub fn end(&self) -> Instant {
        Instant((self.start_us + self.span_us).max(0.0) as u64)
    }

    /// The instant in the middle.
    pub fn middle(&self) -> Instant {
        Instant((self.start_us + self.span_us / 2.0).max(0.0) as u64)
    }

    /// How many microseconds a pixel stands for.
    pub fn us_per_px(&self) -> f64 {
        self.span_us / self.width_px
    }

    /// Where an instant stands, in pixels from the left.
    pub fn x(&self, at: Instant) -> f64 {
        (at.0 as f64 - self.start_us) / self.us_per_px()
    }

    /// The instant at a place.
    pub fn at(&self, x: f64) -> Instant {
        Instant((self.start_us + x * self.us_per_px()).max(0.0) as u64)
    }

    /// Time has come to `now`: moves along, if it follows.
    pub fn come(&mut self, now: Instant) {
        if self.follows {
            self.start_us = now.0 as f64 - self.span_us * (1.0 - AHEAD);
        }
    }

    /// Moves along with now again.
    pub fn follow(&mut self, now: Instant) {
        self.follows = true;
        self.come(now);
    }

    /// Moves by pixels; positive goes to later times. Moving past now follows it again.
    pub fn pan(&mut self, px: f64, now: Instant) {
        self.start_us += px * self.us_per_px();
        self.follows = false;
        self.bound(now);
    }

    /// Shows `factor` times as much time, with the instant at `x` kept where it stands; now, while that is followed.
    pub fn zoom(&mut self, factor: f64, x: f64, now: Instant) {
        let kept = self.start_us + x * self.us_per_px();
        self.span_us = (self.span_us * factor).clamp(SPAN_US_MIN, SPAN_US_MAX);
        if self.follows {
            return self.come(now);
        }
        self.start_us = kept - x * self.us_per_px();
        self.bound(now);
    }

    /// Shows as much time as can be followed by eye at this rate, in virtual seconds a wall second.
    pub fn suit(&mut self, rate: f64) {
        const WALL_US_IN_VIEW: f64 = 6_000_000.0;
        const US_MIN: f64 = 60_000.0;
        const US_MAX: f64 = 1_000_000.0;
        self.span_us = (rate * WALL_US_IN_VIEW).clamp(US_MIN, US_MAX);
    }

    /// Shows everything from `first` to now.
    pub fn fit(&mut self, first: Instant, now: Instant) {
        let all = now.since(first).0 as f64;
        self.span_us = (all / (1.0 - AHEAD) * 1.01).clamp(SPAN_US_MIN, SPAN_US_MAX);
        self.follow(now);
    }

    /// Shows the stretch between two instants.
    pub fn span(&mut self, from: Instant, until: Instant, now: Instant) {
        self.span_us = (until.since(from).0 as f64).clamp(SPAN_US_MIN, SPAN_US_MAX);
        self.start_us = from.0 as f64;
        self.follows = false;
        self.bound(now);
    }

    /// Stays where it is from now on.
    pub fn stay(&mut self) {
        self.follows = false;
    }

    /// Has an instant at its left end.
    pub fn begin_at(&mut self, at: Instant, now: Instant) {
        self.start_us = at.0 as f64;
        self.follows = false;
        self.bound(now);
    }

    /// Brings an instant into view, if it is not, without a change of scale.
    pub fn show(&mut self, at: Instant, now: Instant) {
        if at < self.start() || at > self.end() {
            self.follows = false;
            self.start_us = at.0 as f64 - self.span_us / 2.0;
            self.bound(now);
        }
    }

    /// The lines of the axis, at least `apart_px` from each other, at round numbers of seconds.
    pub fn ticks(&self, apart_px: f64) -> Vec<Tick> {
        let step_us = round_step(apart_px * self.us_per_px());
        let decimals = decimals(step_us);
        let first = (self.start_us.max(0.0) / step_us).ceil() as u64;
        let last = ((self.start_us + self.span_us) / step_us).floor().max(0.0) as u64;
        (first..=last)
            .map(|number| {
                let us = number as f64 * step_us;
                Tick {
                    x: (us - self.start_us) / self.us_per_px(),
                    label: format!("{:.decimals$}", us / 1e6),
                }
            })
            .collect()
    }

    /// Neither all before the beginning nor all in the future.
    fn bound(&mut self, now: Instant) {
        let latest = (now.0 as f64 - self.span_us * (1.0 - AHEAD)).max(-self.span_us * 0.5);
        if self.start_us >= latest {
            self.start_us = latest;
            self.follows = true;
        }
        self.start_us = self.start_us.max((-self.span_us * 0.5).min(latest));
    }
}

impl Default for Viewport {
    fn default() -> Viewport {
        Viewport::new()
    }
}

/// The least of 1, 2, 5, 10, 20… that is not less.
fn round_step(least_us: f64) -> f64 {
    let mut power = 1.0;
    while power * 10.0 < least_us {
        power *= 10.0;
    }
    let step = [1.0, 2.0, 5.0]
        .into_iter()
        .map(|digit| digit * power)
        .find(|&step| step >= least_us);
    step.unwrap_or(power * 10.0)
}

/// How many decimals of a second tell instants apart that lie `step_us` from each other.
fn decimals(step_us: f64) -> usize {
    let (mut decimals, mut unit_us) = (0, 1e6);
    while unit_us > step_us && decimals < 6 {
        unit_us /= 10.0;
        decimals += 1;
    }
    decimals
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant(10_000_000);

    fn viewport() -> Viewport {
        let mut viewport = Viewport::new();
        viewport.set_width(1_000.0);
        viewport.come(NOW);
        viewport
    }

    #[test]
    fn now_stays_in_view_while_it_is_followed() {
        let mut viewport = viewport();
        for us in [10_000_000, 11_000_000, 99_000_000] {
            viewport.come(Instant(us));
            assert_eq!(viewport.x(Instant(us)).round(), 960.0);
        }
    }

    #[test]
    fn panning_stops_following_and_coming_back_follows() {
        let mut viewport = viewport();
        viewport.pan(-300.0, NOW);
        assert!(!viewport.follows());
        let before = viewport;
        viewport.come(Instant(20_000_000));
        assert_eq!(viewport, before);
        viewport.pan(100_000.0, NOW);
        assert!(viewport.follows());
        assert_eq!(viewport.x(NOW).round(), 960.0);
    }

    #[test]
    fn the_instant_under_the_pointer_stays_there_when_zoomed() {
        let mut viewport = viewport();
        viewport.pan(-5_000.0, NOW);
        let before = viewport.at(250.0);
        viewport.zoom(0.5, 250.0, NOW);
        assert_eq!(viewport.at(250.0), before);
        assert_eq!(viewport.us_per_px(), 500.0);
    }

    #[test]
    fn no_gesture_leaves_the_time_there_is() {
        let mut viewport = viewport();
        for (px, factor) in [(1e9, 1e9), (-1e12, 1e-9), (f64::from(f32::MAX), 3.0), (-1e15, 1e9)] {
            viewport.pan(px, NOW);
            viewport.zoom(factor, 400.0, NOW);
            assert!(viewport.start() <= NOW, "after {px} and {factor}");
            assert!((SPAN_US_MIN..=SPAN_US_MAX).contains(&(viewport.us_per_px() * 1_000.0)));
            assert!(viewport.ticks(80.0).len() <= 14);
        }
    }

    #[test]
    fn everything_fits() {
        let mut viewport = viewport();
        viewport.fit(Instant(2_000_000), NOW);
        assert!(viewport.x(Instant(2_000_000)) >= 0.0);
        assert!(viewport.x(NOW) <= 1_000.0);
    }

    #[test]
    fn ticks_stand_at_round_numbers() {
        let labels: Vec<String> = viewport().ticks(90.0).into_iter().map(|tick| tick.label).collect();
        assert_eq!(labels[..3], ["9.1", "9.2", "9.3"]);
        let mut close = viewport();
        close.zoom(0.01, 0.0, NOW);
        assert_eq!(close.ticks(90.0)[0].label.split('.').nth(1).map(str::len), Some(3));
    }
}
