//! A disk: two log files, of whose bytes a part is flushed.

use std::collections::VecDeque;

use cluster::node::{OpenDisk, WriteId};
use raft_core::{Instant, Term};

use crate::plan::Tail;

/// One node's disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    files: [File; 2],
    /// Which of them is in use.
    current: usize,
    /// Flushes under way, in the order in which they were asked for and complete.
    flushes: VecDeque<Flush>,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    flushed: usize,
}

/// A flush under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flush {
    pub(crate) write: WriteId,
    pub(crate) done_at: Instant,
    /// The node's term when it asked.
    pub(crate) term: Term,
    /// What is flushed with it: this file, up to here.
    file: usize,
    end: usize,
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
    /// A disk whose first file is this, all of it flushed.
    pub(crate) fn holding(file: Vec<u8>) -> Disk {
        let file = File {
            flushed: file.len(),
            bytes: file,
        };
        Disk {
            files: [file, File::default()],
            ..Disk::default()
        }
    }

    /// Whether nothing was ever written to it, or all of that is gone.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.iter().all(|file| file.bytes.is_empty())
    }

    pub(crate) fn files(&self) -> [&[u8]; 2] {
        [&self.files[0].bytes, &self.files[1].bytes]
    }

    /// Goes on where a node that boots wants to.
    pub(crate) fn open(&mut self, open: OpenDisk) {
        self.current = open.file;
        self.files[open.file].truncate(open.keep as usize);
    }

    /// Goes on in the other file, from its beginning.
    pub(crate) fn switch(&mut self) {
        self.current = 1 - self.current;
        self.files[self.current].truncate(0);
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.files[self.current].bytes.extend_from_slice(bytes);
    }

    /// Flushes everything, at once: what a host does at boot.
    pub(crate) fn flush_now(&mut self) {
        self.flushes.clear();
        self.note_flushed(self.current, self.files[self.current].bytes.len());
    }

    /// Begins to flush what is there now. It is done at `done_at`, but not before the flush before it.
    pub(crate) fn flush(&mut self, write: WriteId, done_at: Instant, term: Term) -> Instant {
        let done_at = self.flushes.back().map_or(done_at, |last| done_at.max(last.done_at));
        self.flushes.push_back(Flush {
            write,
            done_at,
            term,
            file: self.current,
            end: self.files[self.current].bytes.len(),
        });
        done_at
    }

    /// The last of the flushes that are done by now, if any is; it stands for those before it.
    pub(crate) fn take_done(&mut self, now: Instant) -> Option<Flush> {
        let mut last = None;
        while let Some(flush) = self.flushes.pop_front_if(|flush| flush.done_at <= now) {
            self.note_flushed(flush.file, flush.end);
            last = Some(flush);
        }
        last
    }

    /// When the next flush is done.
    pub(crate) fn next_done(&self) -> Instant {
        self.flushes.front().map_or(Instant::NEVER, |flush| flush.done_at)
    }

    /// How many bytes are written and not flushed.
    pub(crate) fn unflushed(&self) -> usize {
        self.files.iter().map(File::unflushed).sum()
    }

    /// The node crashes, or the power fails.
    pub(crate) fn crash(&mut self, tail: Tail) -> Harm {
        self.flushes.clear();
        let harms = self.files.each_mut().map(|file| file.crash(tail));
        harms.into_iter().find(|harm| *harm != Harm::None).unwrap_or(Harm::None)
    }

    /// Turns one bit of what was flushed so long ago that later records vouch for it. Says whether there is any.
    pub(crate) fn flip_acknowledged(&mut self, per_mille: u16, bit: u8) -> bool {
        /// The last records may have none after them that vouches for them.
        const LAST_BYTES: usize = 4096;
        let file = &mut self.files[self.current];
        let Some(old) = file.flushed.checked_sub(LAST_BYTES).filter(|old| *old > 0) else {
            return false;
        };
        file.flip(old * usize::from(per_mille) / 1000, bit);
        true
    }

    /// Everything is gone.
    pub(crate) fn wipe(&mut self) {
        *self = Disk::default();
    }

    /// What is flushed in the file in use takes the place of the other.
    fn note_flushed(&mut self, file: usize, end: usize) {
        self.files[file].flushed = self.files[file].flushed.max(end);
        if file == self.current {
            self.files[1 - file].truncate(0);
        }
    }
}

impl File {
    fn unflushed(&self) -> usize {
        self.bytes.len() - self.flushed
    }

    fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
        self.flushed = self.flushed.min(length);
    }

    fn crash(&mut self, tail: Tail) -> Harm {
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
        harm
    }

    fn flip(&mut self, place: usize, bit: u8) {
        if let Some(byte) = self.bytes.get_mut(place) {
            *byte ^= 1 << (bit % 8);
        }
    }
}
