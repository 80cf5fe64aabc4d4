//! Instants that are looked at before the recorder has come there: what the Workers did is still on its way.

use std::collections::VecDeque;

use cluster::clock::{Clock, ClockSetting};
use lockstep::Desk;
use raft_core::{Instant, NodeId};
use sim::{Scenario, Wanted, World};
use trace::lockstep::{FromLockstep, Shown, ToLockstep};
use trace::tape::{Piece, Told};

/// What is looked at.
const AT: Instant = Instant(4_500_000);

/// Six seconds of three nodes, as the Workers told them.
fn told() -> VecDeque<Told> {
    let wanted = Wanted {
        nodes: Some(3),
        seconds: Some(6),
        rate: Some(40),
        faults: Some([].into_iter().collect()),
        ..Wanted::default()
    };
    let scenario = Scenario::drawn(3, wanted);
    let mut world = World::new(&scenario).unwrap();
    world.tell_all();
    let mut told = VecDeque::new();
    for tenth in 1..=60 {
        world.run_until(Instant(tenth * 100_000), |_| false).unwrap();
        told.extend(world.take_told());
    }
    told
}

fn recorder() -> Desk {
    let setting = ClockSetting {
        virtual_now: Instant(6_000_000),
        ..ClockSetting::starting_at(0.0)
    };
    Desk::new((1..=3).map(NodeId).collect(), Clock::new(setting))
}

/// Hears what was told up to there, and carries it out.
fn comes_to(desk: &mut Desk, told: &mut VecDeque<Told>, until: Instant) {
    let is_later = |told: &Told| match &told.piece {
        Piece::Began { at, .. } | Piece::Ended { at } => *at > until,
        Piece::Steps(steps) => steps.iter().any(|step| match step {
            cluster::record::Step::Take(at, _) => *at > until,
            cluster::record::Step::Flush => false,
        }),
    };
    while let Some(next) = told.pop_front_if(|next| !is_later(next)) {
        desk.piece(next.node, next.boot, next.piece);
    }
    while desk.work(1 << 16) {}
}

fn frame(desk: &mut Desk, wall_ms: f64) -> Vec<FromLockstep> {
    desk.frame(wall_ms);
    desk.take_out()
}

fn shown(said: &[FromLockstep]) -> Option<Shown> {
    said.iter().rev().find_map(|message| match message {
        FromLockstep::Shown(shown) => Some(shown.as_deref().cloned()),
        _ => None,
    })?
}

fn panel(said: &[FromLockstep]) -> String {
    let html = said.iter().rev().find_map(|message| match message {
        FromLockstep::Panel(html) => Some(html.clone()),
        _ => None,
    });
    html.unwrap_or_default()
}

/// The link, if it was made.
fn link(said: &[FromLockstep]) -> Option<String> {
    said.iter().find_map(|message| match message {
        FromLockstep::Made { name, mime, bytes } if name.is_empty() && mime == "text/plain" => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => None,
    })
}

fn has_answered(said: &[FromLockstep]) -> bool {
    said.iter()
        .any(|message| matches!(message, FromLockstep::Made { name, .. } if name == "look"))
}

/// A page that is asked for an instant of just now once showed what its recorder had come to by then, and gave away a link to another.
#[test]
fn what_is_shown_and_sent_is_the_instant_that_was_asked_for() {
    let mut whole = recorder();
    comes_to(&mut whole, &mut told(), Instant::NEVER);
    whole.hear(ToLockstep::Look(Some(AT)));
    let expected = shown(&frame(&mut whole, 1.0)).unwrap();

    let (mut desk, mut told) = (recorder(), told());
    comes_to(&mut desk, &mut told, Instant(4_200_000));
    desk.hear(ToLockstep::Look(Some(AT)));
    desk.hear(ToLockstep::Do("make link".to_owned()));
    let said = frame(&mut desk, 1.0);
    let early = shown(&said).unwrap();
    assert!(early.at < AT, "it has not come there");
    assert!(panel(&said).contains(&format!("{:.6} s", early.at.0 as f64 / 1e6)));
    assert!(!has_answered(&said) && link(&said).is_none(), "{said:?}");
    comes_to(&mut desk, &mut told, Instant::NEVER);
    let said = frame(&mut desk, 2.0);
    let found = shown(&said).unwrap();
    assert_eq!((found.at, found.hash), (expected.at, expected.hash));
    assert!(panel(&said).contains("4.500000 s"));
    assert!(has_answered(&said));
    let link = link(&said).expect("the link is made now");

    let mut other = recorder();
    other.open_link(&link);
    let opened = shown(&frame(&mut other, 1.0)).unwrap();
    assert_eq!((opened.at, opened.hash), (expected.at, expected.hash));
}

/// Time may stand: then nothing more comes, and what there is stands for the instant.
#[test]
fn nobody_waits_for_ever() {
    let (mut desk, mut told) = (recorder(), told());
    comes_to(&mut desk, &mut told, Instant(4_200_000));
    desk.hear(ToLockstep::Look(Some(AT)));
    desk.hear(ToLockstep::Do("make link".to_owned()));
    assert!(!has_answered(&frame(&mut desk, 1.0)));
    let said = frame(&mut desk, 5_000.0);
    let found = shown(&said).unwrap();
    assert!(has_answered(&said) && link(&said).is_some(), "{said:?}");
    // What comes later changes nothing of it.
    comes_to(&mut desk, &mut told, Instant::NEVER);
    desk.judge();
    let said = frame(&mut desk, 5_001.0);
    assert_eq!(shown(&said), None);
    let text = panel(&said);
    assert!(
        text.is_empty() || text.contains(&format!("{:.6} s", found.at.0 as f64 / 1e6)),
        "{text}"
    );
}
