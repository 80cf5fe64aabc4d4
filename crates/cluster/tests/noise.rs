//! One node among peers and hosts that do whatever they like: it never panics, and its disk holds its log.

mod strategies;

use cluster::Epoch;
use cluster::codec::{self, Envelope};
use cluster::host::{MessageId, Request, RequestId};
use cluster::node::{Node, NodeConfig, NodeInput, NodeOutbox, WriteId};
use cluster::wal::{Identity, recover};
use ftqueue::Command;
use netem::LinkSettings;
use proptest::collection::vec;
use proptest::prelude::*;
use raft_core::{
    AppendEntries, Config, Duration, Entry, Instant, LogIndex, Message, NodeId, Payload, ReadRound, RequestVote,
    RequestVoteReply, Rules, Term, Timing,
};
use strategies::{command, message};

const NODE: NodeId = NodeId(1);
const MEMBERS: u8 = 3;

/// Messages as they might be: small terms and places, so that they meet the node's own.
fn plausible() -> impl Strategy<Value = Message<Command>> {
    let term = || (0..4_u64).prop_map(Term);
    let index = || (0..8_u64).prop_map(LogIndex);
    let payload = prop_oneof![Just(Payload::NoOp), command().prop_map(Payload::Command)];
    let entry = (1..4_u64, payload).prop_map(|(term, payload)| Entry {
        term: Term(term),
        payload,
    });
    let append = (term(), index(), term(), vec(entry, 0..4), index(), 0..3_u64).prop_map(
        |(term, prev_log_index, prev_log_term, mut entries, leader_commit, round)| {
            entries.sort_by_key(|entry| entry.term);
            let read_round = ReadRound(round);
            AppendEntries {
                term,
                prev_log_index,
                prev_log_term,
                entries,
                leader_commit,
                read_round,
            }
        },
    );
    prop_oneof![
        4 => append.prop_map(Message::AppendEntries),
        1 => (term(), index(), term()).prop_map(|(term, last_log_index, last_log_term)| {
            Message::RequestVote(RequestVote { term, last_log_index, last_log_term })
        }),
        1 => (term(), any::<bool>())
            .prop_map(|(term, granted)| Message::RequestVoteReply(RequestVoteReply { term, granted })),
        1 => message(),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    command().prop_map(|command| match command {
        Command::OpenSession { nonce } => Request::OpenSession { nonce },
        Command::Write {
            session,
            sequence,
            write,
        } => Request::Write {
            session,
            sequence,
            write,
        },
    })
}

fn input() -> impl Strategy<Value = NodeInput> {
    let peer = || (0..=MEMBERS + 1).prop_map(NodeId);
    let arrive = (peer(), peer(), any::<bool>(), 0..2_000_000_u64, plausible()).prop_map(
        |(from, claimed, honest, deliver_us, frame)| {
            let from_claimed = if honest { from } else { claimed };
            let message = MessageId {
                from: from_claimed,
                boot: 1,
                number: 1,
            };
            let envelope = Envelope {
                message,
                epoch: Epoch(0),
                sent_at: Instant(0),
                deliver_at: Instant(deliver_us),
                frame,
            };
            NodeInput::Arrive {
                from,
                bytes: codec::encode(&envelope),
            }
        },
    );
    let link = (
        any::<u64>(),
        any::<u64>(),
        any::<f64>(),
        any::<f64>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(delay_us, jitter_us, loss, duplicate, reorder, cut)| LinkSettings {
            delay_us,
            jitter_us,
            loss,
            duplicate,
            reorder,
            cut,
        });
    let timing = (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(min, max, heartbeat)| Timing {
        election_min: Duration(min),
        election_max: Duration(max),
        heartbeat: Duration(heartbeat),
    });
    prop_oneof![
        8 => arrive,
        6 => Just(NodeInput::Tick),
        4 => any::<bool>().prop_map(|_| NodeInput::Synced { write: WriteId(u64::MAX), wall_us: 0 }),
        1 => any::<u64>().prop_map(|write| NodeInput::Synced { write: WriteId(write), wall_us: 0 }),
        2 => (any::<u64>(), request()).prop_map(|(id, body)| NodeInput::Request { request: RequestId(id), body }),
        1 => (peer(), link).prop_map(|(peer, settings)| NodeInput::SetLink { peer, settings }),
        1 => (peer(), any::<bool>()).prop_map(|(peer, cut)| NodeInput::SetInbound { peer, cut }),
        1 => timing.prop_map(NodeInput::SetTiming),
        1 => any::<bool>().prop_map(NodeInput::SetPaused),
        1 => (peer(), vec(any::<u8>(), 0..50)).prop_map(|(from, bytes)| NodeInput::Arrive { from, bytes }),
    ]
}

proptest! {
    #[test]
    fn a_node_survives_anything(inputs in vec((0..400_000_u64, input()), 0..80)) {
        let identity = Identity { node: NODE, members: MEMBERS, epoch: Epoch(0) };
        let members = (1..=MEMBERS).map(NodeId).collect();
        let raft = Config { id: NODE, members, timing: Timing::default(), seed: 1, rules: Rules::default(), compact_after: u64::MAX };
        let mut out = NodeOutbox::default();
        let config = NodeConfig { raft, boot: 1, epoch: Epoch(0), links: Vec::new() };
        let (mut node, _) = Node::boot(config, [&[], &[]], Instant(0), &mut out).expect("an empty disk boots");
        let mut now = Instant(0);
        for (pause_us, input) in inputs {
            now = now + Duration(pause_us);
            node.step(now, input, &mut out);
            let found = recover(identity, [&out.disk, &[]]).expect("what a node writes, it can read");
            prop_assert_eq!(found.dropped_bytes, 0);
            let view = node.view();
            if !node.status().paused {
                prop_assert_eq!(&found.log, &view.log);
                prop_assert_eq!(found.hard_state.term, view.term);
                prop_assert_eq!(found.hard_state.voted_for, view.voted_for);
            }
            prop_assert_eq!(node.status().disk_bytes, out.disk.len() as u64);
            let _ = (node.deadline(), node.queues_summary(), node.describe(now), node.take_report(now));
        }
    }
}
