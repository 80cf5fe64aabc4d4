//! A long run is opened a little at a time: whoever waits sees how far it is, and may let it be.

mod quiet;

use lockstep::Desk;
use raft_core::{Instant, NodeId};
use sim::file;
use trace::Act;
use trace::lockstep::{FromLockstep, RunId, Shown, ToLockstep};

use quiet::{frame, heard, panel, scenario, shown};

fn opens(desk: &mut Desk, name: &str, bytes: &[u8]) {
    desk.hear(ToLockstep::OpenFile {
        name: name.to_owned(),
        bytes: bytes.to_vec(),
    });
}

fn says(desk: &mut Desk, said: &str) -> Vec<FromLockstep> {
    desk.hear(ToLockstep::Do(said.to_owned()));
    frame(desk)
}

fn notice(said: &[FromLockstep]) -> String {
    let text = said.iter().find_map(|message| match message {
        FromLockstep::Notice(text) => Some(text.clone()),
        _ => None,
    });
    text.unwrap_or_default()
}

/// How many hundredths of a file are opened, as the panel says.
fn percent(html: &str) -> Option<u32> {
    let (_, value) = html.split_once("<progress")?.1.split_once("value=\"")?;
    value.split('"').next()?.parse().ok()
}

/// A run with a branch that has a branch, as a file, and what it shows.
fn kept() -> (Vec<u8>, Shown) {
    let mut desk = heard(6);
    for (us, node) in [(4_000_000, 1), (5_000_000, 2)] {
        desk.hear(ToLockstep::Look(Some(Instant(us))));
        frame(&mut desk);
        desk.hear(ToLockstep::Act(Act::Crash(NodeId(node))));
        frame(&mut desk);
    }
    let last = says(&mut desk, "note here");
    let made = says(&mut desk, "make file")
        .into_iter()
        .find_map(|message| match message {
            FromLockstep::Made { bytes, .. } => Some(bytes),
            _ => None,
        });
    (made.unwrap(), shown(&last).unwrap())
}

/// Works until nothing is being opened. Gives what was said, and how far it was.
fn all(desk: &mut Desk) -> (Vec<FromLockstep>, Vec<u32>) {
    let (mut said, mut percents) = (Vec::new(), Vec::new());
    while desk.is_busy() {
        desk.work(1);
        let frame = frame(desk);
        percents.extend(percent(&panel(&frame)));
        said.extend(frame);
    }
    (said, percents)
}

#[test]
fn it_is_seen_how_far_a_file_is_and_what_comes_of_it_is_the_same() {
    let (run, there) = kept();
    let scenario = file::write(&scenario(3, 60)).unwrap();
    for (name, bytes) in [("run.ftqr", run), ("minute.ftq", scenario)] {
        let mut at_once = heard(1);
        opens(&mut at_once, name, &bytes);
        let expected = shown(&frame(&mut at_once)).unwrap();
        let mut desk = heard(1);
        desk.take_time();
        opens(&mut desk, name, &bytes);
        assert!(shown(&frame(&mut desk)).is_none(), "nothing of it is shown yet");
        let (said, percents) = all(&mut desk);
        assert!(percents.is_sorted() && percents.len() > 3, "{name}: {percents:?}");
        assert_eq!(notice(&said), "");
        let now = shown(&said).unwrap();
        assert_eq!(
            (now.run, now.at, now.hash),
            (expected.run, expected.at, expected.hash),
            "{name}"
        );
        assert_eq!(percent(&panel(&said)), None, "nothing is being opened any more");
        if name == "run.ftqr" {
            assert_eq!((now.at, now.hash), (there.at, there.hash));
        }
    }
}

#[test]
fn what_is_being_opened_can_be_let_be() {
    let scenario = file::write(&scenario(3, 60)).unwrap();
    let mut desk = heard(1);
    desk.take_time();
    let before = panel(&frame(&mut desk));
    opens(&mut desk, "minute.ftq", &scenario);
    desk.work(1);
    desk.work(1);
    assert!(panel(&frame(&mut desk)).contains("Opening minute.ftq"));
    let other = {
        opens(&mut desk, "other.ftq", &scenario);
        notice(&frame(&mut desk))
    };
    assert!(other.contains("other.ftq is not opened, for minute.ftq is"), "{other}");
    assert_eq!(
        panel(&says(&mut desk, "cancel-opening")),
        before,
        "everything is as it was"
    );
    assert!(!desk.is_busy());
    opens(&mut desk, "other.ftq", &scenario);
    assert!(panel(&all(&mut desk).0).contains("other.ftq"));
}

/// A person goes on meanwhile, and begins a branch: it and the runs of the file have numbers of their own.
#[test]
fn what_is_begun_meanwhile_is_in_nobodys_way() {
    let (run, there) = kept();
    let mut desk = heard(2);
    desk.take_time();
    opens(&mut desk, "run.ftqr", &run);
    desk.work(1);
    desk.hear(ToLockstep::Look(Some(Instant(1_000_000))));
    frame(&mut desk);
    desk.hear(ToLockstep::Act(Act::Crash(NodeId(1))));
    assert_eq!(shown(&frame(&mut desk)).unwrap().run, RunId(1));
    let (said, _) = all(&mut desk);
    let now = shown(&said).unwrap();
    assert_eq!((now.run, now.at, now.hash), (RunId(4), there.at, there.hash));
    assert_eq!(notice(&said), "");
    // Each leaves its own.
    let down = |shown: &Shown| -> Vec<u8> {
        let down = shown.nodes.iter().filter(|node| node.status.is_none());
        down.map(|node| node.id.0).collect()
    };
    assert_eq!(down(&now), [1, 2]);
    assert_eq!(down(&shown(&says(&mut desk, "show 3")).unwrap()), [1]);
    assert!(down(&shown(&says(&mut desk, "show 2")).unwrap()).is_empty());
    assert_eq!(shown(&says(&mut desk, "show 1")).unwrap().name, "Branch 1");
}

/// What cannot be opened says so, whenever that is found.
#[test]
fn what_cannot_be_opened_leaves_everything_as_it_is() {
    let (mut run, _) = kept();
    let last = run.len() - 1;
    run[last] ^= 1;
    let mut desk = heard(1);
    desk.take_time();
    opens(&mut desk, "run.ftqr", &run);
    let mut said = frame(&mut desk);
    said.extend(all(&mut desk).0);
    assert!(notice(&said).contains("run.ftqr cannot be opened"), "{said:?}");
    assert_eq!(shown(&said), None);
}
