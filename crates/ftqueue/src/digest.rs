//! A running hash of contents, so that copies are compared in no time however much they hold.

/// Odd, so that it has an inverse among 64-bit integers.
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;
/// `BASE * BASE_INVERSE == 1`, wrapping.
const BASE_INVERSE: u64 = inverse(BASE);

/// The hash of a first-in, first-out sequence. It depends on what the sequence holds now and not on how it came about:
/// with items `x1 … xn` it is the polynomial `x1·Bⁿ⁻¹ + … + xn`, which can grow at one end and shrink at the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FifoHash {
    sum: u64,
    /// `BASE` to the power of the number of items.
    power: u64,
}

impl FifoHash {
    /// The hash of nothing.
    pub(crate) const EMPTY: FifoHash = FifoHash { sum: 0, power: 1 };

    /// An item was added at the end.
    pub(crate) fn push(&mut self, item: i64) {
        self.sum = self.sum.wrapping_mul(BASE).wrapping_add(mix(item as u64));
        self.power = self.power.wrapping_mul(BASE);
    }

    /// The first item was removed.
    pub(crate) fn pop(&mut self, item: i64) {
        self.power = self.power.wrapping_mul(BASE_INVERSE);
        self.sum = self.sum.wrapping_sub(mix(item as u64).wrapping_mul(self.power));
    }

    /// The hash of what is there now.
    pub(crate) fn value(self) -> u64 {
        mix(self.sum ^ mix(self.power))
    }
}

/// The hash of a few words in order.
pub(crate) fn hash_words(words: &[u64]) -> u64 {
    words.iter().fold(mix(words.len() as u64), |hash, word| {
        mix(hash ^ mix(*word)).wrapping_add(BASE)
    })
}

/// Spreads every bit of a word over all of it; no two words give the same.
fn mix(word: u64) -> u64 {
    let mut x = word.wrapping_add(BASE);
    x = (x ^ (x >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    x = (x ^ (x >> 29)).wrapping_mul(0xa076_1d64_78bd_642f);
    x ^ (x >> 32)
}

/// Newton's iteration: each round doubles the number of low bits that are right, and an odd number starts with three.
const fn inverse(odd: u64) -> u64 {
    let mut x = odd;
    let mut round = 0;
    while round < 5 {
        x = x.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(x)));
        round += 1;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_inverse_is_one() {
        assert_eq!(BASE.wrapping_mul(BASE_INVERSE), 1);
    }

    proptest! {
        #[test]
        fn only_what_is_left_counts(before: Vec<i64>, left: Vec<i64>) {
            let mut grown = FifoHash::EMPTY;
            before.iter().chain(&left).for_each(|item| grown.push(*item));
            before.iter().for_each(|item| grown.pop(*item));
            let mut fresh = FifoHash::EMPTY;
            left.iter().for_each(|item| fresh.push(*item));
            prop_assert_eq!(grown, fresh);
        }

        #[test]
        fn different_contents_differ(one: Vec<i64>, other: Vec<i64>) {
            let hash = |items: &[i64]| {
                let mut hash = FifoHash::EMPTY;
                items.iter().for_each(|item| hash.push(*item));
                hash.value()
            };
            prop_assert_eq!(hash(&one) == hash(&other), one == other);
        }
    }
}
