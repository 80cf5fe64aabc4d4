//! The disk of a node over files that lie, and what a node asks of it at boot.

use std::collections::VecDeque;

use cluster::Epoch;
use cluster::disk::{Disk, DiskError, RawFile, Refusal};
use cluster::node::{Node, NodeConfig, NodeOutbox, OpenDisk};
use cluster::wal::{Identity, Writer};
use raft_core::{Config, HardState, Instant, NodeId, Rule, Rules, Term, Timing};

/// A file in memory that answers as it was told, and honestly after that.
#[derive(Debug, Default)]
struct File {
    bytes: Vec<u8>,
    answers: VecDeque<Answer>,
    /// A flush leaves so many bytes.
    left_by_flush: Option<usize>,
    writes: u32,
    /// What the disk has.
    flushed: Vec<u8>,
    /// No room for more bytes than these.
    room: Option<usize>,
    /// It is this that finds no room next.
    refuses: Option<Call>,
    /// From here on a cache has what the disk has not: a flush failed.
    dropped: Option<usize>,
}

/// What may find no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Truncate,
    Flush,
}

/// What a write does, and what it says.
#[derive(Clone, Copy, Debug)]
struct Answer {
    written: usize,
    said: f64,
}

impl File {
    fn answering(answers: &[Answer]) -> File {
        File {
            answers: answers.iter().copied().collect(),
            ..File::default()
        }
    }
}

impl RawFile for File {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<f64, Refusal> {
        self.writes += 1;
        if let Some(room) = self.room.filter(|room| at as usize + bytes.len() > *room) {
            // As much as there is room for is written all the same.
            let (at, end) = (at as usize, room.max(at as usize));
            self.bytes.resize(self.bytes.len().max(end), 0);
            self.bytes[at..end].copy_from_slice(&bytes[..end - at]);
            return Err(full());
        }
        if self.dropped.is_some_and(|dropped| at as usize <= dropped) {
            self.dropped = None;
        }
        let honest = Answer {
            written: bytes.len(),
            said: bytes.len() as f64,
        };
        let answer = self.answers.pop_front().unwrap_or(honest);
        let (at, written) = (at as usize, answer.written.min(bytes.len()));
        if written > 0 {
            self.bytes.resize(self.bytes.len().max(at + written), 0);
            self.bytes[at..at + written].copy_from_slice(&bytes[..written]);
        }
        Ok(answer.said)
    }

    fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<f64, Refusal> {
        let there = &self.bytes[at as usize..];
        let count = there.len().min(into.len());
        into[..count].copy_from_slice(&there[..count]);
        Ok(count as f64)
    }

    fn size(&mut self) -> Result<f64, Refusal> {
        Ok(self.bytes.len() as f64)
    }

    fn truncate(&mut self, bytes: u64) -> Result<(), Refusal> {
        self.finds_room(Call::Truncate)?;
        self.bytes.truncate(bytes as usize);
        Ok(())
    }

    fn flush(&mut self, _end: u64) -> Result<(), Refusal> {
        if let Err(refusal) = self.finds_room(Call::Flush) {
            self.dropped.get_or_insert(self.flushed.len());
            return Err(refusal);
        }
        let there = self.bytes.len();
        self.flushed = self.bytes[..self.dropped.unwrap_or(there).min(there)].to_vec();
        if let Some(left) = self.left_by_flush {
            self.bytes.truncate(left);
        }
        Ok(())
    }
}

impl File {
    fn finds_room(&mut self, call: Call) -> Result<(), Refusal> {
        match self.refuses.take_if(|refused| *refused == call) {
            Some(_) => Err(full()),
            None => Ok(()),
        }
    }
}

fn full() -> Refusal {
    Refusal::NoRoom("the disk is full".to_owned())
}

fn disk(file: File) -> Disk<File> {
    Disk::new([file, File::default()]).expect("these files know their size")
}

fn promise(file: File) -> Result<Disk<File>, DiskError> {
    let mut disk = disk(file);
    disk.append(b"promised")?;
    disk.flush()?;
    Ok(disk)
}

/// F2: −8 from a full disk was taken for all of the write.
#[test]
fn a_count_that_cannot_be_true_is_an_error() {
    for said in [4_294_967_288.0, -8.0, 9.0, f64::NAN, f64::INFINITY, 2.5] {
        let answer = Answer { written: 0, said };
        match promise(File::answering(&[answer])) {
            Err(DiskError::Implausible { bytes_max: 8, .. }) => {}
            other => panic!("{said} gives {other:?}"),
        }
    }
}

#[test]
fn a_file_that_takes_nothing_for_ever_is_an_error_and_no_endless_loop() {
    let nothing = Answer { written: 0, said: 0.0 };
    assert_eq!(
        promise(File::answering(&[nothing; 1000])).unwrap_err(),
        DiskError::NothingWritten
    );
    // Twice is no reason to give up.
    let written = promise(File::answering(&[nothing, nothing])).expect("the third write takes all");
    assert_eq!(written.files()[0].bytes, b"promised");
}

#[test]
fn a_write_in_parts_is_a_write() {
    let part = |written| Answer {
        written,
        said: written as f64,
    };
    let written = promise(File::answering(&[part(3), part(1)])).expect("all is written at last");
    assert_eq!(
        (&written.files()[0].bytes[..], written.files()[0].writes),
        (&b"promised"[..], 3)
    );
}

#[test]
fn a_file_that_is_shorter_than_what_was_written_is_an_error() {
    let half_for_all = Answer { written: 4, said: 8.0 };
    let (found, expected) = (4, 8);
    let wrong = DiskError::WrongSize { found, expected };
    assert_eq!(promise(File::answering(&[half_for_all])).unwrap_err(), wrong);
    // Another write does not hide the gap.
    let mut gap = disk(File::answering(&[half_for_all]));
    gap.append(b"promised").expect("it says so");
    assert_eq!(gap.append(b"again").unwrap_err(), wrong);
    let cut = File {
        left_by_flush: Some(5),
        ..File::default()
    };
    let found = 5;
    assert_eq!(promise(cut).unwrap_err(), DiskError::WrongSize { found, expected });
}

/// F4: what a cache shows after a flush that failed is written again in its place, and not only flushed again.
#[test]
fn a_node_that_boots_writes_again_what_no_record_vouches_for() {
    let identity = Identity {
        node: NodeId(1),
        members: 3,
        epoch: Epoch(0),
    };
    let vote = |term| {
        let voted_for = Some(NodeId(1));
        Some(HardState {
            term: Term(term),
            voted_for,
        })
    };
    let (mut writer, mut file) = (Writer::new(identity, 0, 0), Vec::new());
    writer.batch(vote(1), None, &[], &mut file);
    let flushed = file.len();
    writer.acknowledge(flushed as u64, &mut file);
    writer.batch(vote(2), None, &[], &mut file);
    let whole = file.len();
    file.extend(b"\nrec a torn end");
    let opened = |rules: Rules| {
        let raft = Config {
            id: NodeId(1),
            members: (1..=3).map(NodeId).collect(),
            timing: Timing::default(),
            seed: 1,
            rules,
            compact_after: 100,
        };
        let config = NodeConfig {
            raft,
            boot: 1,
            epoch: Epoch(0),
            links: Vec::new(),
        };
        let mut out = NodeOutbox::default();
        Node::boot(config, [&file, &[]], Instant(0), &mut out).expect("the log is sound");
        assert!(out.sync.is_some(), "and it is flushed before anything is promised");
        out.open_disk.expect("a node that boots says where it goes on")
    };
    let open = opened(Rules::default());
    let again = file[flushed..whole].to_vec();
    let keep = whole as u64;
    assert_eq!(open, OpenDisk { file: 0, keep, again });
    // What was flushed beyond doubt is not written again: a long log boots as fast as before.
    let mut disk = disk(File {
        bytes: file.clone(),
        ..File::default()
    });
    disk.go_on(&open).and_then(|()| disk.flush()).expect("an honest file");
    assert_eq!(
        (&disk.files()[0].bytes[..], disk.files()[0].writes),
        (&file[..whole], 1)
    );
    let without = opened(Rules::without(Rule::RewriteAfterFailedFlush));
    assert!(without.again.is_empty(), "the rule can be switched off");
}

/// Bytes that a disk is to hold at last, in order, however often there was no room for them.
const PARTS: [&[u8]; 4] = [b"promised ", b"waits ", b"and waits ", b"and comes"];

#[test]
fn without_room_nothing_is_flushed_and_with_room_all_of_it_is() {
    // Wherever the room ends: before a write, or in its middle.
    for room in 9..30 {
        let mut disk = disk(File {
            room: Some(room),
            ..File::default()
        });
        disk.append(PARTS[0]).expect("there is room");
        assert_eq!((disk.flush(), disk.lacks_room()), (Ok(true), None));
        for part in &PARTS[1..] {
            disk.append(part).expect("it waits");
        }
        for _ in 0..3 {
            assert_eq!(disk.flush(), Ok(false), "a room of {room}");
            assert_eq!(disk.lacks_room(), Some("the disk is full"));
            assert_eq!(
                disk.files()[0].flushed,
                PARTS[0],
                "what was flushed is what is promised"
            );
        }
        disk.files_mut()[0].room = None;
        assert_eq!((disk.flush(), disk.lacks_room()), (Ok(true), None));
        assert_eq!(disk.files()[0].flushed, PARTS.concat(), "a room of {room}");
        disk.append(b"!").expect("it goes on as before");
        assert_eq!(disk.flush(), Ok(true));
        assert_eq!(disk.files()[0].flushed, [&PARTS.concat()[..], b"!"].concat());
    }
}

/// F4: a cache forgets what a flush could not write out, whatever the reason was. Only the next write of it brings it back.
#[test]
fn what_a_flush_found_no_room_for_is_written_again_before_it_is_flushed_again() {
    let mut disk = disk(File::default());
    disk.append(PARTS[0])
        .and_then(|()| disk.flush())
        .expect("there is room");
    disk.files_mut()[0].refuses = Some(Call::Flush);
    disk.append(PARTS[1]).expect("it is in a cache");
    assert_eq!(disk.flush(), Ok(false));
    disk.append(PARTS[2]).expect("it waits");
    assert_eq!(disk.flush(), Ok(true));
    assert_eq!(disk.files()[0].flushed, PARTS[..3].concat());
}

#[test]
fn a_snapshot_that_finds_no_room_leaves_the_file_before_whole_until_there_is_some() {
    for call in [Call::Truncate, Call::Flush] {
        for file in [0, 1] {
            let mut disk = disk(File::default());
            disk.append(PARTS[0])
                .and_then(|()| disk.flush())
                .expect("there is room");
            disk.files_mut()[file].refuses = Some(call);
            disk.files_mut()[1].room = ((call, file) == (Call::Truncate, 1)).then_some(3);
            disk.switch().expect("it waits");
            disk.append(PARTS[1]).expect("it waits");
            assert_eq!(disk.flush(), Ok(false), "{call:?} of file {file}");
            assert_eq!(disk.files()[0].flushed, PARTS[0], "{call:?} of file {file}");
            disk.append(PARTS[2]).expect("it waits");
            disk.files_mut()[1].room = None;
            assert_eq!(disk.flush(), Ok(true));
            assert_eq!(disk.files()[1].flushed, PARTS[1..3].concat(), "{call:?} of file {file}");
            assert_eq!(disk.files()[0].bytes, b"", "{call:?} of file {file}");
        }
    }
}

#[test]
fn a_boot_that_finds_no_room_to_write_again_what_was_found_cuts_nothing_off() {
    let mut full = disk(File {
        bytes: b"promised and perhaps torn".to_vec(),
        room: Some(12),
        ..File::default()
    });
    let open = OpenDisk {
        file: 0,
        keep: 20,
        again: b"and perhaps"[..11].to_vec(),
    };
    full.go_on(&open).expect("it waits");
    assert_eq!(full.flush(), Ok(false));
    assert_eq!(full.files()[0].bytes, b"promised and perhaps");
    full.files_mut()[0].room = None;
    full.append(b".").expect("it waits");
    assert_eq!(full.flush(), Ok(true));
    assert_eq!(full.files()[0].flushed, b"promised and perhaps.");
}

/// A state to go on from is written as a whole, or tried again as a whole.
#[test]
fn a_file_that_finds_no_room_can_be_put_there_again() {
    let mut full = disk(File {
        bytes: b"of another time".to_vec(),
        room: Some(5),
        ..File::default()
    });
    let why = "the disk is full".to_owned();
    assert_eq!(full.replace(PARTS[0]), Err(DiskError::NoRoom { why }));
    full.files_mut()[0].room = None;
    assert_eq!(full.replace(PARTS[0]), Ok(()));
    assert_eq!(full.files()[0].flushed, PARTS[0]);
}

/// Only for room it is waited: any other failure leaves nobody knows what.
#[test]
fn a_flush_that_fails_for_another_reason_is_an_error() {
    struct Broken(File);
    impl RawFile for Broken {
        fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<f64, Refusal> {
            self.0.write_at(at, bytes)
        }
        fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<f64, Refusal> {
            self.0.read_at(at, into)
        }
        fn size(&mut self) -> Result<f64, Refusal> {
            self.0.size()
        }
        fn truncate(&mut self, bytes: u64) -> Result<(), Refusal> {
            self.0.truncate(bytes)
        }
        fn flush(&mut self, _end: u64) -> Result<(), Refusal> {
            Err(Refusal::Failed("a cable".to_owned()))
        }
    }
    let mut disk = Disk::new([File::default(), File::default()].map(Broken)).expect("these files know their size");
    disk.append(PARTS[0]).expect("there is room");
    let (what, why) = ("flush the log", "a cable".to_owned());
    assert_eq!(disk.flush(), Err(DiskError::Refused { what, why }));
}
