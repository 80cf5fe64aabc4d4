//! What the fuzzer has found so far, once more.

use cluster::Epoch;
use cluster::client::Client;
use cluster::clock::{Clock, ClockSetting};
use cluster::host::ToNode;
use cluster::{Replica, codec, wal};
use fuzz::{IDENTITY, SECOND_FILE, TARGETS, corpus};
use lockstep::Desk;
use raft_core::{HardState, Instant, LogIndex, NodeId, Term};
use sim::{Scenario, Wanted, World, file};
use trace::Act;
use trace::lockstep::{FromLockstep, ToLockstep};

#[test]
fn the_corpus_keeps_every_promise() {
    for (name, target) in TARGETS {
        let inputs = corpus::read(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(inputs.len() >= 5, "the corpus of {name} is nearly empty");
        for input in inputs {
            target(&input);
        }
    }
}

/// What this build makes is what the fuzzer starts from: after a change of the core or of a format, bytes of another build reach less.
#[test]
fn the_corpus_holds_what_this_build_makes() {
    for (target, seeds) in seeds() {
        let kept = corpus::read(target).unwrap();
        let missing = seeds.iter().filter(|seed| !kept.contains(seed)).count();
        assert_eq!(
            missing,
            0,
            "{missing} of {} inputs that the fuzzer starts from ({target}) are of another build: the core, the simulator or a format has \
             changed. Run `cargo xtask kept-runs`, and commit what it writes",
            seeds.len()
        );
    }
    let opened = corpus::read("kept").unwrap();
    let opened = opened
        .iter()
        .filter(|body| lockstep::Repeated::of(&lockstep::with_head(body)).is_ok());
    assert!(opened.count() >= 6, "kept runs of which hardly one opens reach nothing");
}

/// Writes what the fuzzer starts from: sound bytes of each kind. Of kept runs that were found, those stay that this build opens.
#[test]
#[ignore = "writes files: `cargo xtask kept-runs` runs it"]
fn plant_seeds() {
    for (target, mut inputs) in seeds() {
        let mut found = corpus::read(target).unwrap_or_default();
        if target == "kept" {
            found.retain(|body| lockstep::Repeated::of(&lockstep::with_head(body)).is_ok());
        }
        inputs.extend(found);
        corpus::keep(target, inputs).unwrap();
    }
}

/// Sound bytes of each kind, from scenarios and their seeds.
fn seeds() -> [(&'static str, Vec<Vec<u8>>); 5] {
    let lines = [
        "create_queue 7",
        "get_qid 7",
        "push 1 42",
        "push 1 -9223372036854775808",
        "pop 1",
        "top 1",
        "qsize 18446744073709551615",
    ];
    let scenarios: Vec<Scenario> = (0..6)
        .map(|seed| {
            let wanted = Wanted {
                seconds: Some(2),
                ..Wanted::default()
            };
            Scenario::drawn(seed, wanted)
        })
        .collect();
    [
        ("command", lines.iter().map(|line| line.as_bytes().to_vec()).collect()),
        (
            "scenario",
            scenarios
                .iter()
                .map(|scenario| file::write(scenario).unwrap())
                .collect(),
        ),
        ("wal", scenarios.iter().map(log_of).collect()),
        ("frame", frames()),
        ("kept", scenarios.iter().map(kept_of).collect()),
    ]
}

/// The log of the first node after the run's operations, each of them written by itself.
fn log_of(scenario: &Scenario) -> Vec<u8> {
    let mut client = Client::new(0, 1, vec![NodeId(1)]);
    let mut writer = wal::Writer::new(IDENTITY, 0, 0);
    let mut bytes = Vec::new();
    for (number, (at, _, operation)) in (1..).zip(scenario.operations.iter().take(8)) {
        let _ = client.submit(*at, *operation);
        let hard_state = HardState {
            term: Term(number),
            voted_for: Some(NodeId(1)),
        };
        let entries: Vec<_> = client
            .take_requests()
            .into_iter()
            .filter_map(|(_, _, request)| request.command())
            .map(|command| raft_core::Entry {
                term: Term(number),
                payload: raft_core::Payload::Command(command),
            })
            .collect();
        writer.batch(Some(hard_state), None, &entries, &mut bytes);
        writer.acknowledge(writer.written(), &mut bytes);
        if number == scenario.settings.seed + 2 {
            // Some begin anew behind a snapshot, as far as their seeds say.
            let snapshot = raft_core::Snapshot {
                last_included_index: LogIndex(number),
                last_included_term: Term(number),
                data: raft_core::Machine::snapshot(&Replica::default()),
            };
            bytes.extend_from_slice(SECOND_FILE);
            writer.begin_anew(&snapshot, hard_state, &entries, &mut bytes);
        }
    }
    bytes
}

/// What nodes of a cluster of three say to one another, and what a page says to one.
fn frames() -> Vec<Vec<u8>> {
    use cluster::node::{Node, NodeConfig, NodeInput, NodeOutbox};
    use raft_core::{Config, Instant, Rules, Timing};
    let members: Vec<NodeId> = (1..=3).map(NodeId).collect();
    let mut frames = vec![
        codec::encode(&ToNode::SetPaused(true)),
        codec::encode(&ToNode::Connect { peer: NodeId(2) }),
    ];
    frames.extend(snapshot_frames());
    let mut nodes: Vec<Node> = members
        .iter()
        .map(|id| {
            let raft = Config {
                id: *id,
                members: members.clone(),
                timing: Timing::default(),
                seed: id.0.into(),
                rules: Rules::default(),
                compact_after: 2,
            };
            Node::boot(
                NodeConfig {
                    raft,
                    boot: 1,
                    epoch: Epoch(0),
                    links: Vec::new(),
                },
                [&[], &[]],
                Instant(0),
                &mut NodeOutbox::default(),
            )
            .unwrap()
            .0
        })
        .collect();
    let mut inputs: Vec<(usize, NodeInput)> = Vec::new();
    while frames.len() < 26 {
        let now = nodes.iter().map(Node::deadline).min().unwrap();
        let ready = (0..3).find(|place| nodes[*place].deadline() == now).unwrap();
        inputs.push((ready, NodeInput::Tick));
        while let Some((place, input)) = inputs.pop() {
            let mut out = NodeOutbox::default();
            nodes[place].step(now, input, &mut out);
            for (to, bytes) in out.frames {
                frames.push(bytes.clone());
                inputs.push((
                    usize::from(to.0) - 1,
                    NodeInput::Arrive {
                        from: NodeId(place as u8 + 1),
                        bytes,
                    },
                ));
            }
            inputs.extend(out.sync.map(|write| (place, NodeInput::Synced { write, wall_us: 0 })));
        }
    }
    frames
}

/// A part of a snapshot, and its answer.
fn snapshot_frames() -> [Vec<u8>; 2] {
    use cluster::codec::Envelope;
    use cluster::host::MessageId;
    use raft_core::{InstallOutcome, InstallSnapshot, InstallSnapshotReply, Instant, Message, ReadRound};
    let (term, last_included_index, read_round) = (Term(2), LogIndex(9), ReadRound(1));
    let part = Message::InstallSnapshot(InstallSnapshot {
        term,
        last_included_index,
        last_included_term: Term(1),
        offset: 0,
        data: raft_core::Machine::snapshot(&Replica::default()),
        done: true,
        question: 3,
        read_round,
    });
    let reply = Message::InstallSnapshotReply(InstallSnapshotReply {
        term,
        last_included_index,
        outcome: InstallOutcome::Installed,
        question: 3,
        read_round,
    });
    [part, reply].map(|frame| {
        codec::encode(&Envelope {
            message: MessageId {
                from: NodeId(1),
                boot: 1,
                number: 7,
            },
            epoch: Epoch(0),
            sent_at: Instant(1_000),
            deliver_at: Instant(2_000),
            frame,
        })
    })
}

/// What a page would keep of the first half second of a run, with a branch.
fn kept_of(scenario: &Scenario) -> Vec<u8> {
    let members: Vec<NodeId> = (1..=scenario.settings.nodes).map(NodeId).collect();
    let mut world = World::new(scenario).unwrap();
    world.tell_all();
    let _ = world.run_until(Instant(500_000), |_| false);
    let mut desk = Desk::new(members, Clock::new(ClockSetting::starting_at(0.0)));
    for told in world.take_told() {
        desk.piece(told.node, told.boot, told.piece);
    }
    while desk.work(1 << 16) {}
    desk.hear(ToLockstep::Look(Some(Instant(400_000))));
    desk.hear(ToLockstep::Act(Act::Crash(NodeId(1))));
    desk.hear(ToLockstep::Do("make file".to_owned()));
    let made = desk.take_out().into_iter().find_map(|said| match said {
        FromLockstep::Made { bytes, .. } => Some(bytes),
        _ => None,
    });
    lockstep::body_of(&made.unwrap()).unwrap()
}
