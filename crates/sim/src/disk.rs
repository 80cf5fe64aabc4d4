//! A disk: two log files, of whose bytes a part is flushed; and what files do that lie.

use std::collections::VecDeque;

use cluster::disk::{DiskError, Flushing, RawFile, Refusal};
use cluster::node::{OpenDisk, WriteId};
use raft_core::{Duration, Instant, Rules, Term};
use serde::{Deserialize, Serialize};

use crate::plan::Tail;

/// One node's disk: the code that Workers run, over files of which it is known what they hold.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    disk: cluster::disk::Disk<File>,
    /// Flushes under way, in the order in which they were asked for and complete.
    flushes: VecDeque<Flush>,
    /// A bit of what was acknowledged has turned.
    damaged: bool,
}

/// A file as a cache shows it, and what of it is on the disk.
#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    /// Up to here nothing waits to be written out.
    flushed: usize,
    /// What the cache shows below that, and the disk does not have.
    holes: Vec<Hole>,
    /// How it counts what it writes, if not truly.
    miscounts: Option<Miscount>,
    /// Whether there is no room for what is written.
    is_full: bool,
}

/// Bytes whose flush failed: the cache has them and believes them written out.
#[derive(Clone, Copy, Debug)]
struct Hole {
    begin: usize,
    end: usize,
    /// They have been written again since: the next flush takes them along.
    rewritten: bool,
}

/// What a file answers to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Miscount {
    /// It writes nothing, and answers −8 as an unsigned number of 32 bits.
    Minus8,
    /// It writes nothing and says so, for ever.
    Zero,
    /// It writes nothing, and answers no number.
    NotANumber,
    /// It writes a half, and says that it wrote all.
    HalfForAll,
    /// It writes a half and says so: nothing is wrong with that.
    Half,
}

impl Miscount {
    /// Every one.
    pub(crate) const ALL: [Miscount; 5] = [
        Miscount::Minus8,
        Miscount::Zero,
        Miscount::NotANumber,
        Miscount::HalfForAll,
        Miscount::Half,
    ];
}

/// A flush under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flush {
    pub(crate) write: WriteId,
    asked_at: Instant,
    pub(crate) done_at: Instant,
    /// The node's term when it asked.
    pub(crate) term: Term,
    /// What is flushed with it.
    part: Flushing,
}

/// What a crash did to the bytes that were not flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    None,
    Lost,
    Torn,
    Flipped,
}

impl Disk {
    /// An empty disk.
    pub(crate) fn new(rules: &Rules) -> Disk {
        Disk::of([File::default(), File::default()], rules)
    }

    /// A disk whose first file is this, all of it flushed.
    pub(crate) fn holding(file: Vec<u8>, rules: &Rules) -> Disk {
        let file = File {
            flushed: file.len(),
            bytes: file,
            ..File::default()
        };
        Disk::of([file, File::default()], rules)
    }

    fn of(files: [File; 2], rules: &Rules) -> Disk {
        let mut disk = cluster::disk::Disk::new(files).expect("these files know their size");
        if !rules.believe_only_plausible_counts {
            disk.believe_everything();
        }
        Disk {
            disk,
            flushes: VecDeque::new(),
            damaged: false,
        }
    }

    /// Whether a bit of what was acknowledged has turned since a node last started with it.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Whether nothing was ever written to it, or all of that is gone.
    pub(crate) fn is_empty(&self) -> bool {
        self.disk.files().iter().all(|file| file.bytes.is_empty())
    }

    pub(crate) fn files(&self) -> [&[u8]; 2] {
        self.disk.files().each_ref().map(|file| &file.bytes[..])
    }

    /// Does what a node that boots wants, at once: goes on where it says, adds these bytes and flushes everything.
    pub(crate) fn boot(&mut self, open: Option<&OpenDisk>, bytes: &[u8]) -> Result<(), DiskError> {
        self.flushes.clear();
        self.disk.measure()?;
        if let Some(open) = open {
            self.disk.go_on(open)?;
        }
        self.disk.append(bytes)?;
        if !self.disk.flush()? {
            let why = "it is full".to_owned();
            return Err(DiskError::NoRoom { why });
        }
        self.damaged = false;
        Ok(())
    }

    /// Goes on in the other file, from its beginning.
    pub(crate) fn switch(&mut self) -> Result<(), DiskError> {
        self.disk.switch()
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.disk.append(bytes)
    }

    /// How writes are counted from now on.
    pub(crate) fn set_miscount(&mut self, miscounts: Option<Miscount>) {
        for file in self.disk.files_mut() {
            file.miscounts = miscounts;
        }
    }

    /// Whether there is room for what is written from now on. What waits for room is tried again `now`, if there is.
    pub(crate) fn set_full(&mut self, is_full: bool, now: Instant) {
        for file in self.disk.files_mut() {
            file.is_full = is_full;
        }
        if is_full {
            return;
        }
        let part = self.disk.begin_flush();
        for flush in self.flushes.iter_mut().filter(|flush| flush.done_at == Instant::NEVER) {
            (flush.done_at, flush.part) = (now, part);
        }
    }

    /// Begins to flush what is there `now`. It is done at `done_at`, but not before the flush before it.
    pub(crate) fn flush(&mut self, write: WriteId, now: Instant, done_at: Instant, term: Term) -> Instant {
        let done_at = self.flushes.back().map_or(done_at, |last| done_at.max(last.done_at));
        self.flushes.push_back(Flush {
            write,
            asked_at: now,
            done_at,
            term,
            part: self.disk.begin_flush(),
        });
        done_at
    }

    /// The last of the flushes that are done by now, if any is; it stands for those before it. One for which there is no room is not,
    /// nor is any after it.
    ///
    /// # Errors
    /// One failed.
    pub(crate) fn take_done(&mut self, now: Instant) -> Result<Option<Flush>, DiskError> {
        let mut last = None;
        while let Some(flush) = self.flushes.pop_front_if(|flush| flush.done_at <= now) {
            // What waits for room is flushed with all that was written since.
            let part = match self.disk.lacks_room() {
                Some(_) => self.disk.begin_flush(),
                None => flush.part,
            };
            if self.disk.finish_flush(part)? {
                last = Some(flush);
                continue;
            }
            self.flushes.push_front(flush);
            for waiting in &mut self.flushes {
                waiting.done_at = Instant::NEVER;
            }
        }
        Ok(last)
    }

    /// Whether something waits for room.
    pub(crate) fn lacks_room(&self) -> bool {
        self.disk.lacks_room().is_some()
    }

    /// The flush that is done first fails. The kernel tells its process once, and takes the pages for written out.
    pub(crate) fn fail_flush(&mut self) {
        self.flushes.clear();
        for file in self.disk.files_mut() {
            file.forget_unflushed();
        }
    }

    /// When the next flush is done.
    pub(crate) fn next_done(&self) -> Instant {
        self.flushes.front().map_or(Instant::NEVER, |flush| flush.done_at)
    }

    /// How long the longest takes of the flushes that are under way.
    pub(crate) fn longest_under_way(&self) -> Duration {
        let takes = self.flushes.iter().map(|flush| flush.done_at.since(flush.asked_at));
        takes.max().unwrap_or_default()
    }

    /// How many bytes are written and not flushed.
    pub(crate) fn unflushed(&self) -> usize {
        self.disk.files().iter().map(File::unflushed).sum()
    }

    /// The node crashes, or the power fails.
    pub(crate) fn crash(&mut self, tail: Tail) -> Harm {
        self.flushes.clear();
        let harms = self.disk.files_mut().each_mut().map(|file| file.crash(tail));
        harms.into_iter().find(|harm| *harm != Harm::None).unwrap_or(Harm::None)
    }

    /// Turns one bit of what was flushed so long ago that later records vouch for it. Says whether there is any.
    pub(crate) fn flip_acknowledged(&mut self, per_mille: u16, bit: u8) -> bool {
        /// The last records may have none after them that vouches for them.
        const LAST_BYTES: usize = 4096;
        let in_use = self.disk.in_use();
        let file = &mut self.disk.files_mut()[in_use];
        let Some(old) = file.flushed.checked_sub(LAST_BYTES).filter(|old| *old > 0) else {
            return false;
        };
        file.flip(old * usize::from(per_mille) / 1000, bit);
        self.damaged = true;
        true
    }
}

impl RawFile for File {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<f64, Refusal> {
        let half = bytes.len().div_ceil(2);
        if self.is_full {
            // A part may have had room.
            self.write(at as usize, &bytes[..half]);
            return Err(Refusal::NoRoom("it is full".to_owned()));
        }
        let (written, said) = match self.miscounts {
            None => (bytes.len(), bytes.len() as f64),
            Some(Miscount::Minus8) => (0, f64::from(u32::MAX - 7)),
            Some(Miscount::Zero) => (0, 0.0),
            Some(Miscount::NotANumber) => (0, f64::NAN),
            Some(Miscount::HalfForAll) => (half, bytes.len() as f64),
            Some(Miscount::Half) => (half, half as f64),
        };
        self.write(at as usize, &bytes[..written]);
        Ok(said)
    }

    fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<f64, Refusal> {
        let there = self.bytes.get(at as usize..).unwrap_or_default();
        let count = there.len().min(into.len());
        into[..count].copy_from_slice(&there[..count]);
        Ok(count as f64)
    }

    fn size(&mut self) -> Result<f64, Refusal> {
        Ok(self.bytes.len() as f64)
    }

    fn truncate(&mut self, bytes: u64) -> Result<(), Refusal> {
        let length = bytes as usize;
        self.bytes.truncate(length);
        self.flushed = self.flushed.min(length);
        self.holes.retain_mut(|hole| {
            hole.end = hole.end.min(length);
            hole.begin < hole.end
        });
        Ok(())
    }

    fn flush(&mut self, end: u64) -> Result<(), Refusal> {
        self.flushed = self.flushed.max((end as usize).min(self.bytes.len()));
        self.holes.retain(|hole| !hole.rewritten);
        Ok(())
    }
}

impl File {
    fn unflushed(&self) -> usize {
        self.bytes.len() - self.flushed
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        if at > self.bytes.len() {
            self.bytes.resize(at, 0);
        }
        let end = at + bytes.len();
        if !self.holes.is_empty() {
            self.rewrite_holes(at, end);
        }
        let over = (self.bytes.len() - at).min(bytes.len());
        self.bytes[at..at + over].copy_from_slice(&bytes[..over]);
        self.bytes.extend_from_slice(&bytes[over..]);
    }

    /// What is written again is written out again.
    fn rewrite_holes(&mut self, at: usize, end: usize) {
        for hole in std::mem::take(&mut self.holes) {
            let (begin, until) = (hole.begin.max(at), hole.end.min(end));
            if begin >= until {
                self.holes.push(hole);
                continue;
            }
            let mut part = |begin, end, rewritten| {
                if begin < end {
                    self.holes.push(Hole { begin, end, rewritten });
                }
            };
            part(hole.begin, begin, hole.rewritten);
            part(begin, until, true);
            part(until, hole.end, hole.rewritten);
        }
    }

    /// A flush fails: what waited to be written out is believed to be, and is not on the disk.
    fn forget_unflushed(&mut self) {
        for hole in &mut self.holes {
            hole.rewritten = false;
        }
        if self.unflushed() > 0 {
            self.holes.push(Hole {
                begin: self.flushed,
                end: self.bytes.len(),
                rewritten: false,
            });
            self.flushed = self.bytes.len();
        }
    }

    fn crash(&mut self, tail: Tail) -> Harm {
        self.miscounts = None;
        let unflushed = self.unflushed();
        let (left, harm) = match tail {
            _ if unflushed == 0 => (0, Harm::None),
            Tail::Kept => (unflushed, Harm::None),
            Tail::Lost => (0, Harm::Lost),
            Tail::Torn { per_mille } => (unflushed * usize::from(per_mille) / 1000, Harm::Torn),
            Tail::Flipped { .. } => (unflushed, Harm::Flipped),
        };
        self.bytes.truncate(self.flushed + left);
        if let (Tail::Flipped { per_mille, bit }, Harm::Flipped) = (tail, harm) {
            self.flip(self.flushed + unflushed * usize::from(per_mille) / 1000, bit);
        }
        if tail != Tail::Kept {
            // The power failed, and with it went what only the cache had.
            for hole in self.holes.drain(..) {
                self.bytes[hole.begin..hole.end].fill(0);
            }
        }
        harm
    }

    fn flip(&mut self, place: usize, bit: u8) {
        if let Some(byte) = self.bytes.get_mut(place) {
            *byte ^= 1 << (bit % 8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = File::default();
        file.write(0, bytes);
        file
    }

    /// F4: the flush after the one that failed succeeds, and the power shows what it was worth.
    #[test]
    fn a_flush_after_one_that_failed_makes_only_what_was_rewritten_durable() {
        let mut there = file(b"acknowledged");
        there.flush(12).unwrap();
        there.write(12, b" lost, kept");
        there.forget_unflushed();
        there.write(18, b"kept!");
        there.flush(23).unwrap();
        assert_eq!(there.bytes, b"acknowledged lost,kept!");
        assert_eq!(there.crash(Tail::Lost), Harm::None);
        assert_eq!(there.bytes, b"acknowledged\0\0\0\0\0\0kept!");
    }

    #[test]
    fn a_process_that_crashes_takes_no_cache_with_it() {
        let mut there = file(b"shown");
        there.forget_unflushed();
        assert_eq!(there.crash(Tail::Kept), Harm::None);
        assert_eq!(there.bytes, b"shown");
        there.flush(5).unwrap();
        there.crash(Tail::Lost);
        assert_eq!(there.bytes, [0; 5]);
    }
}
