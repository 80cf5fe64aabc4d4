//! `ftq sim`: one run.

use std::time::Instant;

use cluster::slow_disks::SlowMajority;
use raft_core::Duration;
use serde_json::{Value, json};
use sim::check::Violation;
use sim::{Outcome, Scenario, file, run};

use crate::args::Sim;
use crate::end::End;
use crate::memory::Memory;
use crate::out::{counted, span};
use crate::progress::Line;
use crate::signals::Signals;
use crate::{files, out};

pub(crate) fn sim(asked: &Sim) -> Result<End, String> {
    let signals = Signals::heard()?;
    let started = Instant::now();
    let scenario = Scenario::drawn(asked.seed, asked.wanted()?);
    if let Some(path) = &asked.trace {
        let bytes = file::write(&scenario)?;
        files::write(path, &bytes)?;
    }
    let mut line = Line::new();
    let mut memory = Memory::default();
    let outcome = run(&scenario, |progress| {
        memory.look(progress, scenario.settings.duration.0);
        line.say(|| {
            format!(
                "{:.0} s of virtual time, {} events",
                progress.now.0 as f64 / 1e6,
                progress.events
            )
        });
        !signals.came()
    });
    line.clear();
    let wall_seconds = started.elapsed().as_secs_f64();
    if asked.json {
        let mut figures = figures(&scenario, &outcome, wall_seconds);
        figures["memory_early_bytes"] = memory.early.into();
        figures["memory_late_bytes"] = memory.late.into();
        figures["interrupted"] = signals.came().into();
        out::object(figures)?;
    } else {
        let mut text = words(&scenario, &outcome, wall_seconds);
        if let (Some(early), Some(late)) = (memory.early, memory.late) {
            let mb = |bytes: u64| bytes as f64 / 1e6;
            text.push_str(&format!(
                "memory: {:.1} MB after a tenth of the time, {:.1} MB at its end\n",
                mb(early),
                mb(late)
            ));
        }
        out::say(&text)?;
    }
    Ok(match signals.exit_code() {
        _ if outcome.violation.is_some() => End::Violation,
        Some(code) => End::Interrupted(code),
        None => End::Clean,
    })
}

/// What came of a run, as an object.
pub(crate) fn figures(scenario: &Scenario, outcome: &Outcome, wall_seconds: f64) -> Value {
    let virtual_seconds = outcome.virtual_time.0 as f64 / 1e6;
    let violations: Vec<Value> = outcome.violation.iter().map(violation).collect();
    json!({
        "seed": scenario.settings.seed.to_string(),
        "nodes": scenario.settings.nodes,
        "ablated": scenario.settings.rules.ablated().iter().map(|rule| rule.name()).collect::<Vec<_>>(),
        "virtual_seconds": virtual_seconds,
        "wall_seconds": wall_seconds,
        "speedup": virtual_seconds / wall_seconds,
        "events": outcome.events,
        "elections": outcome.elections,
        "ops_acked": outcome.answered,
        "faults": outcome.faults,
        "violations": violations,
        "linearizable": outcome.linearizable,
        "unjudged": outcome.unjudged,
        "converged": outcome.converged,
        "convergence_unjudged": outcome.convergence_unjudged,
        "slow_disks": outcome.slow_disks.map(slow_disks),
        "trace_hash": format!("{:016x}", outcome.trace_hash),
        "state_hash": format!("{:016x}", outcome.state_hash),
    })
}

/// A broken promise, as an object.
pub(crate) fn violation(violation: &Violation) -> Value {
    json!({
        "property": violation.property.name(),
        "at": violation.at.0 as f64 / 1e6,
        "node": violation.node.map(|node| node.0),
        "detail": violation.detail,
    })
}

/// That disks were too slow for the timers, as an object.
fn slow_disks(slow: SlowMajority) -> Value {
    json!({
        "text": slow.to_string(),
        "nodes": slow.nodes,
        "longest_flush_ms": slow.took.as_millis_f64(),
        "election_min_ms": slow.election_min.as_millis_f64(),
        "seconds": slow.lasted.0 as f64 / 1e6,
    })
}

/// What came of a run, in words.
pub(crate) fn words(scenario: &Scenario, outcome: &Outcome, wall_seconds: f64) -> String {
    let virtual_seconds = outcome.virtual_time.0 as f64 / 1e6;
    let yes_no = |known: Option<bool>| match known {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not known: the run ended before",
    };
    let ablated = scenario.settings.rules.ablated();
    let nodes = counted(scenario.settings.nodes, "node");
    let mut text = format!("seed {}: {nodes}", scenario.settings.seed);
    for rule in &ablated {
        text.push_str(&format!(", without the rule {}", rule.name()));
    }
    text.push_str(&format!(
        "\n{virtual_seconds:.1} s of virtual time in {wall_seconds:.3} s: {:.0} × real time, {}, {:.0} a second\n",
        virtual_seconds / wall_seconds,
        counted(outcome.events, "event"),
        outcome.events as f64 / wall_seconds,
    ));
    text.push_str(&format!(
        "{}, {} answered, {}\nlinearizable: {}\nconverged: {}\ntrace {:016x}, state {:016x}\n",
        counted(outcome.elections, "election"),
        counted(outcome.answered, "operation"),
        counted(outcome.faults, "fault"),
        match &outcome.unjudged {
            Some(why) => format!("not judged: {why}"),
            None => match outcome.linearizable {
                Some(true) => format!("yes, all {}", counted(outcome.answered, "answer")),
                known => yes_no(known).to_owned(),
            },
        },
        match &outcome.convergence_unjudged {
            Some(why) => format!("not judged: {why}"),
            None => yes_no(outcome.converged).to_owned(),
        },
        outcome.trace_hash,
        outcome.state_hash,
    ));
    let one_way = Duration(scenario.settings.delay_us + scenario.settings.jitter_us);
    if let Some(warning) = scenario.settings.timing.warning(one_way) {
        text.push_str(&format!("{warning}\n"));
    }
    // What is over before anybody would stand for election holds nobody up.
    if let Some(slow) = outcome.slow_disks.filter(|slow| slow.lasted >= slow.election_min) {
        text.push_str(&format!(
            "{slow} It was so for {} of virtual time, {}.\n",
            span(slow.lasted),
            match outcome.answered {
                0 => "and nothing was answered".to_owned(),
                answered => format!("and {} came all the same", counted(answered, "answer")),
            },
        ));
    }
    match &outcome.violation {
        Some(violation) => text.push_str(&format!("{violation}\n")),
        None => text.push_str("no promise was broken\n"),
    }
    text
}

#[cfg(test)]
mod tests {
    use sim::Wanted;

    use super::*;

    fn said(change: impl FnOnce(&mut Outcome)) -> String {
        let wanted = Wanted {
            seconds: Some(2),
            ..Wanted::default()
        };
        let scenario = Scenario::drawn(1, wanted);
        let mut outcome = run(&scenario, |_| true);
        change(&mut outcome);
        words(&scenario, &outcome, 1.0)
    }

    #[test]
    fn the_verdict_says_how_much_was_judged_or_why_not() {
        let all = said(|outcome| outcome.answered = 77);
        assert!(all.contains("linearizable: yes, all 77 answers"), "{all}");
        let red = said(|outcome| outcome.linearizable = Some(false));
        assert!(red.contains("linearizable: no\n"), "{red}");
        let open = said(|outcome| {
            (outcome.linearizable, outcome.unjudged) = (None, Some("the search gave up".to_owned()));
        });
        assert!(open.contains("linearizable: not judged: the search gave up"), "{open}");
        let early = said(|outcome| outcome.linearizable = None);
        assert!(
            early.contains("linearizable: not known: the run ended before"),
            "{early}"
        );
    }
}
