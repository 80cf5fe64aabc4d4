//! What went into a node makes the same node again.

mod world;

use cluster::node::{Node, NodeInput, NodeOutbox};
use cluster::record::{Life, Step};
use raft_core::{Duration, Instant, NodeId};
use world::{Unflushed, World};

/// All that a node is, in words: its core, its links, what waits in it.
fn shape(node: &Node, now: Instant) -> String {
    format!("{:?}\n{node:?}", node.describe(now))
}

/// A cluster that works, with crashes, cuts and pauses, and is looked at again and again.
#[test]
fn any_instant_is_made_again() {
    for seed in 0..8 {
        let mut world = World::new(5, seed);
        world.compact_after = 20;
        world.lives = Some(Default::default());
        world.start_all();
        world.wait_for_leader();
        let client = world.client();
        world.answer(client, "create_queue 7");
        let mut seen: Vec<(NodeId, u32, Instant, String, usize)> = Vec::new();
        for turn in 0..60_u64 {
            let id = NodeId(((seed + turn * 7) % 5) as u8 + 1);
            match (seed + turn) % 12 {
                3 if world.running_nodes().len() > 3 => world.crash(id, Unflushed::TornAfter(turn as usize * 9)),
                7 => world.start_all(),
                5 => world.isolate(id),
                6 => world.rejoin(NodeId(((seed + turn.saturating_sub(1) * 7) % 5) as u8 + 1)),
                9 if world.running_nodes().contains(&id) => world.step(id, NodeInput::SetPaused(turn % 24 < 12)),
                _ => {}
            }
            world.submit_if_free(client, &format!("push 1 {turn}"));
            world.run_for(Duration(1_000 * (10 + (seed * 31 + turn * 17) % 90)));
            for id in world.running_nodes() {
                let now = world.now;
                let life = world.life(id);
                let steps = life.steps.len();
                assert_eq!(life.steps_until(now), steps);
                let boot = world.boots(id);
                seen.push((id, boot, now, shape(world.node(id), now), steps));
            }
        }
        let mut compared = 0;
        for (id, boot, at, then, steps) in seen {
            let is_this_life = world.running_nodes().contains(&id) && world.boots(id) == boot;
            if !is_this_life {
                continue;
            }
            let life = world.life(id);
            let again = life.replay(steps).unwrap();
            assert_eq!(
                shape(&again, at),
                then,
                "seed {seed}: {id} at {at}, after {steps} steps"
            );
            let saved = again.save();
            let mut loaded = Node::load(&saved).unwrap();
            assert_eq!(loaded.save(), saved);
            assert_eq!(loaded.fingerprint(), again.fingerprint());
            // What is loaded goes on the same.
            for step in &life.steps[steps..] {
                let mut out = NodeOutbox::default();
                match step.clone() {
                    Step::Take(at, input) => loaded.take(at, input, &mut out),
                    Step::Flush => loaded.flush(&mut out),
                }
            }
            assert_eq!(loaded.save(), world.node(id).save(), "seed {seed}: {id} from {at}");
            compared += 1;
        }
        assert!(compared > 60, "seed {seed}: {compared} instants were compared");
    }
}

/// What is made again goes on as the node itself did.
#[test]
fn a_node_that_is_made_again_goes_on_the_same() {
    let mut world = World::new(3, 1);
    world.lives = Some(Default::default());
    world.start_all();
    let leader = world.wait_for_leader();
    let client = world.client();
    world.answer(client, "create_queue 7");
    let middle = world.now;
    for item in 0..20 {
        world.answer(client, &format!("push 1 {item}"));
    }
    let end = world.now;
    let life = world.life(leader).clone();
    let whole = life.replay(life.steps_until(end)).unwrap();
    assert_eq!(shape(&whole, end), shape(world.node(leader), end));
    // The bytes of a life are read as the same life.
    let bytes = cluster::codec::encode(&life);
    let again: Life = cluster::codec::decode(&bytes).unwrap();
    assert_eq!(again, life);
    // An earlier instant knows nothing of what came later.
    assert!(life.replay(life.steps_until(middle)).unwrap().view().last_index() < whole.view().last_index());
}
