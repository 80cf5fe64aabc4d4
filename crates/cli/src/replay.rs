//! `ftq replay`: a kept run once more, in the words of its nodes.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant as WallInstant;

use cluster::ActivityLine;
use raft_core::Instant;
use sim::{Scenario, World, file, run};

use crate::End;
use crate::args::Replay;
use crate::sim::figures;

/// How much is told of what came before a violation, in virtual microseconds.
const TOLD_BEFORE_US: u64 = 1_000_000;

pub(crate) fn replay(asked: &Replay) -> Result<End, String> {
    let scenario = read(&asked.file)?;
    if let Some(seconds) = asked.at {
        if !(0.0..=1e9).contains(&seconds) {
            return Err(format!("{seconds} is no time of a run: give seconds"));
        }
        return show_at(&scenario, Instant((seconds * 1e6) as u64));
    }
    if asked.until.is_some() {
        tell(&scenario);
    }
    let started = WallInstant::now();
    let outcome = run(&scenario, |_| true);
    if asked.json {
        println!("{}", figures(&scenario, &outcome, started.elapsed().as_secs_f64()));
    } else {
        print!(
            "{}",
            crate::sim::words(&scenario, &outcome, started.elapsed().as_secs_f64())
        );
    }
    Ok(if outcome.violation.is_some() {
        End::Violation
    } else {
        End::Clean
    })
}

/// Reads a kept run.
pub(crate) fn read(file: &Path) -> Result<Scenario, String> {
    let path = file.display();
    let length = std::fs::metadata(file)
        .map_err(|error| format!("{path}: {error}"))?
        .len();
    if length > file::FILE_BYTES_MAX as u64 {
        return Err(format!("{path}: {}", file::FileError::TooLong(length as usize)));
    }
    let bytes = std::fs::read(file).map_err(|error| format!("{path}: {error}"))?;
    file::read(&bytes).map_err(|error| format!("{path}: {error}"))
}

/// What happened in the second before the violation, or before the end of the phase with faults.
fn tell(scenario: &Scenario) {
    let mut told: VecDeque<(Instant, String)> = VecDeque::new();
    let Ok(mut world) = World::new(scenario) else { return };
    let end = Instant(scenario.settings.duration.0);
    loop {
        let stepped = world.step(end);
        if let Some(node) = world.touched() {
            for (at, fact) in world.facts() {
                told.push_back((*at, ActivityLine { at: *at, node, fact }.to_string()));
            }
        }
        while told
            .front()
            .is_some_and(|(at, _)| at.0 + TOLD_BEFORE_US < world.now().0)
        {
            told.pop_front();
        }
        if !matches!(stepped, Ok(true)) {
            break;
        }
    }
    for (_, line) in told {
        println!("{line}");
    }
}

/// Every node as it was at an instant.
fn show_at(scenario: &Scenario, at: Instant) -> Result<End, String> {
    let mut world = World::new(scenario).map_err(|violation| violation.to_string())?;
    let stopped = world.run_until(at, |_| false);
    println!("at {}:", world.now());
    for node in world.nodes() {
        let description =
            serde_json::to_string_pretty(&node.describe(world.now())).map_err(|error| error.to_string())?;
        println!("{description}");
    }
    match stopped {
        Ok(_) => Ok(End::Clean),
        Err(violation) => {
            println!("{violation}");
            Ok(End::Violation)
        }
    }
}
