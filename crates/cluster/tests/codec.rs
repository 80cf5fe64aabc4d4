//! What travels: it comes back as it went, and nothing else is taken.

mod strategies;

use cluster::Epoch;
use cluster::codec::{self, DecodeError, Envelope, FRAME_BYTES_MAX, MESSAGE_BYTES_MAX};
use cluster::host::{MessageId, PROTOCOL_VERSION, Reply, Request, RequestId, ToNode};
use ftqueue::{Answer, QueueError, QueueId, Read};
use proptest::prelude::*;
use raft_core::{Instant, Message, NodeId, RequestVote, Term};
use strategies::envelope;

fn vote_request() -> Envelope {
    let vote = RequestVote {
        term: Term(7),
        last_log_index: Default::default(),
        last_log_term: Term(6),
    };
    Envelope {
        message: MessageId {
            from: NodeId(3),
            boot: 1,
            number: 300,
        },
        epoch: Epoch(0),
        sent_at: Instant(1_000_000),
        deliver_at: Instant(1_008_000),
        frame: Message::RequestVote(vote),
    }
}

#[test]
fn a_message_begins_with_the_version() {
    assert_eq!(codec::encode(&vote_request())[0], PROTOCOL_VERSION);
}

#[test]
fn another_version_is_refused() {
    let mut bytes = codec::encode(&vote_request());
    bytes[0] += 1;
    let refused = codec::decode_envelope(&bytes).unwrap_err();
    assert_eq!(
        refused,
        DecodeError::Version {
            found: PROTOCOL_VERSION + 1,
            ours: PROTOCOL_VERSION
        }
    );
    assert_eq!(
        refused.to_string(),
        format!(
            "version {}, where {PROTOCOL_VERSION} is understood",
            PROTOCOL_VERSION + 1
        )
    );
}

#[test]
fn bytes_after_the_end_are_refused() {
    let mut bytes = codec::encode(&vote_request());
    bytes.extend([0, 0]);
    assert_eq!(codec::decode_envelope(&bytes), Err(DecodeError::Trailing { bytes: 2 }));
}

#[test]
fn no_bytes_are_refused() {
    assert_eq!(codec::decode::<Reply>(&[]), Err(DecodeError::Empty));
}

#[test]
fn a_frame_that_is_too_long_is_refused_unread() {
    let bytes = vec![PROTOCOL_VERSION; FRAME_BYTES_MAX + 1];
    let refused = codec::decode_envelope(&bytes).unwrap_err();
    assert_eq!(
        refused,
        DecodeError::TooLong {
            bytes: FRAME_BYTES_MAX + 1,
            bytes_max: FRAME_BYTES_MAX
        }
    );
    const { assert!(FRAME_BYTES_MAX < MESSAGE_BYTES_MAX) };
}

/// A list that claims 2^60 numbers of which none follow. Were the claim believed, this would abort for want of memory.
#[test]
fn a_length_field_is_not_believed() {
    let claim = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
    let bytes: Vec<u8> = [PROTOCOL_VERSION].into_iter().chain(claim).collect();
    assert!(matches!(
        codec::decode::<Vec<u64>>(&bytes),
        Err(DecodeError::Malformed(_))
    ));
    assert!(matches!(
        codec::decode::<String>(&bytes),
        Err(DecodeError::Malformed(_))
    ));
}

#[test]
fn requests_and_replies_come_back() {
    let request = ToNode::Request {
        request: RequestId(9),
        body: Request::Read(Read::Top { qid: QueueId(1) }),
    };
    assert_eq!(codec::decode::<ToNode>(&codec::encode(&request)), Ok(request));
    for reply in [
        Reply::Answered(Ok(Answer::Item(i64::MIN))),
        Reply::Answered(Err(QueueError::Empty)),
        Reply::NotLeader {
            leader: Some(NodeId(2)),
        },
        Reply::Busy,
    ] {
        assert_eq!(codec::decode::<Reply>(&codec::encode(&reply)), Ok(reply));
    }
}

proptest! {
    #[test]
    fn envelopes_come_back(envelope in envelope()) {
        prop_assert_eq!(codec::decode_envelope(&codec::encode(&envelope)), Ok(envelope));
    }

    #[test]
    fn every_truncation_is_refused(envelope in envelope()) {
        let bytes = codec::encode(&envelope);
        for end in 0..bytes.len() {
            prop_assert!(codec::decode_envelope(&bytes[..end]).is_err(), "cut at {} of {}", end, bytes.len());
        }
    }

    /// A flipped bit may spell another envelope: what a link damages, its own checksum is to catch.
    #[test]
    fn flipped_bits_never_panic(envelope in envelope()) {
        let bytes = codec::encode(&envelope);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = codec::decode_envelope(&flipped);
        }
    }

    #[test]
    fn noise_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), versioned: bool) {
        if let (true, Some(first)) = (versioned, bytes.first_mut()) {
            *first = PROTOCOL_VERSION;
        }
        let _ = codec::decode_envelope(&bytes);
        let _ = codec::decode::<ToNode>(&bytes);
        let _ = codec::decode::<Reply>(&bytes);
    }
}
