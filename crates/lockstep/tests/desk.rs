//! The host without a browser: what it is told, and what it tells.

mod quiet;

use cluster::clock::{Clock, ClockSetting};
use lockstep::{Desk, Repeated};
use raft_core::{Instant, NodeId, Rule};
use sim::{ablations, file};
use trace::Act;
use trace::lockstep::{FromLockstep, LIVE, RunId, Shown, ToLockstep};

use quiet::{frame, heard, members, panel, shown};

fn made(desk: &mut Desk, what: &str) -> Vec<u8> {
    desk.hear(ToLockstep::Do(format!("make {what}")));
    let said = frame(desk);
    let bytes = said.iter().find_map(|message| match message {
        FromLockstep::Made { bytes, .. } => Some(bytes.clone()),
        _ => None,
    });
    bytes.unwrap_or_else(|| panic!("{what} is not made: {said:?}"))
}

fn notices(said: &[FromLockstep]) -> Vec<&str> {
    let notice = |message: &'_ FromLockstep| matches!(message, FromLockstep::Notice(_));
    let notices = said.iter().filter(|message| notice(message));
    notices
        .map(|message| match message {
            FromLockstep::Notice(text) => text.as_str(),
            _ => "",
        })
        .collect()
}

fn at(desk: &mut Desk, us: u64) -> Shown {
    desk.hear(ToLockstep::Look(Some(Instant(us))));
    shown(&frame(desk)).expect("an instant is shown")
}

#[test]
fn an_act_in_the_past_begins_a_branch_and_leaves_the_run_alone() {
    let mut desk = heard(6);
    assert!(
        shown(&frame(&mut desk)).is_none(),
        "the present is shown by the page itself"
    );
    let before = at(&mut desk, 4_000_000);
    let leader = before
        .nodes
        .iter()
        .find(|node| node.status.as_ref().is_some_and(|it| it.leader == Some(node.id)))
        .unwrap()
        .id;
    desk.hear(ToLockstep::Act(Act::Crash(leader)));
    let said = frame(&mut desk);
    let branch = shown(&said).unwrap();
    assert_eq!((branch.run, branch.at), (RunId(1), Instant(4_000_000)));
    assert!(panel(&said).contains("Branch 1"));
    let end = at(&mut desk, branch.end.0);
    let leads = end
        .nodes
        .iter()
        .find(|node| node.status.as_ref().is_some_and(|it| it.leader == Some(node.id)));
    assert!(leads.is_some_and(|node| node.id != leader), "another leads: {end:?}");
    // What was before the branch is the run's that it leaves.
    assert_eq!(at(&mut desk, 3_000_000).run, RunId(1));
    desk.hear(ToLockstep::Do("show 0".into()));
    assert_eq!(at(&mut desk, 4_000_000).hash, before.hash);
    // A name, a note, a comparison; and gone.
    for said in ["show 1", "name <b>What if</b>", "compare 0", "note Look & see"] {
        desk.hear(ToLockstep::Do(said.into()));
    }
    let html = panel(&frame(&mut desk));
    assert!(html.contains("&lt;b>What if") && !html.contains("<b>What"), "{html}");
    assert!(html.contains("comparison") && html.contains("Look &amp; see"), "{html}");
    desk.hear(ToLockstep::Do("delete 1".into()));
    assert!(!panel(&frame(&mut desk)).contains("What if"));
    desk.hear(ToLockstep::Do(format!("delete {}", LIVE.0)));
    assert!(notices(&frame(&mut desk))[0].contains("cannot be deleted"));
}

/// What is written down opens as the same: run, branches, notes, instant; in a file, in a link, in a test.
#[test]
fn a_kept_run_is_the_run() {
    let mut desk = heard(4);
    at(&mut desk, 3_000_000);
    desk.hear(ToLockstep::Act(Act::FireTimer(NodeId(2))));
    desk.hear(ToLockstep::Act(Act::Submit("push 1 7".parse().unwrap())));
    desk.hear(ToLockstep::Do("note here".into()));
    let then = at(&mut desk, 3_400_000);
    for what in ["file", "link"] {
        let bytes = made(&mut desk, what);
        let mut other = Desk::new(members(5), Clock::new(ClockSetting::starting_at(0.0)));
        if what == "file" {
            let name = "run.ftqr".to_owned();
            other.hear(ToLockstep::OpenFile {
                name,
                bytes: bytes.clone(),
            });
            let repeated = Repeated::of(&bytes).unwrap();
            assert_eq!(repeated.hash_at(3_400_000), then.hash);
            assert_eq!(repeated.violations(), Vec::<String>::new());
        } else {
            assert!(bytes.len() < 30_000, "{} letters", bytes.len());
            other.open_link(std::str::from_utf8(&bytes).unwrap());
        }
        let said = frame(&mut other);
        assert_eq!(notices(&said), Vec::<&str>::new());
        let again = shown(&said).unwrap();
        assert_eq!(
            (again.at, again.hash, again.nodes.len()),
            (then.at, then.hash, 3),
            "{what}"
        );
        assert!(panel(&said).contains("here"), "the note is kept");
    }
}

#[test]
fn a_scenario_opens_on_its_failure() {
    let found = (0..100).find_map(|seed| {
        let scenario = ablations::ordinary(Rule::FullMajority, seed);
        let violation = sim::run(&scenario, |_| true).violation?;
        Some((scenario, violation))
    });
    let (scenario, violation) = found.unwrap();
    let mut desk = Desk::new(members(3), Clock::new(ClockSetting::starting_at(0.0)));
    let name = "failure.ftq".to_owned();
    let bytes = file::write(&scenario).unwrap();
    desk.hear(ToLockstep::OpenFile { name, bytes });
    let said = frame(&mut desk);
    assert_eq!(shown(&said).unwrap().at, violation.at);
    assert!(panel(&said).contains(violation.property.name()));
    // It is kept as the scenario that it is.
    let kept = made(&mut desk, "file");
    assert!(kept.len() < 20_000, "{} bytes", kept.len());
    let repeated = Repeated::of(&kept).unwrap();
    assert_eq!(repeated.violations(), [violation.to_string()]);
}

/// Everything that can be made is made, and what other programs read begins as they want it.
#[test]
fn exports_are_made() {
    let mut desk = heard(3);
    for (what, begins) in [("jsonl", "{"), ("chrome", "{"), ("svg", "<svg"), ("test", "//!")] {
        let text = String::from_utf8(made(&mut desk, what)).unwrap();
        assert!(text.starts_with(begins), "{what}: {:.80}", text);
    }
    assert!(made(&mut desk, "shiviz").len() > 1_000);
}

#[test]
fn what_is_asked_in_no_words_that_are_known_does_nothing() {
    let mut desk = heard(2);
    frame(&mut desk);
    for said in [
        "",
        "show",
        "show -1",
        "show 99",
        "delete 9",
        "grab",
        "grab 1 2",
        "operate eat",
        "at x",
        "make money",
        "fire 300",
        "entry",
        "key",
        "show messages",
    ] {
        desk.hear(ToLockstep::Do(said.into()));
    }
    assert_eq!(notices(&frame(&mut desk)), Vec::<&str>::new());
    assert!(shown(&frame(&mut desk)).is_none());
    // Nor does an act of a node that is not there.
    at(&mut desk, 1_500_000);
    desk.hear(ToLockstep::Act(Act::Crash(NodeId(9))));
    assert!(shown(&frame(&mut desk)).is_some());
}

/// A recording of ten minutes and more has room for any instant to be shown in a blink. (`cargo xtask bench` measures it in a browser.)
#[test]
fn an_instant_of_a_long_run_is_near() {
    let mut desk = heard(60);
    frame(&mut desk);
    let started = std::time::Instant::now();
    for step in 1..50 {
        at(&mut desk, step * 1_190_000);
    }
    println!("{:?} an instant", started.elapsed() / 50);
}

/// A message that is dropped in a branch does not arrive there.
#[test]
fn a_vote_that_is_dropped_elects_nobody() {
    let mut desk = heard(6);
    let before = at(&mut desk, 4_000_000);
    let leads = |shown: &Shown| {
        let led = shown.nodes.iter().filter_map(|node| {
            let status = node.status.as_ref()?;
            (status.leader == Some(node.id)).then_some((status.term, node.id))
        });
        led.max()
    };
    let (_, leader) = leads(&before).unwrap();
    // In what a simulator tells, the network is the world's; a branch gives it to the nodes.
    let settings = netem::LinkSettings::default();
    for from in members(3) {
        for to in members(3).into_iter().filter(|to| *to != from) {
            desk.hear(ToLockstep::Act(Act::SetLink { from, to, settings }));
        }
    }
    desk.hear(ToLockstep::Act(Act::Crash(leader)));
    let branch = shown(&frame(&mut desk)).unwrap();
    assert_eq!(
        branch.run,
        RunId(1),
        "what is done at one instant is done in one branch"
    );
    let mut us = 4_000_000;
    let (us, to, message) = loop {
        us += 1_000;
        let shown = at(&mut desk, us);
        let granted = shown.nodes.iter().find_map(|node| {
            let granted = node
                .arriving
                .iter()
                .find(|arriving| arriving.summary.to_string().starts_with("vote granted"))?;
            Some((node.id, granted.message))
        });
        if let Some((to, message)) = granted {
            break (us, to, message);
        }
        assert!(us < branch.end.0, "somebody is elected");
    };
    let elected = at(&mut desk, us + 20_000);
    assert_eq!(leads(&elected).map(|(_, node)| node), Some(to));
    at(&mut desk, us);
    desk.hear(ToLockstep::Do(format!(
        "grab {} {} {} {}",
        to.0, message.from.0, message.boot, message.number
    )));
    desk.hear(ToLockstep::Do("operate drop".into()));
    let other = shown(&frame(&mut desk)).unwrap();
    assert_ne!(other.run, branch.run);
    let after = at(&mut desk, us + 20_000);
    assert_eq!(leads(&after), None, "it lacks that vote: {after:?}");
    let end = at(&mut desk, other.end.0);
    println!("{:?} in place of {:?}", leads(&end), leads(&elected));
}
