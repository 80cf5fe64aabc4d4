//! Virtual time: how it runs against a wall clock.
//!
//! A page tells every node the same [`ClockSetting`], and each works out virtual time from it and from a wall clock that
//! they share, so that nobody needs to be told the time. The [`Clock`] itself has no wall clock: whoever owns it says what
//! time it is.

use raft_core::{Duration, Instant};
use serde::{Deserialize, Serialize};

/// The slowest that virtual time runs, in virtual seconds a wall second, unless it stands still.
pub const RATE_MIN: f64 = 0.001;
/// The fastest that virtual time runs, in virtual seconds a wall second.
pub const RATE_MAX: f64 = 10.0;
/// A wall clock that moves on by more than this between two readings has leapt: the computer slept, or the browser stopped
/// everything. Only this much is counted, in wall milliseconds.
pub const LEAP_MS_MAX: f64 = 1_000.0;
/// How long at most a clock goes unread while time runs, in wall milliseconds. Well below [`LEAP_MS_MAX`], so that waiting
/// for a deadline that is far away is not taken for a leap.
pub const WAKE_MS_MAX: f64 = LEAP_MS_MAX / 4.0;
/// A peer's stamp further ahead than this is not believed.
pub const WITNESS_AHEAD_MAX: Duration = Duration::from_millis(3_600_000);

/// How virtual time runs from one moment on. The same for every node, so their clocks agree.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClockSetting {
    /// The wall time at which it starts to hold: `performance.timeOrigin + performance.now()`, in milliseconds.
    pub wall_ms: f64,
    /// The virtual time then.
    pub virtual_now: Instant,
    /// Virtual seconds in a wall second; 0 stands still.
    pub rate: f64,
    /// Where virtual time stops by itself: a single step of time runs until here.
    pub until: Option<Instant>,
}

/// A clock that never goes back and never leaps.
#[derive(Clone, Debug)]
pub struct Clock {
    setting: ClockSetting,
    /// What leaps took away from the course that the setting describes, and what peers' stamps gave back.
    offset_us: f64,
    read_at_wall_ms: Option<f64>,
    now: Instant,
}

impl Clock {
    /// A clock that follows a setting. Its first reading is not a leap, however old the setting is.
    pub fn new(setting: ClockSetting) -> Clock {
        Clock {
            setting: setting.clamped(),
            offset_us: 0.0,
            read_at_wall_ms: None,
            now: setting.virtual_now,
        }
    }

    /// Follows another setting from now on. What leaps took away is settled with it.
    pub fn set(&mut self, setting: ClockSetting) {
        *self = Clock {
            now: self.now,
            ..Clock::new(setting)
        };
        self.now = self.now.max(setting.virtual_now);
    }

    /// Virtual time at this wall time.
    pub fn now(&mut self, wall_ms: f64) -> Instant {
        if !wall_ms.is_finite() {
            return self.now;
        }
        if let Some(before_ms) = self.read_at_wall_ms {
            let gap_ms = wall_ms - before_ms;
            let counted_ms = gap_ms.clamp(0.0, LEAP_MS_MAX);
            self.offset_us -= (gap_ms - counted_ms) * self.us_per_ms();
        }
        self.read_at_wall_ms = Some(wall_ms);
        self.now = self.now.max(self.bounded(self.course_us(wall_ms)));
        self.now
    }

    /// A message was seen that somebody sent at this virtual time, so it cannot be earlier than that now, even while time is
    /// paused: not everybody heard of the pause at once. This is also how a clock that counted a leap as less catches up with those
    /// that did not leap. The clock is read first: what has passed since the last reading is no part of how far it was behind.
    pub fn witness(&mut self, wall_ms: f64, sent_at: Instant) {
        self.now(wall_ms);
        let ahead = sent_at.since(self.now);
        if ahead == Duration(0) || ahead > WITNESS_AHEAD_MAX {
            return;
        }
        let sent_at = self.bounded(sent_at.0 as f64);
        if let Some(wall_ms) = self.read_at_wall_ms {
            self.offset_us += (sent_at.0 as f64 - self.course_us(wall_ms)).max(0.0);
        }
        self.now = self.now.max(sent_at);
    }

    /// In how many wall milliseconds to look at the clock again for the sake of a deadline. It may ask to look before the
    /// deadline, for a clock must not go unread for longer than [`WAKE_MS_MAX`]. None: time stands, and the deadline
    /// does not come.
    pub fn wall_delay_ms(&self, deadline: Instant, wall_ms: f64) -> Option<f64> {
        if deadline <= self.now {
            return Some(0.0);
        }
        if self.stands() {
            return None;
        }
        let left_ms = (deadline.0 as f64 - self.course_us(wall_ms)) / self.us_per_ms();
        Some(if left_ms.is_nan() {
            WAKE_MS_MAX
        } else {
            left_ms.clamp(0.0, WAKE_MS_MAX)
        })
    }

    /// The setting that describes the course of this clock from this wall time on. A node that boots now is given this one;
    /// after a leap it brings all clocks together again.
    pub fn setting(&mut self, wall_ms: f64) -> ClockSetting {
        let virtual_now = self.now(wall_ms);
        ClockSetting {
            wall_ms,
            virtual_now,
            ..self.setting
        }
    }

    /// How much virtual time leaps took away from the course that the setting describes.
    pub fn lag(&self) -> Duration {
        Duration((-self.offset_us).max(0.0) as u64)
    }

    /// Whether time stands: it is paused, or has reached the end of a step.
    pub fn stands(&self) -> bool {
        self.setting.rate == 0.0 || self.setting.until.is_some_and(|until| until <= self.now)
    }

    fn us_per_ms(&self) -> f64 {
        self.setting.rate * 1_000.0
    }

    fn course_us(&self, wall_ms: f64) -> f64 {
        self.setting.virtual_now.0 as f64 + (wall_ms - self.setting.wall_ms) * self.us_per_ms() + self.offset_us
    }

    fn bounded(&self, us: f64) -> Instant {
        Instant(us as u64).min(self.setting.until.unwrap_or(Instant::NEVER))
    }
}

impl ClockSetting {
    /// Virtual time that starts at 0 with this wall time, and runs as fast.
    pub fn starting_at(wall_ms: f64) -> ClockSetting {
        ClockSetting {
            wall_ms,
            virtual_now: Instant(0),
            rate: 1.0,
            until: None,
        }
    }

    /// The nearest setting that makes sense: a rate of 0, or from [`RATE_MIN`] to [`RATE_MAX`].
    pub fn clamped(self) -> ClockSetting {
        let runs = self.rate > 0.0 && self.wall_ms.is_finite();
        ClockSetting {
            rate: if runs { self.rate.clamp(RATE_MIN, RATE_MAX) } else { 0.0 },
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: ClockSetting = ClockSetting {
        wall_ms: 5_000.0,
        virtual_now: Instant(100),
        rate: 1.0,
        until: None,
    };

    #[test]
    fn time_runs_at_its_rate() {
        for (rate, us) in [
            (1.0, 500_000),
            (0.5, 250_000),
            (10.0, 5_000_000),
            (0.001, 500),
            (0.0, 0),
        ] {
            let mut clock = Clock::new(ClockSetting { rate, ..START });
            assert_eq!(clock.now(5_500.0), Instant(100 + us), "at {rate} ×");
        }
    }

    #[test]
    fn a_clock_that_starts_late_is_on_time_at_once() {
        assert_eq!(Clock::new(START).now(605_000.0), Instant(100 + 600_000_000));
    }

    #[test]
    fn time_stops_at_the_end_of_a_step() {
        let mut clock = Clock::new(ClockSetting {
            until: Some(Instant(50_100)),
            ..START
        });
        assert_eq!(clock.now(5_049.0), Instant(49_100));
        assert_eq!(clock.wall_delay_ms(Instant(60_000), 5_049.0), Some(10.9));
        assert_eq!(clock.now(5_070.0), Instant(50_100));
        assert_eq!(clock.wall_delay_ms(Instant(60_000), 5_070.0), None);
        assert_eq!(clock.wall_delay_ms(Instant(50_100), 5_070.0), Some(0.0));
        clock.witness(5_070.0, Instant(70_000));
        assert_eq!(clock.now(5_080.0), Instant(50_100));
    }

    #[test]
    fn a_leap_counts_as_a_second_and_a_peer_makes_up_for_it() {
        let mut clock = Clock::new(START);
        clock.now(5_000.0);
        let hours_ms = 8.0 * 3_600_000.0;
        assert_eq!(clock.now(5_000.0 + hours_ms), Instant(100 + 1_000_000));
        assert_eq!(clock.lag(), Duration::from_millis(hours_ms as u64 - 1_000));
        assert_eq!(clock.now(5_010.0 + hours_ms), Instant(100 + 1_010_000));
        clock.witness(5_010.0 + hours_ms, Instant(3_000_000));
        assert_eq!(clock.now(5_020.0 + hours_ms), Instant(3_010_000));
    }

    /// A clock that is seldom read ran ahead by all that had passed between two readings, with every stamp that was a little ahead of the first.
    #[test]
    fn a_stamp_moves_a_clock_by_no_more_than_it_is_ahead() {
        let mut clock = Clock::new(START);
        clock.now(5_000.0);
        for second in 1..=100_u64 {
            let wall_ms = 5_000.0 + second as f64 * 900.0;
            clock.witness(wall_ms, Instant(100 + second * 900_000 + 500));
            assert_eq!(clock.now(wall_ms), Instant(100 + second * 900_000 + 500));
        }
    }

    #[test]
    fn an_old_stamp_and_an_absurd_one_change_nothing() {
        let mut clock = Clock::new(START);
        let now = clock.now(6_000.0);
        clock.witness(6_000.0, Instant(7));
        clock.witness(6_000.0, Instant(u64::MAX - 1));
        assert_eq!(clock.now(6_000.0), now);
    }

    #[test]
    fn a_wall_clock_that_is_set_back_loses_no_time() {
        let mut clock = Clock::new(START);
        assert_eq!(clock.now(7_000.0), Instant(2_000_100));
        assert_eq!(clock.now(5_500.0), Instant(2_000_100));
        assert_eq!(clock.now(5_600.0), Instant(2_100_100));
    }

    #[test]
    fn waiting_for_a_far_deadline_is_not_a_leap() {
        let mut clock = Clock::new(ClockSetting { rate: 0.001, ..START });
        let (mut wall_ms, mut wakes) = (5_000.0, 0);
        while clock.now(wall_ms) < Instant(150_100) {
            wall_ms += clock.wall_delay_ms(Instant(150_100), wall_ms).expect("time runs") + 0.1;
            wakes += 1;
        }
        assert!((wall_ms - 155_000.0).abs() < 1.0, "150 virtual ms took until {wall_ms}");
        assert_eq!(clock.lag(), Duration(0));
        assert!(wakes < 700);
    }

    #[test]
    fn a_new_setting_carries_on_from_the_old_one() {
        let mut clock = Clock::new(START);
        clock.now(5_000.0);
        clock.now(50_000.0);
        let slow = ClockSetting {
            rate: 0.1,
            ..clock.setting(50_000.0)
        };
        clock.set(slow);
        assert_eq!(clock.lag(), Duration(0));
        assert_eq!(clock.now(50_100.0), Instant(100 + 1_000_000 + 10_000));
        let mut booted = Clock::new(slow);
        assert_eq!(booted.now(50_100.0), clock.now(50_100.0));
    }

    #[test]
    fn a_pause_ends_where_it_began() {
        let mut clock = Clock::new(START);
        clock.now(5_100.0);
        let paused = ClockSetting {
            rate: 0.0,
            ..clock.setting(5_100.0)
        };
        clock.set(paused);
        assert_eq!(clock.now(900_000.0), Instant(100_100));
        assert_eq!(clock.wall_delay_ms(Instant(100_101), 900_000.0), None);
        let resumed = ClockSetting {
            rate: 1.0,
            ..clock.setting(900_000.0)
        };
        clock.set(resumed);
        assert_eq!(clock.now(900_001.0), Instant(101_100));
    }

    #[test]
    fn a_pause_is_heard_later_by_some() {
        let mut clock = Clock::new(ClockSetting { rate: 0.0, ..START });
        assert_eq!(clock.now(6_000.0), Instant(100));
        clock.witness(6_000.0, Instant(400));
        assert_eq!(clock.now(6_000.0), Instant(400));
        assert!(clock.stands());
        let resumed = ClockSetting {
            rate: 1.0,
            ..clock.setting(9_000.0)
        };
        clock.set(resumed);
        assert_eq!(clock.now(9_001.0), Instant(1_400));
    }

    #[test]
    fn senseless_settings_stand_still() {
        for setting in [
            ClockSetting {
                rate: f64::NAN,
                ..START
            },
            ClockSetting { rate: -1.0, ..START },
            ClockSetting {
                wall_ms: f64::NAN,
                ..START
            },
            ClockSetting {
                wall_ms: f64::INFINITY,
                ..START
            },
        ] {
            let mut clock = Clock::new(setting);
            assert_eq!(clock.now(9_000.0), Instant(100));
            assert!(clock.stands());
        }
        assert_eq!(ClockSetting { rate: 1e9, ..START }.clamped().rate, RATE_MAX);
        assert_eq!(ClockSetting { rate: 1e-9, ..START }.clamped().rate, RATE_MIN);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Read(f64),
        Witness(u64),
        Set { rate: f64, step_us: Option<u64> },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (-2_000.0..5_000.0f64).prop_map(Step::Read),
            1 => any::<f64>().prop_map(Step::Read),
            1 => any::<u64>().prop_map(Step::Witness),
            2 => (0..5_000_000u64).prop_map(Step::Witness),
            2 => (0.0..20.0f64, prop::option::of(0..100_000u64))
                .prop_map(|(rate, step_us)| Step::Set { rate, step_us }),
        ]
    }

    proptest! {
        #[test]
        fn it_never_goes_back_nor_further_than_it_may(steps in prop::collection::vec(step(), 0..60)) {
            let (mut clock, mut wall_ms, mut before) = (Clock::new(START), 5_000.0, Instant(100));
            clock.now(wall_ms);
            for step in steps {
                let mut most_us = 0.0;
                match step {
                    Step::Read(gap_ms) => {
                        wall_ms += if gap_ms.abs() < 1e9 { gap_ms } else { 0.0 };
                        most_us = LEAP_MS_MAX * 1_000.0 * RATE_MAX + 1.0;
                    }
                    Step::Witness(at) => {
                        most_us = Instant(at).since(before).0 as f64;
                        clock.witness(wall_ms, Instant(at));
                    }
                    Step::Set { rate, step_us } => {
                        let setting = clock.setting(wall_ms);
                        let until = step_us.map(|us| setting.virtual_now + Duration(us));
                        clock.set(ClockSetting { rate, until, ..setting });
                    }
                }
                let now = clock.now(wall_ms);
                prop_assert!(now >= before);
                prop_assert!(now.since(before).0 as f64 <= most_us + 2.0, "{:?} after {:?}", now, before);
                prop_assert!(clock.wall_delay_ms(Instant::NEVER, wall_ms).is_none_or(|ms| (0.0..=WAKE_MS_MAX).contains(&ms)));
                before = now;
            }
        }
    }
}
