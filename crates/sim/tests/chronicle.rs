//! A run that is told piece by piece is the run: kept, looked at, judged, and gone on from.

use raft_core::{Duration, Instant, NodeId, Role, Rule};
use sim::chronicle::Chronicle;
use sim::future::Future;
use sim::{FaultKinds, Scenario, Wanted, World};
use trace::tape::{TAPE_BYTES_MAX, Tape, Told};
use trace::{Act, Happening, What};

fn members(nodes: u8) -> Vec<NodeId> {
    (1..=nodes).map(NodeId).collect()
}

fn scenario(seed: u64, seconds: u32, faults: bool) -> Scenario {
    let wanted = Wanted {
        nodes: Some(5),
        seconds: Some(seconds),
        rate: Some(100),
        faults: Some(if faults {
            FaultKinds::all()
        } else {
            [].into_iter().collect()
        }),
        every_fault: faults,
        ..Wanted::default()
    };
    Scenario::drawn(seed, wanted)
}

/// What a run told, and how every node was at some of its instants.
struct Run {
    tape: Tape,
    seen: Vec<(Instant, Vec<Option<Vec<u8>>>)>,
}

fn run(scenario: &Scenario, bytes_max: usize) -> Run {
    let nodes = scenario.settings.nodes;
    let mut world = World::new(scenario).unwrap();
    world.tell_all();
    let mut tape = Tape::new(&members(nodes), bytes_max);
    let mut seen = Vec::new();
    let mut facts = Vec::new();
    let end = Instant(scenario.settings.duration.0);
    let mut turn = 0_u64;
    while world.now() < end {
        turn += 1;
        let until = world.now() + Duration(1_000 + turn * 7_919 % 90_000);
        world.run_until(until, |_| false).unwrap();
        let saved = members(nodes).into_iter().map(|id| {
            let node = world.nodes().find(|node| node.view().id == id)?;
            Some(node.save())
        });
        seen.push((world.now(), saved.collect()));
        for Told { node, boot, piece } in world.take_told() {
            tape.take(node, boot, piece).unwrap();
        }
        while tape.turn(&mut facts).is_some() {}
    }
    Run { tape, seen }
}

/// Every node of a run with every fault, at hundreds of instants, to the last byte of its state.
#[test]
fn any_instant_of_a_run_is_made_again() {
    for seed in 0..4 {
        let scenario = scenario(seed, 20, true);
        let run = run(&scenario, TAPE_BYTES_MAX);
        assert_eq!(run.tape.kept_from(), Instant(0));
        let mut compared = 0;
        for (at, nodes) in &run.seen {
            let moment = run.tape.moment(*at);
            for ((id, again), then) in moment.nodes.iter().zip(nodes) {
                let again = again.as_ref().map(cluster::node::Node::save);
                assert!(again == *then, "seed {seed}: {id} at {at}");
                compared += usize::from(then.is_some());
            }
        }
        assert!(compared > 500, "seed {seed}: {compared}");
        // A part of it makes another tape, on which the same can be looked at.
        let (from, until) = (Instant(7_000_000), Instant(9_000_000));
        let mut part = Tape::new(&members(5), TAPE_BYTES_MAX);
        for Told { node, boot, piece } in run.tape.told(from, until) {
            part.read(node, boot, &cluster::codec::encode(&piece)).unwrap();
        }
        part.open(&mut Vec::new());
        while part.turn(&mut Vec::new()).is_some() {}
        for at in [7_000_001, 7_700_000, 8_999_999].map(Instant) {
            assert_eq!(
                part.moment(at).hash(),
                run.tape.moment(at).hash(),
                "seed {seed} at {at}"
            );
        }
    }
}

/// A tape that is full lets the oldest go, says from when on it knows everything, and keeps to its limit.
#[test]
fn what_is_kept_has_a_limit() {
    const BYTES_MAX: usize = 2_000_000;
    let scenario = scenario(3, 60, false);
    let run = run(&scenario, BYTES_MAX);
    assert!(run.tape.kept_from() > Instant(0));
    assert!(run.tape.bytes() < BYTES_MAX * 5 / 4, "{} bytes", run.tape.bytes());
    let (mut before, mut after) = (0, 0);
    for (at, nodes) in &run.seen {
        if *at < run.tape.kept_from() {
            before += 1;
            continue;
        }
        let moment = run.tape.moment(*at);
        let again: Vec<_> = moment
            .nodes
            .iter()
            .map(|(_, node)| node.as_ref().map(cluster::node::Node::save))
            .collect();
        assert!(again == *nodes, "at {at}");
        after += 1;
    }
    assert!(before > 10 && after > 10, "{before} before, {after} after");
}

fn told(future: &mut Future, chronicle: &mut Chronicle, seen: &mut Vec<Happening>) {
    let (told, happened) = future.take();
    seen.extend(happened);
    for Told { node, boot, piece } in told {
        chronicle.take(node, boot, piece).unwrap();
    }
    if !chronicle.has_opened() {
        chronicle.open(&mut |happening| seen.push(happening));
    }
    while chronicle.turn(&mut |happening| seen.push(happening)) {}
    chronicle.set_history(future.history());
    chronicle.judge(&mut |happening| seen.push(happening));
}

fn leader(tape: &Tape, at: Instant) -> Option<NodeId> {
    let moment = tape.moment(at);
    let led = moment.nodes.iter().filter_map(|(id, node)| {
        let view = node.as_ref()?.view();
        (view.role == Role::Leader).then_some((view.term, *id))
    });
    led.max().map(|(_, id)| id)
}

/// A future of three acts: its leader crashes, clients go on, and it comes back.
fn future_of(tape: &Tape, at: Instant, seed: u64) -> (Chronicle, Vec<Happening>) {
    let mut future = Future::new(tape, at, seed, Some(netem::LinkSettings::default()));
    let mut chronicle = Chronicle::new(&tape.members().collect::<Vec<_>>(), TAPE_BYTES_MAX);
    let mut seen = Vec::new();
    told(&mut future, &mut chronicle, &mut seen);
    let leads = leader(tape, at).unwrap();
    future.act(&Act::Crash(leads));
    for item in 0..20 {
        future.act(&Act::Submit(format!("push 1 {item}").parse().unwrap()));
        let until = future.now() + Duration::from_millis(50);
        future.run_until(until);
        told(&mut future, &mut chronicle, &mut seen);
    }
    future.act(&Act::Start(leads));
    future.run_until(at + Duration::from_millis(4_000));
    told(&mut future, &mut chronicle, &mut seen);
    (chronicle, seen)
}

/// What would have come of it is a run like any other: it elects, it answers, it keeps every promise, and it is the same
/// each time.
#[test]
fn a_run_goes_on_from_any_instant() {
    for seed in 0..4 {
        let run = run(&scenario(seed, 12, false), TAPE_BYTES_MAX);
        let at = Instant(9_000_000 + seed * 300_001);
        let before = leader(&run.tape, at).unwrap();
        let (chronicle, seen) = future_of(&run.tape, at, seed);
        let judgement = chronicle.judgement();
        assert_eq!(judgement.unjudged, None, "seed {seed}");
        assert_eq!(judgement.violations, Vec::new(), "seed {seed}");
        assert!(judgement.elections > 0, "seed {seed}: nobody was elected");
        assert_eq!(judgement.judged, 20, "seed {seed}: {judgement:?}");
        let end = chronicle.tape.reached();
        assert_ne!(leader(&chronicle.tape, at + Duration::from_millis(900)), Some(before));
        let moment = chronicle.tape.moment(end);
        assert!(moment.nodes.iter().all(|(_, node)| node.is_some()));
        let again = future_of(&run.tape, at, seed);
        assert_eq!(again.0.tape.moment(end).hash(), moment.hash());
        assert_eq!(again.1.len(), seen.len());
    }
}

/// Links that are cut, or mended, while a member is down are so when it is booted.
#[test]
fn a_member_that_was_down_boots_with_the_links_as_they_are() {
    let run = run(&scenario(0, 12, false), TAPE_BYTES_MAX);
    let at = Instant(9_000_000);
    let links = netem::LinkSettings::default();
    let mut future = Future::new(&run.tape, at, 1, Some(links));
    let members: Vec<NodeId> = run.tape.members().collect();
    let (from, to, other) = (members[0], members[1], members[2]);
    let cut = |to: NodeId, cut: bool| {
        let settings = netem::LinkSettings { cut, ..links };
        Act::SetLink { from, to, settings }
    };
    future.act(&cut(other, true));
    future.act(&Act::Crash(from));
    future.act(&cut(to, true));
    future.act(&cut(other, false));
    future.act(&Act::Start(from));
    future.run_until(at + Duration::from_millis(500));
    let mut chronicle = Chronicle::new(&members, TAPE_BYTES_MAX);
    told(&mut future, &mut chronicle, &mut Vec::new());
    let moment = chronicle.tape.moment(chronicle.tape.reached());
    let node = moment
        .nodes
        .iter()
        .find_map(|(id, node)| node.as_ref().filter(|_| *id == from));
    assert_eq!(node.unwrap().cut_off(), [to]);
}

/// The checkers see in what they are told what they see in the world: a run with a rule off breaks a promise here, too.
#[test]
fn a_broken_promise_is_seen() {
    let found = (0..200).find_map(|seed| {
        let scenario = sim::ablations::ordinary(Rule::FullMajority, seed);
        let mut world = World::new(&scenario).ok()?;
        world.tell_all();
        let end = Instant(scenario.settings.duration.0);
        let expected = world.run_until(end, |_| false).err()?;
        let mut chronicle = Chronicle::new(&members(scenario.settings.nodes), TAPE_BYTES_MAX);
        for Told { node, boot, piece } in world.take_told() {
            chronicle.take(node, boot, piece).unwrap();
        }
        let mut violations = Vec::new();
        while chronicle.turn(&mut |happening| {
            if let What::Violated { text } = happening.what {
                violations.push(text);
            }
        }) {}
        (violations.first() == Some(&expected.to_string())).then_some(seed)
    });
    assert!(found.is_some(), "no seed broke the same promise in both");
}

/// A cluster that is put back goes on, on the tape and for who looks: as others, of the next epoch.
#[test]
fn a_run_is_told_beyond_its_going_back() {
    let wanted = Wanted {
        nodes: Some(3),
        seconds: Some(30),
        faults: Some(FaultKinds::parse("go-back").unwrap()),
        every_fault: true,
        ..Wanted::default()
    };
    let scenario = Scenario::drawn(1, wanted);
    let mut tape = Tape::new(&members(3), TAPE_BYTES_MAX);
    let (mut last, mut started) = (Instant(0), 0);
    let outcome = sim::tell(
        &scenario,
        u64::MAX,
        |happening| {
            last = last.max(happening.at);
            started += usize::from(matches!(happening.what, What::Started { .. }));
        },
        |told| {
            for Told { node, boot, piece } in told {
                tape.take(node, boot, piece).unwrap();
            }
            while tape.turn(&mut Vec::new()).is_some() {}
        },
    );
    assert_eq!(outcome.violation, None);
    assert!(last >= Instant(scenario.settings.duration.0), "told up to {last}");
    assert!(started >= 6, "{started} starts");
    let epochs = tape
        .moment(last)
        .nodes
        .into_iter()
        .filter_map(|(_, node)| Some(node?.epoch()));
    assert!(epochs.min().unwrap() > cluster::Epoch::default());
}

/// After a step back the timeline once said that there was no leader, though one had gone on leading: who goes on from a state begins as what it
/// was.
#[test]
fn who_goes_on_from_a_state_begins_as_what_it_was() {
    let scenario = scenario(3, 4, false);
    let mut world = World::new(&scenario).unwrap();
    world.run_until(Instant(3_000_000), |_| false).unwrap();
    world.tell_all();
    let leads = |node: &&cluster::node::Node| node.view().role == Role::Leader;
    let (leader, term) = world
        .nodes()
        .find(leads)
        .map(|node| (node.view().id, node.view().term))
        .unwrap();
    world.run_until(Instant(3_500_000), |_| false).unwrap();
    let mut chronicle = Chronicle::new(&members(5), TAPE_BYTES_MAX);
    for Told { node, boot, piece } in world.take_told() {
        chronicle.take(node, boot, piece).unwrap();
    }
    let mut all = Vec::new();
    let mut see = |happening: Happening| all.push(happening);
    chronicle.open(&mut see);
    while chronicle.turn(&mut see) {}
    let began = all.iter().filter_map(|happening| match &happening.what {
        What::Started {
            node, role, recovery, ..
        } => Some((*node, *role, recovery.hard_state.term)),
        _ => None,
    });
    let lead: Vec<_> = began.filter(|(_, role, _)| *role == Role::Leader).collect();
    assert_eq!(lead, [(leader, Role::Leader, term)]);
    // And so do exports say.
    let mut trace = Vec::new();
    let mut exporter = trace::export::Format::Chrome.exporter(&mut trace);
    for happening in &all {
        exporter.take(happening).unwrap();
    }
    exporter.finish().unwrap();
    drop(exporter);
    let text = String::from_utf8(trace).unwrap();
    assert!(text.contains(&format!("leader, {term}")), "it begins with its role");
}
