//! Histories made by hand, of both kinds; and random ones against a search that tries everything.

use ftqueue::{Answer, Operation, QueueError};
use proptest::prelude::*;
use raft_core::Instant;

use super::*;
use crate::check::{CallId, History};

/// A history as a list of lines: `+1 push 1 5` invokes a call named 1, `-1 ok` returns it.
fn history(lines: &str) -> History {
    let mut history = History::default();
    let mut calls: Vec<(&str, CallId)> = Vec::new();
    for (at, line) in (1..).zip(lines.lines().map(str::trim).filter(|line| !line.is_empty())) {
        let (name, rest) = line.split_once(' ').expect("a name, then more");
        if let Some(name) = name.strip_prefix('+') {
            let operation: Operation = rest.parse().expect("an operation");
            calls.push((name, history.invoke(0, operation, Instant(at))));
        } else {
            let name = &name[1..];
            let (_, call) = calls.iter().rfind(|(known, _)| *known == name).expect("it was invoked");
            let result = match rest.split_once(' ') {
                Some(("queue", qid)) => Ok(Answer::Qid(QueueId(qid.parse().unwrap()))),
                Some(("item", item)) => Ok(Answer::Item(item.parse().unwrap())),
                Some(("size", size)) => Ok(Answer::Size(size.parse().unwrap())),
                Some(("taken", qid)) => Err(QueueError::LabelTaken {
                    qid: QueueId(qid.parse().unwrap()),
                }),
                _ => match rest {
                    "ok" => Ok(Answer::Pushed),
                    "empty" => Err(QueueError::Empty),
                    "no-queue" => Err(QueueError::NoSuchQueue),
                    "no-label" => Err(QueueError::NoSuchLabel),
                    other => panic!("{other}"),
                },
            };
            history.answer(*call, result, Instant(at));
        }
    }
    history
}

/// Looks for an order of all calls, from nothing on.
fn search_whole(history: &History) -> Verdict {
    search(&history.calls().iter().collect::<Vec<_>>(), &BTreeMap::new())
}

const MADE: &str = "+q create_queue 7
                    -q queue 1
                    ";

#[track_caller]
fn is(linearizable: bool, lines: &str) {
    let history = history(&format!("{MADE}{lines}"));
    let verdict = search_whole(&history);
    assert_eq!(verdict == Verdict::Linearizable, linearizable, "{verdict:?}");
}

#[test]
fn one_after_the_other() {
    is(
        true,
        "+a push 1 5\n-a ok\n+b push 1 6\n-b ok\n+c pop 1\n-c item 5\n+d top 1\n-d item 6\n+e qsize 1\n-e size 1",
    );
}

#[test]
fn out_of_turn() {
    is(false, "+a push 1 5\n-a ok\n+b push 1 6\n-b ok\n+c pop 1\n-c item 6");
}

#[test]
fn calls_at_once_take_any_order() {
    is(
        true,
        "+a push 1 5\n+b push 1 6\n-a ok\n-b ok\n+c pop 1\n-c item 6\n+d pop 1\n-d item 5",
    );
    is(true, "+a push 1 5\n+b pop 1\n-b item 5\n-a ok");
    is(true, "+a push 1 5\n+b pop 1\n-b empty\n-a ok");
}

#[test]
fn an_item_comes_out_once() {
    is(false, "+a push 1 5\n-a ok\n+b pop 1\n+c pop 1\n-b item 5\n-c item 5");
    is(true, "+a push 1 5\n-a ok\n+b pop 1\n+c pop 1\n-b item 5\n-c empty");
}

#[test]
fn a_stale_read() {
    is(false, "+a push 1 5\n-a ok\n+b qsize 1\n-b size 0");
    is(true, "+b qsize 1\n+a push 1 5\n-a ok\n-b size 0");
    is(
        false,
        "+a push 1 5\n+b qsize 1\n-b size 1\n+c qsize 1\n-c size 0\n-a ok",
    );
}

#[test]
fn a_call_without_an_answer_may_have_happened_at_any_time_or_never() {
    is(true, "+a push 1 5\n+b qsize 1\n-b size 0\n+c qsize 1\n-c size 1");
    is(true, "+a push 1 5\n+b pop 1\n-b empty\n+c pop 1\n-c empty");
    is(false, "+b pop 1\n-b item 5\n+a push 1 5");
    is(false, "+a push 1 5\n+c qsize 1\n-c size 1\n+d qsize 1\n-d size 0");
}

#[test]
fn labels() {
    is(
        true,
        "+a get_qid 7\n-a queue 1\n+b create_queue 7\n-b taken 1\n+c get_qid 8\n-c no-label",
    );
    is(false, "+a get_qid 7\n-a no-label");
    is(false, "+a get_qid 7\n-a queue 2");
    is(
        true,
        "+a create_queue 8\n+b get_qid 8\n-b no-label\n+c get_qid 8\n-c queue 2\n+d create_queue 8\n-d taken 2",
    );
    is(
        false,
        "+a create_queue 8\n+b get_qid 8\n-b queue 2\n+c get_qid 8\n-c no-label",
    );
}

#[test]
fn a_queue_that_is_not_there_yet() {
    let early = "+a push 1 5\n-a no-queue\n";
    assert_eq!(search_whole(&history(&format!("{early}{MADE}"))), Verdict::Linearizable);
    is(false, early);
}

#[test]
fn the_window_ends_with_what_cannot_be() {
    let mut lines = MADE.to_owned();
    for item in 0..40 {
        lines.push_str(&format!("+a push 1 {item}\n-a ok\n"));
    }
    lines.push_str("+b pop 1\n-b item 3\n+c pop 1\n-c item 1\n");
    let Verdict::Not(window) = search_whole(&history(&lines)) else {
        panic!("item 3 is not the first");
    };
    assert_eq!(window.calls.len(), SHOWN_BEFORE + 1, "{window}");
    assert!(window.calls.last().unwrap().contains("pop 1 → 3"), "{window}");
}

/// Tries every order.
fn has_any_order(calls: &[&Call], placed: &mut Vec<bool>, state: &State) -> bool {
    let missing = |place: &usize| !placed[*place] && calls[*place].returned.is_some();
    let Some(first_return) = (0..calls.len())
        .filter(missing)
        .filter_map(|place| Some(calls[place].returned?.order))
        .min()
    else {
        return true;
    };
    for place in 0..calls.len() {
        if placed[place] || calls[place].invoked > first_return {
            continue;
        }
        if let Some(next) = state.after(Object::Queue(QueueId(1)), calls[place]) {
            placed[place] = true;
            if has_any_order(calls, placed, &next) {
                return true;
            }
            placed[place] = false;
        }
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

    /// Small histories of three clients with answers that are often wrong.
    #[test]
    fn agrees_with_trying_everything(steps in prop::collection::vec((0_u8..3, 0_u8..6, 0_i64..3), 1..14)) {
        let mut history = History::default();
        let made = history.invoke(9, "create_queue 7".parse().unwrap(), Instant(0));
        history.answer(made, Ok(Answer::Qid(QueueId(1))), Instant(0));
        let mut under_way: [Option<(CallId, Operation)>; 3] = [None; 3];
        let mut pushed = 0;
        for (client, kind, number) in steps {
            match under_way[usize::from(client)].take() {
                None => {
                    pushed += 1;
                    let line = match kind {
                        0..=1 => format!("push 1 {pushed}"),
                        2..=3 => "pop 1".to_owned(),
                        4 => "top 1".to_owned(),
                        _ => "qsize 1".to_owned(),
                    };
                    let operation: Operation = line.parse().unwrap();
                    under_way[usize::from(client)] = Some((history.invoke(client.into(), operation, Instant(0)), operation));
                }
                Some((call, operation)) => {
                    let result = match operation {
                        Operation::Write(Write::Push { .. }) => Ok(Answer::Pushed),
                        Operation::Read(Read::Qsize { .. }) => Ok(Answer::Size(number as u64)),
                        _ if kind == 0 => Err(QueueError::Empty),
                        _ => Ok(Answer::Item(number + 1)),
                    };
                    history.answer(call, result, Instant(0));
                }
            }
        }
        let calls: Vec<&Call> = history.calls().iter().collect();
        let expected = has_any_order(&calls, &mut vec![false; calls.len()], &State::default());
        prop_assert_eq!(search_whole(&history) == Verdict::Linearizable, expected);
    }
}
