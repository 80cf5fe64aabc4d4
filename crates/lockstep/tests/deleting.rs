//! Runs that are deleted, and come back.

mod quiet;

use lockstep::Desk;
use raft_core::{Instant, NodeId};
use trace::Act;
use trace::lockstep::{FromLockstep, RunId, Shown, ToLockstep};

use quiet::{frame, heard, panel, shown};

fn says(desk: &mut Desk, said: &str) -> Shown {
    desk.hear(ToLockstep::Do(said.to_owned()));
    shown(&frame(desk)).expect("an instant is shown")
}

fn html(desk: &mut Desk, said: &str) -> String {
    desk.hear(ToLockstep::Do(said.to_owned()));
    panel(&frame(desk))
}

/// A run with a branch at four seconds, which has a branch at five, which is shown.
fn with_branches() -> (Desk, Shown) {
    let mut desk = heard(6);
    for (us, node) in [(4_000_000, 1), (5_000_000, 2)] {
        desk.hear(ToLockstep::Look(Some(Instant(us))));
        frame(&mut desk);
        desk.hear(ToLockstep::Act(Act::Crash(NodeId(node))));
        frame(&mut desk);
    }
    desk.hear(ToLockstep::Look(Some(Instant(5_500_000))));
    let there = shown(&frame(&mut desk)).unwrap();
    assert_eq!(there.run, RunId(2));
    (desk, there)
}

#[test]
fn what_was_deleted_comes_back_with_its_branches_and_is_shown_as_it_was() {
    let (mut desk, there) = with_branches();
    says(&mut desk, "show 1");
    let gone = html(&mut desk, "delete 1");
    assert!(!gone.contains("Branch 1") && !gone.contains("Branch 2"), "{gone}");
    assert!(
        gone.contains("Deleted: the branch from 4.000 s, and 1 branch of it."),
        "{gone}"
    );
    let back = html(&mut desk, "undelete");
    assert!(back.contains("Branch 1") && back.contains("Branch 2"), "{back}");
    assert!(!back.contains("Deleted:"), "{back}");
    let again = says(&mut desk, "show 2");
    assert_eq!((again.run, again.at, again.hash), (there.run, there.at, there.hash));
}

/// A click twice deletes a branch, and then the one that it leaves.
#[test]
fn each_of_two_deletions_is_undone() {
    let (mut desk, there) = with_branches();
    assert_eq!(says(&mut desk, "delete 2").run, RunId(1));
    let gone = html(&mut desk, "delete 1");
    assert!(gone.contains("Deleted: the branch from 4.000 s."), "{gone}");
    let first = html(&mut desk, "undelete");
    assert!(first.contains("Deleted: the branch from 5.000 s."), "{first}");
    let again = says(&mut desk, "undelete");
    assert_eq!((again.run, again.at, again.hash), (there.run, there.at, there.hash));
    assert!(
        !html(&mut desk, "note here").contains("undelete"),
        "nothing more is to be undone"
    );
    // What is let go of is gone for good.
    says(&mut desk, "delete 2");
    assert!(!html(&mut desk, "let-go").contains("undelete"));
    assert!(!html(&mut desk, "undelete").contains("Branch 2"));
}

/// Where there is no room for what was deleted, it waits for some.
#[test]
fn what_has_no_room_comes_back_when_it_has() {
    let (mut desk, _) = with_branches();
    says(&mut desk, "delete 2");
    let branch = |desk: &mut Desk, place: u64| {
        desk.hear(ToLockstep::Do("show 0".to_owned()));
        desk.hear(ToLockstep::Look(Some(Instant(1_000_000 + place))));
        frame(desk);
        desk.hear(ToLockstep::Act(Act::FireTimer(NodeId(1))));
        shown(&frame(desk)).unwrap().run
    };
    let last = (0..30).map(|place| branch(&mut desk, place)).last().unwrap();
    assert_eq!(last, RunId(32));
    let has_room = |desk: &mut Desk| {
        desk.hear(ToLockstep::Do("undelete".to_owned()));
        let said = frame(desk);
        !said
            .iter()
            .any(|it| matches!(it, FromLockstep::Notice(text) if text.contains("32 is the most")))
    };
    assert!(!has_room(&mut desk), "there are 32 runs");
    assert!(html(&mut desk, &format!("delete {}", last.0)).contains("Deleted: the branch from 1.000 s."));
    assert!(has_room(&mut desk), "what was deleted last comes back first");
    assert!(!has_room(&mut desk), "and the other is kept aside");
}

/// The button that deletes stands where it stood, whatever else is open: who clicks on another one twice deletes nothing.
#[test]
fn buttons_keep_their_places_when_a_comparison_opens() {
    let (mut desk, _) = with_branches();
    let buttons = |html: &str| -> Vec<String> {
        let instant = html.split("aria-label=\"Instant\"").nth(1).unwrap();
        let instant = instant.split("</div>").next().unwrap();
        let does = |part: &str| part.split('"').next().unwrap_or_default().to_owned();
        instant.split("data-do=\"").skip(1).map(does).collect()
    };
    let before = html(&mut desk, "note here");
    let after = html(&mut desk, "compare 1");
    assert!(
        !before.contains("comparison") && after.contains("comparison"),
        "{after}"
    );
    assert_eq!(buttons(&before), buttons(&after));
    assert!(buttons(&before).contains(&"compare 1".to_owned()), "{before}");
}
