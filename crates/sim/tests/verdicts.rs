//! The verdict on what clients were answered, beside that of a judge who shares no code with ours ([`plain`]): on an hour of kills, and on histories
//! drawn at random, right and wrong. And a page's recorder that lags behind says nothing that is not true.
//!
//! The hour: `cargo test --release --package sim --test verdicts -- --ignored --nocapture`

#![allow(
    clippy::disallowed_methods,
    reason = "it measures wall time; nothing of a run depends on it"
)]

mod plain;
mod told;

use std::collections::VecDeque;
use std::time::{Duration as WallTime, Instant as Wall};

use ftqueue::{Answer, Operation, QueueError, Write};
use raft_core::{Duration, Instant, NodeId};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use sim::check::{History, Verdict};
use sim::chronicle::{Chronicle, Judgement};
use sim::{Fault, FaultKinds, Scenario, Tail, Wanted, What, World};
use trace::CallNumber;
use trace::tape::{TAPE_BYTES_MAX, Told};

use crate::plain::{Calls, Said};
use crate::told::Teller;

const NODES: u8 = 5;
/// How many queues there are, where there is no reason for another number.
const QUEUES: u64 = 4;
const CLIENTS: u16 = 16;

/// Five nodes under a hundred operations a second, of which one or two are always just being killed or down, never more.
fn kills(seconds: u32, queues: u64) -> Scenario {
    let wanted = Wanted {
        nodes: Some(NODES),
        seconds: Some(seconds),
        rate: Some(100),
        faults: Some(FaultKinds::default()),
        ..Wanted::default()
    };
    let mut scenario = Scenario::drawn(21, wanted);
    scenario.settings.clients = CLIENTS;
    scenario.settings.clients_are_told = true;
    scenario.settings.queues = queues as u16;
    let mut random = ChaCha8Rng::seed_from_u64(21);
    let mut draw = |below: u64| random.next_u64() % below;
    let end = u64::from(seconds) * 1_000_000;
    let mut faults = Vec::new();
    let mut well_from = [0; NODES as usize];
    let mut at = 1_500_000;
    while at + 3_000_000 < end {
        let down = well_from.iter().filter(|from| **from > at).count();
        let node = draw(u64::from(NODES)) as usize;
        // As long as it is down, and until it has caught up, it counts.
        if down < 2 && well_from[node] <= at {
            let lasts = 100_000 + draw(2_000_000);
            well_from[node] = at + lasts + 300_000;
            let tail = match draw(3) {
                0 => Tail::Lost,
                1 => Tail::Torn { per_mille: 500 },
                _ => Tail::Kept,
            };
            faults.push(Fault {
                at: Instant(at),
                lasts: Duration(lasts),
                what: What::Crash {
                    node: NodeId(node as u8 + 1),
                    tail,
                },
            });
        }
        at += draw(3_000_000);
    }
    scenario.faults = faults;
    let mut at = 500_000;
    let mut item = 0;
    scenario.operations.clear();
    while at < end {
        let qid = 1 + draw(queues);
        let count = scenario.operations.len() as u64;
        let operation = match draw(20) {
            _ if count < queues => format!("create_queue {}", count + 1),
            0..=8 => {
                item += 1;
                format!("push {qid} {item}")
            }
            9..=17 => format!("pop {qid}"),
            18 => format!("top {qid}"),
            _ => format!("qsize {qid}"),
        };
        let client = draw(u64::from(CLIENTS)) as u16;
        let operation = operation.parse().unwrap();
        scenario.operations.push((Instant(at), client, operation));
        at += draw(20_000);
    }
    scenario
}

/// What a page's recorder says of a run, second by second, and how long its judge took.
struct Page {
    judgement: Judgement,
    slowest: WallTime,
    all: WallTime,
}

/// A page hears at once what its clients do, and later, each node on its own, what the nodes did: `lag` says how much later, in
/// seconds. Every second it judges.
fn watched(scenario: &Scenario, lag: impl Fn(u64, NodeId) -> u64, mut see: impl FnMut(&Judgement)) -> Page {
    let members: Vec<NodeId> = (1..=NODES).map(NodeId).collect();
    let mut world = World::new(scenario).unwrap();
    world.tell_all();
    let mut page = Chronicle::new(&members, TAPE_BYTES_MAX);
    let mut teller = Teller::default();
    let mut on_the_way: Vec<VecDeque<(u64, Told)>> = members.iter().map(|_| VecDeque::new()).collect();
    let (mut slowest, mut all) = (WallTime::ZERO, WallTime::ZERO);
    let seconds = scenario.settings.duration.0 / 1_000_000;
    for second in 1..=seconds + 30 {
        world.run_until(Instant(second * 1_000_000), |_| false).unwrap();
        for told in world.take_told() {
            let ways = &mut on_the_way[usize::from(told.node.0) - 1];
            // Of one node, all comes in its order.
            let last = ways.back().map_or(0, |(at, _)| *at);
            ways.push_back(((second + lag(second, told.node)).max(last), told));
        }
        for way in &mut on_the_way {
            while let Some((_, told)) = way.pop_front_if(|(at, _)| *at <= second || second > seconds + 20) {
                page.take(told.node, told.boot, told.piece).unwrap();
            }
        }
        for (at, client, asked) in teller.take(world.history()) {
            page.asked(at, client, asked);
        }
        while page.turn(&mut |_| ()) {}
        let started = Wall::now();
        page.judge(&mut |_| ());
        let took = started.elapsed();
        (slowest, all) = (slowest.max(took), all + took);
        see(&page.judgement());
    }
    Page {
        judgement: page.judgement(),
        slowest,
        all,
    }
}

/// The calls as our judge takes them.
fn history(calls: &Calls) -> History {
    let mut happened = Vec::new();
    for (name, asked) in &calls.all {
        happened.push((asked.from, *name, None));
        happened.extend(asked.answer.map(|(at, answer)| (at, *name, Some(answer))));
    }
    happened.sort_by_key(|(order, ..)| *order);
    let mut history = History::default();
    let mut names = std::collections::BTreeMap::new();
    for (order, name, answer) in happened {
        match answer {
            None => {
                let id = history.invoke(0, calls.all[&name].operation, Instant(order));
                names.insert(name, id);
            }
            Some(answer) => history.answer(names[&name], answer, Instant(order)),
        }
    }
    history
}

/// One answer is another: a late pop is answered with what an early one took out.
fn falsified(mut calls: Calls) -> Calls {
    let item_of = |call: &plain::Asked| match (call.operation, call.answer?.1) {
        (Operation::Write(Write::Pop { qid }), Ok(Answer::Item(item))) if qid.0 == 1 => Some(item),
        _ => None,
    };
    let pops: Vec<(CallNumber, i64)> = calls
        .all
        .iter()
        .filter_map(|(name, call)| Some((*name, item_of(call)?)))
        .collect();
    let (early, late) = (pops[pops.len() / 10], pops[pops.len() - pops.len() / 10]);
    if let Some(answer) = calls.all.get_mut(&late.0).and_then(|call| call.answer.as_mut()) {
        answer.1 = Ok(Answer::Item(early.1));
    }
    calls
}

/// Carries out kills and judges them by the simulator's judge, the page's, and the independent one.
fn judged_by_all(seconds: u32) {
    let scenario = kills(seconds, QUEUES);
    println!(
        "{} kills, {} operations, {seconds} s",
        scenario.faults.len(),
        scenario.operations.len()
    );
    let mut calls = Calls::default();
    let started = Wall::now();
    let outcome = sim::watch(&scenario, |_| true, |happening| calls.hear(&happening));
    println!(
        "the simulator, with its judge: linearizable {:?}, not judged {:?}, broken {:?}; {} answered; {:.1} s",
        outcome.linearizable,
        outcome.unjudged,
        outcome.violation,
        outcome.answered,
        started.elapsed().as_secs_f64()
    );
    let started = Wall::now();
    let said = plain::judge(&calls);
    println!(
        "the independent judge: {said:?} on {} answers; {:.2} s",
        calls.answered(),
        started.elapsed().as_secs_f64()
    );
    let started = Wall::now();
    let page = watched(&scenario, |second, node| (second / 60 + u64::from(node.0)) % 4, |_| ());
    println!(
        "a page's recorder that lags up to three seconds: {} calls judged up to {}, not judged {:?}, broken {:?}; {:.1} s, of which its judge \
         took {:.2} s, at most {:.1} ms at once",
        page.judgement.judged,
        page.judgement.judged_upto,
        page.judgement.calls_unjudged,
        page.judgement.violations,
        started.elapsed().as_secs_f64(),
        page.all.as_secs_f64(),
        page.slowest.as_secs_f64() * 1_000.0
    );
    assert_eq!(
        (outcome.linearizable, outcome.unjudged, outcome.violation),
        (Some(true), None, None)
    );
    assert_eq!(said, Said::Right);
    assert_eq!((page.judgement.unjudged, page.judgement.calls_unjudged), (None, None));
    assert_eq!(page.judgement.violations, Vec::new());
    assert_eq!(page.judgement.judged, page.judgement.returned);
    let wrong = falsified(calls);
    let (started, said) = (Wall::now(), plain::judge(&wrong));
    println!(
        "one answer falsified, the independent judge: {said:?}; {:.2} s",
        started.elapsed().as_secs_f64()
    );
    let history = history(&wrong);
    let (started, verdict) = (Wall::now(), sim::check::judge(history.calls()));
    println!(
        "one answer falsified, ours, without a log: {verdict:?}; {:.2} s",
        started.elapsed().as_secs_f64()
    );
    assert!(matches!(said, Said::Wrong(_)));
    assert!(matches!(verdict, Verdict::Not(_)));
}

#[test]
fn a_minute_of_kills_has_the_same_verdict_from_all_judges() {
    judged_by_all(60);
}

#[test]
#[ignore = "it takes minutes; see the beginning of this file"]
fn an_hour_of_kills_has_the_same_verdict_from_all_judges() {
    judged_by_all(3_600);
}

/// A call under way, and what the queue has answered it by now.
type Open = (CallNumber, Operation, Option<Result<Answer, QueueError>>);

/// Histories of some hundreds of overlapping calls, of which some are never answered; of half of them one answer is another.
fn drawn(seed: u64) -> Calls {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = |below: u64| random.next_u64() % below;
    let mut calls = Calls::default();
    let mut queue = VecDeque::new();
    let mut open: Vec<Open> = Vec::new();
    let (mut pushed, mut order) = (0, 0);
    let (count, at_once, lost) = (20 + draw(300), 2 + draw(6) as usize, draw(2) == 0);
    let mut invoke = |calls: &mut Calls, operation: Operation| {
        order += 1;
        calls.invoke(CallNumber(order), operation);
        CallNumber(order)
    };
    let create: Operation = "create_queue 1".parse().unwrap();
    let made = invoke(&mut calls, create);
    calls.answer(made, Ok(Answer::Qid(ftqueue::QueueId(1))));
    for _ in 0..count {
        while open.len() < at_once {
            let line = match draw(10) {
                0..=3 => {
                    pushed += 1;
                    format!("push 1 {pushed}")
                }
                4..=7 => "pop 1".to_owned(),
                _ => "top 1".to_owned(),
            };
            let operation = line.parse().unwrap();
            open.push((invoke(&mut calls, operation), operation, None));
        }
        // Two steps each, so that what was done first may be answered last.
        for _ in 0..2 {
            let place = draw(open.len() as u64) as usize;
            if let (call, _, Some(answer)) = open[place] {
                if !lost || draw(60) > 0 {
                    calls.answer(call, answer);
                }
                open.swap_remove(place);
                break;
            }
            open[place].2 = Some(match open[place].1 {
                Operation::Write(Write::Push { item, .. }) => {
                    queue.push_back(item);
                    Ok(Answer::Pushed)
                }
                Operation::Write(_) => queue.pop_front().map(Answer::Item).ok_or(QueueError::Empty),
                Operation::Read(_) => queue.front().copied().map(Answer::Item).ok_or(QueueError::Empty),
            });
        }
    }
    if draw(2) == 0 {
        let items: Vec<CallNumber> = calls
            .all
            .iter()
            .filter(|(_, call)| matches!(call.answer, Some((_, Ok(Answer::Item(_)) | Err(QueueError::Empty)))))
            .map(|(name, _)| *name)
            .collect();
        if let Some(name) = (!items.is_empty()).then(|| items[draw(items.len() as u64) as usize])
            && let Some((_, answer)) = calls.all.get_mut(&name).and_then(|call| call.answer.as_mut())
        {
            // Mostly one of about that time: that is harder to see.
            let near = match answer {
                Ok(Answer::Item(item)) => *item - 3 + draw(7) as i64,
                _ => 1 + draw(pushed as u64) as i64,
            };
            *answer = if draw(5) == 0 {
                Err(QueueError::Empty)
            } else {
                Ok(Answer::Item(near.clamp(1, pushed)))
            };
        }
    }
    calls
}

/// Thousands of histories that are too long to try everything: both judges say the same wherever both say something.
#[test]
fn two_judges_who_share_no_code_agree() {
    let (mut right, mut wrong, mut open) = (0, 0, 0);
    for seed in 0..1_500 {
        let calls = drawn(seed);
        let said = plain::judge(&calls);
        let verdict = sim::check::judge(history(&calls).calls());
        match (&said, &verdict) {
            (Said::Right, Verdict::Linearizable) => right += 1,
            (Said::Wrong(_), Verdict::Not(_)) => wrong += 1,
            (Said::Open(_), _) | (_, Verdict::Unknown(_)) => open += 1,
            _ => panic!("seed {seed}: {said:?}, and ours: {verdict:?}"),
        }
    }
    println!("{right} right, {wrong} wrong, {open} not known");
    assert!(
        right > 500 && wrong > 250,
        "{right} right, {wrong} wrong, {open} not known"
    );
    assert!(open < 150, "{right} right, {wrong} wrong, {open} not known");
}

/// F5: a page's recorder is far behind, now with this node and now with that, while clients go on under kills; then the load stops, and one
/// client takes out what is left. Whatever it says on the way is true: never red, and green for what it has judged.
#[test]
fn a_recorder_that_lags_far_behind_never_cries_wolf() {
    // One queue of more calls than anybody could search all orders of.
    let mut scenario = kills(270, 1);
    // At the end nobody is killed, and one client alone pops.
    let calm = Instant(230_000_000);
    scenario.faults.retain(|fault| fault.at + fault.lasts < calm);
    scenario.operations.retain(|(at, ..)| *at < calm);
    for turn in 0..300 {
        let at = Instant(calm.0 + 1_000_000 + turn * 100_000);
        scenario.operations.push((at, 0, "pop 1".parse().unwrap()));
    }
    let lag = |second: u64, node: NodeId| {
        let behind = (second / 10) % u64::from(NODES) + 1 == u64::from(node.0);
        if behind { 15 } else { 0 }
    };
    let (mut seconds_behind, mut told) = (0, Vec::new());
    let page = watched(&scenario, lag, |judgement| {
        seconds_behind += u64::from(judgement.judged < judgement.returned);
        told.push((judgement.judged, judgement.judged_upto));
        assert_eq!(judgement.violations, Vec::new());
        assert_eq!((&judgement.unjudged, &judgement.calls_unjudged), (&None, &None));
    });
    assert!(seconds_behind > 30, "it was behind for {seconds_behind} s only");
    assert!(told.is_sorted(), "what was judged stays judged");
    assert_eq!(page.judgement.judged, page.judgement.returned);
}

/// How much judging costs a page: `--ignored --nocapture`, with the hour.
#[test]
#[ignore = "it measures"]
fn fifteen_minutes_cost_the_page_s_judge_little() {
    let page = watched(&kills(900, QUEUES), |_, _| 0, |_| ());
    println!(
        "fifteen minutes at 100 operations a second: {} calls judged; {:.3} s in all, at most {:.1} ms at once",
        page.judgement.judged,
        page.all.as_secs_f64(),
        page.slowest.as_secs_f64() * 1_000.0
    );
}
