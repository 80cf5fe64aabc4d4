//! A node that goes on upon another disk: the new file holds what the node is, each thing once.

use cluster::Epoch;
use cluster::host::{Request, RequestId};
use cluster::node::{Node, NodeConfig, NodeInput, NodeOutbox};
use raft_core::{Config, Duration, Entry, Instant, NodeId, Rules, Timing};

const ONLY: NodeId = NodeId(1);
/// More than a core has under way at once.
const REQUESTS: u64 = 100;

fn config(boot: u32) -> NodeConfig {
    NodeConfig {
        raft: Config {
            id: ONLY,
            members: vec![ONLY],
            timing: Timing::default(),
            seed: 1,
            rules: Rules::default(),
            compact_after: 1 << 20,
        },
        boot,
        epoch: Epoch::default(),
        links: Vec::new(),
    }
}

/// A leader whose disk has stood still since it was elected, while clients went on asking.
fn leader_of_a_slow_disk() -> Node {
    let mut out = NodeOutbox::default();
    let (mut node, _) = Node::boot(config(1), [&[], &[]], Instant(0), &mut out).unwrap();
    let mut now = Instant(0);
    let mut step = |node: &mut Node, input| {
        now = now + Duration(1_000);
        out.clear();
        node.step(now, input, &mut out);
        out.sync
    };
    while node.view().commit_index.0 == 0 {
        let sync = step(&mut node, NodeInput::Tick);
        if let Some(write) = sync {
            let synced = NodeInput::Synced { write, wall_us: 0 };
            if let Some(write) = step(&mut node, synced) {
                step(&mut node, NodeInput::Synced { write, wall_us: 0 });
            }
        }
    }
    for nonce in 0..REQUESTS {
        let request = NodeInput::Request {
            request: RequestId(nonce),
            body: Request::OpenSession { nonce },
        };
        step(&mut node, request);
    }
    node
}

fn log(node: &Node) -> Vec<Entry<ftqueue::Command>> {
    node.view().log.to_vec()
}

/// What waits behind the writes under way is in the file, and is not written again when there is room for it.
#[test]
fn what_waited_to_be_asked_for_stands_in_the_new_file_once() {
    let mut node = leader_of_a_slow_disk();
    assert_eq!(node.view().last_index().0, 1 + REQUESTS);
    let mut file = node.move_to_new_disk();
    // Its host tells it that all it waits for is done, and goes on: what it asks for then comes behind the file.
    let mut out = NodeOutbox::default();
    let mut awaited = node.awaited();
    let mut now = Instant(10_000_000);
    while let Some(write) = awaited {
        out.clear();
        now = now + Duration(1);
        node.step(now, NodeInput::Synced { write, wall_us: 0 }, &mut out);
        file.extend_from_slice(&out.disk);
        awaited = out.sync;
    }
    assert_eq!(
        node.view().commit_index.0,
        1 + REQUESTS,
        "all of it is durable, and nothing waits"
    );
    let (again, _) = Node::boot(config(2), [&file, &[]], now, &mut NodeOutbox::default()).unwrap();
    assert!(log(&again) == log(&node), "each entry stands there once");
}

/// A file that was made anew is protected like one that grew: a bit that turns anywhere in it is no empty disk.
#[test]
fn a_flipped_bit_in_a_new_file_is_never_a_node_that_begins_with_nothing() {
    let mut node = leader_of_a_slow_disk();
    let file = node.move_to_new_disk();
    let term = node.view().term;
    for at in 0..file.len() {
        let mut flipped = file.clone();
        flipped[at] ^= 1 << (at % 8);
        if let Ok((found, _)) = Node::boot(config(2), [&flipped, &[]], Instant(0), &mut NodeOutbox::default()) {
            assert_eq!(found.view().term, term, "byte {at}");
            assert!(found.view().last_index().0 > REQUESTS, "byte {at}");
        }
    }
}
