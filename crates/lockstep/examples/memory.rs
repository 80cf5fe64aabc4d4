//! What an operation takes in the recorder's memory: a run of five nodes without faults, as Workers tell it, minute by minute.
//!
//! `cargo run --release --package lockstep --example memory -- MINUTES OPERATIONS_PER_SECOND [world]`; with `world`, the simulated world alone,
//! to be taken off.

#[path = "../tests/quiet/clients.rs"]
mod clients;

use cluster::clock::{Clock, ClockSetting};
use lockstep::Desk;
use raft_core::{Instant, NodeId};
use sim::{Scenario, Wanted, World};
use trace::Asked;
use trace::lockstep::{FromLockstep, ToLockstep};
use trace::tape::Told;

/// This process's memory, in bytes; 0, where the system does not tell.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kb.unwrap_or(0) * 1024
}

fn timings(desk: &mut Desk) -> serde_json::Value {
    desk.take_out();
    desk.hear(ToLockstep::Do("timings".to_owned()));
    let made = desk.take_out().into_iter().find_map(|said| match said {
        FromLockstep::Made { bytes, .. } => Some(bytes),
        _ => None,
    });
    serde_json::from_slice(&made.unwrap_or_default()).unwrap_or_default()
}

fn main() {
    let given: Vec<String> = std::env::args().collect();
    let number = |place: usize, usual: u32| given.get(place).and_then(|it| it.parse().ok()).unwrap_or(usual);
    let (minutes, rate) = (number(1, 13), number(2, 100));
    let is_alone = given.iter().any(|it| it == "world");
    let scenario = Scenario::drawn(
        3,
        Wanted {
            nodes: Some(5),
            seconds: Some(minutes * 60 + 1),
            rate: Some(rate),
            faults: Some([].into_iter().collect()),
            ..Wanted::default()
        },
    );
    let mut world = World::new(&scenario).expect("the world begins");
    world.tell_all();
    let clock = Clock::new(ClockSetting::starting_at(0.0));
    let mut desk = Desk::new((1..=5).map(NodeId).collect(), clock);
    let (mut clients, mut operations) = (clients::Watcher::default(), 0_usize);
    println!("minute  operations  resident MB  told");
    for tenth in 1..=u64::from(minutes) * 600 {
        world
            .run_until(Instant(tenth * 100_000), |_| false)
            .expect("no promise is broken");
        let asked = clients.asked(&world);
        let returned = |it: &&(Instant, u16, Asked)| matches!(it.2, Asked::Returned(_));
        operations += asked.iter().filter(returned).count();
        let told = world.take_told();
        if !is_alone {
            desk.hear(ToLockstep::Asked(asked));
            for Told { node, boot, piece } in told {
                desk.piece(node, boot, piece);
            }
            while desk.work(1 << 16) {}
            if tenth % 10 == 0 {
                desk.judge();
                desk.frame(tenth as f64 * 100.0);
                desk.take_out();
            }
        }
        if tenth % 600 == 0 {
            let told = timings(&mut desk);
            println!(
                "{:>6}  {operations:>10}  {:>11.1}  tape {} bytes, {} events{}",
                tenth / 600,
                resident_bytes() as f64 / 1e6,
                told["tape_bytes"],
                told["events"],
                told.get("kept").map(|kept| format!(", {kept}")).unwrap_or_default(),
            );
        }
    }
}
