//! A cluster that goes back and on from there, in a new epoch, is judged across it: what was acknowledged in the history that stands must be there, and what was
//! taken back must not.

mod told;

use std::collections::BTreeSet;

use cluster::node::Node;
use cluster::record::{Durability, Origin};
use ftqueue::{Answer, Operation, QueueError, Write};
use netem::LinkSettings;
use raft_core::{Duration, Instant, NodeId};
use sim::check::{Call, Property};
use sim::chronicle::Chronicle;
use sim::future::Future;
use sim::{FaultKinds, Scenario, Wanted, World};
use trace::tape::{Piece, TAPE_BYTES_MAX, Told};
use trace::{Act, Asked};

use crate::told::Teller;

/// To where the cluster goes back.
const BACK_TO: Instant = Instant(4_000_000);

fn members() -> Vec<NodeId> {
    (1..=3).map(NodeId).collect()
}

/// Six seconds of three nodes, judged, and what their clients did.
fn six_seconds() -> (Chronicle, Vec<Call>) {
    let wanted = Wanted {
        nodes: Some(3),
        seconds: Some(6),
        rate: Some(100),
        faults: Some(FaultKinds::default()),
        ..Wanted::default()
    };
    let scenario = Scenario::drawn(4, wanted);
    let mut world = World::new(&scenario).unwrap();
    world.tell_all();
    world.run_until(Instant(6_000_000), |_| false).unwrap();
    let mut live = Chronicle::new(&members(), TAPE_BYTES_MAX);
    for Told { node, boot, piece } in world.take_told() {
        live.take(node, boot, piece).unwrap();
    }
    while live.turn(&mut |_| ()) {}
    for (at, client, asked) in Teller::default().take(world.history()) {
        live.asked(at, client, asked);
    }
    live.judge(&mut |_| ());
    let judgement = live.judgement();
    assert_eq!((judgement.unjudged, judgement.violations), (None, Vec::new()));
    assert!(judgement.judged > 400, "{}", judgement.judged);
    (live, world.history().calls().to_vec())
}

fn members_at(live: &Chronicle, at: Instant) -> Vec<Node> {
    let nodes = live.tape.moment(at).nodes.into_iter();
    nodes.map(|(_, node)| node.expect("all run")).collect()
}

/// The cluster goes on from four seconds, and is judged; whatever else it does.
struct Epoch {
    chronicle: Chronicle,
    future: Future,
    teller: Teller,
}

impl Epoch {
    fn after(live: &Chronicle) -> Epoch {
        let mut chronicle = Chronicle::new(&members(), TAPE_BYTES_MAX);
        let nodes = members_at(live, BACK_TO);
        chronicle.goes_on_from(live, BACK_TO, &nodes.iter().collect::<Vec<_>>());
        Epoch {
            chronicle,
            future: Future::new(&live.tape, BACK_TO, 8, Some(LinkSettings::default())),
            teller: Teller::default(),
        }
    }

    /// Carries out some operations, and tells of them.
    fn does(&mut self, operations: &[&str]) {
        for operation in operations {
            self.future.act(&Act::Submit(operation.parse().unwrap()));
            self.future.run_until(self.future.now() + Duration::from_millis(800));
        }
        for Told { node, boot, piece } in self.future.take().0 {
            self.chronicle.take(node, boot, piece).unwrap();
        }
        while self.chronicle.turn(&mut |_| ()) {}
        for (at, client, asked) in self.teller.take(self.future.history()) {
            self.chronicle.asked(at, client, asked);
        }
        self.chronicle.judge(&mut |_| ());
    }

    /// A client says that a pop took this out of the first queue.
    fn claims(&mut self, item: i64) {
        let at = self.future.now();
        let pop = "pop 1".parse().unwrap();
        self.chronicle.asked(at, 9_000, Asked::Invoked(pop));
        self.chronicle.asked(at, 9_000, Asked::Returned(Ok(Answer::Item(item))));
        self.future.run_until(at + Duration::from_millis(1_500));
        for Told { node, boot, piece } in self.future.take().0 {
            self.chronicle.take(node, boot, piece).unwrap();
        }
        while self.chronicle.turn(&mut |_| ()) {}
        self.chronicle.judge(&mut |_| ());
    }

    fn broken(&self) -> Option<Property> {
        let judgement = self.chronicle.judgement();
        assert_eq!(judgement.unjudged, None);
        judgement.violations.first().map(|it| it.property)
    }
}

fn answer_by(call: &Call, at: Instant) -> Option<Result<Answer, QueueError>> {
    let returned = call.returned.filter(|returned| returned.at <= at)?;
    Some(returned.result)
}

#[test]
fn what_was_answered_before_is_judged_with_what_comes_after() {
    let (live, calls) = six_seconds();
    let before = calls.iter().filter(|call| answer_by(call, BACK_TO).is_some()).count() as u64;
    let mut epoch = Epoch::after(&live);
    epoch.does(&["push 1 7000001", "pop 1", "top 1", "pop 1", "qsize 1"]);
    assert_eq!(epoch.broken(), None);
    let judged = epoch.chronicle.judgement().judged;
    // Of the last half second only that counts which the log of these members holds.
    assert!(
        (before - 60 + 5..=before + 5).contains(&judged),
        "{judged} were judged, of {before} before and 5 after"
    );
}

#[test]
fn what_came_out_before_does_not_come_out_again() {
    let (live, calls) = six_seconds();
    let popped = calls.iter().rev().find_map(|call| {
        let is_pop = call.operation == "pop 1".parse().unwrap();
        match answer_by(call, Instant(3_000_000)) {
            Some(Ok(Answer::Item(item))) if is_pop => Some(item),
            _ => None,
        }
    });
    let mut epoch = Epoch::after(&live);
    epoch.claims(popped.expect("something came out"));
    assert_eq!(epoch.broken(), Some(Property::Linearizable));
}

#[test]
fn what_was_taken_back_does_not_come_out() {
    let (live, calls) = six_seconds();
    let mut pushed = calls.iter().filter_map(|call| match call.operation {
        Operation::Write(Write::Push { qid, item }) if qid.0 == 1 && call.at > BACK_TO => Some(item),
        _ => None,
    });
    let mut epoch = Epoch::after(&live);
    epoch.claims(pushed.next().expect("something was pushed"));
    assert_eq!(epoch.broken(), Some(Property::Linearizable));
}

/// R2: what was acknowledged in the history that stands is not there.
#[test]
fn members_that_begin_with_less_than_the_history_that_stands_are_red() {
    let (live, _) = six_seconds();
    let mut chronicle = Chronicle::new(&members(), TAPE_BYTES_MAX);
    let nodes = members_at(&live, BACK_TO);
    chronicle.goes_on_from(&live, BACK_TO, &nodes.iter().collect::<Vec<_>>());
    for (node, id) in members_at(&live, Instant(2_000_000)).iter().zip(members()) {
        let origin = Origin::State(node.save());
        chronicle.take(id, 2, Piece::Began { origin, at: BACK_TO }).unwrap();
    }
    while chronicle.turn(&mut |_| ()) {}
    let violations = chronicle.judgement().violations;
    assert_eq!(violations.first().map(|it| it.property), Some(Property::RecoveredWhole));
}

/// A step that is undone: the epoch that stood stands again, with what its members have on their disks.
fn undone(at_of: impl Fn(NodeId) -> Instant) -> Chronicle {
    let (mut live, _) = six_seconds();
    let end = live.tape.reached();
    for id in members() {
        live.tape.end(id, 1, end);
    }
    while live.turn(&mut |_| ()) {}
    let mut again = Chronicle::new(&members(), TAPE_BYTES_MAX);
    assert!(again.goes_on_after(&live));
    for id in members() {
        let at = at_of(id);
        let node = if at >= end {
            live.tape.last_of(id, end)
        } else {
            live.tape
                .moment(at)
                .nodes
                .into_iter()
                .find(|(of, _)| *of == id)
                .and_then(|(_, node)| node)
        };
        let mut node = node.unwrap();
        let origin = Origin::Disk {
            config: node.config_for(2, 5),
            files: [node.move_to_new_disk(), Vec::new()],
            durability: Durability::Kept,
        };
        again.take(id, 2, Piece::Began { origin, at: end }).unwrap();
    }
    while again.turn(&mut |_| ()) {}
    again
}

#[test]
fn an_undone_step_is_judged_with_all_that_was_before_it() {
    let mut again = undone(|_| Instant::NEVER);
    again.judge(&mut |_| ());
    let judgement = again.judgement();
    assert_eq!((judgement.unjudged, judgement.violations), (None, Vec::new()));
    assert!(judgement.judged > 400);
    let again = undone(|id| if id == NodeId(2) { BACK_TO } else { Instant::NEVER });
    let broken: BTreeSet<Property> = again.judgement().violations.iter().map(|it| it.property).collect();
    assert_eq!(broken, BTreeSet::from([Property::RecoveredWhole]));
}
