//! The disk of a node over files that lie, and what a node asks of it at boot.

use std::collections::VecDeque;

use cluster::Epoch;
use cluster::disk::{Disk, DiskError, RawFile};
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
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<f64, String> {
        self.writes += 1;
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

    fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<f64, String> {
        let there = &self.bytes[at as usize..];
        let count = there.len().min(into.len());
        into[..count].copy_from_slice(&there[..count]);
        Ok(count as f64)
    }

    fn size(&mut self) -> Result<f64, String> {
        Ok(self.bytes.len() as f64)
    }

    fn truncate(&mut self, bytes: u64) -> Result<(), String> {
        self.bytes.truncate(bytes as usize);
        Ok(())
    }

    fn flush(&mut self, _end: u64) -> Result<(), String> {
        if let Some(left) = self.left_by_flush {
            self.bytes.truncate(left);
        }
        Ok(())
    }
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
