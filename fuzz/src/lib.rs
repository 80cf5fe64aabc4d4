//! What is fuzzed: everything that reads bytes from outside. Each function takes any bytes, and panics if one of its promises does
//! not hold. The fuzzer calls them with what it makes up; a plain test calls them with what it has found (`corpus/`).

pub mod corpus;

use cluster::Epoch;
use cluster::codec;
use cluster::host::{FromNode, ToNode};
use cluster::wal::{self, Identity};
use ftqueue::Operation;
use lockstep::Repeated;
use raft_core::NodeId;
use sim::file;

/// A node whose log the bytes may be.
pub const IDENTITY: Identity = Identity {
    node: NodeId(1),
    members: 3,
    epoch: Epoch(0),
};

/// A thing that is fuzzed: its name, and what is called.
pub type Target = (&'static str, fn(&[u8]));

/// All of them. Each has a program of its name in `targets/` and a file of its name in `corpus/`.
pub const TARGETS: [Target; 5] = [
    ("frame", frame),
    ("kept", kept),
    ("wal", wal_file),
    ("scenario", scenario),
    ("command", command),
];

/// A frame from a peer, from a page or from a Worker: what is read is written again with the same meaning.
pub fn frame(bytes: &[u8]) {
    if let Ok(envelope) = codec::decode_envelope(bytes) {
        assert_eq!(codec::decode_envelope(&codec::encode(&envelope)), Ok(envelope));
    }
    if let Ok(message) = codec::decode::<ToNode>(bytes) {
        let again = codec::encode(&message);
        // Compared as bytes: what is not a number is not equal to itself.
        assert_eq!(
            codec::decode::<ToNode>(&again).map(|message| codec::encode(&message)),
            Ok(again)
        );
    }
    if let Ok(message) = codec::decode::<FromNode>(bytes) {
        let again = codec::encode(&message);
        assert_eq!(
            codec::decode::<FromNode>(&again).map(|message| codec::encode(&message)),
            Ok(again)
        );
    }
}

/// Log files: all of them is accounted for, and what is kept is read again as the same. The bytes are the first file and, if
/// [`SECOND_FILE`] stands somewhere among them, the second.
pub fn wal_file(bytes: &[u8]) {
    let split = bytes
        .windows(SECOND_FILE.len())
        .position(|window| window == SECOND_FILE);
    let files = match split {
        Some(end) => [&bytes[..end], &bytes[end + SECOND_FILE.len()..]],
        None => [bytes, &[]],
    };
    let Ok(found) = wal::recover(IDENTITY, files) else {
        return;
    };
    let kept = &files[found.file][..found.valid_bytes as usize];
    let dropped = (files[found.file].len() - kept.len()) as u64;
    assert!(found.dropped_bytes == dropped || found.dropped_bytes == dropped + files[1 - found.file].len() as u64);
    let mut again = [&[][..]; 2];
    again[found.file] = kept;
    assert_eq!(
        wal::recover(IDENTITY, again),
        Ok(wal::Recovered {
            dropped_bytes: 0,
            file: if kept.is_empty() { 0 } else { found.file },
            ..found
        })
    );
}

/// What parts two log files in one input.
pub const SECOND_FILE: &[u8] = b"\nand\n";

/// A kept run, as it is and as what a right checksum stands before: what is read is written again as the same.
pub fn scenario(bytes: &[u8]) {
    let summed = [
        &file::MAGIC[..],
        &[file::VERSION],
        &crc32fast::hash(bytes).to_le_bytes(),
        bytes,
    ]
    .concat();
    for scenario in [file::read(bytes), file::read(&summed)].into_iter().flatten() {
        assert_eq!(file::write(&scenario).map(|bytes| file::read(&bytes)), Ok(Ok(scenario)));
    }
}

/// A run that was kept from the page, as it is and with the head that belongs before it: it is refused in words, or it can be looked at
/// and takes no more than its limits. (How long it takes, and how much memory while it does, the fuzzer's own limits tell.)
pub fn kept(bytes: &[u8]) {
    let headed = lockstep::with_head(bytes);
    for bytes in [bytes, &headed] {
        match Repeated::of(bytes) {
            Ok(run) => {
                for at_us in [0, 1_000_000, u64::MAX] {
                    run.hash_at(at_us);
                }
                assert!(run.bytes() <= lockstep::OPENED_BYTES_MAX, "{} bytes", run.bytes());
            }
            Err(why) => assert!(why.to_string().len() > 20, "{why}"),
        }
    }
}

/// A command line: what is understood is spelt in one way.
pub fn command(bytes: &[u8]) {
    let Ok(line) = std::str::from_utf8(bytes) else { return };
    if let Ok(operation) = line.parse::<Operation>() {
        assert_eq!(operation.to_string().parse(), Ok(operation));
    }
}
