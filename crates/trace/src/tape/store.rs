//! Bytes that are kept once, however many states they are part of.
//!
//! A node's state changes little from one second to the next, and the logs of five nodes are much the same. So a state is cut into
//! chunks, at places that its content decides, and each chunk is kept once.

use std::collections::BTreeSet;
use std::rc::Rc;

use fastcdc::v2020::FastCDC;

const CHUNK_BYTES_MIN: u32 = 256;
const CHUNK_BYTES_AVERAGE: u32 = 1024;
const CHUNK_BYTES_MAX: u32 = 4096;
/// What a chunk takes beside its bytes.
const CHUNK_OVERHEAD_BYTES: usize = 48;

/// All chunks, and how many bytes are kept.
#[derive(Debug)]
pub(super) struct Store {
    keeps: bool,
    chunks: BTreeSet<Rc<[u8]>>,
    bytes: usize,
}

/// A state that is kept.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    chunks: Vec<Rc<[u8]>>,
}

impl Store {
    /// A store in which nothing is; in which nothing is ever kept, if it does not keep.
    pub(super) fn new(keeps: bool) -> Store {
        Store {
            keeps,
            chunks: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// Whether anything is to be kept at all.
    pub(super) fn keeps(&self) -> bool {
        self.keeps
    }

    /// Keeps a state.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> Kept {
        let cut = |from: usize, length: usize| &bytes[from..from + length];
        let mut chunks = Vec::new();
        if bytes.len() <= CHUNK_BYTES_MIN as usize {
            chunks.push(self.intern(bytes));
        } else {
            for chunk in FastCDC::new(bytes, CHUNK_BYTES_MIN, CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MAX) {
                chunks.push(self.intern(cut(chunk.offset, chunk.length)));
            }
        }
        self.bytes += Store::list_bytes(&chunks);
        Kept { chunks }
    }

    fn intern(&mut self, bytes: &[u8]) -> Rc<[u8]> {
        if let Some(chunk) = self.chunks.get(bytes) {
            return Rc::clone(chunk);
        }
        let chunk: Rc<[u8]> = bytes.into();
        self.bytes += bytes.len() + CHUNK_OVERHEAD_BYTES;
        self.chunks.insert(Rc::clone(&chunk));
        chunk
    }

    /// How many bytes are kept, pieces and all.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Something of so many bytes is kept elsewhere and counted here.
    pub(super) fn count(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// It is kept no more.
    pub(super) fn discount(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// A state is needed no more. Its chunks go with the next [`Store::sweep`].
    pub(super) fn let_go(&mut self, kept: Kept) {
        self.discount(Store::list_bytes(&kept.chunks));
    }

    /// Lets go of chunks that are part of nothing any more.
    pub(super) fn sweep(&mut self) {
        let mut bytes = self.bytes;
        self.chunks.retain(|chunk| {
            let is_needed = Rc::strong_count(chunk) > 1;
            if !is_needed {
                bytes = bytes.saturating_sub(chunk.len() + CHUNK_OVERHEAD_BYTES);
            }
            is_needed
        });
        self.bytes = bytes;
    }

    fn list_bytes(chunks: &[Rc<[u8]>]) -> usize {
        size_of_val(chunks)
    }
}

impl Kept {
    /// The state.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    /// How long it is, in bytes.
    pub(super) fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.len()).sum()
    }
}
