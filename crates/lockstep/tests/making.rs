//! What is made of a long run is made a little at a time: whoever waits sees how far it is, and may let it be, and what comes of it is the same.

mod quiet;

use lockstep::{Desk, Part};
use raft_core::{Instant, NodeId};
use trace::Act;
use trace::lockstep::{FromLockstep, ToLockstep};

use quiet::{frame, heard, hears, panel, told};

/// All that takes long.
const LONG: [&str; 8] = [
    "make jsonl",
    "make shiviz",
    "make chrome",
    "make history",
    "make file",
    "make link",
    "trace",
    "activity 1",
];

/// A minute of which an instant is shown: of the live run, or of a branch of a branch.
fn desk(branches: bool) -> Desk {
    let mut desk = heard(60);
    desk.hear(ToLockstep::Look(Some(Instant(40_000_000))));
    frame(&mut desk);
    if branches {
        for (us, node) in [(40_000_000, 1), (41_000_000, 2)] {
            desk.hear(ToLockstep::Look(Some(Instant(us))));
            desk.hear(ToLockstep::Act(Act::Crash(NodeId(node))));
            frame(&mut desk);
        }
    }
    desk.take_out();
    desk
}

/// What was made, if anything was, of what was said.
fn bytes(said: &[FromLockstep], parts: &[Part]) -> Option<Vec<u8>> {
    let mut facts = Vec::new();
    for message in said {
        match message {
            FromLockstep::More { bytes, .. } => {
                facts.extend_from_slice(&bytes[1..bytes.len() - 1]);
                facts.push(b',');
            }
            FromLockstep::Made { bytes, .. } if facts.is_empty() => return Some(bytes.clone()),
            FromLockstep::Made { bytes, .. } => {
                let text = String::from_utf8_lossy(bytes);
                let more = String::from_utf8_lossy(&facts);
                return Some(
                    text.replacen("\"facts\":[", &format!("\"facts\":[{more}"), 1)
                        .into_bytes(),
                );
            }
            _ => {}
        }
    }
    let is_whole = matches!(parts.last(), Some(Part::End { .. }));
    let bytes = parts.iter().filter_map(|part| match part {
        Part::Bytes(bytes) => Some(&bytes[..]),
        _ => None,
    });
    is_whole.then(|| bytes.collect::<Vec<_>>().concat())
}

fn percent(html: &str) -> Option<u32> {
    let (_, value) = html.split_once("<progress")?.1.split_once("value=\"")?;
    value.split('"').next()?.parse().ok()
}

#[test]
fn it_is_seen_how_far_it_is_and_what_comes_of_it_is_the_same() {
    for branches in [false, true] {
        let (mut at_once, mut desk) = (desk(branches), desk(branches));
        desk.take_time();
        for what in LONG {
            at_once.hear(ToLockstep::Do(what.to_owned()));
            let expected = bytes(&at_once.take_out(), &[]).unwrap_or_else(|| panic!("{what} is not made"));
            desk.hear(ToLockstep::Do(what.to_owned()));
            let (mut said, mut parts, mut percents) = (frame(&mut desk), Vec::new(), Vec::new());
            percents.extend(percent(&panel(&said)));
            while desk.is_busy() {
                desk.work(1);
                let frame = frame(&mut desk);
                percents.extend(percent(&panel(&frame)));
                said.extend(frame);
                parts.extend(desk.take_parts());
            }
            parts.extend(desk.take_parts());
            let made = bytes(&said, &parts);
            assert!(
                made.as_ref() == Some(&expected),
                "{what}, branches: {branches}: it is another"
            );
            assert!(percents.len() > 3, "{what}, branches: {branches}: {percents:?}");
            // A link is tried again with less, and what is tried last was looked for last.
            assert!(
                percents.is_sorted() && *percents.last().unwrap() <= 100,
                "{what}: {percents:?}"
            );
            assert_eq!(percent(&panel(&said)), None, "{what}: nothing is being made any more");
        }
    }
}

/// The live run goes on while it is exported, and what is exported is what there was.
#[test]
fn the_run_goes_on_meanwhile() {
    let (told, _) = told(70);
    let sixty = told.len() * 6 / 7;
    let mut desk = quiet::recorder(70);
    hears(&mut desk, told[..sixty].to_vec());
    desk.take_time();
    let ends = |desk: &mut Desk| {
        desk.hear(ToLockstep::Do("timings".to_owned()));
        let said = desk.take_out();
        let answer = said.into_iter().find_map(|message| match message {
            FromLockstep::Made { bytes, .. } => Some(String::from_utf8(bytes).unwrap()),
            _ => None,
        });
        answer.unwrap()
    };
    desk.hear(ToLockstep::Do("make jsonl".to_owned()));
    assert!(desk.is_busy());
    let before = ends(&mut desk);
    for told in told[sixty..].iter().cloned() {
        desk.piece(told.node, told.boot, told.piece);
    }
    desk.work(1 << 20);
    assert!(desk.is_busy(), "it is being made yet");
    assert_ne!(ends(&mut desk), before, "what the nodes do is recorded meanwhile");
    while desk.is_busy() {
        desk.work(1);
    }
    let made = String::from_utf8(bytes(&[], &desk.take_parts()).unwrap()).unwrap();
    let at = |line: &str| {
        line.split(['{', ':', ','])
            .nth(2)
            .and_then(|at| at.parse::<u64>().ok())
            .unwrap()
    };
    let times: Vec<u64> = made.lines().map(at).collect();
    assert!(times.is_sorted());
    assert!(
        (59_000_000..=60_000_000).contains(times.last().unwrap()),
        "{:?}",
        times.last()
    );
}

#[test]
fn what_is_being_made_can_be_let_be() {
    let mut desk = desk(false);
    desk.take_time();
    for what in LONG {
        desk.hear(ToLockstep::Do(what.to_owned()));
        assert!(desk.is_busy(), "{what}");
        desk.hear(ToLockstep::Do("make history".to_owned()));
        assert!(panel(&frame(&mut desk)).contains("class=\"instant making\""));
        desk.work(1);
        desk.hear(ToLockstep::Do("cancel-making".to_owned()));
        let said = frame(&mut desk);
        let refused = said.iter().any(|message| match message {
            FromLockstep::Made { name, bytes, .. } => {
                name == "trace" && String::from_utf8_lossy(bytes).contains("\"refused\":\"the trace was cancelled")
            }
            _ => false,
        });
        assert_eq!(refused, what == "trace", "{what}: {said:?}");
        // What was asked for after it is made, and nothing of it is left in that.
        let mut parts = desk.take_parts();
        while desk.is_busy() {
            desk.work(1);
            parts.extend(desk.take_parts());
        }
        let place = parts
            .iter()
            .position(|part| *part == Part::Nothing)
            .map_or(0, |place| place + 1);
        assert!(
            parts[..place].iter().all(|part| !matches!(part, Part::End { .. })),
            "{what}"
        );
        let history = String::from_utf8(bytes(&[], &parts[place..]).unwrap()).unwrap();
        assert!(history.is_empty() || history.starts_with("{:index 0"), "{what}");
        let last = panel(&frame(&mut desk));
        assert!(!last.is_empty() && percent(&last).is_none(), "{what}: {last}");
    }
}

#[test]
fn so_much_may_be_asked_for_and_no_more() {
    let mut desk = desk(false);
    desk.take_time();
    for _ in 0..20 {
        desk.hear(ToLockstep::Do("trace".to_owned()));
    }
    let refused = |said: &[FromLockstep]| {
        let is_refused = |message: &&FromLockstep| match message {
            FromLockstep::Made { bytes, .. } => String::from_utf8_lossy(bytes).contains("wait until that is made"),
            _ => false,
        };
        said.iter().filter(is_refused).count()
    };
    assert_eq!(refused(&desk.take_out()), 4);
    for _ in 0..16 {
        desk.hear(ToLockstep::Do("cancel-making".to_owned()));
    }
    assert!(!desk.is_busy());
}
