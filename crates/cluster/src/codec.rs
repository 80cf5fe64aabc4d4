//! Bytes for everything that travels: between a page and its Workers, and between nodes.
//!
//! A message is [`PROTOCOL_VERSION`] and then the value in postcard. Decoding trusts nothing. What is longer than
//! [`MESSAGE_BYTES_MAX`] is refused unread. A length field inside makes nobody allocate more than the bytes that are
//! really there can fill: postcard offers a sequence's length as a hint only where that many bytes follow, serde
//! reserves at most 1 MiB on a hint, and text is cut from the input itself. So memory grows with the input, by a
//! constant factor.

use std::fmt;

use ftqueue::Command;
use postcard::ser_flavors::Flavor;
use raft_core::{Instant, Message};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Epoch;
use crate::host::{MessageId, PROTOCOL_VERSION};

/// The longest message that is decoded, in bytes. The longest honest one describes a node with a full machine and a
/// long log.
pub const MESSAGE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The longest frame that one node takes from another, in bytes: well over the longest append that a leader sends.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// What travels from one node to another: a message of the core, and what the link has decided about it. The sender's
/// link decides at once when it arrives; the receiver keeps it until then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Names the message. A duplicate has the same name.
    pub message: MessageId,
    /// The sender's epoch. A node of another takes nothing of it.
    pub epoch: Epoch,
    /// The sender's time when it was sent.
    pub sent_at: Instant,
    /// When it arrives.
    pub deliver_at: Instant,
    /// What it says.
    pub frame: Message<Command>,
}

/// Why bytes were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// There are none.
    Empty,
    /// There are too many.
    TooLong {
        /// How many.
        bytes: usize,
        /// How many are allowed.
        bytes_max: usize,
    },
    /// Another version of this program made them.
    Version {
        /// That version.
        found: u8,
        /// The version that is understood.
        ours: u8,
    },
    /// They do not spell a value; holds where postcard stumbled, for who debugs it. People are not told in its words.
    Malformed(postcard::Error),
    /// They spell a value and go on.
    Trailing {
        /// How many are left.
        bytes: usize,
    },
    /// They spell a value whose parts do not fit one another.
    Unsound,
}

/// The bytes of a value.
///
/// # Panics
/// Never for the types of this crate: postcard refuses only sequences whose length is not known beforehand.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    encode_as(PROTOCOL_VERSION, value)
}

/// The value that `bytes` spell, all of them.
///
/// # Errors
/// As [`DecodeError`] says.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    decode_as(PROTOCOL_VERSION, MESSAGE_BYTES_MAX, bytes)
}

/// The envelope that a peer's `bytes` spell.
///
/// # Errors
/// As [`DecodeError`] says.
pub fn decode_envelope(bytes: &[u8]) -> Result<Envelope, DecodeError> {
    decode_as(PROTOCOL_VERSION, FRAME_BYTES_MAX, bytes)
}

/// The name of the message that a peer's bytes begin with, if they begin like one. The rest is not looked at.
pub fn message_of(bytes: &[u8]) -> Option<MessageId> {
    let (&version, body) = bytes.split_first()?;
    let (message, _) = postcard::take_from_bytes(body).ok()?;
    (version == PROTOCOL_VERSION).then_some(message)
}

/// The bytes of a value under a version of the caller's.
pub(crate) fn encode_as<T: Serialize + ?Sized>(version: u8, value: &T) -> Vec<u8> {
    /// Room for an append of an entry or two without asking for more.
    const USUAL_BYTES: usize = 128;
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    append_as(version, value, &mut bytes);
    bytes
}

/// The same bytes, put behind those that are there.
pub(crate) fn append_as<T: Serialize + ?Sized>(version: u8, value: &T, bytes: &mut Vec<u8>) {
    bytes.push(version);
    let buffer = Buffer(std::mem::take(bytes));
    *bytes = postcard::serialize_with_flavor(value, buffer).expect("every sequence here knows its length");
}

/// Where postcard puts what it writes, most of it a few bytes at a time.
struct Buffer(Vec<u8>);

impl Flavor for Buffer {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        // Most of it are numbers of a few bytes, which are sooner written than a copy of any length is begun.
        match *bytes {
            [a] => self.0.push(a),
            [a, b] => self.0.extend_from_slice(&[a, b]),
            [a, b, c] => self.0.extend_from_slice(&[a, b, c]),
            [a, b, c, d] => self.0.extend_from_slice(&[a, b, c, d]),
            [a, b, c, d, e] => self.0.extend_from_slice(&[a, b, c, d, e]),
            [a, b, c, d, e, f, g, h, i, j] => self.0.extend_from_slice(&[a, b, c, d, e, f, g, h, i, j]),
            _ => self.0.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

/// The value that `bytes` spell under a version of the caller's.
pub(crate) fn decode_as<T: DeserializeOwned>(version: u8, bytes_max: usize, bytes: &[u8]) -> Result<T, DecodeError> {
    if bytes.len() > bytes_max {
        return Err(DecodeError::TooLong {
            bytes: bytes.len(),
            bytes_max,
        });
    }
    let Some((&found, body)) = bytes.split_first() else {
        return Err(DecodeError::Empty);
    };
    if found != version {
        return Err(DecodeError::Version { found, ours: version });
    }
    let (value, rest) = postcard::take_from_bytes(body).map_err(DecodeError::Malformed)?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(DecodeError::Trailing { bytes: rest.len() })
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Empty => write!(f, "no bytes"),
            DecodeError::TooLong { bytes, bytes_max } => write!(f, "{bytes} bytes, where {bytes_max} are the most"),
            DecodeError::Version { found, ours } => write!(f, "version {found}, where {ours} is understood"),
            DecodeError::Malformed(_) => write!(f, "not a message of this program"),
            DecodeError::Trailing { bytes } => write!(f, "{bytes} bytes after the end of the message"),
            DecodeError::Unsound => write!(f, "its parts do not fit one another"),
        }
    }
}

impl std::error::Error for DecodeError {}
