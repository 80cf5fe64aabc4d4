//! The write-ahead log: what a node must find again after a crash, as bytes that are only ever appended to.
//!
//! There are two files, of which one is in use. When a snapshot takes the place of the log's beginning, the other file gets
//! the snapshot, the term and vote, and the rest of the log, then a *seal*; and once that is flushed, the first is emptied. So
//! there is always one whole file: a newer one without its seal counts for nothing. Which is the newer is said by the
//! *generation* in its header.
//!
//! A file is a header, which stands there twice and says whose log it is, and then records. Each record is framed on its own:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | [`RECORD_MAGIC`], by which a reader finds its way again past a damaged record |
//! | 4 | length of the body |
//! | 8 | *acknowledged*: how many bytes of this file were known to be flushed when the record was written |
//! | 4 | CRC-32 of the record's place in the file, the length, the acknowledged bytes and the body |
//! | … | the body: [`WAL_VERSION`] and a [`Record`] in postcard |
//!
//! A batch (term and vote, truncation, new entries) is one record, so it is found whole or not at all. After each flush
//! the node appends a marker, not flushed by itself, so that soon every flushed record has a later one that vouches for
//! it.
//!
//! That is how [`recover`] tells two kinds of damage apart. A broken record that no later record vouches for is the
//! torn end of a write that was never acknowledged: nobody was told of it, and it is dropped. A broken record that a
//! later one vouches for was acknowledged: this node may have voted or taken entries on its strength, so it must not
//! take part as if it had not. The same holds for the header: one copy is enough; where both are damaged, the file is refused as
//! long as anything says that it was in use; and the zeros or the torn beginning that a crash leaves of a first write are an
//! empty file.
//!
//! What is whole and yet not vouched for may be what a cache shows of a flush that failed, for the operating system forgets
//! such pages without another word. So a node that boots writes that part ([`Recovered::vouched_bytes`]) once more in its
//! place before it flushes: pages that were written again are written out again. It is not cut off first: it may have been
//! acknowledged, with the marker lost.
//!
//! Two things no log can tell from its own bytes: that a file was cut off after it had been flushed, and that the very
//! last flush was damaged when its marker is lost as well. For both, the disk must have broken its word, and not merely
//! crashed.

use ftqueue::Command;
use raft_core::{Entry, HardState, LogIndex, NodeId, Snapshot, Term};
use serde::{Deserialize, Serialize};

use crate::{Epoch, codec};
use file::{Contents, Found};
use header::Header;

mod damage;
mod file;
mod header;

pub use damage::{Damage, Flaw};

/// The version of the file and of its records.
pub const WAL_VERSION: u8 = 3;
/// What the file begins with.
pub const FILE_MAGIC: [u8; 8] = *b"ftqueue\n";
/// How long the file's header is: both copies.
pub const HEADER_BYTES: usize = 64;
/// What a record begins with.
pub const RECORD_MAGIC: [u8; 4] = *b"\nrec";
/// How long a record's head is.
pub const RECORD_HEAD_BYTES: usize = 20;
/// The longest body of a record.
pub const RECORD_BODY_BYTES_MAX: usize = 1024 * 1024;
/// How many entries one record holds. A batch of more is spread over several, of which the first takes the term, the
/// vote and the truncation along: a crash between them leaves a shorter batch, which Raft takes for a shorter append.
pub const RECORD_ENTRIES_MAX: usize = 4096;

/// How many bytes of a snapshot one record holds.
pub const RECORD_SNAPSHOT_BYTES_MAX: usize = 512 * 1024;

/// What the two files hold.
pub type Files<'a> = [&'a [u8]; 2];

/// Whose log it is. Another's is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The node.
    pub node: NodeId,
    /// How many members its cluster has.
    pub members: u8,
    /// Which history of the cluster.
    pub epoch: Epoch,
}

/// What a record says. `L` is a list of entries: a slice when written, a vector when read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record<L> {
    /// One atomic change, in this order.
    Batch {
        /// The term and vote, if they changed.
        hard_state: Option<HardState>,
        /// Drop the entries from here on.
        truncate_from: Option<LogIndex>,
        /// Then append these.
        append: L,
    },
    /// Nothing but what the record's head says: so many bytes have been flushed.
    Acknowledged,
    /// A part of a snapshot, with which the file begins.
    Snapshot {
        /// The last entry the snapshot stands for.
        last_included_index: LogIndex,
        /// The term of that entry.
        last_included_term: Term,
        /// The part.
        data: Vec<u8>,
        /// Whether it is the last.
        done: bool,
    },
    /// All that the other file is needed for stands before this.
    Sealed,
}

/// Makes the bytes that are appended to the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Writer {
    identity: Identity,
    generation: u8,
    written: u64,
    acknowledged: u64,
    /// Whether nothing was acknowledged in the file before this one.
    alone: bool,
    /// Whether anything was acknowledged, in this file or one before it.
    promised: bool,
}

impl Writer {
    /// Goes on in the file of that generation after the `valid_bytes` that [`recover`] found; a file without any gets its
    /// header first.
    pub fn new(identity: Identity, generation: u8, valid_bytes: u64) -> Writer {
        Writer {
            identity,
            generation,
            written: valid_bytes,
            acknowledged: 0,
            alone: true,
            promised: valid_bytes > 0,
        }
    }

    /// Whose log a file that is begun from now on is.
    pub(crate) fn set_epoch(&mut self, epoch: Epoch) {
        self.identity.epoch = epoch;
    }

    /// Begins the other file with all that is to be kept. `out` is to hold nothing of the first file.
    pub fn begin_anew(
        &mut self,
        snapshot: &Snapshot,
        hard_state: HardState,
        append: &[Entry<Command>],
        out: &mut Vec<u8>,
    ) {
        *self = Writer {
            alone: !self.promised,
            promised: self.promised,
            ..Writer::new(self.identity, next_generation(self.generation), 0)
        };
        let mut rest = &snapshot.data[..];
        loop {
            let (data, after) = rest.split_at(rest.len().min(RECORD_SNAPSHOT_BYTES_MAX));
            rest = after;
            let part = Record::Snapshot {
                last_included_index: snapshot.last_included_index,
                last_included_term: snapshot.last_included_term,
                data: data.to_vec(),
                done: rest.is_empty(),
            };
            self.record(&part, out);
            if rest.is_empty() {
                break;
            }
        }
        self.batch(Some(hard_state), None, append, out);
        self.record(&Record::Sealed, out);
    }

    /// Appends a batch to `out`.
    pub fn batch(
        &mut self,
        hard_state: Option<HardState>,
        truncate_from: Option<LogIndex>,
        append: &[Entry<Command>],
        out: &mut Vec<u8>,
    ) {
        let (first, rest) = append.split_at(append.len().min(RECORD_ENTRIES_MAX));
        self.record(
            &Record::Batch {
                hard_state,
                truncate_from,
                append: first,
            },
            out,
        );
        for append in rest.chunks(RECORD_ENTRIES_MAX) {
            self.record(
                &Record::Batch {
                    hard_state: None,
                    truncate_from: None,
                    append,
                },
                out,
            );
        }
    }

    /// Learns that the file is flushed up to `bytes`, and appends a marker that says so, unless a record has said it.
    pub fn acknowledge(&mut self, bytes: u64, out: &mut Vec<u8>) {
        let bytes = bytes.min(self.written);
        if bytes > self.acknowledged {
            self.acknowledged = bytes;
            self.promised = true;
            self.record(&Record::Acknowledged, out);
        }
    }

    /// Whose log it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Which file this is: of two, the one of the later generation is the newer.
    pub fn generation(&self) -> u8 {
        self.generation
    }

    /// How long the file is, once all that was made is appended.
    pub fn written(&self) -> u64 {
        self.written
    }

    fn record(&mut self, record: &Record<&[Entry<Command>]>, out: &mut Vec<u8>) {
        if self.written == 0 {
            let header = Header {
                identity: self.identity,
                generation: self.generation,
                alone: self.alone,
            };
            out.extend_from_slice(&header.bytes());
            self.written = HEADER_BYTES as u64;
        }
        let begins = out.len();
        // The head tells how long the body is, so the body comes first.
        out.extend_from_slice(&[0; RECORD_HEAD_BYTES]);
        codec::append_as(WAL_VERSION, record, out);
        let (head, body) = out[begins..].split_at_mut(RECORD_HEAD_BYTES);
        debug_assert!(body.len() <= RECORD_BODY_BYTES_MAX, "RECORD_ENTRIES_MAX entries fit");
        file::fill_head(head, self.written, self.acknowledged, body);
        self.written += (RECORD_HEAD_BYTES + body.len()) as u64;
    }
}

/// What the files hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The term and vote.
    pub hard_state: HardState,
    /// What stands in the place of the log's beginning.
    pub snapshot: Option<Snapshot>,
    /// The log behind the snapshot; without one, the entry at index 1 comes first.
    pub log: Vec<Entry<Command>>,
    /// Which of the files to go on in, 0 or 1. The other is to be emptied once this is flushed.
    pub file: usize,
    /// That file's generation.
    pub generation: u8,
    /// How much of that file to keep: the rest is to be cut off before anything is appended.
    pub valid_bytes: u64,
    /// How many of those were flushed beyond doubt, as a record in the file says. The rest is to be written once more in its place
    /// before it is flushed.
    pub vouched_bytes: u64,
    /// How much is dropped: the torn end of a write that was not acknowledged, be it in this file or the beginning of the
    /// other.
    pub dropped_bytes: u64,
    /// How many records were read, markers among them.
    pub records: u64,
}

impl Recovered {
    /// The last entry that the snapshot stands for; 0 without one.
    pub fn snapshot_index(&self) -> LogIndex {
        self.snapshot
            .as_ref()
            .map_or(LogIndex::ZERO, |snapshot| snapshot.last_included_index)
    }
}

/// Reads the files, and chooses the one that counts.
///
/// # Errors
/// [`Damage`] names the record that was acknowledged and cannot be read, or says why a file is not this node's.
pub fn recover(identity: Identity, files: Files<'_>) -> Result<Recovered, Damage> {
    let contents = files.map(|file| file::read(identity, file));
    let newer = newer_of(&contents);
    let older = 1 - newer;
    let bytes = files.map(|file| file.len() as u64);
    let [first, second] = contents;
    let (new, old) = if newer == 0 { (first, second) } else { (second, first) };
    let refused = |file: usize, (record, offset, what): (u64, u64, Flaw)| Damage {
        file,
        record,
        offset,
        what,
    };
    let no_seal = |found: &Found| (found.records + 1, found.valid_bytes, Flaw::NoSeal);
    // The file that counts, what it holds, and whether the other is the beginning of one that is dropped.
    let (file, found, begun) = match (new, old) {
        // The older was emptied before anything was promised on the strength of this, or is one that is being begun.
        (Contents::Whole(_), Contents::Headless { flaw, vouched: true }) => return Err(refused(older, (0, 0, flaw))),
        (Contents::Whole(found), other) => {
            let begun = matches!(other, Contents::Headless { .. } | Contents::Nothing);
            (newer, found, begun)
        }
        // It was being written, and nothing of it acknowledged.
        (Contents::Begun(..), Contents::Whole(found)) => (older, found, true),
        (Contents::Begun(header, _), Contents::Nothing) if header.alone => (older, Found::default(), true),
        (Contents::Begun(_, found), Contents::Nothing) => return Err(refused(newer, no_seal(&found))),
        (Contents::Begun(..), Contents::Begun(_, found)) => return Err(refused(older, no_seal(&found))),
        (Contents::Begun(..), Contents::Bad(_, damage)) => return Err(refused(older, damage)),
        (Contents::Begun(..), Contents::Headless { flaw, .. }) => return Err(refused(older, (0, 0, flaw))),
        (Contents::Nothing, Contents::Nothing) => (newer, Found::default(), true),
        (Contents::Bad(_, damage), _) => return Err(refused(newer, damage)),
        (Contents::Headless { flaw, .. }, _) => return Err(refused(newer, (0, 0, flaw))),
        (Contents::Nothing, Contents::Bad(_, damage)) => return Err(refused(older, damage)),
        (Contents::Nothing, Contents::Headless { flaw, .. }) => return Err(refused(older, (0, 0, flaw))),
        // Not reached: of two files the one with a header of this node's is the newer.
        (Contents::Nothing, Contents::Whole(found)) => (older, found, true),
        (Contents::Nothing, Contents::Begun(_, found)) => return Err(refused(older, no_seal(&found))),
    };
    let dropped = bytes[file] + if begun { bytes[1 - file] } else { 0 };
    Ok(Recovered {
        hard_state: found.hard_state,
        snapshot: found.snapshot,
        log: found.log,
        file,
        generation: found.generation,
        valid_bytes: found.valid_bytes,
        vouched_bytes: found.vouched_bytes,
        dropped_bytes: dropped - found.valid_bytes,
        records: found.records,
    })
}

/// Reads the files up to their damage, as if nothing had come after: what no node that keeps the rules does.
///
/// # Errors
/// There is nothing to read before the damage.
pub(crate) fn recover_before(identity: Identity, files: Files<'_>, damage: &Damage) -> Result<Recovered, Damage> {
    let sound = usize::try_from(damage.offset).unwrap_or(usize::MAX);
    if damage.record == 0 || sound > files[damage.file].len() {
        return Err(damage.clone());
    }
    let mut before = files;
    before[damage.file] = &files[damage.file][..sound];
    let found = recover(identity, before)?;
    Ok(Recovered {
        dropped_bytes: files[found.file].len() as u64 - found.valid_bytes,
        ..found
    })
}

/// The file whose header says so; or the one that has one, for the other may be about to begin.
fn newer_of(contents: &[Contents; 2]) -> usize {
    match (contents[0].generation(), contents[1].generation()) {
        (Some(first), Some(second)) => usize::from(second == next_generation(first)),
        (None, Some(_)) => 1,
        (Some(_), None) => 0,
        (None, None) => {
            usize::from(matches!(contents[0], Contents::Nothing) && !matches!(contents[1], Contents::Nothing))
        }
    }
}

/// The first file is of generation 0, and no other.
fn next_generation(generation: u8) -> u8 {
    generation.checked_add(1).unwrap_or(1)
}
