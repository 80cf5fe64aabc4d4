//! How long the judge takes for a million calls when no log explains them: of which all were answered rightly, of which one was not, and
//! of which many were never answered.
//!
//! `cargo run --release --package sim --example million_calls`

#![allow(
    clippy::disallowed_methods,
    reason = "it measures wall time; nothing of a run depends on it"
)]

use std::collections::VecDeque;
use std::time::Instant as Wall;

use ftqueue::{Answer, Operation, QueueError, QueueId, Read, Write};
use raft_core::Instant;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use sim::check::{CallId, History, Verdict, judge};

const CALLS: usize = 1_000_000;
/// How many clients ask at once.
const CLIENTS: usize = 20;
const QUEUES: u64 = 4;
/// Of so many calls one is never answered, where some are not.
const LOST_ONE_OF: u64 = 100;

/// A call under way, and what the queues have answered it by now.
struct Open {
    call: CallId,
    operation: Operation,
    answer: Option<Result<Answer, QueueError>>,
}

/// A history of plain queues whose clients overlap: each call takes effect at some moment between its invocation and its return.
fn history(lost: bool) -> (History, Vec<(CallId, QueueId)>) {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut draw = |below: u64| random.next_u64() % below;
    let mut history = History::default();
    let mut queues: Vec<VecDeque<i64>> = vec![VecDeque::new(); QUEUES as usize];
    let mut at = 0;
    for label in 1..=QUEUES {
        let line = format!("create_queue {label}");
        let made = history.invoke(0, line.parse().expect("an operation"), Instant(0));
        history.answer(made, Ok(Answer::Qid(QueueId(label))), Instant(0));
    }
    let mut open: Vec<Open> = Vec::new();
    let mut pops = Vec::new();
    let mut asked = 0;
    while asked < CALLS || !open.is_empty() {
        at += 1;
        if asked < CALLS && open.len() < CLIENTS && draw(2) == 0 {
            let qid = QueueId(1 + draw(QUEUES));
            let operation = match draw(20) {
                0..=8 => Operation::Write(Write::Push {
                    qid,
                    item: asked as i64,
                }),
                9..=17 => Operation::Write(Write::Pop { qid }),
                _ => Operation::Read(Read::Top { qid }),
            };
            let call = history.invoke(asked as u16 % CLIENTS as u16, operation, Instant(at));
            open.push(Open {
                call,
                operation,
                answer: None,
            });
            asked += 1;
            continue;
        }
        if open.is_empty() {
            continue;
        }
        let place = draw(open.len() as u64) as usize;
        if let Some(result) = open[place].answer {
            let Open { call, operation, .. } = open.swap_remove(place);
            if let (Operation::Write(Write::Pop { qid }), Ok(_)) = (operation, result) {
                pops.push((call, qid));
            }
            history.answer(call, result, Instant(at));
        } else if lost && draw(LOST_ONE_OF) == 0 {
            // Whether it happened, nobody hears.
            let Open { call, operation, .. } = open.swap_remove(place);
            if draw(2) == 0 {
                let _ = done(&mut queues, operation);
            }
            history.give_up(call, Instant(at));
        } else {
            open[place].answer = Some(done(&mut queues, open[place].operation));
        }
    }
    (history, pops)
}

fn done(queues: &mut [VecDeque<i64>], operation: Operation) -> Result<Answer, QueueError> {
    match operation {
        Operation::Write(Write::Push { qid, item }) => {
            queues[qid.0 as usize - 1].push_back(item);
            Ok(Answer::Pushed)
        }
        Operation::Write(Write::Pop { qid }) => {
            let item = queues[qid.0 as usize - 1].pop_front();
            item.map(Answer::Item).ok_or(QueueError::Empty)
        }
        Operation::Read(Read::Top { qid }) => {
            let item = queues[qid.0 as usize - 1].front();
            item.map(|item| Answer::Item(*item)).ok_or(QueueError::Empty)
        }
        other => unreachable!("{other} is not asked"),
    }
}

fn main() {
    let mut slowest = 0.0_f64;
    let mut report = |name: &str, history: &History, expected: &str| {
        let calls = history.calls();
        let started = Wall::now();
        let verdict = judge(calls);
        let took = started.elapsed().as_secs_f64();
        slowest = slowest.max(took);
        let said = match &verdict {
            Verdict::Linearizable => "green".to_owned(),
            Verdict::Not(window) => format!("red, by {} calls", window.calls.len() + window.more),
            Verdict::Unknown(why) => format!("not judged: {why}"),
        };
        println!("{name:<8} {:>9} calls {took:>7.3} s  {said}", calls.len());
        assert!(said.starts_with(expected), "{name}: {said}");
    };
    let (green, _) = history(false);
    report("green", &green, "green");
    // Near the end, one pop is answered with what an earlier one took out.
    let (mut red, pops) = history(false);
    let (last, qid) = pops[pops.len() - 1];
    let (earlier, _) = *pops[..pops.len() / 2]
        .iter()
        .rfind(|(_, of)| *of == qid)
        .expect("a queue with more than one pop");
    let of = |history: &History, id: CallId| history.calls()[id.0].returned.expect("it was answered").result;
    let item = of(&red, earlier);
    red.answer(last, item, Instant(u64::MAX));
    report("red", &red, "red");
    let (pending, _) = history(true);
    report("pending", &pending, "green");
    println!("slowest  {slowest:.3} s");
}
