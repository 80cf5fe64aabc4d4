//! Instants that are looked at before the recorder has come there: what the Workers did is still on its way.

mod quiet;

use std::collections::VecDeque;
use std::iter;

use lockstep::Desk;
use raft_core::Instant;
use trace::lockstep::{FromLockstep, ToLockstep};
use trace::tape::{Piece, Told};

use quiet::{frame_at, hears, panel, recorder, shown};

/// What is looked at.
const AT: Instant = Instant(4_500_000);
/// And what before that.
const BEFORE: Instant = Instant(4_000_000);

/// Six seconds, as the Workers tell them.
fn all() -> VecDeque<Told> {
    quiet::told(6).0.into()
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
    let come = iter::from_fn(|| told.pop_front_if(|next| !is_later(next)));
    hears(desk, come);
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
    let mut whole = recorder(6);
    comes_to(&mut whole, &mut all(), Instant::NEVER);
    // What has changed is told since here.
    whole.hear(ToLockstep::Look(Some(BEFORE)));
    frame_at(&mut whole, 1.0);
    whole.hear(ToLockstep::Look(Some(AT)));
    let expected = shown(&frame_at(&mut whole, 1.0)).unwrap();

    let (mut desk, mut told) = (recorder(6), all());
    comes_to(&mut desk, &mut told, Instant(4_200_000));
    desk.hear(ToLockstep::Look(Some(BEFORE)));
    frame_at(&mut desk, 1.0);
    desk.hear(ToLockstep::Look(Some(AT)));
    desk.hear(ToLockstep::Do("make link".to_owned()));
    let said = frame_at(&mut desk, 1.0);
    let early = shown(&said).unwrap();
    assert!(early.at < AT, "it has not come there");
    assert!(panel(&said).contains(&format!("{:.6} s", early.at.0 as f64 / 1e6)));
    assert!(!has_answered(&said) && link(&said).is_none(), "{said:?}");
    comes_to(&mut desk, &mut told, Instant::NEVER);
    let said = frame_at(&mut desk, 2.0);
    let found = shown(&said).unwrap();
    assert_eq!((found.at, found.hash), (expected.at, expected.hash));
    assert_eq!(
        found.nodes, expected.nodes,
        "with what has changed since the instant before"
    );
    assert!(panel(&said).contains("4.500000 s"));
    assert!(has_answered(&said));
    let link = link(&said).expect("the link is made now");

    let mut other = recorder(6);
    other.open_link(&link);
    let opened = shown(&frame_at(&mut other, 1.0)).unwrap();
    assert_eq!((opened.at, opened.hash), (expected.at, expected.hash));
}

/// Time may stand: then nothing more comes, and what there is stands for the instant.
#[test]
fn nobody_waits_for_ever() {
    let (mut desk, mut told) = (recorder(6), all());
    comes_to(&mut desk, &mut told, Instant(4_200_000));
    desk.hear(ToLockstep::Look(Some(AT)));
    desk.hear(ToLockstep::Do("make link".to_owned()));
    assert!(!has_answered(&frame_at(&mut desk, 1.0)));
    let said = frame_at(&mut desk, 5_000.0);
    let found = shown(&said).unwrap();
    assert!(has_answered(&said) && link(&said).is_some(), "{said:?}");
    // What comes later changes nothing of it.
    comes_to(&mut desk, &mut told, Instant::NEVER);
    desk.judge();
    let said = frame_at(&mut desk, 5_001.0);
    assert_eq!(shown(&said), None);
    let text = panel(&said);
    assert!(
        text.is_empty() || text.contains(&format!("{:.6} s", found.at.0 as f64 / 1e6)),
        "{text}"
    );
}
