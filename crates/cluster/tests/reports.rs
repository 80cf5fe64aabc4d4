//! What a node tells those who watch it, and what it makes of nonsense.

mod world;

use cluster::Epoch;
use cluster::codec::{self, Envelope};
use cluster::host::{DropReason, Fact, LogPatch, MessageId, PROTOCOL_VERSION, Reply, Request, Status};
use cluster::node::NodeInput;
use cluster::{ActivityLine, FACTS_BETWEEN_REPORTS_MAX, WAITING_BYTES_MAX};
use ftqueue::{Command, QueueId, Read};
use raft_core::{
    AppendEntries, Duration, Entry, Instant, LogIndex, Message, NodeId, PENDING_REQUESTS_MAX, Payload, ReadRound,
    RequestVote, Role, Term,
};
use world::{Unflushed, World};

const SECOND: Duration = Duration::from_millis(1_000);
const NODE: NodeId = NodeId(1);
const PEER: NodeId = NodeId(2);

fn facts(world: &mut World, id: NodeId) -> Vec<Fact> {
    let now = world.now;
    world.node_mut(id).take_report(now).map_or(Vec::new(), |report| {
        report.facts.into_iter().map(|(_, fact)| fact).collect()
    })
}

fn dropped(facts: Vec<Fact>) -> Vec<DropReason> {
    let reason = |fact| match fact {
        Fact::Dropped { why, .. } => Some(why),
        _ => None,
    };
    facts.into_iter().filter_map(reason).collect()
}

fn vote_request(from: NodeId, number: u64, deliver_at: Instant) -> Vec<u8> {
    codec::encode(&Envelope {
        message: MessageId { from, boot: 1, number },
        epoch: Epoch::default(),
        sent_at: Instant(0),
        deliver_at,
        frame: Message::RequestVote(RequestVote {
            term: Term(1000),
            last_log_index: LogIndex(1000),
            last_log_term: Term(999),
        }),
    })
}

fn append(deliver_at: Instant, entries: Vec<Entry<Command>>) -> Vec<u8> {
    codec::encode(&Envelope {
        message: MessageId {
            from: PEER,
            boot: 1,
            number: 1,
        },
        epoch: Epoch::default(),
        sent_at: Instant(0),
        deliver_at,
        frame: Message::AppendEntries(AppendEntries {
            term: Term(1),
            prev_log_index: LogIndex(0),
            prev_log_term: Term(0),
            entries,
            leader_commit: LogIndex(0),
            read_round: ReadRound(0),
        }),
    })
}

#[test]
fn reports_add_up_to_the_state() {
    let mut world = World::running(5, 1);
    let client = world.client();
    let mut mirrors: Vec<Vec<Entry<Command>>> = vec![Vec::new(); 5];
    world.answer(client, "create_queue 7");
    for item in 1..=40 {
        if item % 10 == 0 {
            let leader = world.wait_for_leader();
            world.isolate(leader);
            world.ask(leader, Request::OpenSession { nonce: 1 });
            world.answer(client, &format!("push 1 {item}"));
            world.rejoin(leader);
        }
        world.answer(client, &format!("push 1 {item}"));
        world.run_for(Duration::from_millis(item));
        for (id, mirror) in world.members().into_iter().zip(&mut mirrors) {
            let now = world.now;
            let Some(report) = world.node_mut(id).take_report(now) else {
                continue;
            };
            if let Some(LogPatch { from, entries }) = report.log {
                assert!(from.0 as usize <= mirror.len() + 1, "a patch leaves no gap");
                mirror.truncate(from.prev().0 as usize);
                mirror.extend(entries);
            }
            let node = world.node(id);
            assert_eq!(mirror, node.view().log, "{id}");
            assert_eq!(report.status, node.status());
            if let Some(queues) = report.queues {
                assert_eq!(queues, node.queues_summary());
            }
        }
    }
}

#[test]
fn a_quiet_node_reports_nothing() {
    let mut world = World::new(3, 1);
    world.start(NODE).unwrap();
    let now = world.now;
    assert!(world.node_mut(NODE).take_report(now).is_some(), "the boot is news");
    assert!(!world.node(NODE).has_news());
    assert!(world.node_mut(NODE).take_report(now).is_none());
}

#[test]
fn a_restarted_node_reports_its_whole_log() {
    let mut world = World::running(3, 2);
    let client = world.client();
    world.answer(client, "create_queue 7");
    world.run_for(SECOND);
    world.crash(NODE, Unflushed::Lost);
    world.start(NODE).unwrap();
    let now = world.now;
    let patch = world.node_mut(NODE).take_report(now).unwrap().log.unwrap();
    assert_eq!(patch.from, LogIndex(1));
    assert_eq!(patch.entries, world.node(NODE).view().log);
}

#[test]
fn facts_between_reports_are_bounded() {
    let mut world = World::new(3, 1);
    world.start(NODE).unwrap();
    facts(&mut world, NODE);
    for _ in 0..FACTS_BETWEEN_REPORTS_MAX + 10 {
        world.step(
            NODE,
            NodeInput::Arrive {
                from: PEER,
                bytes: vec![],
            },
        );
    }
    let facts = facts(&mut world, NODE);
    assert_eq!(facts.len(), FACTS_BETWEEN_REPORTS_MAX + 1);
    assert_eq!(facts.last(), Some(&Fact::Omitted { count: 10 }));
}

#[test]
fn frames_of_garbage_change_nothing() {
    let mut world = World::running(3, 3);
    let leader = world.wait_for_leader();
    facts(&mut world, NODE);
    let before = world.node(NODE).status();
    let good = vote_request(PEER, 1, Instant(0));
    let mut trailing = good.clone();
    trailing.push(0);
    let mut newer = good.clone();
    newer[0] = cluster::host::PROTOCOL_VERSION + 1;
    let frames = [
        vec![],
        vec![0xff; 40],
        good[..good.len() - 1].to_vec(),
        trailing,
        newer,
        vec![1; 2 << 20],
    ];
    let count = frames.len() as u64;
    for bytes in frames {
        world.step(NODE, NodeInput::Arrive { from: PEER, bytes });
    }
    assert_eq!(
        world.node(NODE).status(),
        Status {
            bad_frames: count,
            ..before
        }
    );
    let reasons: Vec<String> = dropped(facts(&mut world, NODE))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(reasons[0], "the frame does not decode: no bytes");
    assert_eq!(
        reasons[1],
        format!("the frame does not decode: version 255, where {PROTOCOL_VERSION} is understood")
    );
    assert_eq!(
        reasons[3],
        "the frame does not decode: 1 bytes after the end of the message"
    );
    assert_eq!(reasons.len() as u64, count);
    assert_eq!(world.leader(), Some(leader));
}

#[test]
fn strangers_and_impostors_are_not_heard() {
    let mut world = World::new(3, 1);
    world.start(NODE).unwrap();
    facts(&mut world, NODE);
    let now = world.now;
    let before = world.node(NODE).status();
    for (from, claimed) in [(NodeId(9), NodeId(9)), (NODE, NODE), (PEER, NodeId(3))] {
        world.step(
            NODE,
            NodeInput::Arrive {
                from,
                bytes: vote_request(claimed, 1, now),
            },
        );
    }
    assert_eq!(world.node(NODE).status(), before);
    let reasons = dropped(facts(&mut world, NODE));
    let impostor = DropReason::WrongSender { claimed: NodeId(3) };
    assert_eq!(reasons, [DropReason::NotAMember, DropReason::NotAMember, impostor]);
}

#[test]
fn a_message_waits_for_its_time() {
    let mut world = World::new(3, 1);
    world.start(NODE).unwrap();
    let at = world.now + Duration::from_millis(20);
    world.step(
        NODE,
        NodeInput::Arrive {
            from: PEER,
            bytes: vote_request(PEER, 1, at),
        },
    );
    assert_eq!(world.node(NODE).deadline(), at);
    assert_eq!(world.node(NODE).status().term, Term(0));
    world.run_until(at, |_| false);
    assert_eq!(world.node(NODE).status().term, Term(1000));
    assert_eq!(world.node(NODE).status().voted_for, Some(PEER));
}

/// A host that slept must not make a node stand against a leader whose heartbeats lie waiting.
#[test]
fn messages_come_before_timers() {
    let mut world = World::new(3, 1);
    world.start(NODE).unwrap();
    let deliver_at = world.now + Duration::from_millis(10);
    world.step(
        NODE,
        NodeInput::Arrive {
            from: PEER,
            bytes: append(deliver_at, Vec::new()),
        },
    );
    world.now = world.now + SECOND;
    world.step(NODE, NodeInput::Tick);
    let status = world.node(NODE).status();
    assert_eq!(
        (status.role, status.term, status.leader),
        (Role::Follower, Term(1), Some(PEER))
    );
    assert_eq!(status.voted_for, None, "it did not stand itself");
    assert!(status.deadline > world.now);
}

#[test]
fn a_cut_stops_what_is_on_the_way() {
    let mut world = World::new(3, 1);
    world.start(NODE).unwrap();
    let at = world.now + Duration::from_millis(20);
    world.step(
        NODE,
        NodeInput::Arrive {
            from: PEER,
            bytes: vote_request(PEER, 1, at),
        },
    );
    world.step(NODE, NodeInput::SetInbound { peer: PEER, cut: true });
    world.run_until(at, |_| false);
    assert_eq!(world.node(NODE).status().term, Term(0));
    assert_eq!(dropped(facts(&mut world, NODE)), [DropReason::Cut]);
}

#[test]
fn what_waits_is_bounded_for_each_peer() {
    let mut world = World::new(3, 1);
    world.start(NODE).unwrap();
    let bytes = append(
        Instant::NEVER,
        vec![
            Entry {
                term: Term(1),
                payload: Payload::NoOp
            };
            20_000
        ],
    );
    let fit = WAITING_BYTES_MAX / bytes.len();
    for _ in 0..fit + 3 {
        world.step(
            NODE,
            NodeInput::Arrive {
                from: PEER,
                bytes: bytes.clone(),
            },
        );
    }
    assert_eq!(
        dropped(facts(&mut world, NODE)),
        [DropReason::Full, DropReason::Full, DropReason::Full]
    );
    // Another peer is heard all the same.
    let now = world.now;
    world.step(
        NODE,
        NodeInput::Arrive {
            from: NodeId(3),
            bytes: vote_request(NodeId(3), 1, now),
        },
    );
    assert_eq!(world.node(NODE).status().term, Term(1000));
}

#[test]
fn requests_are_bounded() {
    let mut world = World::running(3, 4);
    let leader = world.wait_for_leader();
    world.run_for(SECOND);
    world.isolate(leader);
    let read = Request::Read(Read::Top { qid: QueueId(1) });
    let asked: Vec<_> = (0..=PENDING_REQUESTS_MAX).map(|_| world.ask(leader, read)).collect();
    assert_eq!(world.reply(asked[0]), None);
    assert_eq!(world.reply(asked[PENDING_REQUESTS_MAX]), Some(Reply::Busy));
}

#[test]
fn time_that_falls_is_not_believed() {
    let mut world = World::running(3, 5);
    world.wait_for_leader();
    let mut out = cluster::node::NodeOutbox::default();
    world.node_mut(NODE).step(Instant(0), NodeInput::Tick, &mut out);
    assert_eq!(out, cluster::node::NodeOutbox::default());
}

#[test]
fn an_activity_log_reads_like_one() {
    let mut world = World::running(3, 6);
    let leader = world.wait_for_leader();
    let now = world.now;
    let report = world.node_mut(leader).take_report(now).unwrap();
    let lines: Vec<String> = report
        .facts
        .iter()
        .map(|(at, fact)| {
            ActivityLine {
                at: *at,
                node: leader,
                fact,
            }
            .to_string()
        })
        .collect();
    let text = lines.join("\n");
    assert!(
        lines.iter().all(|line| line.contains(&format!(" s  {leader}  "))),
        "{text}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.contains(": RequestVote of term 1, log up to index 0 of term 0 (arrives at ")),
        "{text}"
    );
    assert!(lines.iter().any(|line| line.contains("bytes durable")), "{text}");
    assert!(!text.contains(['{', '}']), "no Rust shows through: {text}");
}

#[test]
fn a_description_is_readable_json() {
    let mut world = World::running(3, 7);
    let client = world.client();
    world.answer(client, "create_queue 7");
    world.answer(client, "push 1 42");
    world.run_for(SECOND);
    let leader = world.wait_for_leader();
    let description = world.node(leader).describe(world.now);
    let json = serde_json::to_value(&description).unwrap();
    assert_eq!(json["node"], leader.0);
    assert_eq!(json["role"], "Leader");
    assert_eq!(json["commit_index"], 4);
    assert_eq!(
        json["queues"],
        serde_json::json!([{ "label": 7, "qid": 1, "size": 1, "items": [42] }])
    );
    let term = description.term.0;
    assert_eq!(
        json["log"][0],
        serde_json::json!({
            "index": 1, "term": term, "command": "no-op", "session": null, "sequence": null, "committed": true
        })
    );
    let (session, ..) = world.node(leader).queues().sessions().next().expect("the client's");
    let session = session.to_string();
    assert!(session.starts_with("2-"), "{session}");
    assert_eq!(
        json["log"][3],
        serde_json::json!({
            "index": 4, "term": term, "command": "push 1 42", "session": session, "sequence": 2, "committed": true
        })
    );
    assert_eq!(
        serde_json::from_value::<cluster::host::Description>(json).unwrap(),
        description
    );
}
