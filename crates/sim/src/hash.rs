//! A fixed 64-bit hash: the same everywhere and for ever, and quick. Not for keeping secrets.

/// A hash that grows with what is written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hash(u64);

const SEED: u64 = 0x243f_6a88_85a3_08d3;
const ODD: u64 = 0x9fb2_1c65_1e98_df25;

impl Hash {
    pub(crate) const fn new() -> Hash {
        Hash(SEED)
    }

    /// A word.
    pub(crate) fn word(&mut self, word: u64) {
        let x = (self.0 ^ word).wrapping_mul(ODD);
        self.0 = x.rotate_left(29) ^ (x >> 32);
    }

    /// Bytes, and how many.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.word(u64::from_le_bytes(word.try_into().unwrap_or_default()));
        }
        let rest = words.remainder().iter().rev();
        self.word(rest.fold(0, |word, byte| word << 8 | u64::from(*byte)));
        self.word(bytes.len() as u64);
    }

    /// What has been written so far.
    pub(crate) fn value(self) -> u64 {
        let mut x = self.0;
        x = (x ^ (x >> 32)).wrapping_mul(ODD);
        x = (x ^ (x >> 29)).wrapping_mul(0xa076_1d64_78bd_642f);
        x ^ (x >> 32)
    }
}

/// The hash of a few words.
pub(crate) fn of_words(words: &[u64]) -> u64 {
    let mut hash = Hash::new();
    for word in words {
        hash.word(*word);
    }
    hash.value()
}
