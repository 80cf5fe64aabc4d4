//! Histories made by hand, of both kinds; and random ones against a search that tries everything.

use ftqueue::{Answer, Operation, QueueError, QueueId, Read, Write};
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

/// Decides about all calls, from nothing on.
fn search_whole(history: &History) -> Verdict {
    judge(history.calls())
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
    assert!(window.calls.len() <= 4, "{window}");
    assert!(window.to_string().contains("pop 1 → 3"), "{window}");
}

#[test]
fn a_look_at_an_item_is_in_front_of_what_follows() {
    is(true, "+a push 1 5\n-a ok\n+b top 1\n-b item 5\n+c pop 1\n-c item 5");
    is(
        false,
        "+a push 1 5\n+b push 1 6\n-a ok\n-b ok\n+c top 1\n-c item 5\n+d top 1\n-d item 6\n+e top 1\n-e item 5",
    );
    is(
        false,
        "+a push 1 5\n+b push 1 6\n-a ok\n-b ok\n+c top 1\n-c item 5\n+d top 1\n-d item 6",
    );
    is(
        true,
        "+a push 1 5\n+b push 1 6\n-a ok\n-b ok\n+p pop 1\n+c top 1\n-c item 5\n+d top 1\n-d item 6",
    );
}

#[test]
fn nothing_is_there_only_when_nothing_must_be() {
    is(
        false,
        "+a push 1 5\n-a ok\n+e pop 1\n+b push 1 6\n-b ok\n+c pop 1\n-c item 5\n-e empty\n+d pop 1\n-d item 6",
    );
    is(
        true,
        "+a push 1 5\n-a ok\n+e pop 1\n+c pop 1\n-c item 5\n+b push 1 6\n-b ok\n-e empty\n+d pop 1\n-d item 6",
    );
}

/// A red verdict names the few calls that show it, not all that ran beside them.
#[test]
fn what_cannot_be_put_in_order_is_small() {
    let mut lines = MADE.to_owned();
    for item in 0..200 {
        lines.push_str(&format!("+a push 1 {item}\n"));
    }
    lines.push_str("+x push 1 1001\n-x ok\n+y push 1 1002\n-y ok\n+z pop 1\n-z item 1002\n+u pop 1\n-u item 1001\n");
    let Verdict::Not(window) = search_whole(&history(&lines)) else {
        panic!("1002 overtook 1001");
    };
    assert_eq!(window.calls.len(), 4, "{window}");
}

/// What an exhaustive judge, which shares nothing with ours, makes of a history: every order of every choice of what happened.
mod exhaustive {
    use super::*;
    use std::collections::{BTreeMap, VecDeque};

    #[derive(Clone, Default)]
    struct Machine {
        labels: BTreeMap<i64, u64>,
        queues: Vec<VecDeque<i64>>,
    }

    impl Machine {
        fn answer(&mut self, operation: Operation) -> Result<Answer, QueueError> {
            let count = self.queues.len() as u64;
            match operation {
                Operation::Write(Write::CreateQueue { label }) => {
                    if let Some(qid) = self.labels.get(&label.0) {
                        return Err(QueueError::LabelTaken { qid: QueueId(*qid) });
                    }
                    self.queues.push(VecDeque::new());
                    self.labels.insert(label.0, count + 1);
                    Ok(Answer::Qid(QueueId(count + 1)))
                }
                Operation::Write(Write::Push { qid, item }) => self
                    .queue(qid)
                    .map(|queue| queue.push_back(item))
                    .map(|()| Answer::Pushed),
                Operation::Write(Write::Pop { qid }) => {
                    self.queue(qid)?.pop_front().map(Answer::Item).ok_or(QueueError::Empty)
                }
                Operation::Read(Read::GetQid { label }) => {
                    let found = self.labels.get(&label.0);
                    found
                        .map(|qid| Answer::Qid(QueueId(*qid)))
                        .ok_or(QueueError::NoSuchLabel)
                }
                Operation::Read(Read::Top { qid }) => self
                    .queue(qid)?
                    .front()
                    .map(|item| Answer::Item(*item))
                    .ok_or(QueueError::Empty),
                Operation::Read(Read::Qsize { qid }) => self.queue(qid).map(|queue| Answer::Size(queue.len() as u64)),
            }
        }
    }

    impl Machine {
        fn queue(&mut self, qid: QueueId) -> Result<&mut VecDeque<i64>, QueueError> {
            let place = (qid.0 as usize).wrapping_sub(1);
            self.queues.get_mut(place).ok_or(QueueError::NoSuchQueue)
        }
    }

    pub(super) fn has_order(calls: &[Call]) -> bool {
        extend(calls, &mut vec![false; calls.len()], &Machine::default())
    }

    fn extend(calls: &[Call], used: &mut [bool], machine: &Machine) -> bool {
        if (0..calls.len()).all(|place| used[place] || calls[place].returned.is_none()) {
            return true;
        }
        for place in 0..calls.len() {
            let too_late = |other: usize| {
                !used[other]
                    && other != place
                    && calls[other]
                        .returned
                        .is_some_and(|returned| returned.order < calls[place].invoked)
            };
            if used[place] || (0..calls.len()).any(too_late) {
                continue;
            }
            let mut next = machine.clone();
            let answer = next.answer(calls[place].operation);
            if calls[place].returned.is_some_and(|returned| returned.result != answer) {
                continue;
            }
            used[place] = true;
            if extend(calls, used, &next) {
                return true;
            }
            used[place] = false;
        }
        false
    }

    /// What one queue would answer now, for histories that are nearly right.
    pub(super) struct Plain(Machine);

    impl Plain {
        pub(super) fn new() -> Plain {
            Plain(Machine::default())
        }

        pub(super) fn answer(&mut self, operation: Operation) -> Result<Answer, QueueError> {
            self.0.answer(operation)
        }
    }
}

/// A call under way: its operation, and what the queue has answered by now.
type Open = (CallId, Operation, Option<Result<Answer, QueueError>>);

/// Draws a history of up to eight calls. Of most, answers are what a machine gave at some moment between invocation and return; then
/// some are changed. Others are wild.
fn drawn(random: &mut impl rand::Rng, with_sizes: bool, with_queues: bool) -> History {
    let mut draw = |below: u64| random.next_u64() % below;
    let mut history = History::default();
    let mut machine = exhaustive::Plain::new();
    if !with_queues || draw(4) > 0 {
        let made = history.invoke(9, "create_queue 7".parse().unwrap(), Instant(0));
        let answer = machine.answer("create_queue 7".parse().unwrap());
        history.answer(made, answer, Instant(0));
    }
    let wild = draw(3) == 0;
    let wrong = if wild { 1 } else { 6 + draw(12) };
    let mut open: Vec<Open> = Vec::new();
    let (mut pushed, mut calls) = (0, 0);
    let most = 2 + draw(7);
    loop {
        let begins = calls < most && open.len() < 4 && (open.is_empty() || draw(2) == 0);
        if begins {
            calls += 1;
            let line = match draw(if with_queues { 14 } else { 10 }) {
                0..=3 => {
                    pushed += 1;
                    format!("push 1 {pushed}")
                }
                4..=6 => "pop 1".to_owned(),
                7 if with_sizes => "qsize 1".to_owned(),
                7..=9 => "top 1".to_owned(),
                10 => format!("create_queue {}", 7 + draw(2)),
                11 => format!("get_qid {}", 7 + draw(2)),
                12 => format!("qsize {}", 1 + draw(2)),
                _ => format!("pop {}", 1 + draw(2)),
            };
            let operation: Operation = line.parse().unwrap();
            open.push((history.invoke(calls as u16, operation, Instant(0)), operation, None));
            continue;
        }
        if open.is_empty() {
            return history;
        }
        let place = draw(open.len() as u64) as usize;
        if open[place].2.is_none() {
            open[place].2 = Some(machine.answer(open[place].1));
            continue;
        }
        let (call, operation, answer) = open.swap_remove(place);
        if draw(5) == 0 {
            // It never returns, though it happened.
            continue;
        }
        let mut answer = answer.unwrap();
        if draw(wrong) == 0 {
            answer = match operation {
                Operation::Write(Write::Push { .. }) => Ok(Answer::Pushed),
                Operation::Write(Write::CreateQueue { .. }) if draw(2) == 0 => Ok(Answer::Qid(QueueId(1 + draw(3)))),
                Operation::Write(Write::CreateQueue { .. }) => Err(QueueError::LabelTaken {
                    qid: QueueId(1 + draw(3)),
                }),
                Operation::Read(Read::GetQid { .. }) if draw(2) == 0 => Err(QueueError::NoSuchLabel),
                Operation::Read(Read::GetQid { .. }) => Ok(Answer::Qid(QueueId(1 + draw(3)))),
                Operation::Read(Read::Qsize { .. }) => Ok(Answer::Size(draw(4))),
                _ if with_queues && draw(4) == 0 => Err(QueueError::NoSuchQueue),
                _ if draw(3) == 0 => Err(QueueError::Empty),
                _ => Ok(Answer::Item(1 + draw(pushed.max(1)) as i64)),
            };
        }
        history.answer(call, answer, Instant(0));
    }
}

/// Tens of thousands of small histories, right and wrong: ours says what the exhaustive judge says. Whatever it says is true; and that
/// it says nothing is rare.
#[test]
fn small_histories_are_judged_as_by_trying_everything() {
    use rand::SeedableRng;
    let mut random = rand::rngs::ChaCha8Rng::seed_from_u64(11);
    let (mut right, mut wrong, mut unknown) = (0, 0, 0);
    for round in 0..60_000 {
        let history = drawn(&mut random, round % 3 == 0, round % 4 == 0);
        let expected = exhaustive::has_order(history.calls());
        match judge(history.calls()) {
            Verdict::Unknown(_) => {
                unknown += 1;
                continue;
            }
            verdict => assert_eq!(
                verdict == Verdict::Linearizable,
                expected,
                "round {round}: {verdict:?}\n{:#?}",
                history
                    .calls()
                    .iter()
                    .map(|call| format!("{} [{}, {:?}]", call, call.invoked, call.returned.map(|it| it.order)))
                    .collect::<Vec<_>>()
            ),
        }
        right += usize::from(expected);
        wrong += usize::from(!expected);
    }
    assert!(right > 10_000 && wrong > 10_000, "{right} right, {wrong} wrong");
    assert!(unknown < 60, "{unknown} of 60,000 were not judged");
}

/// The calls that a red verdict names have no order even when nothing else was asked.
#[test]
fn what_a_red_verdict_names_proves_it() {
    use rand::SeedableRng;
    let mut random = rand::rngs::ChaCha8Rng::seed_from_u64(12);
    let mut named = 0;
    for _ in 0..20_000 {
        let history = drawn(&mut random, false, false);
        let Verdict::Not(window) = judge(history.calls()) else {
            continue;
        };
        let is_named = |call: &&Call| window.calls.contains(&call.to_string()) || call.client == 9;
        let mut calls: Vec<Call> = history.calls().iter().filter(is_named).cloned().collect();
        // Pops without an answer may always have happened.
        let lost = history.calls().iter().filter(|call| call.returned.is_none());
        calls.extend(lost.cloned());
        calls.sort_by_key(|call| call.id);
        calls.dedup();
        assert!(
            !exhaustive::has_order(&calls),
            "{window}\n{:#?}",
            history
                .calls()
                .iter()
                .map(|call| format!("{call} [{}, {:?}]", call.invoked, call.returned.map(|it| it.order)))
                .collect::<Vec<_>>()
        );
        named += 1;
    }
    assert!(named > 3_000, "{named}");
}
