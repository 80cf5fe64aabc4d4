//! A disk: bytes that were written, of which a part is flushed.

use std::collections::VecDeque;

use cluster::node::WriteId;
use raft_core::{Instant, Term};

use crate::plan::Tail;

/// One node's disk.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    file: Vec<u8>,
    flushed: usize,
    /// Flushes under way, in the order in which they were asked for and complete.
    flushes: VecDeque<Flush>,
}

/// A flush under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flush {
    pub(crate) write: WriteId,
    pub(crate) done_at: Instant,
    /// The node's term when it asked.
    pub(crate) term: Term,
    /// What is flushed with it.
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
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.file
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.file.extend_from_slice(bytes);
    }

    /// Cuts off what recovery has dropped.
    pub(crate) fn truncate(&mut self, length: u64) {
        self.file.truncate(length as usize);
        self.flushed = self.flushed.min(self.file.len());
    }

    /// Flushes everything, at once: what a host does at boot.
    pub(crate) fn flush_now(&mut self) {
        self.flushed = self.file.len();
        self.flushes.clear();
    }

    /// Begins to flush what is there now. It is done at `done_at`, but not before the flush before it.
    pub(crate) fn flush(&mut self, write: WriteId, done_at: Instant, term: Term) -> Instant {
        let done_at = self.flushes.back().map_or(done_at, |last| done_at.max(last.done_at));
        let end = self.file.len();
        self.flushes.push_back(Flush {
            write,
            done_at,
            term,
            end,
        });
        done_at
    }

    /// The last of the flushes that are done by now, if any is; it stands for those before it.
    pub(crate) fn take_done(&mut self, now: Instant) -> Option<Flush> {
        let mut last = None;
        while let Some(flush) = self.flushes.pop_front_if(|flush| flush.done_at <= now) {
            self.flushed = self.flushed.max(flush.end);
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
        self.file.len() - self.flushed
    }

    /// The node crashes, or the power fails.
    pub(crate) fn crash(&mut self, tail: Tail) -> Harm {
        let unflushed = self.unflushed();
        self.flushes.clear();
        let (left, harm) = match tail {
            _ if unflushed == 0 => (0, Harm::None),
            Tail::Kept => (unflushed, Harm::None),
            Tail::Lost => (0, Harm::Lost),
            Tail::Torn { per_mille } => (unflushed * usize::from(per_mille) / 1000, Harm::Torn),
            Tail::Flipped { .. } => (unflushed, Harm::Flipped),
        };
        self.file.truncate(self.flushed + left);
        if let (Tail::Flipped { per_mille, bit }, Harm::Flipped) = (tail, harm) {
            self.flip(self.flushed + unflushed * usize::from(per_mille) / 1000, bit);
        }
        harm
    }

    /// Turns one bit of what was flushed so long ago that later records vouch for it. Says whether there is any.
    pub(crate) fn flip_acknowledged(&mut self, per_mille: u16, bit: u8) -> bool {
        /// The last records may have none after them that vouches for them.
        const LAST_BYTES: usize = 4096;
        let Some(old) = self.flushed.checked_sub(LAST_BYTES).filter(|old| *old > 0) else {
            return false;
        };
        self.flip(old * usize::from(per_mille) / 1000, bit);
        true
    }

    /// Everything is gone.
    pub(crate) fn wipe(&mut self) {
        *self = Disk::default();
    }

    fn flip(&mut self, place: usize, bit: u8) {
        if let Some(byte) = self.file.get_mut(place) {
            *byte ^= 1 << (bit % 8);
        }
    }
}
