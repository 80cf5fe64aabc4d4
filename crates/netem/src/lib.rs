//! One direction of a network link, as a pure function of a seed: see [`Link::send`].

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What a link does to messages. All times are microseconds, all chances from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkSettings {
    /// The shortest time a message takes.
    pub delay_us: u64,
    /// At most this much is added, drawn uniformly.
    pub jitter_us: u64,
    /// The chance that a message is lost.
    pub loss: f64,
    /// The chance that a message arrives twice.
    pub duplicate: f64,
    /// Whether a message may overtake one sent before it.
    pub reorder: bool,
    /// Whether nothing passes.
    pub cut: bool,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// It arrives at this time, in microseconds; and once more, if it is duplicated.
    Arrives { at_us: u64, again_at_us: Option<u64> },
    /// It is lost on the way.
    Lost,
    /// The link is cut.
    Cut,
}

/// One direction of a link.
#[derive(Debug)]
pub struct Link {
    settings: LinkSettings,
    random: ChaCha8Rng,
    latest_arrival_us: u64,
}

impl Link {
    /// A link that has carried nothing yet.
    pub fn new(settings: LinkSettings, seed: u64) -> Link {
        Link { settings, random: ChaCha8Rng::seed_from_u64(seed), latest_arrival_us: 0 }
    }

    /// Decides what becomes of a message that is sent now.
    pub fn send(&mut self, now_us: u64) -> Fate {
        let _ = (&self.settings, &self.random, self.latest_arrival_us, now_us);
        todo!()
    }
}
