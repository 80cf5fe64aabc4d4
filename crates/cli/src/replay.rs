//! `ftq replay`: a kept run once more, in the words of its nodes.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant as WallInstant;

use raft_core::Instant;
use serde_json::json;
use sim::check::{Property, Violation};
use sim::{Scenario, file, run, run_up_to, watch};
use trace::{Happening, What};

use crate::args::Replay;
use crate::end::End;
use crate::signals::Signals;
use crate::sim::figures;
use crate::{files, out};

/// How much is told of what came before a violation, in virtual microseconds.
const TOLD_BEFORE_US: u64 = 1_000_000;
/// The most lines that are told of that, and of calls that are longer ago; the oldest are left out.
const TOLD_MAX: usize = 20_000;
const CALLS_MAX: usize = 1_000;

pub(crate) fn replay(asked: &Replay) -> Result<End, String> {
    // Who asks for a file that does not come can end it at once.
    let scenario = read(&asked.file)?;
    let signals = Signals::heard()?;
    if let Some(seconds) = asked.at {
        return show_at(asked, &scenario, Instant((seconds * 1e6).round() as u64), &signals);
    }
    let started = WallInstant::now();
    let outcome = run(&scenario, |_| !signals.came());
    let wall_seconds = started.elapsed().as_secs_f64();
    let told = asked.until.as_ref().map(|_| match &outcome.violation {
        Some(violation) => tell(&scenario, violation),
        None => Vec::new(),
    });
    if asked.json {
        let mut figures = figures(&scenario, &outcome, wall_seconds);
        figures["interrupted"] = signals.came().into();
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
    if asked.until.is_some() && outcome.violation.is_none() && !signals.came() {
        out::warn("no promise is broken in this run: there is nothing to end at, and nothing to tell");
    }
    Ok(match signals.exit_code() {
        _ if outcome.violation.is_some() => End::Violation,
        Some(code) => End::Interrupted(code),
        None => End::Clean,
    })
}

/// Reads a kept run.
pub(crate) fn read(file: &Path) -> Result<Scenario, String> {
    let path = file.display();
    let bytes = files::read(file, file::FILE_BYTES_MAX).map_err(|error| format!("{path}: {error}"))?;
    file::read(&bytes).map_err(|error| format!("{path}: {error}"))
}

/// What happened in the second before the violation. Of one that is about what clients asked and were answered, their calls, too, and what
/// happened since the first of them.
fn tell(scenario: &Scenario, violation: &Violation) -> Vec<String> {
    let at = violation.at;
    let since = violation.since.unwrap_or(at);
    let from = Instant(since.0.saturating_sub(TOLD_BEFORE_US));
    let is_of_clients = matches!(
        violation.property,
        Property::Linearizable | Property::ItemsAccounted | Property::AppliedOnce | Property::Converges
    );
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
fn show_at(asked: &Replay, scenario: &Scenario, at: Instant, signals: &Signals) -> Result<End, String> {
    let (world, outcome) = run_up_to(scenario, at, |_| !signals.came());
    let is_over = world.now() < at && outcome.violation.is_none() && !signals.came();
    if is_over {
        return Err(format!(
            "{}: the run ends at {}: give --at a time up to that",
            asked.file.display(),
            world.now()
        ));
    }
    let nodes: Vec<_> = world.nodes().map(|node| node.describe(world.now())).collect();
    if asked.json {
        out::object(json!({
            "at": world.now().0 as f64 / 1e6,
            "nodes": nodes,
            "violations": outcome.violation.as_ref().map(crate::sim::violation).as_slice(),
            "interrupted": signals.came(),
        }))?;
    } else {
        let mut text = format!("at {}:\n", world.now());
        for node in nodes {
            text.push_str(&serde_json::to_string_pretty(&node).map_err(|error| error.to_string())?);
            text.push('\n');
        }
        if let Some(violation) = &outcome.violation {
            text.push_str(&format!("{violation}\n"));
        }
        out::say(&text)?;
    }
    Ok(match signals.exit_code() {
        _ if outcome.violation.is_some() => End::Violation,
        Some(code) => End::Interrupted(code),
        None => End::Clean,
    })
}
