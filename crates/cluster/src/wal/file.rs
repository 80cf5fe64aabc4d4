//! What one file holds: its records, read one after the other.

use ftqueue::Command;
use raft_core::{Entry, HardState, LogIndex, Snapshot};

use super::header::{self, Header};
use super::{
    Flaw, HEADER_BYTES, Identity, RECORD_BODY_BYTES_MAX, RECORD_HEAD_BYTES, RECORD_MAGIC, Record, WAL_VERSION,
};
use crate::codec;

/// What a file is to the node.
#[derive(Debug)]
pub(super) enum Contents {
    /// Nothing was ever promised on its strength: it is empty, or what a crash left of its first write.
    Nothing,
    /// A whole log.
    Whole(Found),
    /// One that was being begun, of that header: its seal is not there, and no record vouches for anything.
    Begun(Header, Found),
    /// It has no header that can be read, but there are records.
    Headless {
        /// What is wrong with the header.
        flaw: Flaw,
        /// Whether a record says that some of it was flushed.
        vouched: bool,
    },
    /// It is another's, or damaged. What is wrong, with the number of the record and its offset; and the header, if that is
    /// this node's.
    Bad(Option<Header>, (u64, u64, Flaw)),
}

impl Contents {
    /// The generation, where the header is this node's.
    pub(super) fn generation(&self) -> Option<u8> {
        match self {
            Contents::Nothing | Contents::Headless { .. } | Contents::Bad(None, _) => None,
            Contents::Whole(found) => Some(found.generation),
            Contents::Begun(header, _) | Contents::Bad(Some(header), _) => Some(header.generation),
        }
    }
}

/// What the records of one file say.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) hard_state: HardState,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) log: Vec<Entry<Command>>,
    pub(super) generation: u8,
    pub(super) valid_bytes: u64,
    /// How many of them a record vouches for.
    pub(super) vouched_bytes: u64,
    pub(super) records: u64,
    /// Whether the other file is not needed for what this one holds.
    sealed: bool,
}

/// Reads a file.
pub(super) fn read(identity: Identity, file: &[u8]) -> Contents {
    let header = match header::check(identity, file) {
        Ok(header) => header,
        Err(flaw @ (Flaw::NotALog | Flaw::HeaderChecksum)) => return read_headless(file, flaw),
        Err(flaw) => return Contents::Bad(None, (0, 0, flaw)),
    };
    match read_records(header, file) {
        Ok(found) if found.sealed => Contents::Whole(found),
        Ok(found) => Contents::Begun(header, found),
        Err(damage) => Contents::Bad(Some(header), damage),
    }
}

/// Of a file without a header only this is known: whether anything can have been promised on its strength. If there is a sound
/// record, it can. If there is none, and the beginning looks as a crash leaves it, no flush can have come back.
fn read_headless(file: &[u8], flaw: Flaw) -> Contents {
    let mut has_records = false;
    for record in sound_records(file, 0) {
        has_records = true;
        if record.acknowledged > 0 {
            return Contents::Headless { flaw, vouched: true };
        }
    }
    if has_records {
        return Contents::Headless { flaw, vouched: false };
    }
    if header::is_torn(file) {
        Contents::Nothing
    } else {
        Contents::Bad(None, (0, 0, flaw))
    }
}

/// Reads the records. What is wrong comes with the number of the record and its offset.
fn read_records(header: Header, file: &[u8]) -> Result<Found, (u64, u64, Flaw)> {
    let mut found = Found {
        generation: header.generation,
        sealed: header.generation == 0,
        ..Found::default()
    };
    if file.len() < HEADER_BYTES {
        return Ok(found); // The second copy was being written: it is begun anew.
    }
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
                found.vouched_bytes = found.vouched_bytes.max(framed.acknowledged);
                offset = framed.end;
            }
            Err(flaw) if is_vouched_for(file, offset) => return Err(damage(flaw)),
            Err(_) => break,
        }
    }
    found.valid_bytes = offset as u64;
    Ok(found)
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
pub(super) fn record_checksum(offset: u64, length: u32, acknowledged: u64, body: &[u8]) -> u32 {
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

/// Writes the head of a record whose body is this, and which stands at `offset` of its file.
pub(super) fn fill_head(head: &mut [u8], offset: u64, acknowledged: u64, body: &[u8]) {
    let length = body.len() as u32;
    head[..4].copy_from_slice(&RECORD_MAGIC);
    head[4..8].copy_from_slice(&length.to_le_bytes());
    head[8..16].copy_from_slice(&acknowledged.to_le_bytes());
    let checksum = record_checksum(offset, length, acknowledged, body);
    head[16..].copy_from_slice(&checksum.to_le_bytes());
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

/// Whether any sound record past `damaged` was written when the byte there had been flushed.
fn is_vouched_for(file: &[u8], damaged: usize) -> bool {
    sound_records(file, damaged + 1).any(|record| record.acknowledged > damaged as u64)
}

/// The sound records from a place on at which none need begin. No length can be trusted there, so they are looked for at every byte.
fn sound_records(file: &[u8], from: usize) -> impl Iterator<Item = Framed<'_>> {
    let mut offset = from;
    std::iter::from_fn(move || {
        while let Some(found) = file
            .get(offset..)
            .and_then(|rest| rest.iter().position(|byte| *byte == RECORD_MAGIC[0]))
        {
            offset += found;
            match read_record(file, offset) {
                Ok(framed) => {
                    offset = framed.end;
                    return Some(framed);
                }
                Err(_) => offset += 1,
            }
        }
        None
    })
}
