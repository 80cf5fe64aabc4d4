//! How fast timers run, and which timers cannot work.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Duration;

/// The longest that a timer may be set for: a day. Nobody waits for longer, and sums of times stay far from where numbers end.
pub const TIMEOUT_MAX: Duration = Duration(24 * 3_600 * 1_000_000);

/// How fast a node's timers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// The shortest election timeout; timeouts are drawn uniformly from min to max, both included (§5.2).
    pub election_min: Duration,
    /// The longest election timeout.
    pub election_max: Duration,
    /// How often a leader shows that it is alive.
    pub heartbeat: Duration,
}

impl Default for Timing {
    /// The paper's 150–300 ms, with a heartbeat every 50 ms (§9.3).
    fn default() -> Timing {
        Timing {
            election_min: Duration::from_millis(150),
            election_max: Duration::from_millis(300),
            heartbeat: Duration::from_millis(50),
        }
    }
}

/// Timers with which no leader is elected, or none stays one, whatever network and disk are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimingError {
    /// The heartbeat interval is 0.
    NoHeartbeat,
    /// The heartbeat interval is as long as the shortest election timeout, or longer.
    SlowHeartbeat(Timing),
    /// The longest election timeout is shorter than the shortest.
    Reversed(Timing),
    /// All election timeouts are equally long: those who stand for election do so together, for ever.
    NoSpread(Timing),
    /// The longest election timeout is longer than [`TIMEOUT_MAX`].
    TooLong(Timing),
}

/// What timers are too short for: the cluster may elect, but nothing says that it will (§5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimingWarning {
    /// A round trip may last as long as the shortest election timeout.
    RoundTrip {
        /// How long a message may take, one way.
        one_way: Duration,
        /// The timers.
        timing: Timing,
    },
    /// A heartbeat may come only after the shortest election timeout.
    LateHeartbeat {
        /// How long a message may take, one way.
        one_way: Duration,
        /// The timers.
        timing: Timing,
    },
    /// Election timeouts differ by less than a message takes: votes are split again and again.
    NarrowSpread {
        /// How long a message may take, one way.
        one_way: Duration,
        /// The timers.
        timing: Timing,
    },
}

impl Timing {
    /// Whether timers can run so.
    ///
    /// # Errors
    /// Says what is wrong, and what would be right.
    pub fn check(&self) -> Result<(), TimingError> {
        if self.heartbeat == Duration(0) {
            Err(TimingError::NoHeartbeat)
        } else if self.heartbeat >= self.election_min {
            Err(TimingError::SlowHeartbeat(*self))
        } else if self.election_max < self.election_min {
            Err(TimingError::Reversed(*self))
        } else if self.election_max == self.election_min {
            Err(TimingError::NoSpread(*self))
        } else if self.election_max > TIMEOUT_MAX {
            Err(TimingError::TooLong(*self))
        } else {
            Ok(())
        }
    }

    /// What these timers are too short for, where a message takes up to `one_way`.
    pub fn warning(&self, one_way: Duration) -> Option<TimingWarning> {
        let timing = *self;
        if one_way.0.saturating_mul(2) >= self.election_min.0 {
            Some(TimingWarning::RoundTrip { one_way, timing })
        } else if self.heartbeat.0.saturating_add(one_way.0) >= self.election_min.0 {
            Some(TimingWarning::LateHeartbeat { one_way, timing })
        } else if self.election_max.0.saturating_sub(self.election_min.0) < one_way.0 {
            Some(TimingWarning::NarrowSpread { one_way, timing })
        } else {
            None
        }
    }
}

impl fmt::Display for TimingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimingError::NoHeartbeat => f.write_str(
                "The timers cannot work: the heartbeat interval is 0. It must be more, and shorter than the shortest election timeout.",
            ),
            TimingError::SlowHeartbeat(timing) => write!(
                f,
                "The timers cannot work: a heartbeat comes every {}, and the shortest election timeout is {}, so that followers \
                 give up on every leader. The heartbeat must be the shorter one; a third is usual.",
                ms(timing.heartbeat),
                ms(timing.election_min)
            ),
            TimingError::Reversed(timing) => write!(
                f,
                "The timers cannot work: the longest election timeout, {}, is shorter than the shortest, {}. It must be longer; \
                 twice as long is usual.",
                ms(timing.election_max),
                ms(timing.election_min)
            ),
            TimingError::NoSpread(timing) => write!(
                f,
                "The timers cannot work: every election timeout is {}, so that nodes stand for election together and split \
                 the votes. The longest must be longer than the shortest; twice as long is usual (Raft §5.2).",
                ms(timing.election_min)
            ),
            TimingError::TooLong(timing) => write!(
                f,
                "The timers cannot work: an election timeout of {} is longer than {}, the longest there is.",
                ms(timing.election_max),
                ms(TIMEOUT_MAX)
            ),
        }
    }
}

impl std::error::Error for TimingError {}

impl fmt::Display for TimingWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimingWarning::RoundTrip { one_way, timing } => write!(
                f,
                "A round trip takes up to {}, and the shortest election timeout is {}: followers give up on leaders that are \
                 alive (Raft §5.6).",
                ms(Duration(one_way.0.saturating_mul(2))),
                ms(timing.election_min)
            ),
            TimingWarning::LateHeartbeat { one_way, timing } => write!(
                f,
                "A heartbeat may take {} to come, and the shortest election timeout is {}: elections will happen for no \
                 reason.",
                ms(Duration(timing.heartbeat.0.saturating_add(one_way.0))),
                ms(timing.election_min)
            ),
            TimingWarning::NarrowSpread { one_way, timing } => write!(
                f,
                "Election timeouts of {} to {} differ by less than the {} that a message may take: nodes stand for \
                 election together and split the votes, perhaps for ever (Raft §5.2).",
                ms(timing.election_min),
                ms(timing.election_max),
                ms(*one_way)
            ),
        }
    }
}

/// A span in whole sentences: without the digits that say nothing.
fn ms(span: Duration) -> impl fmt::Display {
    fmt::from_fn(move |f| write!(f, "{} ms", span.as_millis_f64()))
}
