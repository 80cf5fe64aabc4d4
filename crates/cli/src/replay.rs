//! `ftq replay`: a kept run once more, in the words of its nodes.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant as WallInstant;

use raft_core::Instant;
use serde_json::json;
use sim::check::{Property, Violation};
use sim::{Scenario, World, file, run, watch};
use trace::{Happening, What};

use crate::args::Replay;
use crate::end::End;
use crate::out;
use crate::sim::figures;

/// How much is told of what came before a violation, in virtual microseconds.
const TOLD_BEFORE_US: u64 = 1_000_000;
/// The most lines that are told of that, and of calls that are longer ago; the oldest are left out.
const TOLD_MAX: usize = 20_000;
const CALLS_MAX: usize = 1_000;

pub(crate) fn replay(asked: &Replay) -> Result<End, String> {
    let scenario = read(&asked.file)?;
    if let Some(seconds) = asked.at {
        return show_at(&scenario, Instant((seconds * 1e6) as u64), asked.json);
    }
    let started = WallInstant::now();
    let outcome = run(&scenario, |_| true);
    let wall_seconds = started.elapsed().as_secs_f64();
    let told = asked
        .until
        .is_some()
        .then(|| tell(&scenario, outcome.violation.as_ref()));
    if asked.json {
        let mut figures = figures(&scenario, &outcome, wall_seconds);
        if let Some(told) = told {
            figures["told"] = json!(told);
        }
        out::object(figures)?;
    } else {
        let mut text = told.unwrap_or_default().join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&crate::sim::words(&scenario, &outcome, wall_seconds));
        out::say(&text)?;
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

/// What happened in the second before the violation, or before the end of the phase with faults. Of a violation that is about what clients
/// asked and were answered, their calls, too, and what happened since the first of them.
fn tell(scenario: &Scenario, violation: Option<&Violation>) -> Vec<String> {
    let end = Instant(scenario.settings.duration.0);
    let at = violation.map_or(end, |violation| violation.at);
    let since = violation.and_then(|violation| violation.since).unwrap_or(at);
    let from = Instant(since.0.saturating_sub(TOLD_BEFORE_US));
    let is_of_clients = violation.is_some_and(|violation| {
        matches!(
            violation.property,
            Property::Linearizable | Property::ItemsAccounted | Property::AppliedOnce | Property::Converges
        )
    });
    let mut told: VecDeque<Happening> = VecDeque::new();
    let mut calls = VecDeque::new();
    let see = |happening: Happening| {
        let is_call = matches!(
            happening.what,
            What::Invoked { .. } | What::Returned { .. } | What::GaveUp { .. }
        );
        if matches!(happening.what, What::Violated { .. }) || happening.at > at {
            return;
        }
        let (kept, most) = if happening.at >= from {
            (&mut told, TOLD_MAX)
        } else if is_of_clients && is_call {
            (&mut calls, CALLS_MAX)
        } else {
            return;
        };
        kept.push_back(happening);
        if kept.len() > most {
            kept.pop_front();
        }
    };
    watch(scenario, |_| true, see);
    calls.append(&mut told);
    let mut lines: Vec<Happening> = calls.into();
    lines.sort_by_key(|happening| happening.at);
    lines.iter().map(ToString::to_string).collect()
}

/// Every node as it was at an instant.
fn show_at(scenario: &Scenario, at: Instant, in_json: bool) -> Result<End, String> {
    let mut world = World::new(scenario).map_err(|violation| violation.to_string())?;
    let stopped = world.run_until(at, |_| false);
    let nodes: Vec<_> = world.nodes().map(|node| node.describe(world.now())).collect();
    if in_json {
        out::object(json!({
            "at": world.now().0 as f64 / 1e6,
            "nodes": nodes,
            "violations": stopped.as_ref().err().map(crate::sim::violation).as_slice(),
        }))?;
    } else {
        let mut text = format!("at {}:\n", world.now());
        for node in nodes {
            text.push_str(&serde_json::to_string_pretty(&node).map_err(|error| error.to_string())?);
            text.push('\n');
        }
        if let Err(violation) = &stopped {
            text.push_str(&format!("{violation}\n"));
        }
        out::say(&text)?;
    }
    Ok(if stopped.is_ok() { End::Clean } else { End::Violation })
}
