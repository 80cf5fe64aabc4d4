//! One direction of a network link, as a pure function of a seed: see [`Link::send`].
//!
//! *Architecture Invariant:* a link never sees what a message says, and holds no messages. It only tells their fates.

#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros)]

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize, Serializer};

/// The longest delay and the longest jitter of a link: a minute each.
pub const DELAY_US_MAX: u64 = 60_000_000;

/// How many words of random numbers a message may use: in the 32 bits of a stream's position.
const WORDS_PER_MESSAGE: u128 = 8;

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
    /// It arrives.
    Arrives {
        /// When, in microseconds.
        at_us: u64,
        /// When it arrives once more, if it is duplicated; never before `at_us`.
        again_at_us: Option<u64>,
    },
    /// It is lost on the way.
    Lost,
    /// The link is cut.
    Cut,
}

/// One direction of a link.
#[derive(Debug, Deserialize)]
#[serde(from = "Written")]
pub struct Link {
    settings: LinkSettings,
    random: ChaCha8Rng,
    /// How many messages were sent, and how many of them have drawn their random numbers.
    sent: u64,
    drawn: u64,
    latest_arrival_us: u64,
}

impl Link {
    /// A link that has carried nothing yet.
    pub fn new(settings: LinkSettings, seed: u64) -> Link {
        Link {
            settings: settings.clamped(),
            random: ChaCha8Rng::seed_from_u64(seed),
            sent: 0,
            drawn: 0,
            latest_arrival_us: 0,
        }
    }

    /// The settings that hold.
    pub fn settings(&self) -> LinkSettings {
        self.settings
    }

    /// Changes the settings for messages sent from now on. Those on the way keep their fates, and unless the link
    /// reorders, later ones still arrive after them.
    pub fn set(&mut self, settings: LinkSettings) {
        self.settings = settings.clamped();
    }

    /// Decides what becomes of a message that is sent now.
    ///
    /// Unless the link reorders, no message arrives before one that was sent earlier, nor before that one's duplicate;
    /// among those that arrive at the same microsecond the receiver keeps the order of sending.
    ///
    /// The `n`th message draws the same random numbers whatever the settings are: a link that is made lossier loses what it
    /// lost before, and more.
    pub fn send(&mut self, now_us: u64) -> Fate {
        self.sent += 1;
        let settings = self.settings;
        if settings.cut {
            return Fate::Cut;
        }
        let [loss, duplicate, jitter, jitter_again] = self.draw();
        if happens(loss, settings.loss) {
            return Fate::Lost;
        }
        let at_us = self.arrival(now_us, jitter);
        self.latest_arrival_us = self.latest_arrival_us.max(at_us);
        let again_at_us = happens(duplicate, settings.duplicate).then(|| self.arrival(now_us, jitter_again).max(at_us));
        self.latest_arrival_us = self.latest_arrival_us.max(again_at_us.unwrap_or(0));
        Fate::Arrives { at_us, again_at_us }
    }

    /// The random numbers of the message that is being sent. Where they decide nothing, none are drawn.
    fn draw(&mut self) -> [u64; 4] {
        let settings = &self.settings;
        if settings.loss <= 0.0 && settings.duplicate <= 0.0 && settings.jitter_us == 0 {
            return [0; 4];
        }
        if self.drawn + 1 < self.sent {
            self.random.set_word_pos(u128::from(self.sent - 1) * WORDS_PER_MESSAGE);
        }
        self.drawn = self.sent;
        std::array::from_fn(|_| self.random.next_u64())
    }

    fn arrival(&self, now_us: u64, jitter: u64) -> u64 {
        let LinkSettings {
            delay_us,
            jitter_us,
            reorder,
            ..
        } = self.settings;
        let at_us = now_us.saturating_add(delay_us).saturating_add(scale(jitter, jitter_us));
        if reorder {
            at_us
        } else {
            at_us.max(self.latest_arrival_us)
        }
    }
}

impl LinkSettings {
    /// A link that carries everything at once.
    pub const PERFECT: LinkSettings = LinkSettings {
        delay_us: 0,
        jitter_us: 0,
        loss: 0.0,
        duplicate: 0.0,
        reorder: false,
        cut: false,
    };

    /// The nearest settings that make sense: chances from 0 to 1 (0 for what is not a number), times up to
    /// [`DELAY_US_MAX`].
    pub fn clamped(self) -> LinkSettings {
        LinkSettings {
            delay_us: self.delay_us.min(DELAY_US_MAX),
            jitter_us: self.jitter_us.min(DELAY_US_MAX),
            loss: chance(self.loss),
            duplicate: chance(self.duplicate),
            ..self
        }
    }
}

/// What is written of a link: of its random numbers, the seed, for the rest follows from how many messages have drawn theirs.
#[derive(Serialize, Deserialize)]
struct Written {
    settings: LinkSettings,
    seed: [u8; 32],
    sent: u64,
    drawn: u64,
    latest_arrival_us: u64,
}

impl Serialize for Link {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = Written {
            settings: self.settings,
            seed: self.random.get_seed(),
            sent: self.sent,
            drawn: self.drawn,
            latest_arrival_us: self.latest_arrival_us,
        };
        written.serialize(serializer)
    }
}

impl From<Written> for Link {
    fn from(written: Written) -> Link {
        let Written {
            settings,
            seed,
            sent,
            drawn,
            latest_arrival_us,
        } = written;
        let mut random = ChaCha8Rng::from_seed(seed);
        random.set_word_pos(u128::from(drawn) * WORDS_PER_MESSAGE);
        Link {
            settings,
            random,
            sent,
            drawn,
            latest_arrival_us,
        }
    }
}

impl Default for LinkSettings {
    /// A quiet network inside one building: 8 to 12 ms, nothing lost.
    fn default() -> LinkSettings {
        LinkSettings {
            delay_us: 8_000,
            jitter_us: 4_000,
            ..LinkSettings::PERFECT
        }
    }
}

fn chance(chance: f64) -> f64 {
    if chance.is_nan() { 0.0 } else { chance.clamp(0.0, 1.0) }
}

/// Whether something of this chance happens, given a random word: never at 0, always at 1.
fn happens(word: u64, chance: f64) -> bool {
    const STEPS: f64 = (1u64 << 53) as f64;
    ((word >> 11) as f64) < chance * STEPS
}

/// A random word spread evenly over `0..=max`.
fn scale(word: u64, max: u64) -> u64 {
    ((u128::from(word) * (u128::from(max) + 1)) >> 64) as u64
}

#[cfg(test)]
mod tests;
