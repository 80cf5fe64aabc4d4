//! What is written down and opened again, elsewhere and by others.

use cluster::clock::{Clock, ClockSetting};
use raft_core::{Instant, NodeId};
use sim::{Scenario, Wanted, World};
use trace::Act;
use trace::lockstep::{FromLockstep, ToLockstep};
use trace::tape::Told;

use super::super::Desk;
use super::Repeated;
use crate::BUILD;
use crate::keep::{self, Kept};

/// What so many nodes are told in three seconds: in the first half of them, and in the second.
fn told(nodes: u8) -> [Vec<Told>; 2] {
    let wanted = Wanted {
        nodes: Some(nodes),
        seconds: Some(3),
        rate: Some(40),
        faults: Some([].into_iter().collect()),
        ..Wanted::default()
    };
    let scenario = Scenario::drawn(3, wanted);
    let mut world = World::new(&scenario).unwrap();
    world.tell_all();
    [1_500_000, 3_000_000].map(|until| {
        world.run_until(Instant(until), |_| false).unwrap();
        world.take_told()
    })
}

fn desk(nodes: u8) -> Desk {
    Desk::new(
        (1..=nodes).map(NodeId).collect(),
        Clock::new(ClockSetting {
            virtual_now: Instant(3_000_000),
            ..ClockSetting::starting_at(0.0)
        }),
    )
}

fn take(desk: &mut Desk, told: impl IntoIterator<Item = Told>) {
    for Told { node, boot, piece } in told {
        desk.piece(node, boot, piece);
    }
    while desk.work(1 << 16) {}
}

/// A desk that has been told all of it.
fn told_desk(nodes: u8) -> Desk {
    let mut desk = desk(nodes);
    take(&mut desk, told(nodes).into_iter().flatten());
    desk
}

fn made(desk: &mut Desk, what: &str) -> Vec<u8> {
    desk.take_out();
    desk.hear(ToLockstep::Do(format!("make {what}")));
    let said = desk.take_out();
    let bytes = said.iter().find_map(|message| match message {
        FromLockstep::Made { mime, bytes, .. } if !mime.is_empty() => Some(bytes.clone()),
        _ => None,
    });
    bytes.unwrap_or_else(|| panic!("{what} is not made: {said:?}"))
}

fn notices(desk: &mut Desk) -> Vec<String> {
    let notice = |message| match message {
        FromLockstep::Notice(text) => Some(text),
        _ => None,
    };
    desk.take_out().into_iter().filter_map(notice).collect()
}

/// The file that a desk makes, with another hash in it, as `build` would have written it.
fn falsified(desk: &Desk, build: &str) -> Vec<u8> {
    let mut kept: Kept = desk.kept(Instant(0), Instant::NEVER).unwrap();
    kept.head.hash ^= 1;
    let file = keep::write(kept).unwrap();
    let packed = &file[6 + BUILD.len()..];
    [&b"FTQR\x02"[..], &[build.len() as u8], build.as_bytes(), packed].concat()
}

/// A run is opened on a page of another number of nodes, either way round, and what is shown is the run's.
#[test]
fn a_run_of_any_number_of_nodes_is_shown_whole_on_any_page() {
    for (run, page) in [(3, 5), (7, 3), (1, 9), (9, 1)] {
        let file = made(&mut told_desk(run), "file");
        let mut desk = told_desk(page);
        let name = "run.ftqr".to_owned();
        desk.hear(ToLockstep::OpenFile { name, bytes: file });
        desk.frame(1.0);
        let mut said = desk.take_out();
        // Beside the page's own, which has members that the run has not, or the other way round.
        desk.hear(ToLockstep::Do("compare 0".to_owned()));
        desk.frame(1.0);
        said.append(&mut desk.take_out());
        let shown = said.iter().rev().find_map(|message| match message {
            FromLockstep::Shown(shown) => shown.clone(),
            _ => None,
        });
        assert_eq!(shown.unwrap().nodes.len(), usize::from(run));
        let panel = said.iter().rev().find_map(|message| match message {
            FromLockstep::Panel(html) => Some(html),
            _ => None,
        });
        let panel = panel.unwrap();
        let timers = (1..=9).filter(|node| panel.contains(&format!("<option value=\"{node}\">Node {node}")));
        assert_eq!(timers.count(), usize::from(run), "timers that may be fired: {panel}");
        let strange = usize::from(run.abs_diff(page));
        assert_eq!(panel.matches("membership").count(), strange, "{panel}");
        assert!(!said.iter().any(|message| matches!(message, FromLockstep::Notice(_))));
    }
}

/// Page 19: the test is made while the run goes on, before its file is saved or after.
#[test]
fn the_exported_test_passes_whenever_it_is_made() {
    let [first, second] = told(3);
    let mut desk = desk(3);
    take(&mut desk, first);
    let before = String::from_utf8(made(&mut desk, "test")).unwrap();
    let file = made(&mut desk, "file");
    take(&mut desk, second);
    let after = String::from_utf8(made(&mut desk, "test")).unwrap();
    let later = made(&mut desk, "file");
    assert_ne!(file, later, "the run has gone on");
    // The test says nothing of the run that its file does not say.
    assert_eq!(before, after);
    assert!(after.contains("include_bytes!(\"ftqueue-live.ftqr\")"), "{after}");
    assert!(after.contains("assert_eq!(run.hash(), run.kept_hash()"), "{after}");
    for file in [file, later] {
        let run = Repeated::of(&file).unwrap();
        assert_eq!(run.hash(), run.kept_hash());
        assert_eq!(run.hash_at(run.at_us()), run.hash());
        assert_ne!(run.hash(), run.hash_at(run.at_us() / 2), "a hash tells instants apart");
    }
}

/// F15: a run of another build that comes out otherwise is shown, and it is said that it is not what was sent.
#[test]
fn another_state_than_the_one_that_was_sent_is_said_to_be_one() {
    let desk = told_desk(3);
    for (build, says) in [
        ("c0ffee", "was made by build c0ffee, which this is not"),
        (BUILD, "this very build"),
    ] {
        let mut reader = told_desk(5);
        let (name, bytes) = ("run.ftqr".to_owned(), falsified(&desk, build));
        reader.hear(ToLockstep::OpenFile { name, bytes });
        let said = notices(&mut reader);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].contains(says) && said[0].contains("what you see may differ from what was sent"),
            "{said:?}"
        );
        reader.frame(1.0);
        assert!(reader.told_shown.is_some(), "it is shown all the same");
    }
}

#[test]
fn a_link_that_went_through_a_chat_opens_on_what_was_sent() {
    let mut desk = told_desk(3);
    desk.hear(ToLockstep::Look(Some(Instant(2_000_000))));
    let hash = desk.hash_shown().unwrap();
    let link = String::from_utf8(made(&mut desk, "link")).unwrap();
    assert!(link.ends_with(|letter: char| letter.is_ascii_alphanumeric()));
    let (half, rest) = link.split_at(link.len() / 2);
    for sent in [
        format!("{half}\n{rest}).”"),
        link.replace('-', "%2D").replace('_', "%5F") + ".",
    ] {
        let mut reader = told_desk(5);
        reader.open_link(&sent);
        assert_eq!(notices(&mut reader), Vec::<String>::new());
        assert_eq!(reader.hash_shown(), Some(hash));
    }
    let mut reader = told_desk(5);
    reader.open_link(&link[..link.len() - 40]);
    assert!(notices(&mut reader)[0].contains("its end is missing"));
    reader.open_link(&"A".repeat(200_000));
    assert!(notices(&mut reader)[0].contains("longer than any link"));
    reader.frame(1.0);
    assert!(reader.told_shown.is_none(), "the present is shown as before");
}

/// Page 20: of the present, of the past, of a branch, before anything was painted.
#[test]
fn a_picture_has_a_background_in_any_mode() {
    let mut desk = told_desk(3);
    let mut colours = vec!["#123456".to_owned(); trace::lockstep::COLOURS.len()];
    colours[0] = "#0d1117".to_owned();
    desk.hear(ToLockstep::Timeline(trace::lockstep::Gesture::Colours(colours)));
    let mut pictures = Vec::new();
    for mode in ["present", "past", "branch"] {
        match mode {
            "past" => desk.hear(ToLockstep::Look(Some(Instant(2_000_000)))),
            "branch" => desk.hear(ToLockstep::Act(Act::Crash(NodeId(2)))),
            _ => {}
        }
        let svg = String::from_utf8(made(&mut desk, "svg")).unwrap();
        let (width, height, _) = desk.picture_size();
        assert!(
            svg.contains(&format!(
                "\n<rect x=\"0.0\" y=\"0.0\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"#0d1117\" fill-opacity=\"1\"/>\n"
            )),
            "{mode}: {svg:.400}"
        );
        // The host's PNG is painted by the same call, at once, and is wanted once.
        desk.hear(ToLockstep::Do("make png".to_owned()));
        assert!(desk.take_wanted_png().is_some(), "{mode}");
        assert!(desk.take_wanted_png().is_none());
        let mut first = Background(None);
        desk.paint_picture(&mut first);
        assert_eq!(
            first.0,
            Some(("#0d1117".to_owned(), [0.0, 0.0, width, height])),
            "{mode}"
        );
        pictures.push(svg);
    }
    assert_ne!(pictures[0], pictures[1], "the playhead is drawn");
    assert_ne!(pictures[1], pictures[2], "the branch is drawn");
}

/// What is painted first: what lies below all else.
struct Background(Option<(String, [f64; 4])>);

impl picture::Surface for Background {
    fn rectangle(&mut self, pen: picture::Pen<'_>, place: [f64; 4]) {
        self.0.get_or_insert((pen.colour.to_owned(), place));
    }

    fn lines(&mut self, pen: picture::Pen<'_>, _: &[picture::Line]) {
        self.0.get_or_insert((pen.colour.to_owned(), [0.0; 4]));
    }

    fn polygons(&mut self, pen: picture::Pen<'_>, _: &[&[(f64, f64)]]) {
        self.0.get_or_insert((pen.colour.to_owned(), [0.0; 4]));
    }

    fn text(&mut self, pen: picture::Pen<'_>, _: &str, _: f64, _: f64) {
        self.0.get_or_insert((pen.colour.to_owned(), [0.0; 4]));
    }

    fn text_along(&mut self, pen: picture::Pen<'_>, _: &str, _: &str, _: (f64, f64), _: (f64, f64)) {
        self.0.get_or_insert((pen.colour.to_owned(), [0.0; 4]));
    }

    fn clip(&mut self, _: Option<[f64; 4]>) {}
}
