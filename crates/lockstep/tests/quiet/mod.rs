//! A run without faults, as Workers tell it, and a recorder that hears it: what these tests begin with.

#![allow(dead_code, reason = "each test uses its part")]

use cluster::clock::{Clock, ClockSetting};
use cluster::node::Node;
use lockstep::Desk;
use raft_core::{Instant, NodeId};
use sim::{Scenario, Wanted, World};
use trace::lockstep::{FromLockstep, Shown};
use trace::tape::Told;

pub(crate) fn members(nodes: u8) -> Vec<NodeId> {
    (1..=nodes).map(NodeId).collect()
}

pub(crate) fn scenario(nodes: u8, seconds: u32) -> Scenario {
    let wanted = Wanted {
        nodes: Some(nodes),
        seconds: Some(seconds),
        rate: Some(40),
        faults: Some([].into_iter().collect()),
        ..Wanted::default()
    };
    Scenario::drawn(3, wanted)
}

/// What so many seconds of three nodes tell, tenth by tenth, and the nodes as they are then.
pub(crate) fn told(seconds: u32) -> (Vec<Told>, Vec<Node>) {
    let scenario = scenario(3, seconds);
    let mut world = World::new(&scenario).unwrap();
    world.tell_all();
    let mut told = Vec::new();
    for tenth in 1..=u64::from(seconds) * 10 {
        world.run_until(Instant(tenth * 100_000), |_| false).unwrap();
        told.extend(world.take_told());
    }
    let nodes = world.nodes().map(|node| Node::load(&node.save()).unwrap());
    (told, nodes.collect())
}

/// The recorder of a page of three nodes, whose clock has come so far.
pub(crate) fn recorder(seconds: u32) -> Desk {
    let setting = ClockSetting {
        virtual_now: Instant(u64::from(seconds) * 1_000_000),
        ..ClockSetting::starting_at(0.0)
    };
    Desk::new(members(3), Clock::new(setting))
}

pub(crate) fn hears(desk: &mut Desk, told: impl IntoIterator<Item = Told>) {
    for Told { node, boot, piece } in told {
        desk.piece(node, boot, piece);
    }
    while desk.work(1 << 16) {}
}

/// A recorder that has heard so many seconds of three nodes.
pub(crate) fn heard(seconds: u32) -> Desk {
    let mut desk = recorder(seconds);
    hears(&mut desk, told(seconds).0);
    desk
}

/// What it says after a frame.
pub(crate) fn frame(desk: &mut Desk) -> Vec<FromLockstep> {
    frame_at(desk, 1.0)
}

/// The same, at a time of the wall clock, in milliseconds.
pub(crate) fn frame_at(desk: &mut Desk, wall_ms: f64) -> Vec<FromLockstep> {
    desk.frame(wall_ms);
    desk.take_out()
}

/// What is shown, if that was said and is not the present.
pub(crate) fn shown(said: &[FromLockstep]) -> Option<Shown> {
    said.iter().rev().find_map(|message| match message {
        FromLockstep::Shown(shown) => Some(shown.as_deref().cloned()),
        _ => None,
    })?
}

/// The panel, if it was said.
pub(crate) fn panel(said: &[FromLockstep]) -> String {
    let html = said.iter().rev().find_map(|message| match message {
        FromLockstep::Panel(html) => Some(html.clone()),
        _ => None,
    });
    html.unwrap_or_default()
}
