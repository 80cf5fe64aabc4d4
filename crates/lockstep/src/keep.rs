//! Runs as bytes: in a file, or in a link.
//!
//! What is kept is what cannot be made again: what went into the nodes of the first run, what clients and hands did, and of each
//! branch where it leaves and what was done in it. The build that wrote it stands in the clear before the rest, so that any later one can
//! say which build opens it; and the hash of the state that is shown, so that a reader can tell whether it makes the same of it.
//!
//! ```text
//! "FTQR", version (1 byte), length of the build's name (1 byte), the name,
//! checksum of the rest (4 bytes), the rest deflated:
//!     length (4 bytes), Head   in postcard
//!     length (4 bytes), Part   in postcard, again and again, by time
//!     0 (4 bytes)
//! ```
//!
//! Everything from outside is taken for hostile. It is read twice: once part by part, each within a budget of memory and then forgotten,
//! until all of it has been seen to be sound; only then is anything made of it. So a refusal costs no more than the largest part may.

mod error;
mod letters;

use cluster::codec;
use cluster::metered::{MeteredError, take_within};
use cluster::node::Node;
use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, TDEFLStatus, compress_to_output, create_comp_flags_from_zip_params,
};
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};
use raft_core::{Instant, MEMBERS_MAX, NodeId};
use serde::{Deserialize, Serialize};
use trace::lockstep::RunId;
use trace::tape::{Origin, Piece, TAPE_BYTES_MAX, Telling, Told};
use trace::{Act, Asked};

pub use self::error::KeepError;
pub(crate) use self::letters::{from_letters, to_letters};
use crate::BUILD;
use crate::pace::{self, Pace};

/// The longest file that is opened, in bytes. Its size is looked at before it is read.
pub const FILE_BYTES_MAX: usize = trace::lockstep::FILE_BYTES_MAX;
/// The longest run that is opened, unpacked, in bytes: as much as a tape holds.
pub const RUN_BYTES_MAX: usize = TAPE_BYTES_MAX;
/// The longest link that is made, in letters: what every browser takes, and a chat window, too.
pub(crate) const LINK_LETTERS_MAX: usize = 30_000;
/// The longest address that is looked at as a link, in bytes: chats break lines and write letters as three.
pub(crate) const LINK_BYTES_MAX: usize = 4 * LINK_LETTERS_MAX;
/// The most steps of nodes in one file: hours of a cluster that works.
pub(crate) const STEPS_MAX: usize = 8_000_000;
/// The most parts of one file.
const PARTS_MAX: usize = 2_000_000;
/// The longest part, in bytes; the longest head; and how much memory what they hold may take.
const PART_BYTES_MAX: usize = 12 * 1024 * 1024;
const PART_MEMORY_BYTES_MAX: usize = 16 * 1024 * 1024;
const HEAD_BYTES_MAX: usize = 4 * 1024 * 1024;
const HEAD_MEMORY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How much of the work it is to see whether a file is sound, of all that is to be done with it: the rest is to make its run again.
pub(crate) const CHECKING: f64 = 0.25;
/// How much memory one node's state may take.
const STATE_MEMORY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How many branches there may be, how many acts in each, and how many calls of clients.
pub(crate) const BRANCHES_MAX: usize = 31;
const ACTS_MAX: usize = 4_096;
const CALLS_MAX: usize = 1_000_000;
/// How many steps and how many calls are written in one part.
const STEPS_A_PART: usize = 2_048;
const CALLS_A_PART: usize = 4_096;
/// The longest name of a build, in bytes.
const BUILD_BYTES_MAX: usize = 64;

const MAGIC: [u8; 4] = *b"FTQR";
/// The version of the format. Version 1 had neither a build nor a hash, and nodes of before sessions had a random part.
const VERSION: u8 = 2;
/// How well it is packed: thoroughly, for it is sent more often than it is made.
const LEVEL: u8 = 9;

/// Everything that reopens a view.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) head: Head,
    pub(crate) root: Root,
    /// What clients did in the first run.
    pub(crate) asked: Vec<(Instant, u16, Asked)>,
}

/// What is small, and wanted first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// How many members there are, numbered from 1.
    pub(crate) members: u8,
    pub(crate) name: String,
    /// When faults began and ended in the first run, and in which words.
    pub(crate) faults: Vec<(Instant, String, Option<String>)>,
    pub(crate) notes: Vec<(Instant, String)>,
    /// Branches, each after the one it leaves. The first run is 0, and they count from 1.
    pub(crate) branches: Vec<KeptBranch>,
    /// Which of them is shown, and when.
    pub(crate) shown: RunId,
    pub(crate) at: Instant,
    /// The hash of all nodes at that instant, as the build that wrote it makes them.
    pub(crate) hash: u64,
    /// How the timeline looks, in its own words.
    pub(crate) look: picture::Look,
}

impl Kept {
    /// Whether the first run is a scenario's.
    pub(crate) fn is_scenario(&self) -> bool {
        matches!(self.root, Root::Scenario(_))
    }

    /// About how many bytes it has unpacked.
    pub(crate) fn bytes(&self) -> usize {
        match &self.root {
            Root::Told(telling) => telling.bytes(),
            Root::Scenario(bytes) => bytes.len(),
        }
    }
}

/// What the first run is made of.
#[derive(Debug)]
pub(crate) enum Root {
    /// What went into its nodes.
    Told(Telling),
    /// A scenario, as its file.
    Scenario(Vec<u8>),
}

/// A branch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptBranch {
    pub(crate) name: String,
    pub(crate) leaves: RunId,
    pub(crate) at: Instant,
    pub(crate) seed: u64,
    pub(crate) acts: Vec<(Instant, Act)>,
    pub(crate) end: Instant,
    pub(crate) notes: Vec<(Instant, String)>,
}

/// A part of a file behind its head.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Part {
    /// The first run is this scenario, as its file. Then it is the only part.
    Scenario(Vec<u8>),
    /// A node was told this.
    Told(Told),
    /// Clients did this.
    Asked(Vec<(Instant, u16, Asked)>),
}

/// A file that has been read once and is sound.
#[derive(Debug)]
pub(crate) struct Opened<'a> {
    pub(crate) head: Head,
    /// The build that wrote it.
    pub(crate) build: String,
    packed: &'a [u8],
}

impl Opened<'_> {
    /// Its parts, once more, each with how much of the file is read then, from 0 to 1.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (Part, f64)> {
        let mut frames = Frames::of(self.packed);
        let _ = frames.next(HEAD_BYTES_MAX);
        std::iter::from_fn(move || {
            let frame = frames.next(PART_BYTES_MAX).ok()??;
            Some((decoded(&frame, PART_MEMORY_BYTES_MAX).ok()?, frames.read()))
        })
    }
}

/// The bytes of a file.
///
/// # Errors
/// It would be more than is opened again.
#[cfg(test)]
pub(crate) fn write(kept: Kept) -> Result<Vec<u8>, KeepError> {
    pace::at_once(write_slowly(kept, &Pace::default(), 1.0))
}

/// The bytes of a file, packed while they come. It is such a part of all that is done, from 0 to 1.
///
/// # Errors
/// It would be more than is opened again.
pub(crate) async fn write_slowly(kept: Kept, pace: &Pace, part: f64) -> Result<Vec<u8>, KeepError> {
    let mut packing = Packing::new();
    packing.put(&kept.head)?;
    match kept.root {
        Root::Scenario(bytes) => packing.put(&Part::Scenario(bytes))?,
        Root::Told(mut telling) => {
            while let Some(told) = telling.next() {
                for told in in_parts(told) {
                    packing.put(&Part::Told(told))?;
                }
                if packing.is_time_to_pause() {
                    pace.pause(part * (1.0 - CHECKING) * telling.done()).await;
                }
            }
        }
    }
    let calls = &kept.asked[kept.asked.len().saturating_sub(CALLS_MAX)..];
    for some in calls.chunks(CALLS_A_PART) {
        packing.put(&Part::Asked(some.to_vec()))?;
        pace.pause(part * (1.0 - CHECKING)).await;
    }
    let bytes = with_packed(&packing.end()?);
    // What is given away can be opened.
    pace.goes_on_from(pace.done());
    read_in(&bytes, pace, part * CHECKING).await?;
    Ok(bytes)
}

/// What a file holds, while it is packed.
struct Packing {
    compressor: Box<CompressorOxide>,
    packed: Vec<u8>,
    /// How much went into it, and how much had at the last pause.
    total: usize,
    paused: usize,
}

impl Packing {
    fn new() -> Packing {
        let flags = create_comp_flags_from_zip_params(LEVEL.into(), 0, 0);
        Packing {
            compressor: Box::new(CompressorOxide::new(flags)),
            packed: Vec::new(),
            total: 0,
            paused: 0,
        }
    }

    fn put(&mut self, value: &impl Serialize) -> Result<(), KeepError> {
        let mut bytes = Vec::new();
        put(value, &mut bytes);
        self.pack(&bytes, TDEFLFlush::None)
    }

    fn pack(&mut self, mut bytes: &[u8], flush: TDEFLFlush) -> Result<(), KeepError> {
        self.total += bytes.len();
        loop {
            let packed = &mut self.packed;
            let (status, taken) = compress_to_output(&mut self.compressor, bytes, flush, |some| {
                packed.extend_from_slice(some);
                true
            });
            bytes = &bytes[taken..];
            if self.total > RUN_BYTES_MAX || self.packed.len() > FILE_BYTES_MAX {
                return Err(KeepError::TooLarge);
            }
            match (status, flush) {
                (TDEFLStatus::Done, _) => return Ok(()),
                (TDEFLStatus::Okay, TDEFLFlush::None) if bytes.is_empty() => return Ok(()),
                (TDEFLStatus::Okay, _) => {}
                (TDEFLStatus::BadParam | TDEFLStatus::PutBufFailed, _) => return Err(KeepError::TooLarge),
            }
        }
    }

    fn is_time_to_pause(&mut self) -> bool {
        const BETWEEN_BYTES: usize = 32 * 1024;
        let is_time = self.total - self.paused >= BETWEEN_BYTES;
        if is_time {
            self.paused = self.total;
        }
        is_time
    }

    fn end(mut self) -> Result<Vec<u8>, KeepError> {
        self.pack(&[0; 4], TDEFLFlush::Finish)?;
        Ok(self.packed)
    }
}

fn put(value: &impl Serialize, body: &mut Vec<u8>) {
    let bytes = postcard::to_allocvec(value).expect("every sequence here knows its length");
    body.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    body.extend_from_slice(&bytes);
}

/// What was told, in parts of a size that a reader takes.
fn in_parts(told: Told) -> Vec<Told> {
    let Told { node, boot, piece } = told;
    match piece {
        Piece::Steps(mut steps) if steps.len() > STEPS_A_PART => {
            let mut parts = Vec::new();
            while !steps.is_empty() {
                let rest = steps.split_off(steps.len().min(STEPS_A_PART));
                let piece = Piece::Steps(std::mem::replace(&mut steps, rest));
                parts.push(Told { node, boot, piece });
            }
            parts
        }
        piece => vec![Told { node, boot, piece }],
    }
}

/// What a file would be that holds this, unpacked: for the fuzzer, which finds no checksum by itself.
pub fn with_head(body: &[u8]) -> Vec<u8> {
    with_packed(&miniz_oxide::deflate::compress_to_vec(body, 1))
}

fn with_packed(packed: &[u8]) -> Vec<u8> {
    let build = BUILD.get(..BUILD_BYTES_MAX).unwrap_or(BUILD).as_bytes();
    let checksum = crc32fast::hash(packed).to_le_bytes();
    [&MAGIC[..], &[VERSION, build.len() as u8], build, &checksum, packed].concat()
}

/// What a file holds, unpacked and not yet read: what [`with_head`] is given.
pub fn body_of(file: &[u8]) -> Option<Vec<u8>> {
    let (_, packed) = packed(file).ok()?;
    miniz_oxide::inflate::decompress_to_vec_with_limit(packed, RUN_BYTES_MAX).ok()
}

/// The build's name, and what is packed, if its checksum is right.
fn packed(bytes: &[u8]) -> Result<(&str, &[u8]), KeepError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(KeepError::TooLong {
            bytes: bytes.len() as u64,
        });
    }
    let rest = bytes.strip_prefix(&MAGIC).ok_or(KeepError::Foreign)?;
    let (&version, rest) = rest.split_first().ok_or(KeepError::Damaged)?;
    if version < VERSION {
        // It had no name of a build.
        return Err(KeepError::Older { version });
    }
    let (&length, rest) = rest.split_first().ok_or(KeepError::Damaged)?;
    let (build, rest) = rest.split_at_checked(length.into()).ok_or(KeepError::Damaged)?;
    let build = std::str::from_utf8(build).map_err(|_| KeepError::Damaged)?;
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    if build.len() > BUILD_BYTES_MAX || !build.chars().all(is_name) {
        return Err(KeepError::Damaged);
    }
    if version > VERSION {
        let build = build.to_owned();
        return Err(KeepError::Newer { version, build });
    }
    let (checksum, packed) = rest.split_at_checked(4).ok_or(KeepError::Damaged)?;
    if checksum != crc32fast::hash(packed).to_le_bytes() {
        return Err(KeepError::Damaged);
    }
    Ok((build, packed))
}

/// What a file holds, read once from its beginning to its end.
///
/// # Errors
/// As [`KeepError`] says.
pub(crate) fn read(bytes: &[u8]) -> Result<Opened<'_>, KeepError> {
    pace::at_once(read_slowly(bytes, &Pace::default()))
}

/// The same, part by part.
pub(crate) async fn read_slowly<'a>(bytes: &'a [u8], pace: &Pace) -> Result<Opened<'a>, KeepError> {
    read_in(bytes, pace, CHECKING).await
}

/// The same, where it is such a part of all that is done.
async fn read_in<'a>(bytes: &'a [u8], pace: &Pace, part: f64) -> Result<Opened<'a>, KeepError> {
    let (build, packed) = packed(bytes)?;
    // What only nodes of another build can read is no fault of the file's.
    let by_build = |why: KeepError| match why {
        KeepError::Wrong(_) if build != BUILD => KeepError::OtherBuild {
            build: build.to_owned(),
        },
        why => why,
    };
    let mut frames = Frames::of(packed);
    let head = frames.next(HEAD_BYTES_MAX)?.ok_or(KeepError::Wrong("it is empty"))?;
    let head: Head = decoded(&head, HEAD_MEMORY_BYTES_MAX).map_err(by_build)?;
    check_head(&head)?;
    let mut seen = Seen::default();
    while let Some(frame) = frames.next(PART_BYTES_MAX)? {
        let it = decoded(&frame, PART_MEMORY_BYTES_MAX).map_err(by_build)?;
        drop(frame);
        seen.check(&head, it).map_err(by_build)?;
        pace.pause(part * frames.read()).await;
    }
    Ok(Opened {
        head,
        build: build.to_owned(),
        packed,
    })
}

fn decoded<'de, T: Deserialize<'de>>(bytes: &'de [u8], memory_bytes_max: usize) -> Result<T, KeepError> {
    match take_within(bytes, memory_bytes_max) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(KeepError::Wrong("something stands behind the end of a part")),
        Err(MeteredError::Spent) => Err(KeepError::TooLarge),
        Err(MeteredError::Malformed) => Err(KeepError::Wrong("a part of it cannot be read")),
    }
}

fn check_head(head: &Head) -> Result<(), KeepError> {
    if !(1..=MEMBERS_MAX).contains(&usize::from(head.members)) {
        return Err(KeepError::Wrong("a cluster has 1 to 9 nodes"));
    }
    if head.branches.len() > BRANCHES_MAX || head.branches.iter().any(|branch| branch.acts.len() > ACTS_MAX) {
        return Err(KeepError::TooLarge);
    }
    let mut places = (1..).zip(&head.branches);
    if !places.all(|(place, branch)| branch.leaves.0 < place) || head.shown.0 as usize > head.branches.len() {
        return Err(KeepError::Wrong("a branch leaves a run that is not there"));
    }
    let mut acts = head.branches.iter().flat_map(|branch| &branch.acts);
    acts.try_for_each(|(_, act)| match act {
        Act::SetTiming(timing) => timing.check().map_err(KeepError::Timing),
        _ => Ok(()),
    })
}

/// What has been seen of a file so far.
#[derive(Default)]
struct Seen {
    parts: usize,
    steps: usize,
    calls: usize,
    is_scenario: bool,
}

impl Seen {
    fn check(&mut self, head: &Head, part: Part) -> Result<(), KeepError> {
        if self.is_scenario {
            return Err(KeepError::Wrong("something stands behind its scenario"));
        }
        self.parts += 1;
        match part {
            Part::Scenario(bytes) => {
                self.is_scenario = true;
                let scenario = sim::file::read(&bytes).map_err(KeepError::Scenario)?;
                if self.parts > 1 || scenario.settings.nodes != head.members {
                    return Err(KeepError::Wrong("its scenario is of another cluster"));
                }
            }
            Part::Told(Told { node, piece, .. }) => {
                if !(1..=head.members).contains(&node.0) {
                    return Err(KeepError::Wrong("a node is told of that is no member"));
                }
                match piece {
                    Piece::Steps(steps) => self.steps += steps.len(),
                    Piece::Began { origin, .. } => check_state(head, node, &origin)?,
                    Piece::Ended { .. } => {}
                }
            }
            Part::Asked(some) => self.calls += some.len(),
        }
        if self.parts > PARTS_MAX || self.steps > STEPS_MAX || self.calls > CALLS_MAX {
            return Err(KeepError::TooLarge);
        }
        Ok(())
    }
}

/// A life begins with a state, and that is a node's of this cluster.
fn check_state(head: &Head, id: NodeId, origin: &Origin) -> Result<(), KeepError> {
    let Origin::State(bytes) = origin else {
        return Err(KeepError::Wrong("a life begins with a log file"));
    };
    let Some((&cluster::host::PROTOCOL_VERSION, body)) = bytes.split_first() else {
        return Err(KeepError::Wrong("the state of a node cannot be read"));
    };
    match take_within::<Node>(body, STATE_MEMORY_BYTES_MAX) {
        Ok((node, _)) if node.view().id == id && node.members().len() == usize::from(head.members) => {}
        Ok(_) => return Err(KeepError::Wrong("the state of a node is another's")),
        Err(MeteredError::Spent) => return Err(KeepError::TooLarge),
        Err(MeteredError::Malformed) => return Err(KeepError::Wrong("the state of a node cannot be read")),
    }
    match Node::load(bytes) {
        Ok(_) => Ok(()),
        Err(codec::DecodeError::Unsound) => Err(KeepError::Wrong("the state of a node is none that a node can be in")),
        Err(_) => Err(KeepError::Wrong("the state of a node cannot be read")),
    }
}

/// What is packed, piece by piece: never more in memory than one piece.
struct Frames<'a> {
    packed: &'a [u8],
    /// How long that was at the beginning.
    length: usize,
    inflating: Box<InflateState>,
    unpacked: Vec<u8>,
    /// How much was unpacked in all.
    total: usize,
    is_at_end: bool,
}

impl<'a> Frames<'a> {
    fn of(packed: &'a [u8]) -> Frames<'a> {
        Frames {
            packed,
            length: packed.len(),
            inflating: InflateState::new_boxed(DataFormat::Raw),
            unpacked: Vec::new(),
            total: 0,
            is_at_end: false,
        }
    }

    /// How much of it is read, from 0 to 1.
    fn read(&self) -> f64 {
        1.0 - self.packed.len() as f64 / self.length.max(1) as f64
    }

    /// The next piece; none, if that was all. No length is believed before the bytes are there.
    fn next(&mut self, bytes_max: usize) -> Result<Option<Vec<u8>>, KeepError> {
        let length = self.take(4)?;
        let length = length.iter().rev().fold(0, |word, byte| word << 8 | usize::from(*byte));
        if length > bytes_max {
            return Err(KeepError::TooLarge);
        }
        if length > 0 {
            return self.take(length).map(Some);
        }
        self.unpack()?;
        if self.is_at_end && self.unpacked.is_empty() && self.packed.is_empty() {
            Ok(None)
        } else {
            Err(KeepError::Wrong("something stands behind its end"))
        }
    }

    fn take(&mut self, count: usize) -> Result<Vec<u8>, KeepError> {
        while self.unpacked.len() < count {
            if self.is_at_end {
                return Err(KeepError::Wrong("its end is missing"));
            }
            self.unpack()?;
        }
        let rest = self.unpacked.split_off(count);
        Ok(std::mem::replace(&mut self.unpacked, rest))
    }

    fn unpack(&mut self) -> Result<(), KeepError> {
        const CHUNK_BYTES: usize = 32 * 1024;
        if self.is_at_end {
            return Ok(());
        }
        let mut chunk = [0; CHUNK_BYTES];
        let result = inflate(&mut self.inflating, self.packed, &mut chunk, MZFlush::None);
        self.packed = &self.packed[result.bytes_consumed..];
        self.unpacked.extend_from_slice(&chunk[..result.bytes_written]);
        self.total += result.bytes_written;
        match result.status {
            Ok(MZStatus::StreamEnd) => self.is_at_end = true,
            Ok(_) => {}
            Err(MZError::Buf) | Err(_) => return Err(KeepError::Damaged),
        }
        if self.total > RUN_BYTES_MAX {
            return Err(KeepError::TooLarge);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use cluster::record::Step;
    use raft_core::Timing;

    use super::*;

    /// What stands in a file.
    #[derive(Debug, PartialEq)]
    struct Whole {
        head: Head,
        told: Vec<Told>,
        asked: Vec<(Instant, u16, Asked)>,
    }

    fn whole(bytes: &[u8]) -> (Whole, String) {
        let opened = read(bytes).unwrap();
        let (mut told, mut asked) = (Vec::new(), Vec::new());
        for (part, _) in opened.parts() {
            match part {
                Part::Scenario(_) => panic!("it is none"),
                Part::Told(it) => told.push(it),
                Part::Asked(some) => asked.extend(some),
            }
        }
        let head = opened.head.clone();
        (Whole { head, told, asked }, opened.build)
    }

    fn kept() -> Whole {
        Whole {
            head: Head {
                members: 3,
                name: "Live".to_owned(),
                faults: vec![(Instant(7), "crash 1".to_owned(), Some("Node 1 crashed".to_owned()))],
                notes: vec![(Instant(9), "look here".to_owned())],
                branches: Vec::new(),
                shown: RunId(0),
                at: Instant(9),
                hash: 7,
                look: picture::Look::default(),
            },
            told: vec![Told {
                node: NodeId(2),
                boot: 1,
                piece: Piece::Ended { at: Instant(9) },
            }],
            asked: vec![(Instant(3), 1, Asked::Cancelled)],
        }
    }

    fn written(Whole { head, told, asked }: Whole) -> Vec<u8> {
        let root = Root::Told(told.into_iter().collect());
        write(Kept { head, root, asked }).unwrap()
    }

    fn file() -> Vec<u8> {
        written(kept())
    }

    /// A file of these pieces.
    fn of(pieces: &[&[u8]]) -> Vec<u8> {
        let mut body = Vec::new();
        for piece in pieces {
            body.extend_from_slice(&(piece.len() as u32).to_le_bytes());
            body.extend_from_slice(piece);
        }
        body.extend_from_slice(&[0; 4]);
        with_head(&body)
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(whole(&file()), (kept(), BUILD.to_owned()));
    }

    #[test]
    fn steps_are_written_in_parts_and_by_time() {
        let step = |at| Step::Take(Instant(at), cluster::node::NodeInput::Tick);
        let told = |node, from, until| Told {
            node: NodeId(node),
            boot: 1,
            piece: Piece::Steps((from..until).map(step).collect()),
        };
        let mut kept = kept();
        kept.told = vec![told(1, 0, 5_000), told(1, 5_000, 5_010), told(2, 4_000, 4_010)];
        let (whole, _) = whole(&written(kept));
        let begin = |told: &Told| match &told.piece {
            Piece::Steps(steps) => (told.node.0, steps.first().cloned(), steps.len()),
            _ => panic!("{told:?}"),
        };
        let parts: Vec<_> = whole.told.iter().map(begin).collect();
        let wanted = [
            (1, 0, 2_048),
            (1, 2_048, 2_048),
            (1, 4_096, 904),
            (2, 4_000, 10),
            (1, 5_000, 10),
        ];
        assert_eq!(parts, wanted.map(|(node, at, count)| (node, Some(step(at)), count)));
    }

    #[test]
    fn what_is_no_run_is_said_to_be_none() {
        let whole = file();
        assert_eq!(read(b"").err(), Some(KeepError::Foreign));
        assert_eq!(read(b"PK\x03\x04 a zip").err(), Some(KeepError::Foreign));
        for end in 4..whole.len() {
            assert_eq!(read(&whole[..end]).err(), Some(KeepError::Damaged), "cut at {end}");
        }
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let in_name = (6..6 + BUILD.len()).contains(&(bit / 8));
            match read(&flipped) {
                // The name of the build is for people, and stands before the checksum.
                Ok(opened) => assert!(in_name && opened.build != BUILD, "bit {bit}"),
                Err(why) => assert!(!why.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn which_build_opens_it_is_said() {
        let mut bytes = file();
        bytes[4] = 1;
        assert_eq!(read(&bytes).err(), Some(KeepError::Older { version: 1 }));
        let newer = [&MAGIC[..], &[9, 6], b"c0ffee", b"who knows"].concat();
        let build = "c0ffee".to_owned();
        assert_eq!(
            read(&newer).err(),
            Some(KeepError::Newer {
                version: 9,
                build: build.clone()
            })
        );
        // The same format, of another build's nodes: what cannot be read is not called damaged.
        let state = Part::Told(Told {
            node: NodeId(1),
            boot: 1,
            piece: Piece::Began {
                origin: Origin::State(vec![99, 1, 2]),
                at: Instant(0),
            },
        });
        let head = postcard::to_allocvec(&kept().head).unwrap();
        let state = postcard::to_allocvec(&state).unwrap();
        let ours = of(&[&head, &state]);
        assert_eq!(
            read(&ours).err(),
            Some(KeepError::Wrong("the state of a node cannot be read"))
        );
        let (_, packed) = packed(&ours).unwrap();
        let checksum = crc32fast::hash(packed).to_le_bytes();
        let theirs = [&MAGIC[..], &[VERSION, 6], b"c0ffee", &checksum, packed].concat();
        assert_eq!(read(&theirs).err(), Some(KeepError::OtherBuild { build }));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let head = |change: &dyn Fn(&mut Head)| {
            let mut head = kept().head;
            change(&mut head);
            postcard::to_allocvec(&head).unwrap()
        };
        let good = head(&|_| ());
        let part = |part: Part| postcard::to_allocvec(&part).unwrap();
        let told = |node, piece| {
            part(Part::Told(Told {
                node: NodeId(node),
                boot: 1,
                piece,
            }))
        };
        let ended = Piece::Ended { at: Instant(1) };
        let branch = |leaves| KeptBranch {
            name: String::new(),
            leaves: RunId(leaves),
            at: Instant(0),
            seed: 0,
            acts: Vec::new(),
            end: Instant(0),
            notes: Vec::new(),
        };
        for (bytes, why) in [
            (of(&[&head(&|head| head.members = 0)]), "nodes"),
            (of(&[&head(&|head| head.members = 10)]), "nodes"),
            (of(&[&head(&|head| head.shown = RunId(1))]), "branch"),
            (of(&[&head(&|head| head.branches = vec![branch(1)])]), "branch"),
            (
                of(&[&head(&|head| {
                    let equal = Timing {
                        election_max: Timing::default().election_min,
                        ..Timing::default()
                    };
                    let acts = vec![(Instant(0), Act::SetTiming(equal))];
                    head.branches = vec![KeptBranch { acts, ..branch(0) }];
                })]),
                "every election timeout is 150 ms",
            ),
            (
                of(&[&head(&|head| head.branches = (0..32).map(|_| branch(0)).collect())]),
                "more than",
            ),
            (of(&[&good, &told(4, ended.clone())]), "no member"),
            (of(&[&good, &part(Part::Scenario(vec![1]))]), "no run of FTQueue"),
            (of(&[&good, b"\x09"]), "cannot be read"),
            (of(&[&[&good[..], b"\x00"].concat()]), "behind the end"),
            (with_head(&[9, 0]), "end is missing"),
            (with_head(&[0; 9]), "behind its end"),
            (with_head(&[0xff; 9]), "more than"),
        ] {
            let said = read(&bytes).err().map(|why| why.to_string()).unwrap_or_default();
            assert!(said.contains(why), "{why}: {said:?}");
        }
    }
}
