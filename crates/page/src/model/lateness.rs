//! Whether the computer is too busy for the timers: the Workers tell how late theirs ran.

use std::collections::VecDeque;
use std::fmt;

use super::settings::Settings;

/// Over how long it is looked at, in wall milliseconds.
const WINDOW_MS: f64 = 10_000.0;
/// So many moments within that are no accident. When there is none left, it is over.
const MOMENTS: usize = 4;
/// What is late together is one moment: five Workers share a processor. In wall milliseconds.
const MOMENT_MS: f64 = 500.0;
/// The speeds that are offered, in falling order.
const SPEEDS: [f64; 6] = [0.5, 0.2, 0.1, 0.05, 0.02, 0.01];

/// The moments at which timers ran so late that they might have elected somebody for no reason.
#[derive(Debug, Default)]
pub struct Lateness {
    /// When each moment was, and how late the latest timer ran, in wall milliseconds.
    moments: VecDeque<(f64, f64)>,
    is_told: bool,
}

/// The computer is too busy for the timers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TooBusy {
    /// The election timeouts, in milliseconds.
    pub election_ms: (u64, u64),
    /// How late the latest timer ran, in wall milliseconds.
    pub late_ms: f64,
    /// A speed at which that does no harm.
    pub speed: f64,
}

impl fmt::Display for TooBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (min, max) = self.election_ms;
        let late_ms = self.late_ms as u64;
        write!(
            f,
            "This computer is too busy for timers of {min}–{max} ms: they run up to {late_ms} ms late."
        )
    }
}

impl Lateness {
    /// A Worker's timer ran so late.
    pub fn add(&mut self, now_wall_ms: f64, late_ms: f64, settings: &Settings) {
        // Slow time has long timers: this late is less of them.
        if late_ms * settings.rate * 3.0 <= settings.election_ms.0 as f64 {
            return;
        }
        match self.moments.back_mut() {
            Some((began, worst)) if now_wall_ms - *began < MOMENT_MS => *worst = worst.max(late_ms),
            _ => self.moments.push_back((now_wall_ms, late_ms)),
        }
    }

    /// Timers or time run otherwise from now on: what was says nothing of that.
    pub fn forget(&mut self) {
        *self = Lateness::default();
    }

    /// What is to be said, as long as it is so.
    pub fn too_busy(&mut self, now_wall_ms: f64, settings: &Settings) -> Option<TooBusy> {
        while (self.moments.front()).is_some_and(|(began, _)| now_wall_ms - began > WINDOW_MS) {
            self.moments.pop_front();
        }
        self.is_told = self.moments.len() >= MOMENTS || (self.is_told && !self.moments.is_empty());
        let late_ms = self.moments.iter().map(|(_, late_ms)| *late_ms).fold(0.0, f64::max);
        let harmless = settings.election_ms.0 as f64 / (3.0 * late_ms);
        let fits = |speed: &&f64| **speed <= harmless && **speed < settings.rate;
        self.is_told.then(|| TooBusy {
            election_ms: settings.election_ms,
            late_ms,
            speed: *SPEEDS.iter().find(fits).unwrap_or(&SPEEDS[SPEEDS.len() - 1]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said after timers ran so late at these wall times.
    fn after(late: &[(f64, f64)], settings: &Settings) -> (Lateness, Option<TooBusy>) {
        let mut lateness = Lateness::default();
        let mut said = None;
        for (now, late_ms) in late {
            lateness.add(*now, *late_ms, settings);
            said = lateness.too_busy(*now, settings);
        }
        (lateness, said)
    }

    const BUSY: [(f64, f64); 4] = [(0.0, 51.0), (1_000.0, 95.0), (3_000.0, 60.0), (9_000.0, 51.0)];

    #[test]
    fn timers_that_run_late_again_and_again_are_told_of_until_it_is_over() {
        let settings = Settings::default();
        let (mut lateness, said) = after(&BUSY, &settings);
        let busy = TooBusy {
            election_ms: (150, 300),
            late_ms: 95.0,
            speed: 0.5,
        };
        assert_eq!(said, Some(busy));
        assert!(
            lateness.too_busy(18_000.0, &settings).is_some(),
            "it goes on for a while"
        );
        assert_eq!(lateness.too_busy(19_001.0, &settings), None);
        lateness.add(20_000.0, 95.0, &settings);
        assert_eq!(lateness.too_busy(20_000.0, &settings), None, "and begins anew");
    }

    #[test]
    fn an_accident_is_not_told() {
        let settings = Settings::default();
        // Five Workers that stood still together, three times; and lateness that does no harm, for ever.
        let together: Vec<(f64, f64)> = [0.0, 2_000.0, 4_000.0]
            .into_iter()
            .flat_map(|began| (0..5).map(move |place| (began + f64::from(place) * 20.0, 200.0)))
            .collect();
        assert_eq!(after(&together, &settings).1, None);
        let harmless: Vec<(f64, f64)> = (0..100).map(|place| (f64::from(place) * 600.0, 50.0)).collect();
        assert_eq!(after(&harmless, &settings).1, None);
        let rare: Vec<(f64, f64)> = (0..100).map(|place| (f64::from(place) * 4_000.0, 500.0)).collect();
        assert_eq!(after(&rare, &settings).1, None);
    }

    #[test]
    fn slow_time_and_long_timers_are_what_helps() {
        let slow = Settings {
            rate: 0.5,
            ..Settings::default()
        };
        assert_eq!(after(&BUSY, &slow).1, None, "so it is offered");
        let long = Settings {
            election_ms: (1_000, 5_000),
            ..Settings::default()
        };
        assert_eq!(after(&BUSY, &long).1, None);
        // The worse it is, the slower.
        let worse = BUSY.map(|(now, late_ms)| (now, late_ms * 4.0));
        assert_eq!(after(&worse, &Settings::default()).1.map(|busy| busy.speed), Some(0.1));
        assert_eq!(after(&worse, &slow).1.map(|busy| busy.speed), Some(0.1));
        let hopeless = BUSY.map(|(now, _)| (now, 1e6));
        assert_eq!(after(&hopeless, &slow).1.map(|busy| busy.speed), Some(0.01));
        let (mut lateness, _) = after(&BUSY, &Settings::default());
        lateness.forget();
        assert_eq!(lateness.too_busy(9_000.0, &Settings::default()), None);
    }
}
