//! How long what a person can ask takes on an hour's run: `cargo test --release --package lockstep --test long -- --ignored --nocapture`.

mod quiet;
#[path = "../../sim/tests/told/mod.rs"]
mod told;

use std::time::{Duration, Instant as Wall};

use cluster::clock::{Clock, ClockSetting};
use lockstep::Desk;
use raft_core::{Instant, NodeId};
use sim::{Scenario, Wanted, World};
use trace::Act;
use trace::lockstep::{FromLockstep, ToLockstep};

use told::Teller;

const SECONDS: u32 = 3_600;
const NODES: u8 = 5;

fn hour() -> Scenario {
    let wanted = Wanted {
        nodes: Some(NODES),
        seconds: Some(SECONDS),
        rate: Some(20),
        faults: Some([].into_iter().collect()),
        ..Wanted::default()
    };
    Scenario::drawn(3, wanted)
}

/// A recorder that has heard an hour of nodes and clients, and how long the longest of its judgements took.
fn heard(scenario: &Scenario) -> (Desk, Duration) {
    let mut world = World::new(scenario).unwrap();
    let mut teller = Teller::default();
    world.tell_all();
    let setting = ClockSetting {
        virtual_now: Instant(u64::from(SECONDS) * 1_000_000),
        ..ClockSetting::starting_at(0.0)
    };
    let mut desk = Desk::new(quiet::members(NODES), Clock::new(setting));
    let mut longest = Duration::ZERO;
    for second in 1..=u64::from(SECONDS) {
        world.run_until(Instant(second * 1_000_000), |_| false).unwrap();
        quiet::hears(&mut desk, world.take_told());
        desk.hear(ToLockstep::Asked(teller.take(world.history())));
        let since = Wall::now();
        desk.judge();
        longest = longest.max(since.elapsed());
    }
    desk.frame(1.0);
    (desk, longest)
}

fn took(desk: &mut Desk, what: &str, message: ToLockstep) {
    let since = Wall::now();
    desk.hear(message);
    desk.frame(1.0);
    let took = since.elapsed();
    let mut made = String::new();
    for said in desk.take_out() {
        match said {
            FromLockstep::Made { bytes, .. } => made += &format!("{} bytes ", bytes.len()),
            FromLockstep::Notice(text) => made += &text,
            _ => {}
        }
    }
    println!("{:>9.1} ms  {what}  {made}", took.as_secs_f64() * 1e3);
}

fn all(desk: &mut Desk, at_us: u64) {
    let say = |text: &str| ToLockstep::Do(text.to_owned());
    took(desk, "look at its middle", ToLockstep::Look(Some(Instant(at_us))));
    took(
        desk,
        "look at its beginning",
        ToLockstep::Look(Some(Instant(3_000_000))),
    );
    took(desk, "look at its middle again", ToLockstep::Look(Some(Instant(at_us))));
    for what in ["link", "svg", "file", "history", "jsonl", "shiviz", "chrome"] {
        took(desk, &format!("make {what}"), say(&format!("make {what}")));
    }
    took(desk, "trace", say("trace"));
    took(desk, "activity", say("activity 1"));
    took(desk, "state", say("state 1"));
    took(desk, "a branch", ToLockstep::Act(Act::Crash(NodeId(1))));
    took(
        desk,
        "a second act at its instant",
        ToLockstep::Act(Act::Crash(NodeId(2))),
    );
    took(desk, "compare it", say("compare 0"));
    took(desk, "let it go on", say("extend"));
    took(desk, "link of it", say("make link"));
    took(desk, "file of it", say("make file"));
    took(desk, "step", say("before"));
}

#[test]
#[ignore = "it measures"]
fn an_hour() {
    let scenario = hour();
    let since = Wall::now();
    let (mut desk, judged) = heard(&scenario);
    println!(
        "A live run of an hour (heard in {:.1} s):",
        since.elapsed().as_secs_f64()
    );
    println!(
        "{:>9.1} ms  the longest judgement of clients",
        judged.as_secs_f64() * 1e3
    );
    all(&mut desk, 1_800_000_000);
    let say = |text: &str| ToLockstep::Do(text.to_owned());
    took(&mut desk, "show the live run", say("show 0"));
    took(
        &mut desk,
        "look at its middle",
        ToLockstep::Look(Some(Instant(1_800_000_000))),
    );
    desk.live_at(None);
    took(&mut desk, "ask to go on live", say("go-live"));
    took(&mut desk, "go on live: before", say("go-live now"));
    took(
        &mut desk,
        "go on live: the step",
        ToLockstep::Stopped { boots: Vec::new() },
    );
    let mut desk = quiet::recorder(1);
    println!("A scenario of an hour:");
    let bytes = sim::file::write(&scenario).unwrap();
    let name = "hour.ftq".to_owned();
    took(&mut desk, "open it", ToLockstep::OpenFile { name, bytes });
    took(
        &mut desk,
        "press in its middle",
        ToLockstep::Timeline(trace::lockstep::Gesture::Key("End".to_owned())),
    );
    all(&mut desk, 600_000_000);
}
