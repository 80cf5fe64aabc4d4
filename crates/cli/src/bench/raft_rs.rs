//! raft-rs, with a host that follows its documentation: ready, append, send, advance.

use raft::eraftpb::{Entry, Message};
use raft::storage::MemStorage;
use raft::{Config, RawNode, StateRole};
use slog::{Discard, Logger, o};

use super::{Proposal, Queues};

/// A cluster of raft-rs nodes.
pub(super) struct Cluster {
    nodes: Vec<Node>,
    messages: u64,
    outbox: Vec<Message>,
}

struct Node {
    raft: RawNode<MemStorage>,
    queues: Queues,
    applied: u64,
    inbox: Vec<Message>,
}

impl super::Cluster for Cluster {
    fn of(nodes: u8) -> Cluster {
        let logger = Logger::root(Discard, o!());
        let members: Vec<u64> = (1..=u64::from(nodes)).collect();
        let node = |id: &u64| {
            let config = Config {
                id: *id,
                max_size_per_msg: 1024 * 1024,
                max_inflight_msgs: 256,
                check_quorum: true,
                pre_vote: true,
                batch_append: true,
                ..Config::default()
            };
            let storage = MemStorage::new_with_conf_state((members.clone(), Vec::new()));
            let raft = RawNode::new(&config, storage, &logger).expect("the configuration is sound");
            Node {
                raft,
                queues: Queues::new(),
                applied: 0,
                inbox: Vec::new(),
            }
        };
        let mut cluster = Cluster {
            nodes: members.iter().map(node).collect(),
            messages: 0,
            outbox: Vec::new(),
        };
        cluster.nodes[0].raft.campaign().expect("it may");
        cluster.run();
        assert_eq!(
            cluster.nodes[0].raft.raft.state,
            StateRole::Leader,
            "nobody else stood for election"
        );
        cluster
    }

    fn commit(&mut self, proposals: &[Proposal]) {
        for proposal in proposals {
            self.nodes[0]
                .raft
                .propose(Vec::new(), proposal.to_vec())
                .expect("the leader takes proposals");
        }
        self.run();
        let applied = self.nodes[0].applied;
        assert!(
            self.nodes.iter().all(|node| node.applied == applied),
            "every node has applied what was committed"
        );
    }

    fn messages(&self) -> u64 {
        self.messages
    }

    fn digests(&self) -> Vec<u64> {
        self.nodes.iter().map(|node| node.queues.digest()).collect()
    }
}

impl Cluster {
    /// Delivers messages until there are none.
    fn run(&mut self) {
        let mut idle = false;
        while !idle {
            idle = true;
            for place in 0..self.nodes.len() {
                let node = &mut self.nodes[place];
                for message in node.inbox.drain(..) {
                    node.raft.step(message).expect("a message of a correct peer is taken");
                }
                while node.raft.has_ready() {
                    idle = false;
                    node.carry_out(&mut self.outbox);
                }
                for message in self.outbox.drain(..) {
                    self.messages += 1;
                    let to = message.to as usize - 1;
                    self.nodes[to].inbox.push(message);
                    idle = false;
                }
            }
        }
    }
}

impl Node {
    fn carry_out(&mut self, outbox: &mut Vec<Message>) {
        let mut ready = self.raft.ready();
        outbox.extend(ready.take_messages());
        self.apply(ready.take_committed_entries());
        let entries = ready.take_entries();
        let mut storage = self.raft.mut_store().wl();
        storage.append(&entries).expect("they follow those that are there");
        if let Some(hard_state) = ready.hs() {
            storage.set_hardstate(hard_state.clone());
        }
        drop(storage);
        outbox.extend(ready.take_persisted_messages());
        let mut light = self.raft.advance(ready);
        if let Some(commit) = light.commit_index() {
            self.raft.mut_store().wl().mut_hard_state().commit = commit;
        }
        outbox.extend(light.take_messages());
        self.apply(light.take_committed_entries());
        self.raft.advance_apply();
    }

    fn apply(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.applied = entry.index;
            // A leader opens its term with an empty entry.
            if let Ok(proposal) = entry.data.as_ref().try_into() {
                self.queues.apply(proposal);
            }
        }
    }
}
