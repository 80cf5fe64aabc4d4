//! A follower that is far away and needs a snapshot, while the leader takes many commands and newer snapshots (§7).

use std::collections::BTreeMap;

use raft_core::{
    Config, Duration, Event, Input, Instant, LogIndex, Machine, Message, NodeId, Outbox, Raft, Recovered, Rules,
    SNAPSHOT_PART_BYTES_MAX, Ticket, Timing,
};

/// A machine whose state takes so many bytes.
#[derive(Debug)]
struct Large {
    applied: u64,
    bytes: usize,
}

impl Machine for Large {
    type Command = u64;
    type Output = ();

    fn apply(&mut self, _: LogIndex, _: &u64) {
        self.applied += 1;
    }

    fn snapshot(&self) -> Vec<u8> {
        let mut data = self.applied.to_le_bytes().to_vec();
        data.resize(self.bytes, 7);
        data
    }

    fn restored(&self, snapshot: &[u8]) -> Option<Large> {
        let applied = u64::from_le_bytes(snapshot.get(..8)?.try_into().ok()?);
        let sound = snapshot.len() == self.bytes && snapshot[8..].iter().all(|byte| *byte == 7);
        sound.then_some(Large { applied, ..*self })
    }

    fn wire_bytes(_: &u64) -> usize {
        8
    }
}

const LEADER: NodeId = NodeId(1);
const FAR: NodeId = NodeId(3);
const TURN: Duration = Duration::from_millis(10);
const ONE_WAY_MS: u64 = 1_500;
const COMPACT_AFTER: u64 = 4_096;

/// Three nodes whose disks are immediate; the third is 1,500 ms away each way.
struct Far {
    now: Instant,
    parts: usize,
    nodes: BTreeMap<NodeId, Raft<Large>>,
    /// What arrives, by when and in which order it was sent.
    arriving: BTreeMap<(Instant, u64), (NodeId, NodeId, Message<u64>)>,
    sent: u64,
    /// Of so many messages from or to the far node one is lost.
    one_is_lost_of: u64,
    /// Whether such a message takes up to 100 ms longer, and every fifth arrives twice.
    is_wild: bool,
    /// What befell the far node, and the leader.
    installed: Vec<LogIndex>,
    needed: Vec<LogIndex>,
    /// Parts that were sent to the far node, without questions: of which snapshot, from where.
    parts_sent: Vec<(LogIndex, u64)>,
    /// The longest log of the leader.
    longest_log: usize,
}

impl Far {
    fn new(parts: usize) -> Far {
        let mut far = Far {
            now: Instant(0),
            parts,
            nodes: BTreeMap::new(),
            arriving: BTreeMap::new(),
            sent: 0,
            one_is_lost_of: u64::MAX,
            is_wild: false,
            installed: Vec::new(),
            needed: Vec::new(),
            parts_sent: Vec::new(),
            longest_log: 0,
        };
        far.boot(LEADER);
        far.boot(NodeId(2));
        far.step(LEADER, vec![Input::Expire]);
        far
    }

    fn boot(&mut self, id: NodeId) {
        let patient = Timing {
            election_min: Duration::from_millis(20_000),
            election_max: Duration::from_millis(30_000),
            ..Timing::default()
        };
        let config = Config {
            id,
            members: vec![NodeId(1), NodeId(2), NodeId(3)],
            // That it loses heartbeats is not to make it stand for election: this is about snapshots.
            timing: if id == FAR { patient } else { Timing::default() },
            seed: u64::from(id.0),
            rules: Rules::default(),
            compact_after: COMPACT_AFTER,
        };
        let recovered = Recovered {
            hard_state: raft_core::HardState::default(),
            snapshot: None,
            log: Vec::new(),
        };
        // The last part is not full.
        let machine = Large {
            applied: 0,
            bytes: self.parts * SNAPSHOT_PART_BYTES_MAX - 100,
        };
        let raft = Raft::boot(config, recovered, machine, self.now, &mut Outbox::default());
        self.nodes.insert(id, raft.expect("it boots"));
    }

    /// Boots the far node, and runs until it has answered. Only the transfer that it has answered is looked at from then on.
    fn boot_far(&mut self, pushes: u64) {
        self.parts_sent.clear(); // They are lost.
        self.boot(FAR);
        self.run(4, pushes);
        self.needed.drain(..self.needed.len() - 1);
        self.parts_sent.retain(|(of, _)| self.needed.contains(of));
    }

    /// A number that looks random, for the message that is sent now.
    fn chance(&self) -> u64 {
        let mut number = self.sent.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        number ^= number >> 29;
        number.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
    }

    fn step(&mut self, id: NodeId, inputs: Vec<Input<u64>>) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let mut out = Outbox::default();
        for input in inputs {
            node.take(self.now, input, &mut out);
        }
        node.flush(&mut out);
        let mut done = 0;
        while let Some(write) = out.persist.get(done) {
            let id = write.id;
            done += 1;
            node.step(self.now, Input::Persisted(id), &mut out);
        }
        if id == LEADER {
            self.longest_log = self.longest_log.max(node.view().log.len());
        }
        for event in &out.events {
            match event {
                Event::SnapshotInstalled {
                    last_included_index, ..
                } => self.installed.push(*last_included_index),
                Event::SnapshotNeeded {
                    last_included_index, ..
                } => self.needed.push(*last_included_index),
                _ => {}
            }
        }
        for (to, message) in out.messages {
            self.send(id, to, message);
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: Message<u64>) {
        if let Message::InstallSnapshot(part) = &message
            && !part.data.is_empty()
        {
            self.parts_sent.push((part.last_included_index, part.offset));
        }
        self.sent += 1;
        if from != FAR && to != FAR {
            self.arriving.insert((self.now, self.sent), (from, to, message));
            return;
        }
        let chance = self.chance();
        if chance.is_multiple_of(self.one_is_lost_of) {
            return;
        }
        let longer = if self.is_wild { chance % 100_000 } else { 0 };
        let at = self.now + Duration::from_millis(ONE_WAY_MS) + Duration(longer);
        if self.is_wild && chance.is_multiple_of(5) {
            self.sent += 1;
            self.arriving
                .insert((at + Duration(50_000), self.sent), (from, to, message.clone()));
        }
        self.arriving.insert((at, self.sent), (from, to, message));
    }

    /// Runs for so many seconds, with so many pushes in each.
    fn run(&mut self, seconds: u64, pushes: u64) {
        for _ in 0..seconds * 100 {
            let proposals = (0..pushes / 100).map(|command| Input::Propose {
                ticket: Ticket(0),
                command,
            });
            self.step(LEADER, proposals.collect());
            while let Some(first) = self.arriving.first_entry().filter(|first| first.key().0 <= self.now) {
                let (from, to, message) = first.remove();
                self.step(to, vec![Input::Receive { from, message }]);
            }
            for id in [LEADER, NodeId(2), FAR] {
                self.step(id, vec![Input::Tick]);
            }
            self.now = self.now + TURN;
        }
    }

    fn applied(&self, id: NodeId) -> u64 {
        self.nodes[&id].view().last_applied.0
    }
}

#[test]
fn a_snapshot_reaches_a_follower_far_away_while_the_leader_takes_a_thousand_pushes_a_second() {
    let mut far = Far::new(3);
    far.run(20, 1_000);
    assert!(far.nodes[&LEADER].view().snapshot_index() > LogIndex::ZERO);
    far.boot_far(1_000);
    far.run(40, 1_000);
    assert_eq!(far.needed.len(), 1, "one transfer: {:?}", far.needed);
    assert_eq!(far.installed, far.needed);
    let part = SNAPSHOT_PART_BYTES_MAX as u64;
    let parts = [0, part, 2 * part].map(|offset| (far.needed[0], offset));
    assert_eq!(far.parts_sent, parts, "no part is sent twice, for none is lost");
    // It is as near to the leader as a message lets it be.
    let lag = far.applied(LEADER) - far.applied(FAR);
    assert!(lag <= 2 * ONE_WAY_MS, "it lags {lag} behind");
    assert!(far.nodes[&FAR].view().machine.applied > 50_000);
    // And the leader drops its log again.
    assert!((far.nodes[&LEADER].view().log.len() as u64) < 4 * COMPACT_AFTER);
}

#[test]
fn a_snapshot_with_lost_parts_arrives() {
    for one_of in [3, 5, 10] {
        let mut far = Far::new(20);
        far.run(60, 1_000);
        far.one_is_lost_of = one_of;
        far.boot_far(100);
        far.run(200, 100);
        assert!(!far.installed.is_empty(), "one of {one_of} is lost");
        assert_eq!(far.installed[0], far.needed[0], "one of {one_of} is lost");
        assert!(far.parts_sent.len() > 20, "one of {one_of} is lost");
    }
}

#[test]
fn parts_that_arrive_out_of_order_and_twice_are_put_together() {
    let mut far = Far::new(20);
    far.run(60, 1_000);
    far.is_wild = true;
    far.boot_far(1_000);
    far.run(60, 1_000);
    assert_eq!(far.installed, far.needed[..1]);
    assert_eq!(far.parts_sent.len(), 20, "late is not lost");
    assert!(far.applied(FAR) + 5_000 > far.applied(LEADER));
}

#[test]
fn a_transfer_keeps_its_snapshot_to_the_end_though_the_leader_compacts_meanwhile() {
    let mut far = Far::new(3);
    far.run(5, 20_000);
    far.boot_far(20_000);
    far.run(60, 20_000);
    // At this rate the log is not kept so long, and another snapshot is needed each time. Each arrives.
    let newest = far.nodes[&LEADER].view().snapshot_index();
    assert!(far.installed.len() >= 5, "{:?} of {:?}", far.installed, far.needed);
    assert_eq!(
        far.installed[..],
        far.needed[..far.installed.len()],
        "in the order in which they were begun"
    );
    assert!(far.needed.len() <= far.installed.len() + 1);
    assert!(newest > far.installed[0]);
    assert!(
        far.parts_sent.len() <= 3 * far.needed.len(),
        "and no part is sent twice"
    );
    // When there is less to do, it catches up.
    far.run(30, 1_000);
    assert!(far.applied(FAR) + 5_000 > far.applied(LEADER));
}

#[test]
fn the_log_is_not_kept_for_a_follower_that_does_not_answer() {
    let mut far = Far::new(3);
    far.run(20, 1_000);
    far.boot_far(1_000);
    // It has answered, and is being sent what it lacks.
    assert_eq!(far.needed.len(), 1);
    far.nodes.remove(&FAR);
    far.run(200, 1_000);
    // What is kept has a bound, and then the log is as short as it ever is.
    let interval = (3 * SNAPSHOT_PART_BYTES_MAX / 32) as u64;
    assert!((far.longest_log as u64) < 10 * interval, "{}", far.longest_log);
    let length = far.nodes[&LEADER].view().log.len() as u64;
    assert!(length < 3 * interval, "{length}");
    // When it comes back, all is as before.
    far.boot_far(1_000);
    far.run(40, 1_000);
    assert!(far.applied(FAR) + 5_000 > far.applied(LEADER));
}
