//! How a source of random numbers is written: the seed, and how far it has been used.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(super) fn serialize<S: Serializer>(rng: &ChaCha8Rng, serializer: S) -> Result<S::Ok, S::Error> {
    (rng.get_seed(), rng.get_word_pos()).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ChaCha8Rng, D::Error> {
    let (seed, used): ([u8; 32], u128) = Deserialize::deserialize(deserializer)?;
    let mut rng = ChaCha8Rng::from_seed(seed);
    rng.set_word_pos(used);
    Ok(rng)
}
