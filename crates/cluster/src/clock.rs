//! Virtual time: how it runs against a wall clock.

use raft_core::Instant;
use serde::{Deserialize, Serialize};

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
    _setting: ClockSetting,
}
