//! A list by time that takes little room. The latest stand there as they are, for what becomes of them may still change; what is older is packed,
//! block by block: the time of each in four bytes, the rest in a *cell* of a few more, as differences from what the block has in common. What
//! does not fit a cell is kept beside it as it is, so nothing is lost.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use raft_core::Instant;

/// How many are packed together.
const BLOCK: usize = 512;

/// What can be filed.
pub(crate) trait Filable: Copy + fmt::Debug {
    /// What a block's items have in common.
    type Base: Clone + fmt::Debug;
    /// How many bytes one takes, packed, beside its time.
    const CELL_BYTES: usize;
    /// How many of the latest at least are not packed.
    const RECENT: usize;

    /// Its time.
    fn at(&self) -> Instant;
    /// What these have in common.
    fn base(items: &[Self]) -> Self::Base;
    /// Writes it into an empty cell, all but its time; none, if it does not fit.
    fn pack(&self, base: &Self::Base, cell: &mut Cell<'_>) -> Option<()>;
    /// Reads it again.
    fn unpack(at: Instant, base: &Self::Base, cell: Packed<'_>) -> Self;
}

/// Where something is packed: numbers of so many bytes, one behind the other.
pub(crate) struct Cell<'a>(&'a mut [u8]);

impl Cell<'_> {
    /// Writes a number of so many bytes, if it is no larger.
    pub(crate) fn put(&mut self, bytes: usize, number: u64) -> Option<()> {
        if bytes < 8 && number >> (8 * bytes) != 0 {
            return None;
        }
        let (room, rest) = std::mem::take(&mut self.0).split_at_mut_checked(bytes)?;
        room.copy_from_slice(&number.to_le_bytes()[..bytes]);
        self.0 = rest;
        Some(())
    }

    /// Writes how far a number is from another, if it is near.
    pub(crate) fn put_from(&mut self, bytes: usize, number: u64, base: u64) -> Option<()> {
        self.put(bytes, number.wrapping_sub(base).wrapping_add(half(bytes)))
    }
}

/// What was packed.
pub(crate) struct Packed<'a>(&'a [u8]);

impl Packed<'_> {
    /// Reads a number.
    pub(crate) fn get(&mut self, bytes: usize) -> u64 {
        let (read, rest) = self.0.split_at(bytes);
        self.0 = rest;
        let mut number = [0; 8];
        number[..bytes].copy_from_slice(read);
        u64::from_le_bytes(number)
    }

    /// Reads a number that was written as its distance from another.
    pub(crate) fn get_from(&mut self, bytes: usize, base: u64) -> u64 {
        self.get(bytes).wrapping_sub(half(bytes)).wrapping_add(base)
    }
}

/// What stands for no distance at all.
fn half(bytes: usize) -> u64 {
    1 << (8 * bytes - 1)
}

/// Some of the list, packed.
struct Block<T: Filable> {
    first: Instant,
    base: T::Base,
    /// By how many microseconds each is later than the first.
    offsets: Box<[u32]>,
    cells: Box<[u8]>,
    /// Those that do not fit, by their places in the block.
    odd: Box<[(u32, T)]>,
}

impl<T: Filable> Block<T> {
    /// Packs these, as many as go into one block: at least one.
    fn of(items: &[T]) -> Block<T> {
        let first = items.first().map_or(Instant(0), T::at);
        let near = |item: &T| u32::try_from(item.at().0 - first.0).ok();
        let offsets: Box<[u32]> = items.iter().take(BLOCK).map_while(near).collect();
        let items = &items[..offsets.len()];
        let base = T::base(items);
        let mut cells = vec![0; items.len() * T::CELL_BYTES].into_boxed_slice();
        let mut odd = Vec::new();
        for ((item, bytes), place) in items.iter().zip(cells.chunks_exact_mut(T::CELL_BYTES)).zip(0..) {
            if item.pack(&base, &mut Cell(bytes)).is_none() {
                odd.push((place, *item));
            }
        }
        Block {
            first,
            base,
            offsets,
            cells,
            odd: odd.into_boxed_slice(),
        }
    }

    fn len(&self) -> usize {
        self.offsets.len()
    }

    fn at(&self, place: usize) -> Instant {
        Instant(self.first.0 + u64::from(self.offsets[place]))
    }

    fn last(&self) -> Instant {
        self.offsets
            .last()
            .map_or(self.first, |us| Instant(self.first.0 + u64::from(*us)))
    }

    fn get(&self, place: usize) -> T {
        if let Ok(found) = self.odd.binary_search_by_key(&(place as u32), |(place, _)| *place) {
            return self.odd[found].1;
        }
        let cell = &self.cells[place * T::CELL_BYTES..][..T::CELL_BYTES];
        T::unpack(self.at(place), &self.base, Packed(cell))
    }

    fn items(&self) -> Vec<T> {
        (0..self.len()).map(|place| self.get(place)).collect()
    }

    fn bytes(&self) -> usize {
        // Two counts, and where an allocator keeps them.
        const OVERHEAD_BYTES: usize = 64;
        let odd = size_of_val(&*self.odd);
        size_of::<Block<T>>() + OVERHEAD_BYTES + size_of_val(&*self.offsets) + self.cells.len() + odd
    }
}

/// The list.
#[derive(Clone)]
pub(crate) struct Filed<T: Filable> {
    /// What is packed, each block with how many were before it, by some count.
    blocks: VecDeque<(usize, Rc<Block<T>>)>,
    /// Which of them is the first that is kept, by the same count.
    gone: usize,
    recent: VecDeque<T>,
    packed_bytes: usize,
}

impl<T: Filable> Filed<T> {
    /// An empty list.
    pub(crate) fn new() -> Filed<T> {
        Filed {
            blocks: VecDeque::new(),
            gone: 0,
            recent: VecDeque::new(),
            packed_bytes: 0,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.packed_end() - self.gone + self.recent.len()
    }

    /// How many bytes they take.
    pub(crate) fn bytes(&self) -> usize {
        self.packed_bytes + self.recent.capacity() * size_of::<T>()
    }

    /// Files one where its time belongs: behind those of the same instant.
    pub(crate) fn file(&mut self, item: T) {
        let at = item.at();
        if self.recent.back().is_none_or(|last| last.at() <= at) && self.is_behind_packed(at) {
            self.recent.push_back(item);
        } else if self.is_behind_packed(at) {
            let place = self.recent.partition_point(|known| known.at() <= at);
            self.recent.insert(place, item);
        } else {
            self.file_late(item);
        }
        if self.recent.len() >= T::RECENT + BLOCK {
            self.pack();
        }
    }

    /// The latest.
    pub(crate) fn last(&self) -> Option<T> {
        self.len().checked_sub(1).map(|place| self.get(place))
    }

    /// How many lie before an instant.
    pub(crate) fn before(&self, at: Instant) -> usize {
        self.place(&|known| known < at)
    }

    /// How many lie at an instant or before it.
    pub(crate) fn until(&self, at: Instant) -> usize {
        self.place(&|known| known <= at)
    }

    /// The one at a place, which must be below [`Filed::len`].
    pub(crate) fn get(&self, place: usize) -> T {
        self.get_near(place, &mut 0)
    }

    /// The same, where the block is known that is likely to hold it: that which held the last one.
    #[inline(never)]
    fn get_near(&self, place: usize, block: &mut usize) -> T {
        let place = place + self.gone;
        if let Some(recent) = place.checked_sub(self.packed_end()) {
            return self.recent[recent];
        }
        let is_there = |(before, block): &(usize, Rc<Block<T>>)| (*before..before + block.len()).contains(&place);
        if !self.blocks.get(*block).is_some_and(is_there) {
            *block = self.block_of(place);
        }
        let (before, block) = &self.blocks[*block];
        block.get(place - before)
    }

    /// Those at these places, as far as there are so many.
    pub(crate) fn range(&self, places: Range<usize>) -> Items<'_, T> {
        Items {
            places: places.start..places.end.min(self.len()),
            list: self,
            blocks: [0; 2],
        }
    }

    /// Those from a place on.
    pub(crate) fn from(&self, place: usize) -> Items<'_, T> {
        self.range(place..self.len())
    }

    /// All of them.
    pub(crate) fn iter(&self) -> Items<'_, T> {
        self.range(0..self.len())
    }

    /// The latest, the very last first: [`Filable::RECENT`], if there are so many.
    pub(crate) fn recent_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.recent.iter_mut().rev().take(T::RECENT)
    }

    /// Lets `change` see those at these places; it says of each what it is from now on, if that is something else. Its time must stay.
    pub(crate) fn change(&mut self, places: Range<usize>, change: impl Fn(&T) -> Option<T>) {
        let places = places.start + self.gone..places.end.min(self.len()) + self.gone;
        let end = self.packed_end();
        for (before, block) in &mut self.blocks {
            let inside = *before < places.end && *before + block.len() > places.start;
            if !inside {
                continue;
            }
            let mut items = block.items();
            let mut is_changed = false;
            for (item, place) in items.iter_mut().zip(*before..) {
                if let Some(other) = change(item).filter(|_| places.contains(&place)) {
                    *item = other;
                    is_changed = true;
                }
            }
            if is_changed {
                self.packed_bytes -= block.bytes();
                *block = Rc::new(Block::of(&items));
                self.packed_bytes += block.bytes();
            }
        }
        for (item, place) in self.recent.iter_mut().zip(end..) {
            if let Some(other) = change(item).filter(|_| places.contains(&place)) {
                *item = other;
            }
        }
    }

    /// Lets go of those before an instant.
    pub(crate) fn forget_before(&mut self, at: Instant) {
        self.gone += self.before(at);
        while let Some((_, block)) = self
            .blocks
            .pop_front_if(|(before, block)| *before + block.len() <= self.gone)
        {
            self.packed_bytes -= block.bytes();
        }
        let more = self.recent.partition_point(|item| item.at() < at);
        self.recent.drain(..more);
        // It is counted from the first that is kept, or the first of its block: the count does not grow for ever.
        let first = self.blocks.front().map_or(self.gone, |(before, _)| *before);
        self.gone -= first;
        for (before, _) in &mut self.blocks {
            *before -= first;
        }
    }

    /// Keeps only so many from the front.
    pub(crate) fn truncate(&mut self, len: usize) {
        let end = self.gone + len.min(self.len());
        while self.packed_end() > end {
            self.recent.clear();
            self.unpack_last();
        }
        self.recent.truncate(end - self.packed_end());
        while self.recent.len() < T::RECENT && !self.blocks.is_empty() {
            self.unpack_last();
        }
    }

    /// How many of all that ever were are packed, or gone.
    fn packed_end(&self) -> usize {
        self.blocks
            .back()
            .map_or(self.gone, |(before, block)| before + block.len())
    }

    /// Whether nothing that is packed is later.
    fn is_behind_packed(&self, at: Instant) -> bool {
        self.blocks.back().is_none_or(|(_, block)| block.last() <= at)
    }

    /// Which block holds a place, counted from the beginning, that is packed.
    fn block_of(&self, place: usize) -> usize {
        self.blocks.partition_point(|(before, _)| *before <= place) - 1
    }

    /// How many there are for which `earlier` holds: it holds for none behind one for which it does not.
    #[inline(never)]
    fn place(&self, earlier: &dyn Fn(Instant) -> bool) -> usize {
        if self.recent.front().is_some_and(|first| earlier(first.at())) {
            let recent = self.recent.partition_point(|item| earlier(item.at()));
            return self.packed_end() - self.gone + recent;
        }
        let blocks = self.blocks.partition_point(|(_, block)| earlier(block.first));
        let Some((before, block)) = blocks.checked_sub(1).map(|place| &self.blocks[place]) else {
            return 0;
        };
        let inside = block
            .offsets
            .partition_point(|us| earlier(Instant(block.first.0 + u64::from(*us))));
        (before + inside).saturating_sub(self.gone)
    }

    fn pack(&mut self) {
        let oldest: Vec<T> = self.recent.iter().take(BLOCK).copied().collect();
        let block = Block::of(&oldest);
        self.recent.drain(..block.len());
        self.packed_bytes += block.bytes();
        self.blocks.push_back((self.packed_end(), Rc::new(block)));
    }

    fn unpack_last(&mut self) {
        let Some((before, block)) = self.blocks.pop_back() else {
            return;
        };
        self.packed_bytes -= block.bytes();
        let gone = self.gone.saturating_sub(before);
        for place in (gone..block.len()).rev() {
            self.recent.push_front(block.get(place));
        }
    }

    /// Files one among those that are packed: it was told of very late.
    fn file_late(&mut self, item: T) {
        let at = item.at();
        let place = self
            .blocks
            .partition_point(|(_, block)| block.first <= at)
            .saturating_sub(1);
        let Some((before, block)) = self.blocks.remove(place) else {
            return;
        };
        self.packed_bytes -= block.bytes();
        // Among what is gone nothing is let in.
        let mut items = block.items();
        let gone = self.gone.saturating_sub(before);
        items.drain(..gone);
        items.insert(items.partition_point(|known| known.at() <= at), item);
        let mut rest = &items[..];
        let (mut into, mut count) = (place, before + gone);
        while !rest.is_empty() {
            let block = Block::of(rest);
            rest = &rest[block.len()..];
            self.packed_bytes += block.bytes();
            let len = block.len();
            self.blocks.insert(into, (count, Rc::new(block)));
            (into, count) = (into + 1, count + len);
        }
        for (before, _) in self.blocks.range_mut(into..) {
            *before += 1;
        }
    }
}

/// Some of a list, from either end.
pub(crate) struct Items<'a, T: Filable> {
    list: &'a Filed<T>,
    places: Range<usize>,
    /// The blocks that held the last one from the front, and from the back.
    blocks: [usize; 2],
}

impl<T: Filable> Iterator for Items<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let place = self.places.next()?;
        Some(self.list.get_near(place, &mut self.blocks[0]))
    }
}

impl<T: Filable> DoubleEndedIterator for Items<'_, T> {
    fn next_back(&mut self) -> Option<T> {
        let place = self.places.next_back()?;
        Some(self.list.get_near(place, &mut self.blocks[1]))
    }
}

impl<T: Filable> fmt::Debug for Filed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by time in {} bytes", self.len(), self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A number with a time; most fit a cell.
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Numbered(Instant, u64);

    impl Filable for Numbered {
        type Base = u64;
        const CELL_BYTES: usize = 2;
        const RECENT: usize = 40;

        fn at(&self) -> Instant {
            self.0
        }
        fn base(items: &[Numbered]) -> u64 {
            items[0].1
        }
        fn pack(&self, base: &u64, cell: &mut Cell<'_>) -> Option<()> {
            cell.put_from(2, self.1, *base)
        }
        fn unpack(at: Instant, base: &u64, mut cell: Packed<'_>) -> Numbered {
            Numbered(at, cell.get_from(2, *base))
        }
    }

    /// What is done to a list.
    #[derive(Clone, Debug)]
    enum Deed {
        /// So many come, each a little later, or a little earlier, than the one before.
        Come(Vec<(i16, u64)>),
        /// One comes that is late by a part of all that is kept.
        Late(u8),
        /// A part is let go.
        Forget(u8),
        /// A part is kept.
        Truncate(u8),
        /// A part is changed.
        Change(u8, u8),
        /// The next comes hours later.
        Sleep,
    }

    fn deed() -> impl Strategy<Value = Deed> {
        let number = prop_oneof![8 => 0_u64..1_000, 1 => any::<u64>()];
        prop_oneof![
            6 => prop::collection::vec((-20_i16..400, number), 0..900).prop_map(Deed::Come),
            2 => any::<u8>().prop_map(Deed::Late),
            2 => (0_u8..80).prop_map(Deed::Forget),
            1 => (150_u8..).prop_map(Deed::Truncate),
            1 => (any::<u8>(), any::<u8>()).prop_map(|(one, other)| Deed::Change(one, other)),
            1 => Just(Deed::Sleep),
        ]
    }

    fn part(of: usize, part: u8) -> usize {
        of * usize::from(part) / 255
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Packed or not, the list is what a plain sorted list is.
        #[test]
        fn a_packed_list_is_a_list(deeds in prop::collection::vec(deed(), 1..14)) {
            let mut filed = Filed::new();
            let mut plain: Vec<Numbered> = Vec::new();
            let mut now = 1_000_000_u64;
            let file = |filed: &mut Filed<Numbered>, plain: &mut Vec<Numbered>, item: Numbered| {
                filed.file(item);
                plain.insert(plain.partition_point(|known| known.0 <= item.0), item);
            };
            for deed in deeds {
                match deed {
                    Deed::Come(items) => for (later, number) in items {
                        now = now.saturating_add_signed(i64::from(later));
                        file(&mut filed, &mut plain, Numbered(Instant(now), number));
                    },
                    Deed::Late(late) => {
                        let place = part(plain.len(), late);
                        let at = plain.get(place).map_or(Instant(5), |item| item.0);
                        file(&mut filed, &mut plain, Numbered(at, 7));
                    }
                    Deed::Forget(gone) => {
                        if let Some(first) = plain.get(part(plain.len(), gone)).map(|item| item.0) {
                            filed.forget_before(first);
                            plain.retain(|item| item.0 >= first);
                        }
                    }
                    Deed::Truncate(kept) => {
                        let kept = part(plain.len(), kept);
                        filed.truncate(kept);
                        plain.truncate(kept);
                    }
                    Deed::Change(one, other) => {
                        let (one, other) = (part(plain.len(), one), part(plain.len(), other));
                        let places = one.min(other)..one.max(other);
                        let odd = |item: &Numbered| (item.1 % 2 == 1).then_some(Numbered(item.0, item.1 / 2));
                        filed.change(places.clone(), odd);
                        for item in &mut plain[places] {
                            *item = odd(item).unwrap_or(*item);
                        }
                    }
                    Deed::Sleep => now += 3 * 3_600_000_000,
                }
                prop_assert_eq!(filed.len(), plain.len());
                prop_assert_eq!(filed.iter().collect::<Vec<_>>(), plain.clone());
                prop_assert_eq!(filed.last(), plain.last().copied());
                for place in (0..plain.len()).step_by(97) {
                    prop_assert_eq!(filed.get(place), plain[place]);
                    let at = plain[place].0;
                    prop_assert_eq!(filed.before(at), plain.partition_point(|item| item.0 < at));
                    prop_assert_eq!(filed.until(at), plain.partition_point(|item| item.0 <= at));
                    let back: Vec<_> = filed.range(place / 2..place).rev().collect();
                    let plain_back: Vec<_> = plain[place / 2..place].iter().rev().copied().collect();
                    prop_assert_eq!(back, plain_back);
                }
                let counted: usize = filed.blocks.iter().map(|(_, block)| block.bytes()).sum();
                prop_assert_eq!(filed.packed_bytes, counted);
                let recent = filed.recent_mut().count();
                prop_assert!(recent >= Numbered::RECENT.min(filed.len()) || recent == filed.len(), "{} of {}", recent, filed.len());
            }
        }
    }
}
