//! The history that stands is one, across all epochs, and is judged as one.

use ftqueue::{Answer, Operation, Write};
use raft_core::{Duration, Instant};

use crate::check::{Call, Property, Violation};
use crate::plan::{Fault, Scenario, What};
use crate::settings::{FaultKinds, Wanted};
use crate::world::World;

/// What happens from here on is taken back.
const MARK: Instant = Instant(3_000_000);
/// And here it is.
const BACK: Instant = Instant(5_000_000);

fn scenario(boots: bool) -> Scenario {
    let wanted = Wanted {
        nodes: Some(3),
        seconds: Some(8),
        rate: Some(100),
        faults: Some(FaultKinds::default()),
        ..Wanted::default()
    };
    let mut scenario = Scenario::drawn(4, wanted);
    scenario.faults = vec![Fault {
        at: MARK,
        lasts: Duration(BACK.0 - MARK.0),
        what: What::GoBack {
            boots,
            stays_behind: None,
            clients_go_on: 0,
        },
    }];
    scenario
}

/// Eight seconds, of which two are taken back; and what was asked in those.
fn eight_seconds(scenario: &Scenario) -> (World<'_>, Vec<Call>) {
    let mut world = World::new(scenario).unwrap();
    world.run_until(Instant(BACK.0 - 1), |_| false).unwrap();
    let mut taken_back = world.history().calls().to_vec();
    taken_back.retain(|call| call.at > MARK);
    world.run_until(Instant(8_000_000), |_| false).unwrap();
    (world, taken_back)
}

/// What is said of a client who claims that a pop of the first queue took this out.
fn claims(world: &mut World<'_>, item: i64) -> Result<(), Violation> {
    let now = world.now();
    let pop = "pop 1".parse().unwrap();
    let call = world.audit.history.invoke(9_000, pop, now);
    world.audit.history.answer(call, Ok(Answer::Item(item)), now);
    world.audit.judge(now, Instant::NEVER)
}

#[test]
fn what_was_acknowledged_before_is_judged_with_what_comes_after() {
    for boots in [true, false] {
        let scenario = scenario(boots);
        let (mut world, taken_back) = eight_seconds(&scenario);
        let calls = world.history().calls();
        let inside = |call: &&Call| call.at > MARK && call.at < BACK;
        assert_eq!(calls.iter().filter(inside).count(), 0, "it never was");
        assert!(taken_back.len() > 150, "{}", taken_back.len());
        let answered = |of: &[Call]| of.iter().filter(|call| call.returned.is_some()).count() as u64;
        let all = answered(calls);
        assert!(all > 450, "{all}");
        world.audit.judge(world.now(), Instant::NEVER).unwrap();
        assert_eq!(
            (world.audit.judged().calls, &world.audit.judged().unjudged),
            (all, &None)
        );
    }
}

#[test]
fn what_came_out_before_the_mark_does_not_come_out_again() {
    let scenario = scenario(true);
    let (mut world, _) = eight_seconds(&scenario);
    let popped = world.history().calls().iter().find_map(|call| {
        let is_pop = call.at < MARK && call.operation == "pop 1".parse().unwrap();
        match call.returned.filter(|_| is_pop)?.result {
            Ok(Answer::Item(item)) => Some(item),
            _ => None,
        }
    });
    let said = claims(&mut world, popped.expect("something came out"));
    assert_eq!(said.map_err(|it| it.property), Err(Property::Linearizable));
}

#[test]
fn what_was_pushed_and_taken_back_does_not_come_out() {
    let scenario = scenario(true);
    let (mut world, taken_back) = eight_seconds(&scenario);
    let pushed = taken_back.iter().find_map(|call| match call.operation {
        Operation::Write(Write::Push { qid, item }) if qid.0 == 1 && call.returned.is_some() => Some(item),
        _ => None,
    });
    let said = claims(&mut world, pushed.expect("something was pushed"));
    assert_eq!(said.map_err(|it| it.property), Err(Property::Linearizable));
}
