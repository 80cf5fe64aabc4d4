//! Whoever asks the recorder is answered, or told why not.

mod quiet;

use cluster::host::Recorded;
use lockstep::Desk;
use raft_core::{Instant, NodeId};
use serde_json::Value;
use trace::lockstep::{FromLockstep, ToLockstep};
use trace::tape::Piece;

use quiet::{frame_at, heard, hears, recorder, told};

/// The answers to what was asked, by the name under which it was.
fn answers(said: Vec<FromLockstep>) -> Vec<(String, Value)> {
    let answers = said.into_iter().filter_map(|message| match message {
        FromLockstep::Made { name, mime, bytes } if mime.is_empty() => Some((name, bytes)),
        _ => None,
    });
    answers
        .map(|(name, bytes)| (name, serde_json::from_slice(&bytes).unwrap()))
        .collect()
}

fn check(desk: &mut Desk, node: u8, boot: u32, steps: u64, request: u64) {
    desk.hear(ToLockstep::Check {
        node: NodeId(node),
        recorded: Recorded {
            boot,
            steps,
            fingerprint: 0,
        },
        request,
    });
    desk.work(1 << 16);
}

/// Two states are asked about; the second is known first.
#[test]
fn each_answer_has_the_name_of_its_question() {
    let (told, _) = told(2);
    let mut desk = recorder(2);
    let later = told.len() / 2;
    hears(&mut desk, told[..later].iter().cloned());
    let of = |node: u8| told.iter().find(|told| told.node == NodeId(node)).unwrap().boot;
    let all = told
        .iter()
        .filter(|told| told.node == NodeId(1))
        .map(|told| match &told.piece {
            Piece::Steps(steps) => steps.len() as u64,
            _ => 0,
        });
    let all: u64 = all.sum();
    check(&mut desk, 1, of(1), all, 7);
    check(&mut desk, 2, of(2), 1, 8);
    let first = answers(frame_at(&mut desk, 1.0));
    let names = |answers: &[(String, Value)]| answers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&first), ["check 8"]);
    hears(&mut desk, told[later..].iter().cloned());
    let second = answers(frame_at(&mut desk, 2.0));
    assert_eq!(names(&second), ["check 7"]);
    assert_eq!(second[0].1["steps"], all);
}

/// What a Worker took just before its end, and told nobody of, never comes.
#[test]
fn who_asks_about_what_was_never_told_is_refused() {
    let mut desk = heard(2);
    check(&mut desk, 1, 99, 1, 3);
    assert_eq!(answers(frame_at(&mut desk, 1_000.0)), []);
    assert_eq!(answers(frame_at(&mut desk, 30_000.0)), []);
    let answers = answers(frame_at(&mut desk, 31_000.0));
    let [(name, answer)] = answers.as_slice() else {
        panic!("{answers:?}")
    };
    assert_eq!(name, "check 3");
    assert!(
        answer["refused"].as_str().unwrap().contains("was not told all"),
        "{answer}"
    );
}

/// Of a history that is taken back, nothing comes any more.
#[test]
fn who_asks_when_the_cluster_goes_back_is_refused_at_once() {
    let mut desk = heard(2);
    desk.live_at(None);
    check(&mut desk, 1, 99, 1, 3);
    desk.hear(ToLockstep::Look(Some(Instant(1_000_000))));
    frame_at(&mut desk, 1.0);
    desk.hear(ToLockstep::Do("go-live now".to_owned()));
    desk.hear(ToLockstep::Stopped { boots: Vec::new() });
    let answers = answers(frame_at(&mut desk, 2.0));
    let (_, answer) = answers.iter().find(|(name, _)| name == "check 3").unwrap();
    assert!(
        answer["refused"].as_str().unwrap().contains("gone back in time"),
        "{answer}"
    );
}

#[test]
fn whatever_is_asked_for_is_answered_once() {
    let mut desk = heard(2);
    for (place, what) in ["trace", "past", "timings"].into_iter().enumerate() {
        desk.hear(ToLockstep::Do(what.to_owned()));
        let answers = answers(frame_at(&mut desk, place as f64));
        assert_eq!(answers.len(), 1, "{what}");
        assert_eq!(answers[0].0, what);
    }
    for at in [None, Some(Instant(1_000_000)), Some(Instant(0))] {
        desk.hear(ToLockstep::Look(at));
    }
    assert_eq!(answers(frame_at(&mut desk, 10.0)).len(), 3, "each look has its answer");
}
