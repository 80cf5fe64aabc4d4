//! Runs as bytes: in a file, or in a link.
//!
//! What is kept is what cannot be made again: what went into the nodes of the first run, what clients and hands did, and of each
//! branch where it leaves and what was done in it. Everything from outside is taken for hostile: it has a mark, a
//! version and a checksum, it is unpacked up to a limit and no further, and no length in it is believed before the bytes are there.

use std::fmt;

use raft_core::{Instant, MEMBERS_MAX, NodeId};
use serde::{Deserialize, Serialize};
use trace::lockstep::RunId;
use trace::tape::Told;
use trace::{Act, Asked};

/// The longest run that is opened, unpacked, in bytes.
pub const RUN_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The longest link that is made, in letters: what every browser takes, and a chat window, too.
pub(crate) const LINK_LETTERS_MAX: usize = 30_000;

const MAGIC: [u8; 4] = *b"FTQR";
const VERSION: u8 = 1;
/// How well it is packed: thoroughly, for it is sent more often than it is made.
const LEVEL: u8 = 9;

/// Everything that reopens a view.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) members: Vec<NodeId>,
    pub(crate) name: String,
    /// The first run.
    pub(crate) root: Root,
    /// What clients did in it.
    pub(crate) asked: Vec<(Instant, u16, Asked)>,
    /// When faults began and ended in it, and in which words.
    pub(crate) faults: Vec<(Instant, String, Option<String>)>,
    pub(crate) notes: Vec<(Instant, String)>,
    /// Branches, each after the one it leaves. The first run is 0, and they count from 1.
    pub(crate) branches: Vec<KeptBranch>,
    /// Which of them is shown, and when.
    pub(crate) shown: RunId,
    pub(crate) at: Instant,
    /// How the timeline looks, in its own words.
    pub(crate) look: picture::Look,
}

/// What the first run is made of.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Root {
    /// What went into its nodes.
    Told(Vec<Told>),
    /// A scenario, as its file.
    Scenario(Vec<u8>),
}

/// A branch.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptBranch {
    pub(crate) name: String,
    pub(crate) leaves: RunId,
    pub(crate) at: Instant,
    pub(crate) seed: u64,
    pub(crate) acts: Vec<(Instant, Act)>,
    pub(crate) end: Instant,
    pub(crate) notes: Vec<(Instant, String)>,
}

/// Why something cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepError {
    /// It is something else.
    Foreign,
    /// Another version of this program made it.
    Version(u8),
    /// It is damaged, or its end is missing.
    Damaged,
    /// It is larger than what is opened.
    TooLarge,
    /// It unpacks to something that is no run. Says what.
    Wrong(String),
    /// It is a run of `ftq` that cannot be read. Says why.
    Scenario(String),
}

/// The bytes of a file.
pub(crate) fn write(kept: &Kept) -> Vec<u8> {
    let body = postcard::to_allocvec(kept).expect("every sequence here knows its length");
    let packed = miniz_oxide::deflate::compress_to_vec(&body, LEVEL);
    let mut bytes = Vec::with_capacity(packed.len() + 16);
    bytes.extend_from_slice(&MAGIC);
    bytes.push(VERSION);
    bytes.extend_from_slice(&crc32fast::hash(&packed).to_le_bytes());
    bytes.extend_from_slice(&packed);
    bytes
}

/// What a file would be whose body is this: for the fuzzer, which finds no checksum by itself.
pub fn with_head(body: &[u8]) -> Vec<u8> {
    let packed = miniz_oxide::deflate::compress_to_vec(body, 1);
    [&MAGIC[..], &[VERSION], &crc32fast::hash(&packed).to_le_bytes(), &packed].concat()
}

/// What a file holds, unpacked and not yet read: what [`with_head`] is given.
pub fn body_of(file: &[u8]) -> Option<Vec<u8>> {
    let packed = file.get(MAGIC.len() + 5..)?;
    miniz_oxide::inflate::decompress_to_vec_with_limit(packed, RUN_BYTES_MAX).ok()
}

/// What a file holds.
pub(crate) fn read(bytes: &[u8]) -> Result<Kept, KeepError> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or(KeepError::Foreign)?;
    let (&version, rest) = rest.split_first().ok_or(KeepError::Damaged)?;
    if version != VERSION {
        return Err(KeepError::Version(version));
    }
    let (checksum, packed) = rest.split_at_checked(4).ok_or(KeepError::Damaged)?;
    if checksum != crc32fast::hash(packed).to_le_bytes() {
        return Err(KeepError::Damaged);
    }
    let body =
        miniz_oxide::inflate::decompress_to_vec_with_limit(packed, RUN_BYTES_MAX).map_err(|error| {
            match error.status {
                miniz_oxide::inflate::TINFLStatus::HasMoreOutput => KeepError::TooLarge,
                _ => KeepError::Damaged,
            }
        })?;
    let (kept, rest): (Kept, _) =
        postcard::take_from_bytes(&body).map_err(|error| KeepError::Wrong(error.to_string()))?;
    let rising = kept.members.windows(2).all(|pair| pair[0] < pair[1]);
    let counted = kept.members.iter().zip(1..).all(|(member, number)| member.0 == number);
    if !rest.is_empty() || kept.members.is_empty() || kept.members.len() > MEMBERS_MAX || !rising || !counted {
        return Err(KeepError::Wrong("its members are not numbered from 1".to_owned()));
    }
    Ok(kept)
}

/// The letters of a link: those that stand in an address as they are.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Bytes as letters, six bits each.
pub(crate) fn to_letters(bytes: &[u8]) -> String {
    let mut letters = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            letters.push(char::from(LETTERS[(word >> (18 - 6 * place) & 63) as usize]));
        }
    }
    letters
}

/// The same backwards.
pub(crate) fn from_letters(letters: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(letters.len() / 4 * 3);
    for four in letters.as_bytes().chunks(4) {
        let mut word = 0_u32;
        for place in 0..4 {
            let six = match four.get(place) {
                Some(letter) => LETTERS.iter().position(|known| known == letter)? as u32,
                None => 0,
            };
            word = word << 6 | six;
        }
        bytes.extend_from_slice(&word.to_be_bytes()[1..four.len().max(1)]);
    }
    Some(bytes)
}

impl fmt::Display for KeepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeepError::Foreign => write!(
                f,
                "it is no run. Runs are kept by the page (Save) and by `ftq sim --trace`, and end in .ftqr or .ftq"
            ),
            KeepError::Version(found) => write!(
                f,
                "it was kept by another version of FTQueue (format {found}, where {VERSION} is understood). Open it with that version"
            ),
            KeepError::Damaged => write!(f, "it is damaged, or its end is missing. Fetch or copy it again"),
            KeepError::TooLarge => write!(
                f,
                "it unpacks to more than {} MB, which is the most that is opened",
                RUN_BYTES_MAX / 1024 / 1024
            ),
            KeepError::Wrong(what) => write!(f, "what it holds is no run: {what}"),
            KeepError::Scenario(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for KeepError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        Kept {
            members: (1..=3).map(NodeId).collect(),
            name: "Live".to_owned(),
            root: Root::Told(Vec::new()),
            asked: Vec::new(),
            faults: vec![(Instant(7), "crash 1".to_owned(), Some("Node 1 crashed".to_owned()))],
            notes: vec![(Instant(9), "look here".to_owned())],
            branches: Vec::new(),
            shown: RunId(0),
            at: Instant(9),
            look: picture::Look::default(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read(&write(&kept())), Ok(kept()));
    }

    #[test]
    fn letters_are_bytes() {
        for length in 0..70_u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37)).collect();
            let letters = to_letters(&bytes);
            assert_eq!(from_letters(&letters), Some(bytes));
            assert!(letters.bytes().all(|letter| LETTERS.contains(&letter)));
        }
        assert_eq!(from_letters("a b"), None);
    }

    #[test]
    fn what_is_no_run_is_said_to_be_none() {
        let whole = write(&kept());
        assert_eq!(read(b""), Err(KeepError::Foreign));
        assert_eq!(read(b"PK\x03\x04 a zip"), Err(KeepError::Foreign));
        for end in 4..whole.len() {
            assert_eq!(read(&whole[..end]), Err(KeepError::Damaged), "cut at {end}");
        }
        for place in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[place] ^= 0x10;
            assert!(read(&flipped).is_err(), "flipped at {place}");
        }
        let mut newer = whole.clone();
        newer[4] = 9;
        assert_eq!(read(&newer), Err(KeepError::Version(9)));
    }

    /// A file that unpacks to a flood is given up, not waited for; and one that claims much and holds little fills no memory.
    #[test]
    fn a_flood_is_refused() {
        let flood = vec![0_u8; RUN_BYTES_MAX + 1];
        let packed = miniz_oxide::deflate::compress_to_vec(&flood, 1);
        let mut bytes = [&MAGIC[..], &[VERSION], &crc32fast::hash(&packed).to_le_bytes()].concat();
        bytes.extend_from_slice(&packed);
        assert_eq!(read(&bytes), Err(KeepError::TooLarge));
        let claims = [0xff, 0xff, 0xff, 0xff, 0x0f];
        let packed = miniz_oxide::deflate::compress_to_vec(&claims, 1);
        let mut bytes = [&MAGIC[..], &[VERSION], &crc32fast::hash(&packed).to_le_bytes()].concat();
        bytes.extend_from_slice(&packed);
        assert!(matches!(read(&bytes), Err(KeepError::Wrong(_))));
    }
}
