//! What is fuzzed: everything that reads bytes from outside. Each function takes any bytes, and panics if one of its promises does
//! not hold. The fuzzer calls them with what it makes up; a plain test calls them with what it has found (`corpus/`).

pub mod corpus;

use cluster::codec;
use cluster::host::{FromNode, ToNode};
use cluster::wal::{self, Identity};
use ftqueue::Operation;
use raft_core::NodeId;
use sim::file;

/// A node whose log the bytes may be.
pub const IDENTITY: Identity = Identity {
    node: NodeId(1),
    members: 3,
};

/// A thing that is fuzzed: its name, and what is called.
pub type Target = (&'static str, fn(&[u8]));

/// All of them. Each has a program of its name in `targets/` and a file of its name in `corpus/`.
pub const TARGETS: [Target; 4] = [
    ("frame", frame),
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

/// A log file: all of it is accounted for, and what is kept is read again as the same.
pub fn wal_file(bytes: &[u8]) {
    let Ok(found) = wal::recover(IDENTITY, bytes) else {
        return;
    };
    assert_eq!(found.valid_bytes + found.dropped_bytes, bytes.len() as u64);
    let again = wal::recover(IDENTITY, &bytes[..found.valid_bytes as usize]);
    assert_eq!(
        again,
        Ok(wal::Recovered {
            dropped_bytes: 0,
            ..found
        })
    );
}

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

/// A command line: what is understood is spelt in one way.
pub fn command(bytes: &[u8]) {
    let Ok(line) = std::str::from_utf8(bytes) else { return };
    if let Ok(operation) = line.parse::<Operation>() {
        assert_eq!(operation.to_string().parse(), Ok(operation));
    }
}
