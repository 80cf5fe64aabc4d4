//! Disks whose flush outlasts the election timeout (§5.6): on one node, on a minority, on all.
//!
//! A host either goes on listening while its disk writes, as the simulator's does, or it is deaf meanwhile, as a Web Worker's is,
//! and hears what has come only after the write.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use raft_core::{
    AppendEntries, AppendOutcome, Duration, Entry, Event, Input, Instant, LogIndex, Message, NodeId, Payload,
    ReadRound, RequestVote, Role, Rules, Term, Timing,
};
use support::checker::Violation;
use support::world::{Out, Packet, World};

const DELAY: Duration = Duration::from_millis(10);
const FAST: Duration = Duration::from_millis(1);

/// A world with one clock, in which messages and writes take their time.
struct Timed {
    world: World,
    now: Instant,
    /// How long each node's disk takes for a flush. One begins when the one before it is done, and serves for all that was
    /// written by then.
    flush: BTreeMap<NodeId, Duration>,
    deaf: bool,
    /// When the flush under way is done, and how many writes are with it.
    done: BTreeMap<NodeId, (Instant, usize)>,
    arriving: Vec<(Instant, Packet)>,
    sent: Vec<(NodeId, Message<String>)>,
    events: Vec<(NodeId, Event)>,
}

impl Timed {
    fn new(size: u8, slow: &[u8], flush: Duration, deaf: bool, seed: u64) -> Timed {
        let mut world = World::new(size, Rules::default(), seed);
        for id in world.members() {
            world.start(id).expect("a new node");
        }
        let flush = world
            .members()
            .into_iter()
            .map(|id| (id, if slow.contains(&id.0) { flush } else { FAST }))
            .collect();
        Timed {
            world,
            now: Instant(0),
            flush,
            deaf,
            done: BTreeMap::new(),
            arriving: Vec::new(),
            sent: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Notes what came of a step: which messages are on their way, and which writes.
    fn note(&mut self, id: NodeId, out: Out) {
        self.events.extend(out.events.into_iter().map(|event| (id, event)));
        let sent = self.world.network.drain(..);
        let sent = sent.inspect(|packet| self.sent.push((packet.from, packet.message.clone())));
        self.arriving.extend(sent.map(|packet| (self.now + DELAY, packet)));
        let writes = self.world.hosts[&id].writes.len();
        if writes > 0 && !self.done.contains_key(&id) {
            self.done.insert(id, (self.now + self.flush[&id], writes));
        }
    }

    fn step(&mut self, id: NodeId, input: Input<String>) -> Result<(), Violation> {
        self.step_all(id, vec![input])
    }

    /// Gives a node all that is at hand in one run, as a host does.
    fn step_all(&mut self, id: NodeId, inputs: Vec<Input<String>>) -> Result<(), Violation> {
        self.world.host(id).now = self.now;
        let out = self.world.step(id, inputs)?;
        self.note(id, out);
        Ok(())
    }

    fn is_deaf(&self, id: NodeId) -> bool {
        self.deaf && self.done.contains_key(&id)
    }

    fn deadline(&self, id: NodeId) -> Instant {
        let core = self.world.core(id).filter(|_| !self.is_deaf(id));
        core.map_or(Instant::NEVER, |core| core.deadline())
    }

    /// The instant at which something happens next.
    fn next(&self) -> Instant {
        let writes = self.done.values().map(|(done, _)| *done);
        let heard = self.arriving.iter().filter(|(_, packet)| !self.is_deaf(packet.to));
        let timers = self.world.members().into_iter().map(|id| self.deadline(id));
        let next = writes.chain(heard.map(|(at, _)| *at)).chain(timers).min();
        next.unwrap_or(Instant::NEVER).max(self.now)
    }

    /// What happens at this instant: writes are done, then messages arrive, then timers run out.
    fn happen(&mut self) -> Result<(), Violation> {
        for id in self.world.members() {
            if let Some((_, writes)) = self.done.get(&id).copied().filter(|(done, _)| *done <= self.now) {
                self.done.remove(&id);
                self.world.host(id).now = self.now;
                let out = self.world.complete_writes(id, writes)?;
                self.note(id, out);
            }
        }
        for id in self
            .world
            .members()
            .into_iter()
            .filter(|id| !self.is_deaf(*id))
            .collect::<Vec<_>>()
        {
            let now = self.now;
            let heard = self
                .arriving
                .extract_if(.., |(at, packet)| *at <= now && packet.to == id);
            let heard = heard.map(|(_, Packet { from, message, .. })| Input::Receive { from, message });
            let mut inputs: Vec<_> = heard.collect();
            if self.deadline(id) <= now {
                inputs.push(Input::Tick);
            }
            if !inputs.is_empty() {
                self.step_all(id, inputs)?;
            }
        }
        Ok(())
    }

    fn run_until(&mut self, millis: u64) {
        let end = Instant(millis * 1000);
        while self.next() <= end {
            self.now = self.next();
            self.happen()
                .unwrap_or_else(|violation| panic!("{violation} at {}", self.now));
        }
        self.now = end;
    }

    /// Proposes something at every leader each 50 ms.
    fn run_with_load(&mut self, until_millis: u64) {
        for millis in (self.now.0 / 1000..until_millis).step_by(50) {
            self.run_until(millis);
            for leader in self.world.leaders() {
                if self.is_deaf(leader) {
                    continue;
                }
                let ticket = self.world.ticket("");
                let command = format!("c{}", ticket.0);
                self.step(leader, Input::Propose { ticket, command })
                    .expect("no violation");
            }
        }
        self.run_until(until_millis);
    }

    fn committed(&self, id: NodeId) -> LogIndex {
        self.world.core(id).expect("all are up").view().commit_index
    }

    fn terms(&self) -> BTreeSet<u64> {
        let led = self.events.iter().filter_map(|(_, event)| match event {
            Event::BecameLeader { term, .. } => Some(term.0),
            _ => None,
        });
        led.collect()
    }
}

const FLUSHES_MS: [u64; 3] = [301, 320, 1_000];

#[test]
fn a_cluster_of_one_elects_itself_however_slow_its_disk() {
    for (flush_ms, deaf) in FLUSHES_MS.into_iter().flat_map(|ms| [(ms, false), (ms, true)]) {
        let mut timed = Timed::new(1, &[1], Duration::from_millis(flush_ms), deaf, 1);
        timed.run_until(300 + 3 * flush_ms);
        assert_eq!(timed.world.leaders(), [NodeId(1)], "{flush_ms} ms, deaf {deaf}");
        assert_eq!(timed.terms().len(), 1, "{flush_ms} ms, deaf {deaf}");
        assert_eq!(timed.committed(NodeId(1)), LogIndex(1), "{flush_ms} ms, deaf {deaf}");
    }
}

#[test]
fn a_candidate_asks_for_votes_when_its_own_is_durable_however_long_that_takes() {
    for (flush_ms, deaf) in FLUSHES_MS.into_iter().flat_map(|ms| [(ms, false), (ms, true)]) {
        let mut timed = Timed::new(3, &[1], Duration::from_millis(flush_ms), deaf, 1);
        // Nobody else stands for election.
        let patient = Timing {
            election_min: Duration::from_millis(20_000),
            election_max: Duration::from_millis(30_000),
            ..Timing::default()
        };
        for id in [2, 3] {
            timed.step(NodeId(id), Input::SetTiming(patient)).expect("no violation");
        }
        timed.step(NodeId(1), Input::Expire).expect("no violation");
        timed.run_until(flush_ms);
        assert_eq!(timed.world.role(NodeId(1)), Some(Role::Candidate));
        timed.run_until(flush_ms + 100);
        assert_eq!(timed.world.leaders(), [NodeId(1)], "{flush_ms} ms, deaf {deaf}");
        assert_eq!(timed.terms(), BTreeSet::from([1]), "{flush_ms} ms, deaf {deaf}");
    }
}

/// With a majority of quick disks an election comes to its end, and so does an append on the slow ones.
fn check_slow(size: u8, slow: &[u8]) {
    for (flush_ms, deaf) in FLUSHES_MS.into_iter().flat_map(|ms| [(ms, false), (ms, true)]) {
        for seed in 0..2 {
            let told = format!("{slow:?} of {size} with {flush_ms} ms, deaf {deaf}, seed {seed}");
            let mut timed = Timed::new(size, slow, Duration::from_millis(flush_ms), deaf, seed);
            // The slow ones try first.
            for id in slow {
                timed.step(NodeId(*id), Input::Expire).expect("no violation");
            }
            timed.run_with_load(6_000);
            let elected = timed.terms();
            assert!(!elected.is_empty(), "{told}: nobody was elected");
            let committed = timed.committed(NodeId(size));
            assert!(committed > LogIndex(60), "{told}: only {committed} are committed");
            // What the slow ones were sent they acknowledge, and they do not disturb.
            timed.run_until(8_000 + 2 * flush_ms);
            let last = timed.committed(NodeId(size));
            for id in timed.world.members() {
                assert_eq!(timed.committed(id), last, "{told}: {id}");
                let durable = timed.world.core(id).expect("up").view().durable_index;
                assert_eq!(durable, last, "{told}: {id}");
            }
            let leader = timed.world.leaders();
            let leader = timed.world.core(leader[0]).expect("up").view();
            assert!(
                leader.progress.iter().all(|follower| follower.match_index == last),
                "{told}"
            );
            assert!(elected.len() <= 8, "{told}: leaders of the terms {elected:?}");
        }
    }
}

#[test]
fn one_slow_disk_of_three_holds_nobody_up() {
    check_slow(3, &[1]);
}

#[test]
fn a_minority_of_slow_disks_holds_nobody_up() {
    check_slow(5, &[1, 2]);
}

#[test]
fn where_every_flush_outlasts_the_timers_nothing_breaks_and_every_node_says_so() {
    for (flush_ms, deaf) in [(320, false), (320, true), (1_000, false), (1_000, true)] {
        let flush = Duration::from_millis(flush_ms);
        let mut timed = Timed::new(3, &[1, 2, 3], flush, deaf, 1);
        timed.run_with_load(20_000);
        for id in timed.world.members() {
            let said = |event: &(NodeId, Event)| match event {
                (of, Event::WriteOutlastedTimeout { took, .. }) => *of == id && *took >= flush,
                _ => false,
            };
            assert!(timed.events.iter().any(said), "{id} with {flush_ms} ms");
            let view = timed.world.core(id).expect("up").view();
            assert!(view.last_write_took >= flush, "{id} with {flush_ms} ms");
        }
    }
}

/// A follower whose append is written for 320 ms while its host is deaf. Then the host says that it is done, and `then`.
fn after_a_slow_append(then: Input<String>) -> (World, Out) {
    let [leader, follower] = [NodeId(1), NodeId(2)];
    let mut world = World::new(3, Rules::default(), 1);
    world.start(follower).expect("a new node");
    let append = AppendEntries {
        term: Term(1),
        prev_log_index: LogIndex(0),
        prev_log_term: Term(0),
        entries: vec![Entry {
            term: Term(1),
            payload: Payload::NoOp,
        }],
        leader_commit: LogIndex(0),
        read_round: ReadRound(0),
    };
    let append = Input::Receive {
        from: leader,
        message: Message::AppendEntries(append),
    };
    let out = world.step(follower, vec![append]).expect("no violation");
    assert_eq!(out.messages, [], "nothing is durable yet");
    let write = out.persist[0].clone();
    let host = world.host(follower);
    host.now = host.now + Duration::from_millis(320);
    let done = Input::Persisted(write.id);
    let out = world.step(follower, vec![done, then]).expect("no violation");
    (world, out)
}

fn acknowledges_the_append(out: &Out) -> bool {
    out.messages.iter().any(|(to, message)| match message {
        Message::AppendEntriesReply(reply) => {
            let matched = AppendOutcome::Matched {
                match_index: LogIndex(1),
            };
            (*to, reply.term, reply.outcome) == (NodeId(1), Term(1), matched)
        }
        _ => false,
    })
}

#[test]
fn a_host_that_was_deaf_while_it_wrote_does_not_make_a_follower_believe_that_nobody_spoke() {
    let (world, out) = after_a_slow_append(Input::Tick);
    assert!(acknowledges_the_append(&out), "{out:?}");
    let core = world.core(NodeId(2)).expect("up");
    assert_eq!((core.view().role, core.view().term), (Role::Follower, Term(1)));
    assert!(core.deadline() > world.hosts[&NodeId(2)].now);
}

#[test]
fn an_acknowledgement_that_has_become_durable_leaves_though_the_term_changes_with_the_same_run() {
    let request = RequestVote {
        term: Term(2),
        last_log_index: LogIndex(1),
        last_log_term: Term(1),
    };
    let (world, out) = after_a_slow_append(Input::Receive {
        from: NodeId(3),
        message: Message::RequestVote(request),
    });
    assert!(acknowledges_the_append(&out), "{out:?}");
    let view = world.core(NodeId(2)).expect("up").view();
    assert_eq!((view.term, view.voted_for), (Term(2), Some(NodeId(3))));
    // The vote is not durable, and waits.
    assert_eq!(out.messages.len(), 1);
}

#[test]
fn what_is_not_durable_when_the_term_changes_never_leaves() {
    let mut timed = Timed::new(3, &[2], Duration::from_millis(320), false, 1);
    timed.step(NodeId(1), Input::Expire).expect("no violation");
    timed.run_until(50); // Node 2 writes its vote for node 1.
    assert_eq!(
        timed.world.core(NodeId(2)).expect("up").view().voted_for,
        Some(NodeId(1))
    );
    timed.world.crash(NodeId(1), 0);
    timed.step(NodeId(3), Input::Expire).expect("no violation");
    timed.step(NodeId(3), Input::Expire).expect("no violation");
    timed.run_until(1_000);
    let granted = timed.sent.iter().filter_map(|(from, message)| match message {
        Message::RequestVoteReply(reply) if *from == NodeId(2) && reply.granted => Some(reply.term.0),
        _ => None,
    });
    assert!(
        granted.clone().all(|term| term > 1),
        "{:?}",
        granted.collect::<Vec<_>>()
    );
}
