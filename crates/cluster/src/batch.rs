//! What a page and a Worker post to each other at once, and the time of who posts it.
//!
//! Each has a clock of its own. They are one clock in what is seen, because whoever hears a batch puts its clock where the
//! sender's was, if it was behind: an effect is never earlier than its cause. That is the rule of Lamport's logical clocks; between
//! nodes, the stamps of frames do the same.

use raft_core::Instant;
use serde::{Deserialize, Serialize};

/// Messages that are posted together, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch<M> {
    /// The sender's virtual time when it posted them; 0 from a Worker that was not told the time yet.
    pub sent_at: Instant,
    /// The messages. A port that comes along belongs to the first.
    pub messages: Vec<M>,
}

impl<M> Batch<M> {
    /// One message.
    pub fn of(sent_at: Instant, message: M) -> Batch<M> {
        Batch {
            sent_at,
            messages: vec![message],
        }
    }
}

/// What is known of how far a Worker's wall clock is ahead of its page's, in milliseconds. They are of one machine and differ all the same: each
/// was set by the system's clock when it was made, which may have been moved since by hand, by the network or by sleep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ahead {
    /// It is at least so far ahead: the page heard at this time, of its own, what the Worker had said at that of its own.
    pub least_ms: f64,
    /// And at most so far: the Worker heard then what the page had said.
    pub most_ms: f64,
}

impl Ahead {
    /// How far it is taken to be ahead: not at all, if that can be.
    pub fn estimate_ms(self) -> f64 {
        let Ahead { least_ms, most_ms } = self;
        if least_ms.is_finite() && most_ms.is_finite() {
            0.0_f64.clamp(least_ms.min(most_ms), most_ms.max(least_ms))
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_can_agree_do() {
        for (least_ms, most_ms, ahead_ms) in [
            (-1.5, 0.4, 0.0),
            (3_600_000.0, 3_600_002.0, 3_600_000.0),
            (-7_200_002.0, -7_200_000.0, -7_200_000.0),
            // Rounded clocks may contradict themselves a little.
            (17.0, 16.0, 16.0),
            (f64::NAN, 3.0, 0.0),
        ] {
            assert_eq!(Ahead { least_ms, most_ms }.estimate_ms(), ahead_ms);
        }
    }
}
