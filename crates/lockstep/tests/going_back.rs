//! Going back live, without a browser: what the recorder orders to be written, and what it tells the page.

mod quiet;

use cluster::Epoch;
use cluster::clock::ClockSetting;
use cluster::node::{Node, NodeInput};
use cluster::record::{Durability, Origin, Piece, Step};
use cluster::standing::Standing;
use cluster::wal::{self, Identity};
use ftqueue::{Answer, Command, Operation, Sequence, SessionId, Write};
use lockstep::{Desk, Order};
use netem::LinkSettings;
use raft_core::{Duration, Instant, LogIndex, NodeId, Payload};
use serde_json::Value;
use sim::file;
use trace::lockstep::{FromLockstep, LIVE, Resumed, Shown, ToLockstep};
use trace::tape::{TAPE_BYTES_MAX, Tape, Told};
use trace::{Act, Asked};

use quiet::{frame, frame_at, hears, members, scenario, shown, told};

const HOME: &str = "ftqueue/cluster-0-n3";

/// A recorder that was told what these members did; its cluster is in files.
fn recorder(told: Vec<Told>, of: impl Fn(NodeId) -> bool) -> Desk {
    let mut desk = quiet::recorder(6);
    desk.live_at(Some(HOME.to_owned()));
    desk.found(Ok(Standing::default()), Vec::new());
    hears(&mut desk, told.into_iter().filter(|told| of(told.node)));
    desk.open();
    while desk.work(1 << 16) {}
    desk.take_orders();
    desk
}

fn says(desk: &mut Desk, what: &str) -> Vec<FromLockstep> {
    desk.hear(ToLockstep::Do(what.to_owned()));
    frame(desk)
}

fn look(desk: &mut Desk, us: u64) {
    desk.hear(ToLockstep::Look(Some(Instant(us))));
    frame(desk);
    // Nothing more comes of what the Workers did.
    frame_at(desk, 5_000.0);
}

/// Asks to go on from an instant, and gives what is ordered to be written.
fn prepares(desk: &mut Desk, us: u64) -> Vec<(NodeId, Option<Vec<u8>>)> {
    look(desk, us);
    says(desk, "go-live now");
    let orders = desk.take_orders();
    match orders.as_slice() {
        [.., Order::Prepare { logs, home, .. }] if home == HOME => logs.clone(),
        other => panic!("logs are to be written, not {other:?}"),
    }
}

fn stopped(desk: &mut Desk) {
    let boots = members(3).into_iter().map(|id| (id, 1)).collect();
    desk.hear(ToLockstep::Stopped { boots });
}

fn resumed(said: &[FromLockstep]) -> Option<(Epoch, &[Resumed])> {
    said.iter().find_map(|message| match message {
        FromLockstep::Resume { epoch, nodes, .. } => Some((*epoch, nodes.as_slice())),
        _ => None,
    })
}

fn last_index(id: NodeId, log: &[u8], epoch: Epoch) -> LogIndex {
    let identity = Identity {
        node: id,
        members: 3,
        epoch,
    };
    let recovered = wal::recover(identity, [log, &[]]).unwrap_or_else(|damage| panic!("{id}: {damage}"));
    LogIndex(recovered.snapshot_index().0 + recovered.log.len() as u64)
}

/// R2: what is taken back is taken back on every disk. A node that had crashed has a log of the new epoch, too; and the page starts
/// only those that ran.
#[test]
fn every_member_gets_a_log_of_the_new_epoch_also_one_that_is_down() {
    let (told, _) = told(6);
    let mut desk = recorder(told, |_| true);
    desk.hear(ToLockstep::Ended {
        node: NodeId(3),
        boot: 1,
        at: Instant(6_000_000),
    });
    while desk.work(1 << 16) {}
    let logs = prepares(&mut desk, 6_000_000);
    assert_eq!(logs.iter().map(|(id, _)| *id).collect::<Vec<_>>(), members(3));
    for (id, log) in &logs {
        let log = log.as_ref().unwrap();
        assert!(last_index(*id, log, Epoch(1)) > LogIndex(10));
        let ours = Identity {
            node: *id,
            members: 3,
            epoch: Epoch(0),
        };
        assert!(
            wal::recover(ours, [log, &[]]).is_err(),
            "no node of the old epoch takes it for its own"
        );
    }
    assert!(resumed(&frame(&mut desk)).is_none(), "not before the record");
    desk.prepared(Ok(Vec::new()));
    assert!(matches!(desk.take_out()[..], [.., FromLockstep::Stop { .. }]));
    stopped(&mut desk);
    let orders = desk.take_orders();
    let [Order::Commit { from, to, .. }] = orders[..] else {
        panic!("{orders:?}")
    };
    assert_eq!(
        (from.present, to.present, to.previous),
        (Epoch(0), Epoch(1), Some(Epoch(0)))
    );
    assert!(resumed(&frame(&mut desk)).is_none(), "not before the record");
    desk.committed(Ok(()));
    let said = desk.take_out();
    let (epoch, nodes) = resumed(&said).unwrap();
    assert_eq!(epoch, Epoch(1));
    assert_eq!(
        nodes.iter().map(|node| node.runs).collect::<Vec<_>>(),
        [true, true, false]
    );
    for node in nodes.iter().filter(|node| node.runs) {
        let state = node.from.as_ref().unwrap().state.as_ref().unwrap();
        assert_eq!(Node::load(state).unwrap().epoch(), Epoch(1));
    }
}

/// A full disk, at any point: the run that was live is live, and nothing is resumed.
#[test]
fn what_fails_before_the_record_changes_nothing() {
    let (told, _) = told(6);
    let mut desk = recorder(told, |_| true);
    prepares(&mut desk, 3_000_000);
    desk.prepared(Err("the disk is full".to_owned()));
    let said = desk.take_out();
    assert!(
        said.iter()
            .any(|it| matches!(it, FromLockstep::Notice(text) if text.contains("the disk is full"))),
        "{said:?}"
    );
    assert!(
        !said.iter().any(|it| matches!(it, FromLockstep::Stop { .. })),
        "no Worker is ended"
    );
    prepares(&mut desk, 3_000_000);
    desk.prepared(Ok(Vec::new()));
    stopped(&mut desk);
    desk.take_orders();
    desk.take_out();
    desk.committed(Err("the disk is full".to_owned()));
    let said = frame(&mut desk);
    assert!(
        said.iter().any(|it| matches!(it, FromLockstep::Stays { .. })),
        "{said:?}"
    );
    assert!(resumed(&said).is_none());
    let html = says(&mut desk, "now").into_iter().find_map(|it| match it {
        FromLockstep::Panel(html) => Some(html),
        _ => None,
    });
    assert!(!html.unwrap_or_default().contains("Live, before"));
    // And what is asked for again is done: the number of an epoch that never stood is free.
    prepares(&mut desk, 3_000_000);
    desk.prepared(Ok(Vec::new()));
    stopped(&mut desk);
    desk.committed(Ok(()));
    assert_eq!(resumed(&desk.take_out()).unwrap().0, Epoch(1));
}

/// A member that did not run at that instant, and runs now: it gets what was on its disk then, not an empty one.
#[test]
fn a_member_that_starts_later_keeps_its_disk() {
    let (told, mut nodes) = told(6);
    let mut desk = recorder(told, |id| id != NodeId(3));
    // It has not run at all: its disk is carried over by whoever has the files.
    assert!(prepares(&mut desk, 4_000_000)[2].1.is_none());
    desk.prepared(Err("not now".to_owned()));
    let third = &mut nodes[2];
    let log = third.move_to_new_disk();
    let on_disk = last_index(NodeId(3), &log, Epoch(0));
    let config = third.config_for(1, 7);
    desk.piece(
        NodeId(3),
        1,
        Piece::Began {
            origin: Origin::Disk {
                config,
                files: [log, Vec::new()],
                durability: Durability::Kept,
            },
            at: Instant(5_900_000),
        },
    );
    while desk.work(1 << 16) {}
    let logs = prepares(&mut desk, 4_000_000);
    let log = logs[2].1.as_ref().expect("what it found is known");
    assert!(on_disk > LogIndex(10));
    assert_eq!(last_index(NodeId(3), log, Epoch(1)), on_disk);
}

/// In a branch, a member that was down when it began is down with its disk.
#[test]
fn a_branch_goes_live_with_the_disks_of_those_that_are_down() {
    let (told, _) = told(6);
    let mut desk = recorder(told, |_| true);
    desk.hear(ToLockstep::Ended {
        node: NodeId(3),
        boot: 1,
        at: Instant(5_000_000),
    });
    while desk.work(1 << 16) {}
    look(&mut desk, 6_000_000);
    desk.hear(ToLockstep::Act(trace::Act::Submit(Operation::Write(
        Write::CreateQueue {
            label: ftqueue::Label(99),
        },
    ))));
    frame(&mut desk);
    says(&mut desk, "go-live now");
    let orders = desk.take_orders();
    let [Order::Prepare { logs, .. }] = &orders[..] else {
        panic!("{orders:?}")
    };
    let log = logs[2]
        .1
        .as_ref()
        .expect("its log is known from the run that the branch leaves");
    assert!(last_index(NodeId(3), log, Epoch(1)) > LogIndex(10));
}

/// R3: a stranger's run begins a cluster beside one's own; one's own files are not named in any order.
#[test]
fn a_strangers_run_begins_a_cluster_beside() {
    let (told, _) = told(6);
    let mut desk = recorder(told, |_| true);
    desk.hear(ToLockstep::OpenFile {
        name: "seven.ftq".to_owned(),
        bytes: file::write(&scenario(7, 6)).unwrap(),
    });
    frame(&mut desk);
    look(&mut desk, 3_000_000);
    let said = says(&mut desk, "go-live");
    let html = said.iter().find_map(|it| match it {
        FromLockstep::Panel(html) => Some(html.as_str()),
        _ => None,
    });
    assert!(
        html.unwrap().contains("A cluster of 7 begins beside your own"),
        "{html:?}"
    );
    assert!(desk.take_orders().is_empty(), "it is said before it is done");
    says(&mut desk, "go-live now");
    let orders = desk.take_orders();
    let [Order::Begin { logs, title, .. }] = &orders[..] else {
        panic!("{orders:?}")
    };
    assert_eq!((logs.len(), title.as_str()), (7, "seven.ftq"));
    desk.begun(Ok("beside-1-n7".to_owned()));
    let said = desk.take_out();
    assert!(
        said.iter().any(
            |it| matches!(it, FromLockstep::Open { cluster, down } if cluster == "beside-1-n7" && down.is_empty())
        ),
        "{said:?}"
    );
}

/// All that was told, on a tape.
fn tape(told: &[Told]) -> Tape {
    let mut tape = Tape::new(&members(3), TAPE_BYTES_MAX);
    for Told { node, boot, piece } in told.iter().cloned() {
        tape.take(node, boot, piece).unwrap();
    }
    tape.open(&mut Vec::new());
    while tape.turn(&mut Vec::new()).is_some() {}
    tape
}

/// Where in its log a node has this write.
fn place_of(node: &Node, write: (SessionId, Sequence)) -> Option<LogIndex> {
    let view = node.view();
    let place = view.log.iter().position(|entry| name_of(&entry.payload) == Some(write));
    place.map(|place| LogIndex(view.snapshot_index().0 + 1 + place as u64))
}

fn name_of(payload: &Payload<Command>) -> Option<(SessionId, Sequence)> {
    match payload {
        Payload::Command(Command::Write { session, sequence, .. }) => Some((*session, *sequence)),
        _ => None,
    }
}

/// The name of the last write that was committed at an instant.
fn written_last(told: &[Told], at: Instant) -> (SessionId, Sequence) {
    let nodes = tape(told).moment(at).nodes;
    let node = nodes.iter().find_map(|(_, node)| node.as_ref()).unwrap();
    let view = node.view();
    let behind = (view.last_index().0 - view.commit_index.0) as usize;
    let committed = view.log.iter().rev().skip(behind);
    committed.filter_map(|entry| name_of(&entry.payload)).next().unwrap()
}

/// An instant at which this write stands in a log, and no node knows that it is committed.
fn only_in_a_log(told: &[Told], write: (SessionId, Sequence)) -> Instant {
    let tape = tape(told);
    let is_only_there = |at: &Instant| {
        let nodes: Vec<Node> = tape
            .moment(*at)
            .nodes
            .into_iter()
            .filter_map(|(_, node)| node)
            .collect();
        let places: Vec<LogIndex> = nodes.iter().filter_map(|node| place_of(node, write)).collect();
        let committed = nodes.iter().map(|node| node.view().commit_index).max().unwrap();
        places.first().is_some_and(|place| *place > committed)
    };
    let mut instants = (3_000..6_000).map(|ms| Instant(ms * 1_000));
    instants.find(is_only_there).unwrap()
}

/// It is said what is lost, before it is; and an undo brings the epoch before back.
#[test]
fn it_is_said_what_is_taken_back_and_can_be_undone() {
    let (told, _) = told(6);
    let mut desk = recorder(told.clone(), |_| true);
    let push = Operation::Write(Write::Push {
        qid: ftqueue::QueueId(1),
        item: 1,
    });
    for at in [2_000_000, 5_000_000, 5_500_000] {
        let at = Instant(at);
        desk.hear(ToLockstep::Asked(vec![
            (at, 0, Asked::Invoked(push)),
            (at, 0, Asked::Returned(Ok(Answer::Pushed))),
        ]));
    }
    look(&mut desk, 4_000_000);
    let said = says(&mut desk, "go-live");
    let text = format!("{said:?}");
    assert!(text.contains("2 operations acknowledged since"), "{text}");
    // What stood in a log at that instant stays, though it was acknowledged later.
    says(&mut desk, "unask");
    let (session, sequence) = written_last(&told, Instant(4_000_000));
    let at = Instant(4_010_000);
    desk.hear(ToLockstep::Asked(vec![
        (at, 1, Asked::Invoked(push)),
        (at, 1, Asked::Sent(session, sequence)),
        (at, 1, Asked::Returned(Ok(Answer::Pushed))),
    ]));
    let said = says(&mut desk, "go-live");
    let text = format!("{said:?}");
    assert!(text.contains("2 operations acknowledged since"), "{text}");
    assert!(!text.contains("may be lost"), "{text}");
    // Before it was known to be committed, nobody can say.
    says(&mut desk, "unask");
    look(&mut desk, only_in_a_log(&told, (session, sequence)).0);
    let text = format!("{:?}", says(&mut desk, "go-live"));
    assert!(
        text.contains("; 1 operation acknowledged since was under way then, and may be lost"),
        "{text}"
    );
    says(&mut desk, "unask");
    assert!(desk.take_orders().is_empty());
    prepares(&mut desk, 4_000_000);
    desk.prepared(Ok(Vec::new()));
    stopped(&mut desk);
    desk.committed(Ok(()));
    desk.take_orders();
    desk.take_out();
    // Its time begins there; the recorder is not behind.
    let setting = ClockSetting {
        virtual_now: Instant(4_000_000),
        ..ClockSetting::starting_at(1.0)
    };
    desk.hear(ToLockstep::Clock(setting));
    desk.judge();
    let said = format!("{:?}", frame(&mut desk));
    assert!(said.contains("safe") && !said.contains("checked up to"), "{said}");
    // An undo says, too, what is lost.
    let at = Instant(4_100_000);
    desk.hear(ToLockstep::Asked(vec![
        (at, 0, Asked::Invoked(push)),
        (at, 0, Asked::Returned(Ok(Answer::Pushed))),
    ]));
    let text = format!("{:?}", says(&mut desk, "undo"));
    assert!(text.contains("1 operation acknowledged since is taken back"), "{text}");
    assert!(text.contains("undo now"), "{text}");
    // Also of what is answered while the question stands.
    desk.hear(ToLockstep::Asked(vec![
        (at, 0, Asked::Invoked(push)),
        (at, 0, Asked::Returned(Ok(Answer::Pushed))),
    ]));
    let text = format!("{:?}", frame(&mut desk));
    assert!(
        text.contains("2 operations acknowledged since are taken back"),
        "{text}"
    );
    says(&mut desk, "undo now");
    stopped(&mut desk);
    let orders = desk.take_orders();
    let [Order::Commit { to, .. }] = orders[..] else {
        panic!("{orders:?}")
    };
    assert_eq!((to.present, to.last), (Epoch(0), Epoch(1)));
    desk.committed(Ok(()));
    let said = desk.take_out();
    let (epoch, nodes) = resumed(&said).unwrap();
    assert_eq!(epoch, Epoch(0));
    assert!(
        nodes.iter().all(|node| node.runs && node.from.is_none()),
        "they start from their disks"
    );
}

/// Goes back to five seconds, has the members begin with these states, and gives what the panel says then.
fn verdict_after_going_back(state_of: impl Fn(&Resumed) -> Vec<u8>) -> String {
    let (told, _) = told(6);
    let mut desk = recorder(told, |_| true);
    prepares(&mut desk, 5_000_000);
    desk.prepared(Ok(Vec::new()));
    stopped(&mut desk);
    desk.committed(Ok(()));
    let said = desk.take_out();
    let (_, nodes) = resumed(&said).expect("the record is written");
    for node in nodes {
        let origin = Origin::State(state_of(node));
        let at = Instant(5_000_000);
        desk.piece(node.id, 2, Piece::Began { origin, at });
    }
    while desk.work(1 << 16) {}
    desk.judge();
    let said = frame(&mut desk);
    let panel = said.iter().rev().find_map(|it| match it {
        FromLockstep::Panel(html) => Some(html.clone()),
        _ => None,
    });
    panel.expect("the verdict has changed")
}

/// R2: the page's judge knows what was acknowledged in the history that stands. Members that go on as they were keep it; members that
/// begin with less have lost it, and that is red.
#[test]
fn what_was_acknowledged_before_the_step_is_held_against_the_new_epoch() {
    let as_they_were = |node: &Resumed| node.from.as_ref().unwrap().state.clone().unwrap();
    let panel = verdict_after_going_back(as_they_were);
    assert!(panel.contains("✓ safe"), "{panel}");
    let mut tape = trace::tape::Tape::new(&members(3), usize::MAX);
    for Told { node, boot, piece } in told(6).0 {
        tape.take(node, boot, piece).unwrap();
    }
    while tape.turn(&mut Vec::new()).is_some() {}
    let with_less = |node: &Resumed| {
        let moment = tape.moment(Instant(2_000_000)).nodes.into_iter();
        let mut then = moment.filter_map(|(id, then)| then.filter(|_| id == node.id));
        let mut then = then.next().unwrap();
        then.begin_epoch(Epoch(1));
        then.save()
    };
    let panel = verdict_after_going_back(with_less);
    assert!(panel.contains("✗ Recovered Whole"), "{panel}");
}

/// An undo brings back who ran, who stood still and which links were cut, and not only what the disks hold.
#[test]
fn an_undo_leaves_the_cluster_as_it_stood() {
    let (told, _) = told(6);
    let boot = |id: u8| told.iter().rev().find(|told| told.node == NodeId(id)).unwrap().boot;
    let boots = [1, 2, 3].map(boot);
    let mut desk = recorder(told.clone(), |_| true);
    let cut = LinkSettings {
        cut: true,
        ..LinkSettings::default()
    };
    let peer = NodeId(2);
    for (id, input) in [
        (1, NodeInput::SetLink { peer, settings: cut }),
        (2, NodeInput::SetPaused(true)),
    ] {
        let steps = vec![Step::Take(Instant(6_010_000), input), Step::Flush];
        desk.piece(NodeId(id), boots[usize::from(id) - 1], Piece::Steps(steps));
    }
    desk.piece(NodeId(3), boots[2], Piece::Ended { at: Instant(6_010_000) });
    while desk.work(1 << 16) {}
    prepares(&mut desk, 4_000_000);
    desk.prepared(Ok(Vec::new()));
    stopped(&mut desk);
    desk.committed(Ok(()));
    desk.take_out();
    says(&mut desk, "undo");
    stopped(&mut desk);
    desk.committed(Ok(()));
    let said = desk.take_out();
    let (_, nodes) = resumed(&said).unwrap();
    let stood: Vec<_> = nodes
        .iter()
        .map(|node| (node.runs, node.paused, node.cut.clone()))
        .collect();
    assert_eq!(
        stood,
        [(true, false, vec![peer]), (true, true, vec![]), (false, false, vec![])]
    );
}

/// A link of a member that is down is cut: its own node was told nothing, and who would hear it knows. That link is cut in the view of the
/// instant, after the step, and after its undo.
#[test]
fn a_link_that_was_cut_while_its_sender_was_down_stays_cut() {
    let (told, _) = told(6);
    let boot = |id: u8| told.iter().rev().find(|told| told.node == NodeId(id)).unwrap().boot;
    let boots = [1, 2, 3].map(boot);
    let mut desk = recorder(told.clone(), |_| true);
    let (hears, down) = (NodeId(2), NodeId(3));
    desk.piece(down, boots[2], Piece::Ended { at: Instant(6_010_000) });
    let settings = LinkSettings {
        cut: true,
        ..LinkSettings::default()
    };
    let (us, later) = (Instant(6_020_000), Instant(6_040_000));
    for (id, inputs) in [
        (1, vec![(later, NodeInput::Tick)]),
        (
            2,
            vec![
                (us, NodeInput::SetLink { peer: down, settings }),
                (us, NodeInput::SetInbound { peer: down, cut: true }),
                (later, NodeInput::Tick),
            ],
        ),
    ] {
        let steps = inputs
            .into_iter()
            .flat_map(|(at, input)| [Step::Take(at, input), Step::Flush]);
        desk.piece(NodeId(id), boots[usize::from(id) - 1], Piece::Steps(steps.collect()));
    }
    while desk.work(1 << 16) {}
    desk.hear(ToLockstep::Look(Some(Instant(6_030_000))));
    let said = frame(&mut desk);
    let shown = shown(&said);
    let cuts: Vec<_> = shown.unwrap().nodes.iter().map(|node| node.cut.clone()).collect();
    assert_eq!(cuts, [vec![], vec![down], vec![hears]]);
    prepares(&mut desk, 6_030_000);
    for step in ["go back", "undo it"] {
        if step == "undo it" {
            says(&mut desk, "undo");
        } else {
            desk.prepared(Ok(Vec::new()));
        }
        stopped(&mut desk);
        desk.committed(Ok(()));
        let said = desk.take_out();
        let (_, nodes) = resumed(&said).unwrap();
        let cuts: Vec<_> = nodes.iter().map(|node| node.cut.clone()).collect();
        assert_eq!(cuts, [vec![], vec![down], vec![hears]], "{step}");
    }
}

/// What a frame says is shown.
fn shows(desk: &mut Desk, us: u64) -> Shown {
    desk.hear(ToLockstep::Look(Some(Instant(us))));
    shown(&frame(desk)).unwrap_or_else(|| panic!("{us} µs is not shown"))
}

/// Makes a file of what is shown, and gives what another page shows of it.
fn opened_elsewhere(desk: &mut Desk) -> Shown {
    let bytes = says(desk, "make file").into_iter().find_map(|message| match message {
        FromLockstep::Made { bytes, .. } => Some(bytes),
        _ => None,
    });
    let mut other = quiet::recorder(0);
    other.hear(ToLockstep::OpenFile {
        name: "run.ftqr".to_owned(),
        bytes: bytes.unwrap(),
    });
    let said = frame(&mut other);
    let notice = said.iter().find(|message| matches!(message, FromLockstep::Notice(_)));
    assert_eq!(notice, None);
    shown(&said).unwrap()
}

/// What was before a step back is before it still, and after its undo is before it again: shown in the live run, in its files, and counted
/// where it is taken back.
#[test]
fn what_was_before_a_step_and_its_undo_is_there() {
    let (told, _) = told(6);
    let mut desk = recorder(told, |_| true);
    let push = Operation::Write(Write::Push {
        qid: ftqueue::QueueId(1),
        item: 1,
    });
    let pushed = |desk: &mut Desk, us: u64| {
        let at = Instant(us);
        desk.hear(ToLockstep::Asked(vec![
            (at, 0, Asked::Invoked(push)),
            (at, 0, Asked::Returned(Ok(Answer::Pushed))),
        ]));
    };
    for us in [2_000_000, 5_000_000, 5_500_000] {
        pushed(&mut desk, us);
    }
    let before = shows(&mut desk, 3_000_000);
    prepares(&mut desk, 4_000_000);
    desk.prepared(Ok(Vec::new()));
    stopped(&mut desk);
    desk.committed(Ok(()));
    let said = desk.take_out();
    let (_, nodes) = resumed(&said).unwrap();
    goes_on(&mut desk, nodes, 2, Instant(4_000_000));
    pushed(&mut desk, 4_100_000);
    let after = shows(&mut desk, 4_200_000);
    assert_eq!(opened_elsewhere(&mut desk).hash, after.hash);
    assert_eq!(shows(&mut desk, 3_000_000).hash, before.hash);
    assert_eq!(opened_elsewhere(&mut desk).hash, before.hash);
    shows(&mut desk, 1_000_000);
    let text = format!("{:?}", says(&mut desk, "go-live"));
    assert!(text.contains("2 operations acknowledged since"), "{text}");
    says(&mut desk, "unask");
    says(&mut desk, "undo now");
    let boots = members(3).into_iter().map(|id| (id, 2)).collect();
    desk.hear(ToLockstep::Stopped { boots });
    desk.committed(Ok(()));
    let goes_on_at = desk.take_out().iter().find_map(|message| match message {
        FromLockstep::Resume { at, .. } => Some(*at),
        _ => None,
    });
    assert!(goes_on_at.unwrap() >= Instant(6_000_000), "time does not go back there");
    let again = shows(&mut desk, 3_000_000);
    assert_eq!((again.run, again.hash), (LIVE, before.hash));
    assert_eq!(opened_elsewhere(&mut desk).hash, before.hash);
    let text = format!("{:?}", says(&mut desk, "go-live"));
    assert!(text.contains("2 operations acknowledged since"), "{text}");
    // What the Workers do goes on from there.
    says(&mut desk, "unask");
    let stood = says(&mut desk, "now")
        .iter()
        .map(|it| format!("{it:?}"))
        .collect::<String>();
    assert!(stood.contains("Live, before"), "{stood}");
    // Without it, the first instant that is known is shown, and no empty cluster.
    says(&mut desk, "delete 1");
    let first = shows(&mut desk, 3_000_000);
    assert_eq!((first.run, Some(first.at)), (LIVE, goes_on_at));
}

/// A fault that was not over at the instant of a step, or when the run was left that an undo brings back, is over when it ends: on the
/// timeline and in exports, under its own number. So it is in a branch.
#[test]
fn a_fault_that_goes_on_after_a_step_ends() {
    let (told, _) = told(6);
    let mut desk = recorder(told, |_| true);
    let crash = |desk: &mut Desk, node: u8, us: u64, begins: bool| {
        desk.hear(ToLockstep::Fault {
            at: Instant(us),
            key: format!("crash {node}"),
            text: begins.then(|| format!("Node {node} crashed")),
        });
    };
    let faults = |desk: &mut Desk| -> Vec<(u64, String, u64)> {
        let made = says(desk, "make jsonl").into_iter().find_map(|message| match message {
            FromLockstep::Made { bytes, .. } => String::from_utf8(bytes).ok(),
            _ => None,
        });
        let lines = made.unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let fault = |line: Value| {
            let kind = line["kind"].as_str()?.strip_prefix("fault_")?.to_owned();
            Some((line["at_us"].as_u64()?, kind, line["fault"].as_u64()?))
        };
        lines.filter_map(fault).collect()
    };
    let event = |at: u64, kind: &str, fault: u64| (at, kind.to_owned(), fault);
    crash(&mut desk, 3, 3_000_000, true);
    crash(&mut desk, 3, 5_000_000, false);
    let began = event(3_000_000, "began", 1);
    // In a branch, the node is crashed once more, and started.
    look(&mut desk, 4_000_000);
    desk.hear(ToLockstep::Act(Act::Crash(NodeId(3))));
    desk.hear(ToLockstep::Act(Act::Start(NodeId(3))));
    frame(&mut desk);
    let told = faults(&mut desk);
    assert_eq!(told[0], began);
    assert_eq!((told[1].1.as_str(), told[1].2), ("ended", 1), "{told:?}");
    assert_eq!((told.len(), told[2].2), (4, told[3].2), "{told:?}");
    says(&mut desk, "show 0");
    prepares(&mut desk, 4_000_000);
    desk.prepared(Ok(Vec::new()));
    // The page ends all Workers.
    crash(&mut desk, 1, 6_000_000, true);
    stopped(&mut desk);
    desk.committed(Ok(()));
    crash(&mut desk, 3, 4_100_000, false);
    crash(&mut desk, 2, 4_200_000, true);
    let told = faults(&mut desk);
    let ended = event(4_100_000, "ended", 1);
    assert_eq!(told[..2], [began.clone(), ended], "{told:?}");
    assert!(told.len() == 3 && told[2].2 > 1, "{told:?}");
    says(&mut desk, "undo");
    stopped(&mut desk);
    desk.committed(Ok(()));
    crash(&mut desk, 1, 20_000_000, false);
    let again = [
        began,
        event(5_000_000, "ended", 1),
        event(6_000_000, "began", 2),
        event(20_000_000, "ended", 2),
    ];
    assert_eq!(faults(&mut desk), again);
}

/// A member that stays down after a step or its undo is not waited for: what the others do is on the timeline at once.
#[test]
fn who_stays_down_after_a_step_is_not_waited_for() {
    let (told, _) = told(6);
    let mut desk = recorder(told, |_| true);
    desk.hear(ToLockstep::Ended {
        node: NodeId(3),
        boot: 1,
        at: Instant(6_000_000),
    });
    while desk.work(1 << 16) {}
    prepares(&mut desk, 6_000_000);
    desk.prepared(Ok(Vec::new()));
    for (node, at) in [(1, 6_010_000), (2, 6_020_000)] {
        desk.hear(ToLockstep::Ended {
            node: NodeId(node),
            boot: 1,
            at: Instant(at),
        });
    }
    while desk.work(1 << 16) {}
    stopped(&mut desk);
    desk.committed(Ok(()));
    let said = desk.take_out();
    let (_, nodes) = resumed(&said).unwrap();
    let nodes = nodes.to_vec();
    let leads = |desk: &mut Desk, us: u64| {
        shows(desk, us);
        let said = says(desk, "after");
        let spoken = said.iter().rev().find_map(|message| match message {
            FromLockstep::Spoken { text, .. } => Some(text.contains("leads term")),
            _ => None,
        });
        spoken.unwrap()
    };
    goes_on(&mut desk, &nodes, 2, Instant(6_000_000));
    assert!(leads(&mut desk, 6_200_000), "after the step");
    says(&mut desk, "undo");
    let boots = members(3).into_iter().map(|id| (id, 2)).collect();
    desk.hear(ToLockstep::Stopped { boots });
    desk.committed(Ok(()));
    goes_on(&mut desk, &nodes, 3, Instant(20_000_000));
    assert!(leads(&mut desk, 20_200_000), "after the undo");
}

/// Those that run begin, in this boot, as they are told to, and half a second passes.
fn goes_on(desk: &mut Desk, nodes: &[Resumed], boot: u32, at: Instant) {
    for node in nodes.iter().filter(|node| node.runs) {
        let origin = Origin::State(node.from.as_ref().unwrap().state.clone().unwrap());
        desk.piece(node.id, boot, Piece::Began { origin, at });
        let steps = vec![
            Step::Take(at + Duration::from_millis(500), NodeInput::Tick),
            Step::Flush,
        ];
        desk.piece(node.id, boot, Piece::Steps(steps));
    }
    while desk.work(1 << 16) {}
}
