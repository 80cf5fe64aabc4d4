//! What the page exports is what other programs read: of the live run, and of a branch with what was before it.

mod quiet;
#[path = "../../sim/tests/readers/mod.rs"]
mod readers;

use ftqueue::{Answer, Label, Operation, QueueError, QueueId, Read, Write};
use lockstep::Desk;
use raft_core::{Instant, NodeId};
use trace::lockstep::{FromLockstep, ToLockstep};
use trace::{Act, Asked};

use readers::chrome::Chrome;
use readers::history::Processes;
use readers::json_lines::JsonLines;
use readers::shiviz::Shiviz;
use readers::{Counts, read};

/// A page that has seen six seconds of three nodes, and of two clients of whom one gave up.
fn seen() -> Desk {
    let mut desk = quiet::heard(6);
    let create = Operation::Write(Write::CreateQueue { label: Label(7) });
    let push = Operation::Write(Write::Push {
        qid: QueueId(1),
        item: i64::MIN,
    });
    let top = Operation::Read(Read::Top { qid: QueueId(1) });
    let asked = [
        (1_000_000, 0, Asked::Invoked(create)),
        (1_010_000, 0, Asked::Returned(Ok(Answer::Qid(QueueId(1))))),
        (1_020_000, 0, Asked::Invoked(push)),
        (1_030_000, 1, Asked::Invoked(top)),
        (1_040_000, 1, Asked::Returned(Err(QueueError::Empty))),
        (2_000_000, 0, Asked::GaveUp),
        (2_000_000, 0, Asked::Invoked(top)),
        (2_010_000, 0, Asked::Returned(Ok(Answer::Item(i64::MIN)))),
        (3_990_000, 1, Asked::Invoked(push)),
    ];
    let asked = asked.map(|(at, client, asked)| (Instant(at), client, asked));
    desk.hear(ToLockstep::Asked(asked.to_vec()));
    desk
}

fn made(desk: &mut Desk, what: &str) -> String {
    desk.hear(ToLockstep::Do(format!("make {what}")));
    desk.frame(1.0);
    let bytes = desk.take_out().into_iter().find_map(|message| match message {
        FromLockstep::Made { mime, bytes, .. } if !mime.is_empty() => Some(bytes),
        _ => None,
    });
    String::from_utf8(bytes.unwrap_or_else(|| panic!("{what} is not made"))).unwrap()
}

/// All four readers find what they ask for, in what is shown.
fn is_read(desk: &mut Desk) -> Counts {
    let lines = made(desk, "jsonl");
    let counts = Counts::of_lines(&lines);
    read::<JsonLines>(&lines, &counts);
    read::<Shiviz>(&made(desk, "shiviz"), &counts);
    read::<Chrome>(&made(desk, "chrome"), &counts);
    read::<Processes>(&made(desk, "history"), &counts);
    counts
}

#[test]
fn the_live_run_and_a_branch_of_it_are_read_with_both_ends_of_every_message() {
    let mut desk = seen();
    let live = is_read(&mut desk);
    assert!(live.received > 300 && live.invoked == 5, "{live:?}");

    // What is on its way at that instant was sent in the live run, and is taken in the branch.
    desk.hear(ToLockstep::Look(Some(Instant(4_000_000))));
    for act in [
        Act::Crash(NodeId(1)),
        Act::Submit(Operation::Write(Write::CreateQueue { label: Label(8) })),
        Act::Start(NodeId(1)),
    ] {
        desk.hear(ToLockstep::Act(act));
        desk.frame(1.0);
    }
    let branch = is_read(&mut desk);
    assert!(branch.invoked > live.invoked, "{branch:?}");
    let text = made(&mut desk, "jsonl");
    let began = text
        .lines()
        .filter(|line| line.contains("\"kind\":\"started\""))
        .count();
    assert_eq!(began, 3 + 1, "who goes on in a branch does not start there");
}
