//! The write-ahead log: what a node must find again after a crash, as bytes that are only ever appended to.
//!
//! There are two files, of which one is in use. When a snapshot takes the place of the log's beginning, the other file gets
//! the snapshot, the term and vote, and the rest of the log, then a *seal*; and once that is flushed, the first is emptied. So
//! there is always one whole file: a newer one without its seal counts for nothing. Which is the newer is said by the
//! *generation* in its header.
//!
//! A file is a header, which says whose log it is, and then records. Each record is framed on its own:
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
//! take part as if it had not.
//!
//! Two things no log can tell from its own bytes: that a file was cut off after it had been flushed, and that the very
//! last flush was damaged when its marker is lost as well. For both, the disk must have broken its word, and not merely
//! crashed.

use std::fmt;

use ftqueue::Command;
use raft_core::{Entry, HardState, LogIndex, NodeId, Snapshot, Term};
use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError};

/// The version of the file and of its records.
pub const WAL_VERSION: u8 = 2;
/// What the file begins with.
pub const FILE_MAGIC: [u8; 8] = *b"ftqueue\n";
/// How long the file's header is.
pub const HEADER_BYTES: usize = 16;
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
        }
    }

    /// Begins the other file with all that is to be kept. `out` is to hold nothing of the first file.
    pub fn begin_anew(
        &mut self,
        snapshot: &Snapshot,
        hard_state: HardState,
        append: &[Entry<Command>],
        out: &mut Vec<u8>,
    ) {
        *self = Writer::new(self.identity, next_generation(self.generation), 0);
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
            out.extend_from_slice(&header(self.identity, self.generation));
            self.written = HEADER_BYTES as u64;
        }
        let body = codec::encode_as(WAL_VERSION, record);
        debug_assert!(body.len() <= RECORD_BODY_BYTES_MAX, "RECORD_ENTRIES_MAX entries fit");
        let length = body.len() as u32;
        out.extend_from_slice(&RECORD_MAGIC);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&self.acknowledged.to_le_bytes());
        out.extend_from_slice(&record_checksum(self.written, length, self.acknowledged, &body).to_le_bytes());
        out.extend_from_slice(&body);
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

/// Why a log is refused. The node must not take part: it may have promised what it can no longer read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// In which file, 0 or 1.
    pub file: usize,
    /// Which record, counted from 1; 0 is the file's header.
    pub record: u64,
    /// Where it begins in the file.
    pub offset: u64,
    /// What is wrong with it.
    pub what: Flaw,
}

/// What is wrong with a record, or with the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The file is not a log of this program.
    NotALog,
    /// The header's checksum is wrong.
    HeaderChecksum,
    /// Another version of this program wrote the file.
    Version {
        /// That version.
        found: u8,
    },
    /// It is the log of another node.
    OtherNode {
        /// That node.
        found: NodeId,
        /// This node.
        ours: NodeId,
    },
    /// It is the log of a cluster of another size.
    OtherCluster {
        /// How many members that cluster has.
        members: u8,
        /// How many this one has.
        ours: u8,
    },
    /// No record begins where one should.
    NoRecord,
    /// The record is longer than records are.
    TooLong {
        /// How long it says it is.
        bytes: u32,
    },
    /// The file ends before the record does.
    Incomplete {
        /// How many bytes are missing.
        lacking: u64,
    },
    /// The record's checksum is wrong.
    Checksum,
    /// The record is whole and yet does not decode.
    Undecodable(DecodeError),
    /// The record vouches for bytes that come after it.
    VouchesAhead {
        /// How many it vouches for.
        bytes: u64,
    },
    /// A snapshot, or a part of one, where none can be.
    MisplacedSnapshot,
    /// The record drops entries where there are none.
    TruncatesBeyond {
        /// The first it drops.
        from: LogIndex,
        /// Where the log ends.
        last: LogIndex,
    },
}

/// Reads the files, and chooses the one that counts.
///
/// # Errors
/// [`Damage`] names the record that was acknowledged and cannot be read, or says why a file is not this node's.
pub fn recover(identity: Identity, files: Files<'_>) -> Result<Recovered, Damage> {
    let newer = newer_of(files);
    let older = 1 - newer;
    let read = |file: usize| {
        read_file(identity, files[file]).map_err(|(record, offset, what)| Damage {
            file,
            record,
            offset,
            what,
        })
    };
    let (chosen, found) = match read(newer) {
        Ok(found) if found.sealed => (newer, found),
        // It was being written, and nothing of it acknowledged.
        Ok(_) => (older, read(older)?),
        Err(damage) if damage.was_being_written() && !files[older].is_empty() => (older, read(older)?),
        Err(damage) => return Err(damage),
    };
    // Without a seal there is nothing: what there was before was not flushed either.
    let found = if found.sealed { found } else { Found::default() };
    // The other file is one that this has taken the place of, or one that was being begun.
    let other = files[1 - chosen];
    let begun = if chosen == older || read_header(other).is_err() {
        other.len()
    } else {
        0
    };
    let dropped_bytes = (files[chosen].len() + begun) as u64 - found.valid_bytes;
    Ok(Recovered {
        hard_state: found.hard_state,
        snapshot: found.snapshot,
        log: found.log,
        file: chosen,
        generation: found.generation,
        valid_bytes: found.valid_bytes,
        dropped_bytes,
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

/// What one file holds.
#[derive(Debug, Default)]
struct Found {
    hard_state: HardState,
    snapshot: Option<Snapshot>,
    log: Vec<Entry<Command>>,
    generation: u8,
    /// Whether the other file is not needed for what this one holds.
    sealed: bool,
    valid_bytes: u64,
    records: u64,
}

/// The file whose header says so; or the one that has one, for the other may be about to begin.
fn newer_of(files: Files<'_>) -> usize {
    let generation = |file: &[u8]| read_header(file).ok().map(|header| header.generation);
    match (generation(files[0]), generation(files[1])) {
        (Some(first), Some(second)) => usize::from(second == next_generation(first)),
        (None, Some(_)) => 1,
        (Some(_), None) => 0,
        (None, None) => usize::from(files[0].is_empty() && !files[1].is_empty()),
    }
}

/// The first file is of generation 0, and no other.
fn next_generation(generation: u8) -> u8 {
    generation.checked_add(1).unwrap_or(1)
}

impl Damage {
    /// Whether the file may be one that was being begun, and was not read because of that.
    fn was_being_written(&self) -> bool {
        self.record == 0 && matches!(self.what, Flaw::NotALog | Flaw::HeaderChecksum)
    }
}

/// Reads a file. What is wrong with it comes with the number of the record and its offset.
fn read_file(identity: Identity, file: &[u8]) -> Result<Found, (u64, u64, Flaw)> {
    let mut found = Found::default();
    if file.len() < HEADER_BYTES && is_header_begun(identity, file) {
        // Nothing, or a header that was being written: no record was ever flushed.
        found.sealed = true;
        return Ok(found);
    }
    found.generation = check_header(identity, file).map_err(|what| (0, 0, what))?;
    found.sealed = found.generation == 0;
    let mut begun = None;
    let mut offset = HEADER_BYTES;
    while offset < file.len() {
        let record_number = found.records + 1;
        let damage = |what| (record_number, offset as u64, what);
        match read_record(file, offset) {
            Ok(framed) => {
                let record = decode_record(&framed).map_err(damage)?;
                replay(record, &mut found, &mut begun).map_err(damage)?;
                found.records += 1;
                offset = framed.end;
            }
            Err(flaw) if is_vouched_for(file, offset) => return Err(damage(flaw)),
            Err(_) => break,
        }
    }
    found.valid_bytes = offset as u64;
    Ok(found)
}

/// Whether these are the first bytes of a header of this node's, of any generation.
fn is_header_begun(identity: Identity, bytes: &[u8]) -> bool {
    let generation = bytes.get(GENERATION_AT).copied().unwrap_or(0);
    header(identity, generation).starts_with(bytes)
}

/// What a header says.
struct Header {
    version: u8,
    identity: Identity,
    generation: u8,
}

/// Where in the header the generation is.
const GENERATION_AT: usize = 11;

fn header(identity: Identity, generation: u8) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&FILE_MAGIC);
    header[8] = WAL_VERSION;
    header[9] = identity.node.0;
    header[10] = identity.members;
    header[GENERATION_AT] = generation;
    let checksum = crc32fast::hash(&header[..12]);
    header[12..].copy_from_slice(&checksum.to_le_bytes());
    header
}

fn read_header(file: &[u8]) -> Result<Header, Flaw> {
    let Some(header) = file.first_chunk::<HEADER_BYTES>() else {
        return Err(Flaw::NotALog);
    };
    if header[..8] != FILE_MAGIC {
        return Err(Flaw::NotALog);
    }
    if crc32fast::hash(&header[..12]).to_le_bytes() != header[12..] {
        return Err(Flaw::HeaderChecksum);
    }
    Ok(Header {
        version: header[8],
        identity: Identity {
            node: NodeId(header[9]),
            members: header[10],
        },
        generation: header[GENERATION_AT],
    })
}

/// Whether the file is this node's; gives its generation.
fn check_header(identity: Identity, file: &[u8]) -> Result<u8, Flaw> {
    let header = read_header(file)?;
    let Identity { node, members } = header.identity;
    if header.version != WAL_VERSION {
        return Err(Flaw::Version { found: header.version });
    }
    if node != identity.node {
        return Err(Flaw::OtherNode {
            found: node,
            ours: identity.node,
        });
    }
    if members != identity.members {
        return Err(Flaw::OtherCluster {
            members,
            ours: identity.members,
        });
    }
    Ok(header.generation)
}

/// A record whose frame is sound.
struct Framed<'a> {
    offset: usize,
    acknowledged: u64,
    body: &'a [u8],
    end: usize,
}

fn read_record(file: &[u8], offset: usize) -> Result<Framed<'_>, Flaw> {
    let rest = &file[offset..];
    let magic_bytes = rest.len().min(RECORD_MAGIC.len());
    if rest[..magic_bytes] != RECORD_MAGIC[..magic_bytes] {
        return Err(Flaw::NoRecord);
    }
    let Some((head, rest)) = rest.split_first_chunk::<RECORD_HEAD_BYTES>() else {
        return Err(Flaw::Incomplete {
            lacking: (RECORD_HEAD_BYTES - rest.len()) as u64,
        });
    };
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    let acknowledged = u64::from_le_bytes([
        head[8], head[9], head[10], head[11], head[12], head[13], head[14], head[15],
    ]);
    if length as usize > RECORD_BODY_BYTES_MAX {
        return Err(Flaw::TooLong { bytes: length });
    }
    let Some(body) = rest.get(..length as usize) else {
        return Err(Flaw::Incomplete {
            lacking: length as u64 - rest.len() as u64,
        });
    };
    if record_checksum(offset as u64, length, acknowledged, body).to_le_bytes() != head[16..] {
        return Err(Flaw::Checksum);
    }
    Ok(Framed {
        offset,
        acknowledged,
        body,
        end: offset + RECORD_HEAD_BYTES + body.len(),
    })
}

/// The record's place is part of it, so that a copy of a record elsewhere in the file is none.
fn record_checksum(offset: u64, length: u32, acknowledged: u64, body: &[u8]) -> u32 {
    // One update for all three: a log has many records, and most are hardly longer than this.
    let mut place = [0; 20];
    place[..8].copy_from_slice(&offset.to_le_bytes());
    place[8..12].copy_from_slice(&length.to_le_bytes());
    place[12..].copy_from_slice(&acknowledged.to_le_bytes());
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&place);
    checksum.update(body);
    checksum.finalize()
}

fn decode_record(framed: &Framed<'_>) -> Result<Record<Vec<Entry<Command>>>, Flaw> {
    if framed.acknowledged > framed.offset as u64 {
        return Err(Flaw::VouchesAhead {
            bytes: framed.acknowledged,
        });
    }
    codec::decode_as(WAL_VERSION, RECORD_BODY_BYTES_MAX, framed.body).map_err(Flaw::Undecodable)
}

/// Adds what a record says. `begun` holds the parts of a snapshot that is not whole yet.
fn replay(record: Record<Vec<Entry<Command>>>, found: &mut Found, begun: &mut Option<Snapshot>) -> Result<(), Flaw> {
    match record {
        Record::Acknowledged => Ok(()),
        Record::Sealed => {
            found.sealed = true;
            Ok(())
        }
        Record::Snapshot {
            last_included_index,
            last_included_term,
            data,
            done,
        } => {
            let is_first = found.records == 0 && found.generation > 0;
            let mut snapshot = match begun.take() {
                Some(begun) => begun,
                None if is_first => Snapshot {
                    last_included_index,
                    last_included_term,
                    data: Vec::new(),
                },
                None => return Err(Flaw::MisplacedSnapshot),
            };
            snapshot.data.extend(data);
            *if done { &mut found.snapshot } else { begun } = Some(snapshot);
            Ok(())
        }
        Record::Batch {
            hard_state,
            truncate_from,
            append,
        } => {
            let base = found
                .snapshot
                .as_ref()
                .map_or(0, |snapshot| snapshot.last_included_index.0);
            if let Some(from) = truncate_from {
                let last = LogIndex(base.saturating_add(found.log.len() as u64));
                if from.0 <= base || from > last.next() {
                    return Err(Flaw::TruncatesBeyond { from, last });
                }
                found.log.truncate((from.0 - base - 1) as usize);
            }
            found.hard_state = hard_state.unwrap_or(found.hard_state);
            found.log.extend(append);
            Ok(())
        }
    }
}

/// Whether any sound record past `damaged` was written when the byte there had been flushed. The damaged record's
/// length cannot be trusted, so records are looked for at every byte.
fn is_vouched_for(file: &[u8], damaged: usize) -> bool {
    let mut offset = damaged + 1;
    while let Some(found) = file
        .get(offset..)
        .and_then(|rest| rest.iter().position(|byte| *byte == RECORD_MAGIC[0]))
    {
        offset += found;
        match read_record(file, offset) {
            Ok(framed) if framed.acknowledged > damaged as u64 => return true,
            Ok(framed) => offset = framed.end,
            Err(_) => offset += 1,
        }
    }
    false
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.record {
            0 => write!(f, "the write-ahead log cannot be used: {}", self.what),
            record => {
                write!(
                    f,
                    "the write-ahead log is damaged: record {record}, at byte {}, was acknowledged, but ",
                    self.offset
                )?;
                write!(f, "{}", self.what)
            }
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::NotALog => write!(f, "the file does not begin as a log of FTQueue does"),
            Flaw::HeaderChecksum => write!(f, "the checksum of its header is wrong"),
            Flaw::Version { found } => {
                write!(
                    f,
                    "version {found} of FTQueue wrote it, and this one reads version {WAL_VERSION}"
                )
            }
            Flaw::OtherNode { found, ours } => write!(f, "it belongs to {found}, and this is {ours}"),
            Flaw::OtherCluster { members, ours } => {
                write!(
                    f,
                    "it belongs to a cluster of {members}, and this is a cluster of {ours}"
                )
            }
            Flaw::NoRecord => write!(f, "no record begins there"),
            Flaw::TooLong { bytes } => write!(f, "it claims {bytes} bytes, more than a record has"),
            Flaw::Incomplete { lacking } => write!(f, "the file ends {lacking} bytes before it does"),
            Flaw::Checksum => write!(f, "its checksum is wrong"),
            Flaw::Undecodable(error) => write!(f, "it does not decode: {error}"),
            Flaw::VouchesAhead { bytes } => write!(f, "it vouches for {bytes} bytes, beyond its own place"),
            Flaw::MisplacedSnapshot => write!(f, "it is a part of a snapshot, which only begins a file"),
            Flaw::TruncatesBeyond { from, last } => {
                write!(f, "it drops entries from index {from} on, where the log ends at {last}")
            }
        }
    }
}

impl std::error::Error for Damage {}
