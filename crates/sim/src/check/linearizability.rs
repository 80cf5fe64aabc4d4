//! Could what clients were answered have been answered by one queue, one operation after the other, each between its invocation
//! and its return?
//!
//! The log gives an order of the writes, so the quick way is to try that one ([`super::explain`]). Where it does not explain the calls, they
//! are decided from what clients asked and were answered alone ([`super::monitor`]). An operation without an answer may have happened at any time after its
//! invocation, or never.

use std::fmt;

use raft_core::Instant;

use super::Call;
use super::monitor::{self, Before, Decision};

/// How many calls are shown of those that cannot be put in order.
const SHOWN_MAX: usize = 24;

/// What came of the check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order.
    Linearizable,
    /// There is none.
    Not(Window),
    /// Not known, and why.
    Unknown(String),
}

/// Calls that cannot be put in order, whatever else was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// When the first of the calls was invoked.
    pub from: Instant,
    /// When the last returned.
    pub to: Instant,
    /// The calls, in words, in the order of their invocation.
    pub calls: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

/// Judges calls alone, of clients that began with nothing. They stand in the order of their invocation.
pub fn judge(calls: &[Call]) -> Verdict {
    judge_after(calls, &Before::default())
}

/// The same, after what was before.
pub(super) fn judge_after(calls: &[Call], before: &Before) -> Verdict {
    match monitor::decide(calls, before) {
        Decision::Fits => Verdict::Linearizable,
        Decision::Open(why) => Verdict::Unknown(why.to_owned()),
        Decision::Broken(places) => Verdict::Not(window(calls, places)),
    }
}

fn window(calls: &[Call], mut places: Vec<usize>) -> Window {
    places.sort_unstable();
    places.dedup();
    // The last are those that show it.
    let more = places.len().saturating_sub(SHOWN_MAX);
    let shown: Vec<&Call> = places.iter().skip(more).filter_map(|place| calls.get(*place)).collect();
    let returns = shown.iter().filter_map(|call| Some(call.returned?.at));
    Window {
        from: shown.first().map_or(Instant(0), |call| call.at),
        to: returns.max().unwrap_or_default(),
        calls: shown.iter().map(ToString::to_string).collect(),
        more,
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}, {}: {}", self.client, self.at, self.operation)?;
        match self.returned {
            None => write!(f, " → no answer"),
            Some(returned) => match returned.result {
                Ok(answer) => write!(f, " → {answer} at {}", returned.at),
                Err(error) => write!(f, " → {error} at {}", returned.at),
            },
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no order of these calls gives these answers: {}",
            self.calls.join("; ")
        )?;
        if self.more > 0 {
            write!(f, "; and {} before them", self.more)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
