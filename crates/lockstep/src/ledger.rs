//! What is written down as it comes and read seldom: the latest as it is, the rest packed, a few hundred at a time. It has times, by which the
//! oldest is let go.

use std::collections::VecDeque;
use std::rc::Rc;

use cluster::codec;
use raft_core::Instant;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How many are packed together.
const PART: usize = 256;
/// What a part takes beside its bytes.
const PART_OVERHEAD_BYTES: usize = 64;

/// What was written down, in the order in which it came: nearly that of time.
#[derive(Clone, Debug)]
pub(crate) struct Ledger<T> {
    parts: VecDeque<Part>,
    recent: Vec<(Instant, T)>,
    packed_bytes: usize,
}

#[derive(Clone, Debug)]
struct Part {
    last: Instant,
    bytes: Rc<[u8]>,
}

/// What a part holds, each time as the distance to the first.
#[derive(Serialize, Deserialize)]
struct Packed<T> {
    first: Instant,
    items: Vec<(i64, T)>,
}

impl<T> Default for Ledger<T> {
    fn default() -> Ledger<T> {
        Ledger {
            parts: VecDeque::new(),
            recent: Vec::new(),
            packed_bytes: 0,
        }
    }
}

impl<T: Clone + Serialize + DeserializeOwned> Ledger<T> {
    /// Writes something down.
    pub(crate) fn push(&mut self, at: Instant, item: T) {
        self.recent.push((at, item));
        if self.recent.len() == PART {
            let items = std::mem::replace(&mut self.recent, Vec::with_capacity(PART));
            self.pack(items);
        }
    }

    /// All that is kept, as it came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Instant, T)> {
        let packed = self.parts.iter().flat_map(Part::items);
        packed.chain(self.recent.iter().cloned())
    }

    /// How many bytes are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.packed_bytes + self.recent.capacity() * size_of::<(Instant, T)>()
    }

    /// Keeps only what is not later than that.
    pub(crate) fn until(&mut self, at: Instant) {
        let kept: Vec<(Instant, T)> = self.iter().filter(|(when, _)| *when <= at).collect();
        *self = Ledger::default();
        for (at, item) in kept {
            self.push(at, item);
        }
    }

    /// Lets go of what was before that, but for what `stays` of it: it is shown all that goes, in the order in which it came.
    pub(crate) fn forget_before(&mut self, at: Instant, mut stays: impl FnMut(Vec<(Instant, T)>) -> Vec<(Instant, T)>) {
        let whole = self.parts.iter().take_while(|part| part.last < at).count();
        if whole == 0 {
            return;
        }
        let gone: Vec<Part> = self.parts.drain(..whole).collect();
        self.packed_bytes -= gone.iter().map(Part::bytes).sum::<usize>();
        let stay = stays(gone.iter().flat_map(Part::items).collect());
        if !stay.is_empty() {
            let part = Part::of(stay);
            self.packed_bytes += part.bytes();
            self.parts.push_front(part);
        }
    }

    fn pack(&mut self, items: Vec<(Instant, T)>) {
        let part = Part::of(items);
        self.packed_bytes += part.bytes();
        self.parts.push_back(part);
    }
}

impl Part {
    fn of<T: Serialize>(items: Vec<(Instant, T)>) -> Part {
        let times = || items.iter().map(|(at, _)| *at);
        let first = times().next().unwrap_or_default();
        let last = times().max().unwrap_or_default();
        let near = |(at, item): (Instant, T)| (at.0.wrapping_sub(first.0) as i64, item);
        let packed = Packed {
            first,
            items: items.into_iter().map(near).collect(),
        };
        let bytes = codec::encode(&packed);
        Part {
            last,
            bytes: bytes.into(),
        }
    }

    fn items<T: DeserializeOwned>(&self) -> impl Iterator<Item = (Instant, T)> {
        let packed: Option<Packed<T>> = codec::decode(&self.bytes).ok();
        packed.into_iter().flat_map(|Packed { first, items }| {
            let far = move |(after, item): (i64, T)| (Instant(first.0.wrapping_add(after as u64)), item);
            items.into_iter().map(far)
        })
    }

    fn bytes(&self) -> usize {
        self.bytes.len() + PART_OVERHEAD_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_read_as_it_was_written() {
        let mut ledger = Ledger::default();
        let all: Vec<(Instant, String)> = (0..1_000_u64)
            .map(|place| (Instant(5_000 + place * 10 - place % 7), place.to_string()))
            .collect();
        for (at, item) in all.clone() {
            ledger.push(at, item);
        }
        assert_eq!(ledger.iter().collect::<Vec<_>>(), all);
        let mut until = ledger.clone();
        until.until(Instant(7_000));
        let early = all.iter().filter(|(at, _)| at.0 <= 7_000).cloned();
        assert_eq!(until.iter().collect::<Vec<_>>(), early.collect::<Vec<_>>());
    }

    /// What is let go makes room, and what is open at the border stays.
    #[test]
    fn the_oldest_is_let_go() {
        let mut ledger = Ledger::default();
        for at in 0..100_000_u64 {
            ledger.push(Instant(at), at);
        }
        let before = ledger.bytes();
        ledger.forget_before(Instant(90_000), |gone| {
            gone.into_iter().filter(|(_, item)| *item == 17).collect()
        });
        assert!(ledger.bytes() < before / 5, "{} of {before}", ledger.bytes());
        assert_eq!(ledger.iter().next(), Some((Instant(17), 17)));
        assert!(ledger.iter().skip(1).all(|(at, _)| at.0 > 90_000 - PART as u64));
        // And it can be let go later.
        ledger.forget_before(Instant(99_000), |_| Vec::new());
        assert!(ledger.iter().all(|(at, _)| at.0 > 99_000 - PART as u64));
    }
}
