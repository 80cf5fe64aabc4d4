//! What the model makes of what nodes report.

use cluster::host::{
    DropReason, Fact, LogPatch, MessageId, MessageSummary, QueuesSummary, Recovery, Report, Status, Storage,
};
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
        model.booted(id, ms(0), Storage::Opfs, recovery);
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
fn a_message_is_found_by_any_instant_of_its_flight() {
    let mut model = cluster();
    told(&mut model, ONE, ms(100), vec![sent(1, vote(), arrives(ms(9_000)))]);
    for at in 101..200 {
        told(&mut model, ONE, ms(at), vec![sent(at, vote(), arrives(ms(at + 5)))]);
    }
    for (from, until, found) in [
        (50, 99, 0),
        (50, 100, 1),
        (5_000, 6_000, 1),
        (9_000, 9_500, 1),
        (9_001, 9_500, 0),
    ] {
        let flights = model.history.flights(ms(from), ms(until)).count();
        assert_eq!(flights, found, "from {from} to {until} ms");
    }
}

#[test]
fn reports_that_interleave_are_filed_by_time() {
    let mut model = cluster();
    for (id, at) in [(ONE, 10), (ONE, 30), (TWO, 20), (ONE, 40), (TWO, 25)] {
        told(
            &mut model,
            id,
            ms(at),
            vec![
                sent(at, vote(), arrives(ms(at + 5))),
                Fact::Raft(Event::BecameCandidate { term: Term(at) }),
            ],
        );
    }
    let times: Vec<u64> = model
        .history
        .messages
        .iter()
        .map(|flight| flight.sent.0 / 1_000)
        .collect();
    assert_eq!(times, [10, 20, 25, 30, 40]);
    let marks: Vec<u64> = model
        .history
        .marks_between(ms(15), ms(35))
        .map(|mark| mark.at.0 / 1_000)
        .collect();
    assert_eq!(marks, [20, 25, 30]);
}

#[test]
fn how_messages_end() {
    let mut model = cluster();
    told(&mut model, TWO, ms(1), Vec::new());
    let facts = vec![
        sent(1, vote(), arrives(ms(15))),
        sent(2, vote(), Fate::Lost),
        sent(3, vote(), Fate::Cut),
        sent(4, vote(), arrives(ms(16))),
        sent(5, vote(), arrives(ms(40))),
    ];
    told(&mut model, ONE, ms(10), facts);
    told(
        &mut model,
        TWO,
        ms(16),
        vec![Fact::Dropped {
            message: Some(name(4)),
            from: ONE,
            why: DropReason::Cut,
        }],
    );
    model.stopped(TWO, ms(30), None);
    told(&mut model, ONE, ms(31), vec![sent(6, vote(), arrives(ms(45)))]);
    let ends: Vec<FlightEnd> = model.history.messages.iter().map(|flight| flight.end).collect();
    use FlightEnd::*;
    assert_eq!(ends, [Arrives, Lost, Cut, Cut, Down, Down]);
}

#[test]
fn what_says_nothing_new_is_folded() {
    let mut model = cluster();
    let matched = |index| MessageSummary::Matched {
        term: Term(1),
        match_index: LogIndex(index),
    };
    let beat = MessageSummary::Heartbeat {
        term: Term(1),
        prev_log_index: LogIndex(1),
        leader_commit: LogIndex(1),
    };
    for (number, summary) in [beat, matched(1), matched(1), matched(2), matched(2), vote()]
        .into_iter()
        .enumerate()
    {
        told(
            &mut model,
            ONE,
            ms(number as u64),
            vec![sent(number as u64, summary, Fate::Lost)],
        );
    }
    let folded: Vec<bool> = model.history.messages.iter().map(Flight::is_heartbeat).collect();
    assert_eq!(folded, [true, false, true, false, true, false]);
}

#[test]
fn a_crash_ends_what_the_node_did_and_a_boot_begins_anew() {
    let mut model = cluster();
    let won = Event::BecameLeader {
        term: Term(3),
        votes: vec![ONE, TWO],
    };
    model.report(
        ONE,
        report(
            ms(10),
            status(Role::Leader, 3, 0, 0),
            vec![(ms(9), Fact::Raft(won.clone()))],
            None,
        ),
    );
    assert_eq!(model.leader().map(|node| node.id), Some(ONE));
    model.stopped(ONE, ms(20), None);
    assert_eq!(model.leader().map(|node| node.id), None);
    let spans: Vec<_> = model
        .history
        .spans_between(ONE, ms(0), ms(50))
        .map(|span| (span.role, span.until))
        .collect();
    assert_eq!(spans, [(Role::Leader, Some(ms(20)))]);
    assert_eq!(model.history.spans_between(ONE, ms(21), ms(50)).count(), 0);
    let mark = model
        .history
        .marks
        .iter()
        .find(|mark| matches!(mark.kind, MarkKind::Elected { .. }))
        .expect("it was elected");
    assert_eq!(model.history.event_of(mark), Some(&won));
    // What a Worker says after its end is not believed.
    model.report(ONE, report(ms(21), status(Role::Leader, 3, 0, 0), Vec::new(), None));
    assert_eq!(model.node(ONE).map(Node::role_name), Some("crashed"));
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
fn what_a_receiver_made_of_a_message() {
    let mut model = cluster();
    told(&mut model, ONE, ms(10), vec![sent(1, vote(), arrives(ms(15)))]);
    let granted = Event::VoteGranted {
        candidate: ONE,
        term: Term(1),
    };
    let follows = Event::BecameFollower {
        term: Term(1),
        leader: None,
        reason: FollowReason::NewerTerm { from: ONE },
    };
    let facts = vec![
        Fact::Received { message: name(1) },
        Fact::Raft(follows.clone()),
        Fact::Raft(granted.clone()),
        Fact::Received { message: name(2) },
        Fact::Raft(Event::BecameCandidate { term: Term(9) }),
    ];
    told(&mut model, TWO, ms(15), facts);
    assert_eq!(model.history.consequences(name(1), TWO), [&follows, &granted]);
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
fn a_mark_finds_the_event_that_it_stands_for() {
    let mut history = History::default();
    let won = Event::BecameLeader {
        term: Term(3),
        votes: vec![ONE, TWO],
    };
    let deposed = Event::BecameFollower {
        term: Term(4),
        leader: None,
        reason: FollowReason::NewerTerm { from: TWO },
    };
    history.record(ms(1), ONE, 1, Fact::Raft(won.clone()));
    history.record(ms(2), ONE, 1, Fact::Raft(deposed.clone()));
    let told: Vec<_> = history.marks.iter().map(|mark| history.event_of(mark)).collect();
    assert_eq!(told, [Some(&won), Some(&deposed)]);
}

#[test]
fn everything_is_bounded_and_what_was_dropped_is_counted() {
    let mut history = History::default();
    let total = MESSAGES_MAX as u64 + 500;
    for number in 0..total {
        history.record(
            Instant(number),
            ONE,
            1,
            sent(number, vote(), arrives(Instant(number + 5))),
        );
    }
    assert_eq!(history.messages.len(), MESSAGES_MAX);
    assert_eq!(history.first(), Instant(500));
    assert_eq!(history.dropped.count, 500);
    assert_eq!(history.dropped.until, Instant(499));
}
