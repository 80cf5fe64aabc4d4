//! What is filed, where it stands, and what is drawn of it.

use std::time::Instant as WallInstant;

use cluster::host::{Fact, MessageId, MessageSummary, Recovery};
use ftqueue::Answer;
use netem::Fate;
use picture::{
    Axis, AxisMode, Cone, FlightEnd, Hit, Jump, LEFT, Line, MarkKind, Palette, Pen, Record, Scene, Subject, Surface,
    Svg, Viewport, paint, quorum,
};
use proptest::prelude::*;
use raft_core::{Event, HardState, Instant, LogIndex, NodeId, Role, Term};
use trace::{CallNumber, Happening, What};

const WIDTH: f64 = 1_200.0;
const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);
const THREE: NodeId = NodeId(3);

fn ms(ms: u64) -> Instant {
    Instant(ms * 1_000)
}

fn told(at: Instant, node: NodeId, fact: Fact) -> Happening {
    let what = What::Told { node, fact };
    Happening { at, what }
}

fn id(from: NodeId, number: u64) -> MessageId {
    MessageId { from, boot: 1, number }
}

fn sent(at: Instant, message: MessageId, to: NodeId, summary: MessageSummary, fate: Fate) -> Happening {
    let fact = Fact::Sent {
        message,
        to,
        summary,
        fate,
    };
    told(at, message.from, fact)
}

fn arrives(at: Instant) -> Fate {
    Fate::Arrives {
        at_us: at.0,
        again_at_us: None,
    }
}

fn append(index: u64) -> MessageSummary {
    MessageSummary::Append {
        term: Term(1),
        first: LogIndex(index),
        last: LogIndex(index),
        leader_commit: LogIndex(index - 1),
    }
}

fn matched(index: u64) -> MessageSummary {
    MessageSummary::Matched {
        term: Term(1),
        match_index: LogIndex(index),
    }
}

fn started(at: Instant, node: NodeId) -> Happening {
    let recovery = Recovery {
        hard_state: HardState::default(),
        snapshot_index: LogIndex(0),
        last_index: LogIndex(0),
        bytes: 0,
        dropped_bytes: 0,
        wall_ms: 0.0,
    };
    let what = What::Started {
        node,
        boot: 1,
        recovery,
        role: Role::Follower,
    };
    Happening { at, what }
}

/// Three nodes; the first leads from 100 ms on and replicates an entry to the others at 200 ms; the third is lost at 400 ms.
fn run() -> Record {
    let mut record = Record::new(vec![ONE, TWO, THREE]);
    let raft = |at: u64, node: NodeId, event: Event| told(ms(at), node, Fact::Raft(event));
    for happening in [
        started(ms(1), ONE),
        started(ms(1), TWO),
        started(ms(1), THREE),
        raft(90, ONE, Event::BecameCandidate { term: Term(1) }),
        raft(
            100,
            ONE,
            Event::BecameLeader {
                term: Term(1),
                votes: vec![ONE, TWO],
            },
        ),
        sent(ms(200), id(ONE, 1), TWO, append(1), arrives(ms(210))),
        sent(ms(200), id(ONE, 2), THREE, append(1), Fate::Lost),
        told(ms(210), TWO, Fact::Received { message: id(ONE, 1) }),
        sent(ms(212), id(TWO, 1), ONE, matched(1), arrives(ms(222))),
        told(ms(222), ONE, Fact::Received { message: id(TWO, 1) }),
        raft(
            222,
            ONE,
            Event::CommitAdvanced {
                from: LogIndex(0),
                to: LogIndex(1),
                copies: vec![ONE, TWO],
            },
        ),
        Happening {
            at: ms(195),
            what: What::Invoked {
                client: 1,
                call: CallNumber(1),
                operation: "push 1 42".parse().unwrap(),
            },
        },
        Happening {
            at: ms(225),
            what: What::Returned {
                client: 1,
                call: CallNumber(1),
                result: Ok(Answer::Pushed),
            },
        },
        sent(ms(395), id(ONE, 3), THREE, append(2), arrives(ms(405))),
        Happening {
            at: ms(400),
            what: What::Crashed { node: THREE },
        },
        Happening {
            at: ms(410),
            what: What::Violated {
                text: "Election Safety violated <twice>".into(),
            },
        },
    ] {
        record.happen(&happening);
    }
    record.reach(ms(500));
    record
}

fn scene(record: &Record) -> Scene {
    let mut scene = Scene::new();
    scene.viewport.set_width(WIDTH - 100.0);
    scene.viewport.span(Instant(0), ms(500), record.last());
    scene
}

/// Counts what is drawn.
#[derive(Default)]
struct Sheet {
    lines: usize,
    dashed: usize,
    texts: Vec<String>,
    colours: Vec<String>,
}

impl Surface for Sheet {
    fn rectangle(&mut self, pen: Pen<'_>, _: [f64; 4]) {
        self.colours.push(pen.colour.to_owned());
    }
    fn lines(&mut self, pen: Pen<'_>, lines: &[Line]) {
        assert!(lines.iter().flatten().all(|place| place.is_finite()));
        self.lines += lines.len();
        self.dashed += if pen.dashed { lines.len() } else { 0 };
    }
    fn polygons(&mut self, _: Pen<'_>, _: &[&[(f64, f64)]]) {}
    fn text(&mut self, _: Pen<'_>, text: &str, _: f64, _: f64) {
        self.texts.push(text.to_owned());
    }
    fn text_along(&mut self, _: Pen<'_>, _: &str, text: &str, _: (f64, f64), _: (f64, f64)) {
        self.texts.push(text.to_owned());
    }
    fn clip(&mut self, _: Option<[f64; 4]>) {}
}

fn drawn(record: &Record, scene: &mut Scene) -> Sheet {
    let mut sheet = Sheet::default();
    paint(&mut sheet, &Palette::default(), record, scene, WIDTH, record.last());
    sheet
}

#[test]
fn everything_that_happened_is_said() {
    let record = run();
    let mut close = scene(&record);
    close.viewport.span(ms(190), ms(230), record.last());
    let sheet = drawn(&record, &mut close);
    for text in ["Node 2", "term 1 · Node 1", "append 1", "has 1", "push 1 42"] {
        let has = sheet.texts.iter().any(|drawn| drawn == text || drawn.starts_with(text));
        assert!(has, "{text} is not among {:?}", sheet.texts);
    }
    let mut scene = scene(&record);
    let sheet = drawn(&record, &mut scene);
    assert!(sheet.colours.contains(&Palette::default().bad), "the broken promise");
    let spoken = scene.spoken(&record, ms(500));
    assert_eq!(
        spoken,
        "0.500 s, now: Node 1 leads term 1; in view 1 commits, 1 elections, 1 crashes, 1 broken promises"
    );
}

#[test]
fn red_is_for_broken_promises_alone() {
    let record = run().until(ms(405));
    let sheet = drawn(&record, &mut scene(&record));
    assert!(!sheet.colours.contains(&Palette::default().bad));
}

#[test]
fn messages_end_as_they_did() {
    let record = run();
    let end = |number: u64, at: u64| record.flight(id(ONE, number), ms(at)).unwrap().end;
    assert_eq!(end(1, 200), FlightEnd::Arrives);
    assert_eq!(end(2, 200), FlightEnd::Lost);
    assert_eq!(end(3, 395), FlightEnd::Down, "its receiver crashed before it arrived");
}

/// What was painted is found where it was painted.
#[test]
fn what_is_seen_can_be_touched() {
    let record = run();
    let mut scene = scene(&record);
    drawn(&record, &mut scene);
    let layout = picture::Layout::new(record.members());
    let flight = record.flight(id(ONE, 1), ms(200)).unwrap();
    let x = (scene.x(flight.sent) + scene.x(flight.ends)) / 2.0;
    let y = (layout.lane(ONE) + layout.lane(TWO)) / 2.0;
    assert_eq!(scene.hit(&record, x, y), Hit::Subject(Subject::Flight(flight)));
    assert_eq!(scene.hit(&record, 20.0, layout.lane(TWO)), Hit::Node(TWO));
    let empty = scene.hit(&record, scene.x(ms(300)), layout.clients + 50.0);
    let Hit::Time(at) = empty else { panic!("{empty:?}") };
    assert!(at.since(ms(300)).0 < 1_000 && ms(300).since(at).0 < 1_000);
    assert!(matches!(scene.hit(&record, LEFT + 500.0, 5.0), Hit::Overview(_)));
}

#[test]
fn jumps_go_to_the_next_of_a_kind() {
    let record = run();
    let scene = scene(&record);
    let at = |jump, from: u64, later| scene.jump(&record, jump, ms(from), later).map(|subject| subject.at());
    assert_eq!(at(Jump::Election, 0, true), Some(ms(90)));
    assert_eq!(at(Jump::Election, 500, false), Some(ms(100)));
    assert_eq!(at(Jump::Commit, 0, true), Some(ms(222)));
    assert_eq!(at(Jump::Crash, 1, true), Some(ms(400)));
    assert_eq!(at(Jump::Violation, 0, true), Some(ms(410)));
    assert_eq!(at(Jump::Violation, 410, true), None);
    assert_eq!(
        at(Jump::Event, 100, true),
        Some(ms(400)),
        "commits are many, and passed over"
    );
}

#[test]
fn a_word_is_found_again_and_again() {
    let record = run();
    let scene = scene(&record);
    let find = |text: &str, from: Instant| scene.search(&record, text, from).map(|subject| subject.at());
    assert_eq!(find("APPEND", Instant(0)), Some(ms(200)));
    assert_eq!(find("append", ms(200)), Some(ms(395)));
    assert_eq!(find("append", ms(395)), Some(ms(200)), "and from the beginning again");
    assert_eq!(find("push 1 42", Instant(0)), Some(ms(195)));
    assert_eq!(find("no such word", Instant(0)), None);
}

#[test]
fn a_commit_shows_its_quorum() {
    let record = run();
    let Some(Subject::Mark(mark)) = scene(&record).jump(&record, Jump::Commit, Instant(0), true) else {
        panic!("there is a commit");
    };
    let copies: Vec<MessageId> = quorum(&record, &mark).into_iter().map(|flight| flight.id).collect();
    assert_eq!(copies, [id(TWO, 1)]);
    let life = picture::life(&record, LogIndex(1));
    assert!(life.iter().any(|mark| matches!(mark.kind, MarkKind::Committed { .. })));
}

#[test]
fn causes_come_before_and_consequences_after() {
    let record = run();
    // The answer of the second: the append led to it, the commit followed from it; what went to the third is unrelated.
    let answer = record.flight(id(TWO, 1), ms(212)).unwrap();
    let cone = Cone::of(&record, (TWO, answer.sent), (ONE, answer.ends));
    assert!(cone.has_flight(&record.flight(id(ONE, 1), ms(200)).unwrap()));
    assert!(!cone.has_flight(&record.flight(id(ONE, 2), ms(200)).unwrap()));
    assert!(cone.has_flight(&record.flight(id(ONE, 3), ms(395)).unwrap()));
    assert!(cone.has(ONE, ms(222)) && cone.has(ONE, ms(199)) && !cone.has(ONE, ms(205)));
}

/// A branch begins with what was so far: what was on its way is, what lasted lasts, and nothing that came later is known.
#[test]
fn a_run_is_cut_at_an_instant() {
    let record = run().until(ms(205));
    assert_eq!(record.last(), ms(205));
    assert!(record.flight(id(ONE, 1), ms(200)).is_some());
    assert!(record.flight(id(ONE, 3), ms(395)).is_none());
    assert_eq!(record.leader(ms(205)), Some((Term(1), ONE)));
    let later = run().until(ms(398));
    assert_eq!(
        later.flight(id(ONE, 3), ms(395)).unwrap().end,
        FlightEnd::Arrives,
        "nobody has crashed yet"
    );
    assert!(later.is_up(THREE, ms(398)));
    assert!(!run().is_up(THREE, ms(401)));
}

#[test]
fn what_is_let_go_is_said_to_be() {
    let mut record = run();
    record.forget_before(ms(215));
    assert_eq!(record.kept_from(), ms(215));
    assert!(record.flight(id(ONE, 1), ms(200)).is_none());
    let sheet = drawn(&record, &mut scene(&record));
    assert!(
        sheet.texts.iter().any(|text| text.contains("not kept")),
        "{:?}",
        sheet.texts
    );
}

#[test]
fn the_picture_is_a_well_formed_svg() {
    let record = run();
    let mut scene = scene(&record);
    scene.viewport.span(ms(390), ms(500), record.last());
    let mut svg = Svg::new(WIDTH, 400.0);
    paint(&mut svg, &Palette::default(), &record, &mut scene, WIDTH, record.last());
    let text = svg.finish();
    assert!(text.contains("&lt;twice&gt;") && !text.contains("<twice>"));
    // Every element that is opened is closed, in turn.
    let mut open: Vec<&str> = Vec::new();
    for tag in text.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("tags are closed");
        let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn what_is_hidden_is_not_drawn() {
    let record = run();
    let mut all = scene(&record);
    let before = drawn(&record, &mut all);
    let mut fewer = scene(&record);
    fewer.hidden.messages = true;
    let after = drawn(&record, &mut fewer);
    assert!(after.lines < before.lines);
    assert!(!after.texts.iter().any(|text| text == "append 1"));
    // A view that a link holds is the same view.
    let look = fewer.look();
    let mut again = scene(&record);
    again.set_look(look.clone(), record.last());
    assert_eq!(again.look(), look);
}

/// A long run: an append to each of four followers and its answer, again and again, heartbeats in between.
fn long(events: usize) -> Record {
    let members: Vec<NodeId> = (1..=5).map(NodeId).collect();
    let mut record = Record::new(members.clone());
    for &node in &members {
        record.happen(&started(Instant(0), node));
    }
    let leads = Event::BecameLeader {
        term: Term(1),
        votes: members.clone(),
    };
    record.happen(&told(ms(1), ONE, Fact::Raft(leads)));
    let mut number = 0;
    while record.len() < events {
        number += 1;
        let at = Instant(number * 700);
        let to = members[1 + number as usize % 4];
        let summary = if number % 3 == 0 {
            MessageSummary::Heartbeat {
                term: Term(1),
                prev_log_index: LogIndex(number),
                leader_commit: LogIndex(number),
            }
        } else {
            append(number)
        };
        record.happen(&sent(at, id(ONE, number), to, summary, arrives(Instant(at.0 + 9_000))));
        record.happen(&sent(
            Instant(at.0 + 9_100),
            id(to, number),
            ONE,
            matched(number),
            arrives(Instant(at.0 + 18_000)),
        ));
        if number % 2 == 0 {
            let commit = Event::CommitAdvanced {
                from: LogIndex(number - 1),
                to: LogIndex(number),
                copies: vec![ONE, TWO, THREE],
            };
            record.happen(&told(Instant(at.0 + 18_000), ONE, Fact::Raft(commit)));
        }
    }
    record
}

/// However much is in view, no more is drawn than can be told apart, and what is looked at does not grow with the run.
#[test]
fn a_million_events_are_no_more_to_draw_than_a_few_thousand() {
    let events = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
    let record = long(events);
    let mut scene = Scene::new();
    scene.viewport.set_width(WIDTH - 100.0);
    scene.viewport.fit(record.first(), record.last());
    let sheet = drawn(&record, &mut scene);
    assert!(sheet.lines < 12_000, "{} lines", sheet.lines);
    assert!(
        sheet.texts.iter().any(|text| text.ends_with("arrows more")),
        "what is left out is said to be"
    );
    let started = WallInstant::now();
    const TIMES: u32 = 20;
    for _ in 0..TIMES {
        drawn(&record, &mut scene);
    }
    println!(
        "{events} events in view: {:?} a picture, on no canvas",
        started.elapsed() / TIMES
    );
}

proptest! {
    /// In every layout of time, later stands further to the right, and a place is the place of its instant.
    #[test]
    fn later_stands_further_right(start in 0_u64..400_000, span in 5_000_u64..600_000, follows: bool) {
        let record = run();
        for mode in [AxisMode::Real, AxisMode::Warped, AxisMode::Order] {
            let mut viewport = Viewport::new();
            viewport.set_width(1_000.0);
            viewport.span(Instant(start), Instant(start + span), record.last());
            if follows {
                viewport.follow(record.last());
            }
            let axis = Axis::new(mode, viewport, &record, record.last());
            let mut before = f64::MIN;
            for us in (0..600_000).step_by(1_777) {
                let x = axis.x(Instant(us));
                prop_assert!(x >= before, "{mode:?}: {us} at {x} after {before}");
                before = x;
            }
            for x in (0..1_000).step_by(37) {
                let at = axis.at(f64::from(x));
                if at > Instant(0) {
                    let again = axis.x(at);
                    // To the microsecond, which is many pixels where time is stretched.
                    let next = axis.x(Instant(at.0 + 1)) - again;
                    prop_assert!((again - f64::from(x)).abs() <= next + 0.01, "{mode:?}: {x} is {at}, which is {again}");
                }
            }
        }
    }
}

/// In warped time, instants stand so far apart that each can be seen.
#[test]
fn warped_time_keeps_instants_apart() {
    let record = run();
    let mut viewport = Viewport::new();
    viewport.set_width(1_000.0);
    viewport.span(ms(195), ms(2_000), record.last());
    let axis = Axis::new(AxisMode::Warped, viewport, &record, record.last());
    let real = Axis::new(AxisMode::Real, viewport, &record, record.last());
    let apart = |axis: &Axis| axis.x(ms(212)) - axis.x(ms(210));
    assert!(apart(&real) < 2.0);
    assert!(apart(&axis) >= 19.9, "{}", apart(&axis));
}
