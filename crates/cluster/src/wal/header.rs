//! A file's header: whose log it is, in which epoch, and which of two files is the newer. It stands there twice, each copy with
//! a checksum of its own.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | [`FILE_MAGIC`] |
//! | 1 | [`WAL_VERSION`] |
//! | 1 | the node |
//! | 1 | how many members its cluster has |
//! | 1 | the generation |
//! | 8 | the epoch |
//! | 1 | 1 if nothing had been acknowledged in the other file when this one was begun |
//! | 7 | 0 |
//! | 4 | CRC-32 of all before |

use raft_core::NodeId;

use super::{FILE_MAGIC, Flaw, HEADER_BYTES, Identity, WAL_VERSION};
use crate::Epoch;

/// How long one copy of the header is.
pub(super) const COPY_BYTES: usize = HEADER_BYTES / 2;
/// Where a copy's checksum is.
const CHECKSUM_AT: usize = COPY_BYTES - 4;
/// Until version 2 there was one copy, so long, and where its checksum was.
const OLD_HEADER_BYTES: usize = 16;
const OLD_CHECKSUM_AT: usize = 12;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) identity: Identity,
    /// Of two files, the one of the later generation is the newer.
    pub(super) generation: u8,
    /// Whether nothing had been acknowledged in the other file when this one was begun.
    pub(super) alone: bool,
}

impl Header {
    /// Both copies.
    pub(super) fn bytes(&self) -> [u8; HEADER_BYTES] {
        let mut copy = [0; COPY_BYTES];
        copy[..8].copy_from_slice(&FILE_MAGIC);
        copy[8] = WAL_VERSION;
        copy[9] = self.identity.node.0;
        copy[10] = self.identity.members;
        copy[11] = self.generation;
        copy[12..20].copy_from_slice(&self.identity.epoch.0.to_le_bytes());
        copy[20] = u8::from(self.alone);
        let checksum = crc32fast::hash(&copy[..CHECKSUM_AT]);
        copy[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        let mut both = [0; HEADER_BYTES];
        both[..COPY_BYTES].copy_from_slice(&copy);
        both[COPY_BYTES..].copy_from_slice(&copy);
        both
    }

    /// What a copy says, whether its checksum is right or not.
    fn of(copy: &[u8; COPY_BYTES]) -> Header {
        let mut epoch = [0; 8];
        epoch.copy_from_slice(&copy[12..20]);
        Header {
            identity: Identity {
                node: NodeId(copy[9]),
                members: copy[10],
                epoch: Epoch(u64::from_le_bytes(epoch)),
            },
            generation: copy[11],
            alone: copy[20] == 1,
        }
    }
}

/// What the file's header says: the first of its copies that is sound.
///
/// # Errors
/// None is, or another version of this program wrote it.
pub(super) fn read(file: &[u8]) -> Result<Header, Flaw> {
    let mut begins_like_one = false;
    for at in [0, COPY_BYTES] {
        let Some(copy) = file.get(at..).and_then(|rest| rest.first_chunk::<COPY_BYTES>()) else {
            continue;
        };
        let is_ours = copy[..8] == FILE_MAGIC;
        begins_like_one |= is_ours;
        if is_ours && crc32fast::hash(&copy[..CHECKSUM_AT]).to_le_bytes() == copy[CHECKSUM_AT..] {
            return match copy[8] {
                WAL_VERSION => Ok(Header::of(copy)),
                found => Err(Flaw::Version { found }),
            };
        }
    }
    Err(match file.first_chunk::<OLD_HEADER_BYTES>() {
        Some(old) if is_old(old) => Flaw::Version { found: old[8] },
        _ if begins_like_one => Flaw::HeaderChecksum,
        _ => Flaw::NotALog,
    })
}

/// What the header of a file of this node's says.
///
/// # Errors
/// It has none that is sound, or is another's.
pub(super) fn check(ours: Identity, file: &[u8]) -> Result<Header, Flaw> {
    let header = read(file)?;
    let found = header.identity;
    if found.node != ours.node {
        return Err(Flaw::OtherNode {
            found: found.node,
            ours: ours.node,
        });
    }
    if found.members != ours.members {
        return Err(Flaw::OtherCluster {
            members: found.members,
            ours: ours.members,
        });
    }
    if found.epoch != ours.epoch {
        return Err(Flaw::OtherEpoch {
            found: found.epoch,
            ours: ours.epoch,
        });
    }
    Ok(header)
}

/// Whether the file begins with what a crash leaves of a header that was being written: its first bytes, and then zeros or
/// nothing.
pub(super) fn is_torn(file: &[u8]) -> bool {
    let mut begun = [0; HEADER_BYTES];
    let there = file.len().min(HEADER_BYTES);
    begun[..there].copy_from_slice(&file[..there]);
    let copy = begun.first_chunk().expect("two copies are longer than one");
    let whole = Header::of(copy).bytes();
    let same = begun.iter().zip(&whole).take_while(|(a, b)| a == b).count();
    begun[same..].iter().all(|byte| *byte == 0)
}

fn is_old(header: &[u8; OLD_HEADER_BYTES]) -> bool {
    header[..8] == FILE_MAGIC
        && header[8] < WAL_VERSION
        && crc32fast::hash(&header[..OLD_CHECKSUM_AT]).to_le_bytes() == header[OLD_CHECKSUM_AT..]
}
