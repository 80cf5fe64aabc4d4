//! What the model makes of what nodes report.

use cluster::host::{Fact, LogPatch, MessageId, MessageSummary, QueuesSummary, Recovery, Report, Status, Storage};
use netem::Fate;
use raft_core::{
    CommitHold, Duration, Entry, Event, FollowReason, HardState, Instant, LogIndex, NodeId, Payload, Role, Term,
};

use super::*;

const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);

fn ms(ms: u64) -> Instant {
    Instant(ms * 1_000)
}

fn cluster() -> Model {
    let mut model = Model::new([ONE, TWO, NodeId(3)]);
    for id in [ONE, TWO] {
        model.starting(id, 1);
        let recovery = Recovery {
            hard_state: HardState::default(),
            snapshot_index: LogIndex(0),
            last_index: LogIndex(0),
            bytes: 0,
            dropped_bytes: 0,
            wall_ms: 1.0,
        };
        model.booted(id, Storage::Opfs, recovery);
    }
    model
}

fn status(role: Role, term: u64, log: u64, commit: u64) -> Status {
    Status {
        role,
        term: Term(term),
        voted_for: None,
        leader: None,
        snapshot_index: LogIndex(0),
        last_index: LogIndex(log),
        durable_index: LogIndex(log),
        durable_hard_state: HardState::default(),
        commit_index: LogIndex(commit),
        last_applied: LogIndex(commit),
        deadline: Instant::NEVER,
        timeout: Duration(0),
        votes: Vec::new(),
        progress: Vec::new(),
        paused: false,
        sessions: 0,
        disk_bytes: 0,
        bad_frames: 0,
    }
}

fn report(now: Instant, status: Status, facts: Vec<(Instant, Fact)>, log: Option<LogPatch>) -> Report {
    Report {
        now,
        status,
        facts,
        log,
        queues: Some(QueuesSummary::default()),
    }
}

fn told(model: &mut Model, id: NodeId, at: Instant, facts: Vec<Fact>) {
    let facts = facts.into_iter().map(|fact| (at, fact)).collect();
    model.report(id, report(at, status(Role::Follower, 0, 0, 0), facts, None));
}

fn name(number: u64) -> MessageId {
    MessageId {
        from: ONE,
        boot: 1,
        number,
    }
}

fn sent(number: u64, summary: MessageSummary, fate: Fate) -> Fact {
    Fact::Sent {
        message: name(number),
        to: TWO,
        summary,
        fate,
    }
}

fn arrives(at: Instant) -> Fate {
    Fate::Arrives {
        at_us: at.0,
        again_at_us: None,
    }
}

fn vote() -> MessageSummary {
    MessageSummary::RequestVote {
        term: Term(1),
        last_log_index: LogIndex(0),
        last_log_term: Term(0),
    }
}

fn entry(term: u64) -> Entry<Command> {
    Entry {
        term: Term(term),
        payload: Payload::NoOp,
    }
}

#[test]
fn what_a_snapshot_stands_for_is_dropped_from_the_log() {
    let mut model = cluster();
    let mut change = |snapshot: u64, from: u64, terms: &[u64]| {
        let patch = (!terms.is_empty()).then(|| LogPatch {
            from: LogIndex(from),
            entries: terms.iter().copied().map(entry).collect(),
        });
        let state = Status {
            snapshot_index: LogIndex(snapshot),
            ..status(Role::Follower, 9, 0, 0)
        };
        model.report(ONE, report(ms(1), state, Vec::new(), patch));
        let node = model.nodes().next().expect("the first node");
        let terms: Vec<u64> = node.log.iter().map(|entry| entry.term.0).collect();
        (node.snapshot_index.0, terms, node.last_index().0)
    };
    assert_eq!(change(0, 1, &[1, 1, 2, 2]), (0, vec![1, 1, 2, 2], 4));
    assert_eq!(change(2, 0, &[]), (2, vec![2, 2], 4), "compacted");
    assert_eq!(change(3, 5, &[3]), (3, vec![2, 3], 5), "compacted, and appended to");
    assert_eq!(change(3, 5, &[4, 4]), (3, vec![2, 4, 4], 6), "a conflict behind it");
    assert_eq!(
        change(20, 21, &[5]),
        (20, vec![5], 21),
        "a snapshot was installed, far ahead"
    );
    assert_eq!(
        change(30, 31, &[]),
        (30, vec![], 30),
        "and another, with nothing behind it"
    );
}

#[test]
fn the_log_follows_its_patches() {
    let mut model = cluster();
    let patch = |from, terms: &[u64]| {
        Some(LogPatch {
            from: LogIndex(from),
            entries: terms.iter().copied().map(entry).collect(),
        })
    };
    let mut now = 0;
    let mut terms_after = |log| {
        now += 1;
        model.report(ONE, report(ms(now), status(Role::Follower, 2, 0, 0), Vec::new(), log));
        model
            .node(ONE)
            .map(|node| node.log.iter().map(|entry| entry.term.0).collect::<Vec<_>>())
            .unwrap_or_default()
    };
    assert_eq!(terms_after(patch(1, &[1, 1, 1])), [1, 1, 1]);
    assert_eq!(terms_after(patch(3, &[2, 2])), [1, 1, 2, 2]);
    assert_eq!(terms_after(None), [1, 1, 2, 2]);
    assert_eq!(terms_after(patch(2, &[])), [1]);
}

#[test]
fn why_an_entry_is_held_is_remembered_until_the_node_follows() {
    let mut model = cluster();
    let reason = CommitHold::LacksCopies { copies: 1, needed: 2 };
    told(
        &mut model,
        ONE,
        ms(1),
        vec![Fact::Raft(Event::CommitHeld {
            index: LogIndex(4),
            reason,
        })],
    );
    assert_eq!(model.node(ONE).and_then(|node| node.hold), Some((LogIndex(4), reason)));
    let follows = Event::BecameFollower {
        term: Term(2),
        leader: Some(TWO),
        reason: FollowReason::LeaderAppeared,
    };
    told(&mut model, ONE, ms(2), vec![Fact::Raft(follows)]);
    assert_eq!(model.node(ONE).and_then(|node| node.hold), None);
}

#[test]
fn a_message_is_found_by_any_instant_of_its_flight() {
    let mut model = cluster();
    let flies = sent(1, vote(), arrives(ms(30)));
    let lost = sent(2, vote(), Fate::Lost);
    model.report(
        ONE,
        report(
            ms(12),
            status(Role::Candidate, 1, 0, 0),
            vec![(ms(10), flies), (ms(12), lost)],
            None,
        ),
    );
    let at = |at: u64| -> Vec<(u64, bool)> {
        let flights = model.flights.between(ms(at), ms(at));
        flights.map(|flight| (flight.id.number, flight.arrives)).collect()
    };
    assert_eq!(at(9), []);
    assert_eq!(at(20), [(1, true), (2, false)]);
    assert_eq!(
        at(31),
        [(2, false)],
        "one that is lost seems to fly as long as others do"
    );
}

#[test]
fn what_is_on_its_way_to_a_node_that_crashes_does_not_arrive() {
    let mut model = cluster();
    model.report(
        ONE,
        report(
            ms(10),
            status(Role::Candidate, 1, 0, 0),
            vec![(ms(10), sent(1, vote(), arrives(ms(30))))],
            None,
        ),
    );
    model.stopped(TWO, ms(20), None);
    assert!(model.flights.between(ms(25), ms(25)).all(|flight| !flight.arrives));
}

#[test]
fn old_messages_are_let_go() {
    let mut model = cluster();
    let facts = (0..MESSAGES_MAX as u64 + 10).map(|number| (ms(number), sent(number, vote(), arrives(ms(number + 5)))));
    model.report(
        ONE,
        report(ms(1), status(Role::Candidate, 1, 0, 0), facts.collect(), None),
    );
    assert_eq!(model.flights.between(ms(0), Instant::NEVER).count(), MESSAGES_MAX);
}

/// What the core says of its writes is enough to tell that disks are too slow for the timers; a hiccup is not told.
#[test]
fn disks_that_are_too_slow_for_the_timers_are_told_of_while_they_are() {
    let mut model = cluster();
    let flushed = |took_ms: u64| {
        let done = Event::PersistCompleted {
            sequence: 1,
            durable_index: LogIndex(1),
        };
        let outlasted = Event::WriteOutlastedTimeout {
            sequence: 1,
            took: Duration::from_millis(took_ms),
        };
        let slow = (took_ms >= 150).then_some(Fact::Raft(outlasted));
        [Some(Fact::Raft(done)), slow].into_iter().flatten().collect::<Vec<_>>()
    };
    let shortest = Duration::from_millis(150);
    told(&mut model, ONE, ms(100), flushed(160));
    assert_eq!(model.standstill(ms(9_000), shortest), None, "two of three are quick");
    told(&mut model, TWO, ms(1_000), flushed(200));
    assert_eq!(model.standstill(ms(1_900), shortest), None, "perhaps a hiccup");
    told(&mut model, ONE, ms(1_950), flushed(170));
    let slow = model
        .standstill(ms(2_000), shortest)
        .expect("two of three are slow, for a second");
    assert_eq!((slow.nodes, slow.took), (2, Duration::from_millis(200)));
    assert!(slow.to_string().contains("2 of 3 nodes"), "{slow}");
    told(&mut model, TWO, ms(2_100), flushed(3));
    assert_eq!(model.standstill(ms(9_000), shortest), None, "it is over");
    told(&mut model, TWO, ms(10_000), flushed(200));
    model.stopped(TWO, ms(10_500), None);
    assert_eq!(model.standstill(ms(20_000), shortest), None, "who is down is not slow");
}

/// Whoever has just slowed time down was told at once, by reports that had waited, that disks are too slow and that slower time helps.
#[test]
fn what_was_said_of_disks_before_a_change_says_nothing_of_what_is_after_it() {
    let mut model = cluster();
    let shortest = Duration::from_millis(10);
    let flushed = || {
        let done = Event::PersistCompleted {
            sequence: 1,
            durable_index: LogIndex(1),
        };
        let outlasted = Event::WriteOutlastedTimeout {
            sequence: 1,
            took: Duration::from_millis(120),
        };
        vec![Fact::Raft(done), Fact::Raft(outlasted)]
    };
    for at in [1_000, 2_500] {
        told(&mut model, ONE, ms(at), flushed());
        told(&mut model, TWO, ms(at), flushed());
    }
    assert!(model.standstill(ms(2_500), shortest).is_some());
    model.forget_slow_disks(ms(5_000));
    for (node, at) in [(ONE, 3_800), (TWO, 3_900), (ONE, 4_990), (TWO, 5_400)] {
        told(&mut model, node, ms(at), flushed());
        assert_eq!(model.standstill(ms(9_000), shortest), None, "said at {at} ms");
    }
    for (node, at) in [(ONE, 6_000), (TWO, 6_100), (ONE, 7_100)] {
        told(&mut model, node, ms(at), flushed());
    }
    assert!(
        model.standstill(ms(7_100), shortest).is_some(),
        "but if they are slow still, it is told"
    );
}
