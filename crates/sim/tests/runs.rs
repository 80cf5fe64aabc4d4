//! Whole runs: the same seed is the same run, honest runs break no promise, faults really happen, failures get small.

use ftqueue::{Label, Operation, QueueId, Read, Write};
use raft_core::{Duration, Instant, NodeId, Rule, Rules, Timing};
use sim::ablations::{self, hunt};
use sim::check::Property;
use sim::shrink::{TRIES_MAX, shrink};
use sim::{Coverage, Fault, FaultKind, FaultKinds, Outcome, Scenario, Service, Tail, Wanted, What, run, run_up_to};

fn outcome(seed: u64, wanted: Wanted) -> Outcome {
    run(&Scenario::drawn(seed, wanted), |_| true)
}

fn seconds(seconds: u32) -> Wanted {
    Wanted {
        seconds: Some(seconds),
        ..Wanted::default()
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..10 {
        let (one, other) = (outcome(seed, seconds(5)), outcome(seed, seconds(5)));
        assert_eq!((one.trace_hash, one.state_hash), (other.trace_hash, other.state_hash));
        assert_ne!(one.trace_hash, outcome(seed + 1, seconds(5)).trace_hash);
    }
}

#[test]
fn no_promise_is_broken_and_every_fault_happens() {
    let mut coverage = Coverage::default();
    for seed in 0..60 {
        let outcome = outcome(seed, seconds(30));
        assert_eq!(outcome.violation, None, "seed {seed}");
        assert_eq!(
            (outcome.linearizable, outcome.converged),
            (Some(true), Some(true)),
            "seed {seed}"
        );
        coverage.add(&outcome.coverage);
    }
    assert_eq!(coverage.lacking(FaultKinds::all()), []);
}

/// A fault that leaves nothing alive hides all others.
#[test]
fn clusters_serve_their_clients_among_all_faults() {
    let mut service = Service::default();
    let every_fault = Wanted {
        every_fault: true,
        ..seconds(60)
    };
    for seed in 0..40 {
        for wanted in [seconds(60), every_fault] {
            let scenario = Scenario::drawn(seed, wanted);
            service.add(seed, &run(&scenario, |_| true));
        }
    }
    assert!(service.median() >= Some(500), "{service}");
    assert!(service.least() >= Some((100, 0)), "{service}");
}

#[test]
fn a_fault_counts_only_where_something_was_committed_after_it() {
    let wanted = Wanted {
        faults: Some([FaultKind::RestartAll].into_iter().collect()),
        every_fault: true,
        nodes: Some(3),
        ..seconds(10)
    };
    let mut scenario = Scenario::drawn(3, wanted);
    let restart = |at_ms: u32, lasts_ms| sim::Fault {
        at: Instant(u64::from(at_ms) * 1_000),
        lasts: Duration::from_millis(lasts_ms),
        what: sim::What::RestartAll { tail: Tail::Kept },
    };
    scenario.faults = vec![restart(2_000, 100), restart(6_000, 4_000)];
    let outcome = run(&scenario, |_| true);
    assert_eq!(outcome.faults, 2);
    assert_eq!(
        outcome.coverage.of(FaultKind::RestartAll),
        1,
        "nothing lived after the second"
    );
}

#[test]
fn only_the_faults_that_were_asked_for_happen() {
    for kind in [
        FaultKind::Drop,
        FaultKind::HeavyTail,
        FaultKind::OldMessages,
        FaultKind::Deaf,
        FaultKind::LeaderCrash,
        FaultKind::LeaderCut,
        FaultKind::SlowNode,
        FaultKind::Pause,
        FaultKind::RestartAll,
        FaultKind::Abandon,
        FaultKind::NoRoom,
    ] {
        let wanted = Wanted {
            faults: Some([kind].into_iter().collect()),
            every_fault: true,
            nodes: Some(5),
            ..seconds(20)
        };
        let outcome = outcome(7, wanted);
        assert!(outcome.coverage.of(kind) > 0, "{kind:?}");
        // A flush comes late by itself where a node learns of a newer term meanwhile.
        let late = outcome.coverage.of(FaultKind::LateFlush);
        assert_eq!(outcome.coverage.of(kind) + late, outcome.coverage.total(), "{kind:?}");
    }
}

#[test]
fn without_faults_nothing_fails_and_there_is_one_election() {
    let wanted = Wanted {
        faults: Some(FaultKinds::default()),
        nodes: Some(5),
        rate: Some(100),
        ..seconds(20)
    };
    let outcome = outcome(1, wanted);
    assert_eq!((outcome.elections, outcome.faults), (1, 0));
    assert!(
        (1_900..2_400).contains(&outcome.answered),
        "{} answered",
        outcome.answered
    );
}

#[test]
fn an_idle_second_costs_only_its_heartbeats() {
    let wanted = Wanted {
        faults: Some(FaultKinds::default()),
        nodes: Some(5),
        rate: Some(0),
        ..seconds(100)
    };
    let scenario = Scenario::drawn(1, wanted);
    let outcome = run(&scenario, |_| true);
    let beats = 100_000_000 / scenario.settings.timing.heartbeat.0;
    // The leader's timer, four heartbeats, four answers.
    assert!(
        outcome.events < beats * 9 + 100,
        "{} events for {beats} heartbeats",
        outcome.events
    );
}

/// Those that are found at once; `ftq ablations` hunts for all of them.
#[test]
fn a_missing_rule_is_caught() {
    for rule in [
        Rule::VoteOnce,
        Rule::PersistVote,
        Rule::CheckPreviousEntry,
        Rule::WaitForFsync,
        Rule::CommitBeforeRead,
        Rule::RewriteAfterFailedFlush,
        Rule::BelieveOnlyPlausibleCounts,
    ] {
        assert!(hunt(rule, 100, || true).ordinary.caught.is_some(), "{rule:?}");
    }
}

#[test]
fn a_failure_gets_small_and_stays_the_same_failure() {
    let rule = Rule::CheckPreviousEntry;
    let (seed, violation) = hunt(rule, 50, || true).ordinary.caught.expect("it is found at once");
    let scenario = ablations::ordinary(rule, seed);
    let shrunk = shrink(&scenario, &violation, TRIES_MAX, |_| true);
    let (small, again) = (shrunk.scenario, shrunk.violation);
    assert_eq!(again.identity(), violation.identity());
    assert_eq!(run(&small, |_| true).violation, Some(again));
    assert!(
        small.faults.len() <= 2 && small.operations.len() <= 20,
        "{:?}",
        small.size()
    );
    let mended = Scenario {
        settings: sim::Settings {
            rules: Rules::default(),
            compact_after: 64,
            ..small.settings.clone()
        },
        ..small
    };
    assert_eq!(
        run(&mended, |_| true).violation,
        None,
        "with the rule, the same run breaks nothing"
    );
}

/// What clients were answered is judged when all is over: the run gets short all the same.
#[test]
fn what_fails_at_the_end_gets_short_too() {
    let rule = Rule::CommitBeforeRead;
    let (seed, violation) = hunt(rule, 50, || true).caught().cloned().expect("it is found at once");
    assert_eq!(violation.property, Property::Linearizable);
    let scenario = ablations::ordinary(rule, seed);
    assert!(violation.at.0 > scenario.settings.duration.0, "it shows at the end");
    let shrunk = shrink(&scenario, &violation, 200, |_| true);
    assert!(shrunk.tries <= 200);
    let (before, after) = (scenario.size(), shrunk.scenario.size());
    assert!(
        after.3 < before.3 / 3.0 && after.2 < before.2 / 10,
        "{before:?} {after:?}"
    );
    let again = run(&shrunk.scenario, |_| true).violation;
    assert_eq!(again.as_ref(), Some(&shrunk.violation));
    // Tries are counted, and nothing else decides: the same again is the same.
    assert_eq!(
        shrink(&shrunk.scenario, &shrunk.violation, 20, |_| true),
        shrink(&shrunk.scenario, &shrunk.violation, 20, |_| true)
    );
}

/// A rule that is off breaks one promise in more than one way, and on more than one node.
#[test]
fn shrinking_holds_on_to_the_same_failure() {
    for rule in [Rule::PersistVote, Rule::CheckPreviousEntry] {
        for seed in 0..4 {
            let scenario = ablations::ordinary(rule, seed);
            if let Some(violation) = run(&scenario, |_| true).violation {
                let shrunk = shrink(&scenario, &violation, 60, |_| true);
                assert!(shrunk.smaller > 0);
                assert_eq!(
                    shrunk.violation.identity(),
                    violation.identity(),
                    "{rule:?}, seed {seed}"
                );
            }
        }
    }
}

/// F6: a node whose flushes outlast every timer takes part as well as it can, and the others are not held up.
#[test]
fn a_cluster_of_which_one_node_flushes_slower_than_its_timers_elects_and_commits() {
    let mut scenario = Scenario::drawn(
        3,
        Wanted {
            nodes: Some(3),
            seconds: Some(20),
            faults: Some(FaultKinds::default()),
            rate: Some(20),
            ..Wanted::default()
        },
    );
    for node in (1..=3).map(NodeId) {
        scenario.faults = vec![Fault {
            at: Instant(0),
            lasts: scenario.settings.duration,
            what: What::OutlastingFlush { node, us: 320_000 },
        }];
        let outcome = run(&scenario, |_| true);
        assert_eq!(outcome.violation, None, "{node}");
        let asked = scenario.operations.len() as u64;
        assert!(
            outcome.answered * 10 >= asked * 9,
            "{node}: {} of {asked}",
            outcome.answered
        );
        assert!(outcome.elections <= 4, "{node}: {} elections", outcome.elections);
    }
}

/// F18: where all disks are full at once, nobody fails, what was committed is read, and what was asked to be written is done when there is room.
#[test]
fn while_no_disk_has_room_the_cluster_answers_reads() {
    let mut scenario = Scenario::drawn(
        5,
        Wanted {
            nodes: Some(5),
            seconds: Some(10),
            faults: Some(FaultKinds::default()),
            ..Wanted::default()
        },
    );
    let at = |ms: u64| Instant(ms * 1_000);
    let (full_from, full_until) = (at(2_000), at(7_000));
    let qid = QueueId(1);
    let top = Operation::Read(Read::Top { qid });
    scenario.settings.clients = 2;
    scenario.operations = vec![
        (at(1_000), 0, Operation::Write(Write::CreateQueue { label: Label(7) })),
        (at(1_500), 0, Operation::Write(Write::Push { qid, item: 1 })),
        (at(2_500), 0, Operation::Write(Write::Push { qid, item: 2 })),
        (at(3_000), 1, top),
        (at(4_000), 1, top),
        (at(5_000), 1, top),
    ];
    let fault = |what| Fault {
        at: full_from,
        lasts: Duration(full_until.0 - full_from.0),
        what,
    };
    scenario.faults = vec![fault(What::NoRoom { node: None })];
    let (world, _) = run_up_to(&scenario, at(6_900), |_| true);
    assert_eq!((world.answered(), world.nodes().count()), (5, 5), "all but the push");
    let outcome = run(&scenario, |_| true);
    assert_eq!((outcome.violation, outcome.elections), (None, 1));
    assert!(outcome.answered >= 6, "the push, too");
    assert!(outcome.coverage.of(FaultKind::NoRoom) > 0);
}

fn timing(heartbeat: u64, election_min: u64, election_max: u64) -> Option<Timing> {
    Some(Timing {
        heartbeat: Duration::from_millis(heartbeat),
        election_min: Duration::from_millis(election_min),
        election_max: Duration::from_millis(election_max),
    })
}

/// Nobody has promised that a cluster agrees whose timers are too short for its disks or its links.
#[test]
fn who_cannot_agree_is_not_judged_by_that() {
    let slow_disks = Wanted {
        flush: Some(Duration::from_millis(10_000)),
        ..seconds(5)
    };
    let slow_links = Wanted {
        faults: Some(FaultKinds::default()),
        timing: timing(3, 10, 15),
        ..seconds(5)
    };
    let impatient_clients = Wanted {
        flush: Some(Duration::from_millis(8_000)),
        timing: timing(50, 12_000, 20_000),
        ..seconds(5)
    };
    // Each flush is over in time, but not one of the candidate and one of its voter together.
    let two_flushes = Wanted {
        nodes: Some(4),
        rate: Some(300),
        faults: Some(FaultKinds::default()),
        flush: Some(Duration::from_millis(301)),
        ..seconds(1)
    };
    let narrow = Wanted {
        nodes: Some(3),
        rate: Some(0),
        faults: Some(FaultKinds::parse("slow-flush").unwrap()),
        flush: Some(Duration::from_millis(50)),
        timing: timing(149, 59_999, 60_000),
        ..seconds(5)
    };
    for (seed, wanted, why) in [
        (957_597, two_flushes, "short for the links and the disks"),
        (204_176, narrow, "short for the links and the disks"),
        (0, impatient_clients, "slower than clients wait"),
        (0, slow_disks, "slower than the timers"),
        (4, slow_links, "too short for the links"),
    ] {
        let outcome = outcome(seed, wanted);
        assert_eq!((outcome.violation, outcome.converged), (None, None));
        let said = outcome.convergence_unjudged.unwrap();
        assert!(said.contains(why), "{said}");
        // What clients were answered is judged all the same.
        assert_eq!((outcome.linearizable, outcome.unjudged), (Some(true), None));
    }
}

/// Who is elected slowly and writes slowly, but in step, has the time for it.
#[test]
fn slow_timers_and_slow_disks_get_their_time() {
    for (timing, flush_ms) in [
        (timing(1_000, 50_000, 60_000), 1),
        (timing(50, 5_000, 9_000), 3_000),
        (timing(1_000, 12_000, 20_000), 6_000),
    ] {
        let wanted = Wanted {
            nodes: Some(3),
            timing,
            flush: Some(Duration::from_millis(flush_ms)),
            ..seconds(5)
        };
        for seed in 0..4 {
            let outcome = outcome(seed, wanted);
            assert_eq!(
                (outcome.violation, outcome.converged),
                (None, Some(true)),
                "seed {seed}"
            );
        }
    }
}

/// Up to an instant behind the faults, too, it is the run that is carried out, with all that follows them.
#[test]
fn a_run_up_to_an_instant_is_the_run() {
    let scenario = Scenario::drawn(5, seconds(3));
    let whole = run(&scenario, |_| true);
    let end = Instant(whole.virtual_time.0);
    assert!(end > Instant(scenario.settings.duration.0));
    for at in [end, Instant(end.0 + 1), Instant::NEVER] {
        let (world, outcome) = run_up_to(&scenario, at, |_| true);
        assert_eq!(world.now(), end);
        assert_eq!(
            (outcome.trace_hash, outcome.converged, outcome.linearizable),
            (whole.trace_hash, whole.converged, whole.linearizable)
        );
    }
    for at in [Instant(0), Instant(1_500_000), Instant(3_000_000), Instant(end.0 - 1)] {
        let (world, outcome) = run_up_to(&scenario, at, |_| true);
        assert_eq!(world.now(), at);
        assert!(outcome.violation.is_none() && outcome.linearizable.is_none());
    }
}

#[test]
fn a_hunt_that_is_cut_short_has_not_missed_anything() {
    let mut left = 70;
    let hunt = hunt(Rule::CommitOwnTermOnly, 2_000, || {
        left -= 1;
        left >= 0
    });
    assert!(hunt.cut_short() && hunt.caught().is_none());
    // It is asked once a second, of runs of twenty.
    assert!((2..=3).contains(&hunt.ordinary.seeds), "{hunt:?}");
    assert_eq!(hunt.special, None);
    let missed = ablations::hunt(Rule::CommitOwnTermOnly, 1, || true);
    assert!(!missed.cut_short(), "{missed:?}");
}
