//! Random schedules: what happens to a world, as a list that proptest can shrink.

use proptest::prelude::*;
use raft_core::{Input, NodeId, Role, Rules};

use super::checker::Violation;
use super::world::World;

/// One thing that happens. Numbers select among whatever there is at the time.
#[derive(Clone, Debug)]
pub enum Action {
    /// A message arrives, out of order.
    Deliver(u8),
    /// The oldest messages arrive.
    DeliverOldest(u8),
    Drop(u8),
    Duplicate(u8),
    /// A disk completes some of its writes.
    Persist(u8, u8),
    /// A timer runs out.
    Tick(u8),
    /// A leader's timer runs out.
    Heartbeat(u8),
    /// Commands for some leader, this many in one run.
    Propose(u8, u8),
    Read(u8),
    /// A node crashes, with this many of its writes on the disk.
    Crash(u8, u8),
    Restart(u8),
    /// Some nodes are cut off from the others.
    Partition(u8),
    Heal,
    /// For a while everything works.
    Settle(u8),
}

pub fn actions(length: usize) -> impl Strategy<Value = Vec<Action>> {
    let n = any::<u8>;
    let action = prop_oneof![
        14 => n().prop_map(Action::Deliver),
        20 => (1_u8..8).prop_map(Action::DeliverOldest),
        4 => n().prop_map(Action::Drop),
        3 => n().prop_map(Action::Duplicate),
        24 => (n(), 1_u8..4).prop_map(|(node, count)| Action::Persist(node, count)),
        14 => n().prop_map(Action::Tick),
        6 => n().prop_map(Action::Heartbeat),
        10 => (n(), 1_u8..4).prop_map(|(node, count)| Action::Propose(node, count)),
        4 => n().prop_map(Action::Read),
        3 => (n(), 0_u8..3).prop_map(|(node, kept)| Action::Crash(node, kept)),
        5 => n().prop_map(Action::Restart),
        2 => n().prop_map(Action::Partition),
        2 => Just(Action::Heal),
        2 => (1_u8..6).prop_map(Action::Settle),
    ];
    proptest::collection::vec(action, length / 2..=length)
}

/// How many messages may be on the way before the oldest are lost.
const PACKETS_MAX: usize = 256;

/// Starts a cluster and lets the schedule happen to it. Says what was violated first, if anything was.
pub fn play(size: u8, rules: Rules, seed: u64, actions: &[Action]) -> (World, Result<(), Violation>) {
    let mut world = World::new(size, rules, seed);
    // Snapshots are frequent, rare, or never.
    world.compact_after = [2, 7, 30, u64::MAX][seed as usize % 4];
    let played = (|| {
        for id in world.members() {
            world.start(id)?;
        }
        actions.iter().try_for_each(|action| perform(&mut world, action))
    })();
    (world, played)
}

fn perform(world: &mut World, action: &Action) -> Result<(), Violation> {
    let node = |n: u8| NodeId(n % world.members().len() as u8 + 1);
    let place = |n: u8| {
        if world.network.is_empty() {
            0
        } else {
            n as usize * world.network.len() / 256
        }
    };
    match *action {
        Action::Deliver(n) => drop(world.deliver(place(n))?),
        Action::DeliverOldest(count) => {
            for _ in 0..count {
                world.deliver(0)?;
            }
        }
        Action::Drop(n) => drop(world.network.remove(place(n))),
        Action::Duplicate(n) => {
            let copy = world.network.get(place(n)).cloned();
            world.network.extend(copy);
        }
        Action::Persist(n, count) => drop(world.complete_writes(node(n), count.into())?),
        Action::Tick(n) => drop(world.tick(node(n))?),
        Action::Heartbeat(n) => {
            if let Some(leader) = pick_leader(world, n) {
                world.tick(leader)?;
            }
        }
        Action::Propose(n, count) => {
            let inputs = (0..count).map(|_| {
                let ticket = world.ticket("");
                Input::Propose {
                    ticket,
                    command: format!("c{}", ticket.0),
                }
            });
            let inputs = inputs.collect();
            let to = pick_leader(world, n).unwrap_or(NodeId(n % world.members().len() as u8 + 1));
            world.step(to, inputs)?;
        }
        Action::Read(n) => {
            let ticket = world.ticket("");
            world.checker.read_asked(ticket);
            let to = pick_leader(world, n).unwrap_or(NodeId(n % world.members().len() as u8 + 1));
            world.step(to, vec![Input::Read { ticket }])?;
        }
        Action::Crash(n, kept) => world.crash(node(n), kept.into()),
        Action::Restart(n) => {
            let id = node(n);
            if world.core(id).is_none() {
                world.start(id)?;
            }
        }
        Action::Partition(n) => {
            let group: Vec<NodeId> = world
                .members()
                .into_iter()
                .filter(|id| n >> (id.0 - 1) & 1 == 1)
                .collect();
            world.partition(&group);
        }
        Action::Heal => world.cuts.clear(),
        Action::Settle(rounds) => world.settle(rounds.into())?,
    }
    while world.network.len() > PACKETS_MAX {
        world.network.pop_front();
    }
    Ok(())
}

fn pick_leader(world: &World, n: u8) -> Option<NodeId> {
    let leaders = world.leaders();
    let place = n as usize % leaders.len().max(1);
    leaders
        .get(place)
        .copied()
        .filter(|&id| world.role(id) == Some(Role::Leader))
}
