//! Five nodes under a virtual clock: what a cluster promises its clients, whatever crashes.

mod world;

use cluster::host::{Reply, Request};
use cluster::node::{BootError, NodeInput};
use cluster::wal::{Flaw, HEADER_BYTES};
use ftqueue::{Answer, Label, QueueError, QueueId, Read, SessionId};
use raft_core::{Duration, NodeId, Role, Rule, Rules};
use world::{Unflushed, World};

/// A cluster whose nodes take a snapshot after so many entries.
fn compacting(compact_after: u64, seed: u64) -> (World, usize) {
    let mut world = World::new(5, seed);
    world.compact_after = compact_after;
    world.start_all();
    world.wait_for_leader();
    let client = world.client();
    assert_eq!(world.answer(client, "create_queue 7"), Answer::Qid(QueueId(1)));
    (world, client)
}

const SECOND: Duration = Duration::from_millis(1_000);

/// A cluster with a leader, a client, and a queue with id 1.
fn with_queue(seed: u64) -> (World, usize) {
    let mut world = World::running(5, seed);
    world.wait_for_leader();
    let client = world.client();
    assert_eq!(world.answer(client, "create_queue 7"), Answer::Qid(QueueId(1)));
    (world, client)
}

/// Every running node has applied these items, in this order.
fn assert_items(world: &World, items: impl Iterator<Item = i64>) {
    let items: Vec<i64> = items.collect();
    for id in world.running_nodes() {
        assert_eq!(world.items(id, 1), items, "{id}");
    }
}

#[test]
fn one_leader_is_elected_and_followed() {
    for seed in 0..20 {
        let mut world = World::running(5, seed);
        let leader = world.wait_for_leader();
        world.run_for(SECOND);
        let terms: Vec<_> = world.leaders.iter().map(|(term, _)| *term).collect();
        assert!(
            terms.windows(2).all(|pair| pair[0] < pair[1]),
            "seed {seed}: two leaders in a term of {terms:?}"
        );
        assert_eq!(world.leader(), Some(leader), "seed {seed}");
        for id in world.members() {
            assert_eq!(world.node(id).view().leader, Some(leader), "seed {seed}: {id}");
        }
    }
}

/// A refusal for a stale term answers what was asked in an earlier leadership, whose rounds were numbered alike. `top 1` is asked
/// of a node that led twice and is deposed for the second time, after `pop 1` was answered by the new leader. Returns what it
/// answers.
fn top_at_a_deposed_leader(rules: Rules) -> Option<Reply> {
    let [one, two, three] = [1, 2, 3].map(NodeId);
    let read = Request::Read(Read::Top { qid: QueueId(1) });
    let mut world = World::new(3, 7);
    world.rules = rules;
    world.start_all();
    world.elect(one);
    let client = world.client();
    world.answer(client, "create_queue 7");
    world.answer(client, "push 1 42");
    let four_reads = |world: &mut World| {
        for _ in 0..4 {
            let asked = world.ask(one, read);
            world.run_until(world.now + SECOND, |world| world.reply(asked).is_some());
            assert_eq!(world.reply(asked), Some(Reply::Answered(Ok(Answer::Item(42)))));
        }
    };
    four_reads(&mut world);
    world.late = Some((one, two)); // The append of round 5.
    world.ask(one, read);
    world.late = None;
    world.elect(three);
    world.run_for(Duration::from_millis(100)); // So that node 1 has the entry with which that term began.
    world.elect(one);
    world.late = Some((two, one)); // The refusal of that append, in node 1's second term.
    world.release();
    world.late = None;
    four_reads(&mut world);
    world.isolate(one);
    world.elect(three);
    assert_eq!(world.answer(client, "pop 1"), Answer::Item(42));
    let stale = world.ask(one, read);
    world.step(one, NodeInput::SetInbound { peer: two, cut: false });
    world.release();
    world.run_for(SECOND);
    world.reply(stale)
}

#[test]
fn a_late_refusal_of_another_term_confirms_no_read() {
    assert_eq!(top_at_a_deposed_leader(Rules::default()), None);
}

#[test]
fn a_late_refusal_would_confirm_a_stale_read_without_the_rule() {
    let answered = top_at_a_deposed_leader(Rules::without(Rule::OnlyAcceptanceConfirms));
    assert_eq!(answered, Some(Reply::Answered(Ok(Answer::Item(42)))));
}

#[test]
fn two_of_five_elect_nobody_and_the_third_makes_a_leader() {
    let mut world = World::new(5, 1);
    world.start(NodeId(1)).unwrap();
    world.start(NodeId(2)).unwrap();
    world.run_for(Duration::from_millis(10_000));
    assert_eq!(world.leaders, []);
    assert!(world.roles().iter().any(|(_, role, _)| *role == Role::Candidate));
    world.start(NodeId(3)).unwrap();
    world.wait_for_leader();
}

#[test]
fn one_node_is_a_cluster_too() {
    let mut world = World::running(1, 1);
    world.wait_for_leader();
    let client = world.client();
    world.answer(client, "create_queue 7");
    assert_eq!(world.answer(client, "push 1 42"), Answer::Pushed);
    assert_eq!(world.answer(client, "pop 1"), Answer::Item(42));
}

#[test]
fn the_six_operations() {
    let (mut world, client) = with_queue(1);
    assert_eq!(
        world.error(client, "create_queue 7"),
        QueueError::LabelTaken { qid: QueueId(1) }
    );
    assert_eq!(world.answer(client, "get_qid 7"), Answer::Qid(QueueId(1)));
    assert_eq!(world.error(client, "get_qid 8"), QueueError::NoSuchLabel);
    assert_eq!(world.answer(client, "push 1 42"), Answer::Pushed);
    assert_eq!(world.answer(client, "push 1 -5"), Answer::Pushed);
    assert_eq!(world.answer(client, "qsize 1"), Answer::Size(2));
    assert_eq!(world.answer(client, "top 1"), Answer::Item(42));
    assert_eq!(world.answer(client, "pop 1"), Answer::Item(42));
    assert_eq!(world.answer(client, "pop 1"), Answer::Item(-5));
    assert_eq!(world.error(client, "pop 1"), QueueError::Empty);
    assert_eq!(world.error(client, "top 2"), QueueError::NoSuchQueue);
}

/// The leader dies again and again with a push under way, sometimes after it was applied and before it was answered.
#[test]
fn pushes_across_leader_crashes_are_applied_once() {
    for seed in 0..10 {
        let (mut world, client) = with_queue(seed);
        let mut tries = 0;
        for item in 1..=40 {
            world.submit(client, &format!("push 1 {item}"));
            if item % 4 == 0 {
                world.run_for(Duration(seed * 3_700 + item * 500));
                if let Some(leader) = world.leader() {
                    world.crash(leader, Unflushed::Lost);
                    world.run_for(Duration::from_millis(100));
                    world.start(leader).unwrap();
                }
            }
            let deadline = world.now + Duration::from_millis(30_000);
            world.run_until(deadline, |world| world.done[client].len() as u64 > item);
            let done = world.done[client].last().expect("create_queue is done");
            assert_eq!(done.result, Ok(Answer::Pushed), "seed {seed}, item {item}");
            tries += done.tries;
        }
        assert!(
            tries > 40,
            "seed {seed}: no push was ever tried twice, so this shows nothing"
        );
        world.run_for(SECOND);
        assert_items(&world, 1..=40);
    }
}

#[test]
fn two_of_five_crash_and_come_back_with_nothing_lost() {
    let (mut world, client) = with_queue(3);
    let leader = world.wait_for_leader();
    let follower = world.members().into_iter().find(|id| *id != leader).unwrap();
    for item in 1..=200 {
        match item {
            50 => world.crash(leader, Unflushed::Lost),
            80 => world.crash(follower, Unflushed::TornAfter(9)),
            120 => drop(world.start(leader).unwrap()),
            150 => drop(world.start(follower).unwrap()),
            _ => {}
        }
        assert_eq!(world.answer(client, &format!("push 1 {item}")), Answer::Pushed);
    }
    world.run_for(SECOND);
    assert_eq!(world.running_nodes().len(), 5);
    assert_items(&world, 1..=200);
    world.assert_disks_hold_logs();
}

#[test]
fn three_of_five_down_and_nothing_is_acknowledged() {
    let (mut world, client) = with_queue(4);
    for id in world.members().into_iter().take(3) {
        world.crash(id, Unflushed::Lost);
    }
    world.submit(client, "push 1 1");
    world.run_for(Duration::from_millis(20_000));
    assert_eq!(world.done[client].len(), 1, "only the queue's creation is done");
    world.start_all();
    let deadline = world.now + Duration::from_millis(20_000);
    world.run_until(deadline, |world| world.done[client].len() == 2);
    world.run_for(SECOND);
    assert_items(&world, 1..=1);
}

#[test]
fn all_restart_from_their_disks() {
    let (mut world, client) = with_queue(5);
    for item in 1..=50 {
        world.answer(client, &format!("push 1 {item}"));
    }
    for _ in 0..3 {
        world.crash_all(Unflushed::Lost);
        world.start_all();
        world.wait_for_leader();
        assert_eq!(world.answer(client, "qsize 1"), Answer::Size(50));
        world.run_for(SECOND);
        assert_items(&world, 1..=50);
    }
}

/// The power fails at some instant of a push, for all nodes at once, and each disk keeps another part of what it had
/// not flushed. What was acknowledged is there; the push under way is there once or not at all.
#[test]
fn what_a_crash_takes_was_not_acknowledged() {
    for seed in 0..60 {
        let (mut world, client) = with_queue(seed);
        for item in 1..=5 {
            world.answer(client, &format!("push 1 {item}"));
        }
        world.flush = Duration(if seed % 2 == 0 { 700 } else { 60_000 });
        world.answer(client, "pop 1");
        world.submit(client, "push 1 6");
        world.run_for(Duration(seed * 2_500));
        for id in world.members() {
            let torn_after = (seed as usize * 7 + usize::from(id.0) * 13) % 90;
            world.crash(id, Unflushed::TornAfter(torn_after));
        }
        world.start_all();
        world.wait_for_leader();
        let deadline = world.now + Duration::from_millis(20_000);
        world.run_until(deadline, |world| world.done[client].len() == 8);
        world.run_for(SECOND);
        assert_items(&world, 2..=6);
        world.assert_disks_hold_logs();

        // What was written behind the torn ends is found as well.
        world.crash_all(Unflushed::Lost);
        world.start_all();
        world.wait_for_leader();
        world.run_for(SECOND);
        assert_items(&world, 2..=6);
    }
}

#[test]
fn an_isolated_leader_serves_no_stale_read() {
    let (mut world, client) = with_queue(6);
    world.answer(client, "push 1 1");
    let old = world.wait_for_leader();
    world.isolate(old);
    let read = world.ask(old, Request::Read(Read::Top { qid: QueueId(1) }));
    let new_leader = |world: &World| world.leader().is_some_and(|leader| leader != old);
    let deadline = world.now + Duration::from_millis(10_000);
    world.run_until(deadline, new_leader);
    assert!(new_leader(&world));

    // The queue changes behind the old leader's back, while it still believes that it leads.
    assert_eq!(world.answer(client, "pop 1"), Answer::Item(1));
    let later = world.ask(old, Request::Read(Read::Top { qid: QueueId(1) }));
    world.run_for(Duration::from_millis(5_000));
    assert_eq!(world.node(old).view().role, Role::Leader);
    assert_eq!(world.items(old, 1), [1]);
    assert_eq!(
        (world.reply(read), world.reply(later)),
        (None, None),
        "it cannot know, so it does not say"
    );

    world.rejoin(old);
    world.run_for(SECOND);
    for request in [read, later] {
        assert!(matches!(
            world.reply(request),
            Some(Reply::Lost { .. } | Reply::NotLeader { .. })
        ));
    }
    assert_items(&world, std::iter::empty());
}

/// The old leader takes writes that it cannot commit. The new leader's take their place, on the old leader's disk too.
#[test]
fn a_deposed_leaders_entries_are_overwritten() {
    let (mut world, client) = with_queue(7);
    let old = world.wait_for_leader();
    world.isolate(old);
    let opened: Vec<_> = (0..5)
        .map(|nonce| world.ask(old, Request::OpenSession { nonce }))
        .collect();
    world.run_for(SECOND);
    assert_eq!(world.answer(client, "push 1 1"), Answer::Pushed);
    world.rejoin(old);
    world.run_for(SECOND);
    assert!(
        opened
            .iter()
            .all(|request| matches!(world.reply(*request), Some(Reply::Lost { .. })))
    );
    let log = world.node(old).view().log.to_vec();
    for id in world.members() {
        assert_eq!(world.node(id).view().log, log, "{id}");
    }
    world.crash(old, Unflushed::Lost);
    world.start(old).unwrap();
    assert!(log.starts_with(world.node(old).view().log));
    assert_eq!(world.node(old).view().log.len(), log.len());
}

#[test]
fn a_damaged_acknowledged_record_keeps_a_node_out_and_says_where() {
    let (mut world, client) = with_queue(8);
    world.answer(client, "push 1 1");
    world.run_for(SECOND);
    world.crash(NodeId(2), Unflushed::Kept);
    world.disk(NodeId(2)).file[HEADER_BYTES + 24] ^= 0x40;
    let error = world.start(NodeId(2)).unwrap_err();
    let BootError::Log(damage) = &error else {
        panic!("{error}")
    };
    assert_eq!(
        (damage.record, damage.offset, &damage.what),
        (1, HEADER_BYTES as u64, &Flaw::Checksum)
    );
    assert_eq!(
        error.to_string(),
        "the write-ahead log is damaged: record 1, at byte 64, was acknowledged, but its checksum is wrong"
    );
    // The others go on without it.
    assert_eq!(world.answer(client, "push 1 2"), Answer::Pushed);
}

/// A restarted node takes part on the strength of what it found, acknowledged or not. From then on it counts as
/// acknowledged.
#[test]
fn what_a_boot_relied_on_is_acknowledged() {
    let mut world = World::running(3, 13);
    let leader = world.wait_for_leader();
    world.run_for(SECOND);
    let node = world.members().into_iter().find(|id| *id != leader).unwrap();
    world.isolate(node);
    let before = world.file_bytes(node);
    world.run_until(world.now + SECOND, |world| world.file_bytes(node) > before);
    assert!(world.file_bytes(node) > before, "it stands for election");
    assert!(world.disk(node).flushed <= before, "its candidacy is not flushed yet");
    world.crash(node, Unflushed::Kept);
    world.start(node).unwrap();
    world.crash(node, Unflushed::Kept);
    world.disk(node).file[before + 2] ^= 0x01;
    let BootError::Log(damage) = world.start(node).unwrap_err() else {
        panic!("the log is damaged")
    };
    assert_eq!(damage.offset, before as u64);
}

#[test]
fn another_nodes_disk_is_refused() {
    let mut world = World::running(3, 9);
    world.wait_for_leader();
    world.run_for(SECOND);
    world.crash_all(Unflushed::Kept);
    let file = world.disk(NodeId(1)).file.clone();
    world.disk(NodeId(2)).file = file;
    let error = world.start(NodeId(2)).unwrap_err().to_string();
    assert_eq!(
        error,
        "the write-ahead log cannot be used: it belongs to Node 1, and this is Node 2"
    );
}

#[test]
fn a_paused_node_answers_later() {
    let (mut world, client) = with_queue(10);
    let leader = world.wait_for_leader();
    world.step(leader, NodeInput::SetPaused(true));
    assert!(world.node(leader).status().paused);
    let asked = world.ask(leader, Request::Read(Read::GetQid { label: Label(7) }));
    assert_eq!(world.answer(client, "push 1 1"), Answer::Pushed);
    assert_ne!(world.leader(), Some(leader), "the others elected one that is awake");
    assert_eq!(world.reply(asked), None);
    world.step(leader, NodeInput::SetPaused(false));
    world.run_for(SECOND);
    assert!(matches!(
        world.reply(asked),
        Some(Reply::Lost { .. } | Reply::NotLeader { .. })
    ));
    assert_items(&world, 1..=1);
}

#[test]
fn lossy_links_lose_no_push() {
    for seed in 0..5 {
        let mut world = World::new(5, seed);
        world.link = netem::LinkSettings {
            loss: 0.1,
            duplicate: 0.1,
            reorder: true,
            jitter_us: 20_000,
            ..world.link
        };
        world.start_all();
        let client = world.client();
        world.answer(client, "create_queue 7");
        for item in 1..=40 {
            assert_eq!(world.answer(client, &format!("push 1 {item}")), Answer::Pushed);
        }
        world.run_for(Duration::from_millis(3_000));
        assert_items(&world, 1..=40);
    }
}

#[test]
fn followers_point_to_the_leader() {
    let mut world = World::running(5, 11);
    let leader = world.wait_for_leader();
    world.run_for(SECOND);
    for id in world.members().into_iter().filter(|id| *id != leader) {
        let asked = world.ask(id, Request::OpenSession { nonce: 1 });
        assert_eq!(world.reply(asked), Some(Reply::NotLeader { leader: Some(leader) }));
    }
}

#[test]
fn an_unknown_session_is_told_so() {
    let (mut world, _) = with_queue(12);
    let leader = world.wait_for_leader();
    let write = ftqueue::Write::Push {
        qid: QueueId(1),
        item: 1,
    };
    let body = Request::Write {
        session: SessionId { index: 999, nonce: 9 },
        sequence: ftqueue::Sequence(1),
        write,
    };
    let asked = world.ask(leader, body);
    world.run_for(SECOND);
    assert_eq!(world.reply(asked), Some(Reply::SessionExpired));
}

#[test]
fn logs_stay_short_and_disks_small() {
    let (mut world, client) = compacting(20, 3);
    for item in 1..=300 {
        world.answer(client, &format!("push 1 {item}"));
        if item > 10 {
            world.answer(client, "pop 1");
        }
    }
    world.run_for(SECOND);
    for id in world.members() {
        let view = world.node(id).view();
        assert!(view.last_index().0 > 590, "{id}");
        assert!(view.log.len() <= 41, "{id} keeps {} entries", view.log.len());
        assert!(world.file_bytes(id) < 16_000, "{id} has {} bytes", world.file_bytes(id));
    }
    world.assert_disks_hold_logs();
    world.crash_all(Unflushed::Lost);
    world.start_all();
    world.wait_for_leader();
    assert_eq!(world.answer(client, "qsize 1"), Answer::Size(10));
    world.run_for(SECOND);
    assert_items(&world, 291..=300);
}

/// A node that was away longer than the others keep entries gets the state, sessions among it: a write that was applied
/// before is recognised after.
#[test]
fn who_lags_too_far_gets_a_snapshot() {
    let (mut world, client) = compacting(10, 4);
    let leader = world.wait_for_leader();
    let away = world.members().into_iter().find(|id| *id != leader).unwrap();
    world.crash(away, Unflushed::Lost);
    for item in 1..=60 {
        world.answer(client, &format!("push 1 {item}"));
    }
    world.start(away).unwrap();
    world.run_for(SECOND);
    assert!(world.node(away).view().snapshot_index().0 > 20);
    assert_items(&world, 1..=60);
    // It takes over, and knows the client.
    for id in world.members() {
        if id != away && world.running_nodes().len() > 3 {
            world.crash(id, Unflushed::Lost);
        }
    }
    world.answer(client, "push 1 61");
    world.run_for(SECOND);
    assert_items(&world, 1..=61);
    world.assert_disks_hold_logs();
}

/// The power fails at some instant around a snapshot, and each disk keeps another part of both files.
#[test]
fn a_crash_in_the_middle_of_a_snapshot_loses_nothing() {
    for seed in 0..60 {
        let (mut world, client) = compacting(4, seed);
        world.flush = Duration(if seed % 2 == 0 { 700 } else { 30_000 });
        for item in 1..=12 {
            world.answer(client, &format!("push 1 {item}"));
        }
        world.submit(client, "push 1 13");
        world.run_for(Duration(seed * 2_500));
        for id in world.members() {
            let torn_after = (seed as usize * 31 + usize::from(id.0) * 13) % 400;
            world.crash(id, Unflushed::TornAfter(torn_after));
        }
        world.start_all();
        world.wait_for_leader();
        let deadline = world.now + Duration::from_millis(20_000);
        world.run_until(deadline, |world| world.done[client].len() == 14);
        world.run_for(SECOND);
        assert_items(&world, 1..=13);
        world.assert_disks_hold_logs();
    }
}
