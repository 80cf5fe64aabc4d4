//! Why a log is refused.

use std::fmt;

use raft_core::{LogIndex, NodeId};

use super::WAL_VERSION;
use crate::Epoch;
use crate::codec::DecodeError;

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
    /// Both copies of the header are damaged.
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
    /// It is the log of another history of the cluster.
    OtherEpoch {
        /// That history.
        found: Epoch,
        /// The one this node takes part in.
        ours: Epoch,
    },
    /// The file took another's place, which is gone, and yet it is not whole.
    NoSeal,
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
            Flaw::HeaderChecksum => write!(f, "both copies of its header are damaged"),
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
            Flaw::OtherEpoch { found, ours } => write!(f, "it belongs to {found} of the cluster, and this is {ours}"),
            Flaw::NoSeal => write!(f, "the file's seal is missing, and the file before it is gone"),
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
