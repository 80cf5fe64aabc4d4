//! `ftq fuzz`: many runs, until one fails.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use sim::check::Violation;
use sim::shrink::Shrunk;
use sim::{FaultKind, FaultKinds, Wanted};

use crate::args::Fuzz;
use crate::end::End;
use crate::keeping::{Kept, keep};
use crate::out::counted;
use crate::progress::Line;
use crate::seeds::{self, Failure, Sum, processors};
use crate::signals::Signals;
use crate::{files, out};

/// A run that failed, and what was kept of it.
struct Found<'a> {
    failure: &'a Failure,
    /// What it broke as it was found.
    violation: &'a Violation,
    kept: Kept,
}

pub(crate) fn fuzz(asked: &Fuzz) -> Result<End, String> {
    // What cannot be kept is no use to look for.
    files::try_it(&asked.trace)?;
    let signals = Signals::heard()?;
    let started = Instant::now();
    let wanted = Wanted {
        seconds: Some(asked.seconds),
        faults: asked.faults,
        every_fault: asked.faults.is_some(),
        ablate: asked.ablate,
        ..Wanted::default()
    };
    let count = asked.seeds.count();
    let mut line = Line::new();
    let sum = seeds::carry_out(
        asked.seeds,
        wanted,
        processors(asked.jobs),
        asked.minutes,
        &signals,
        |runs| line.say(|| format!("{runs} of {count} runs, {:.0} s", started.elapsed().as_secs_f64())),
    )?;
    line.clear();
    let wall_seconds = started.elapsed().as_secs_f64();
    let found = sum.failure.as_ref().and_then(|failure| {
        let violation = failure.outcome.violation.as_ref()?;
        let kept = keep(failure, violation, &asked.trace, &signals);
        Some(Found {
            failure,
            violation,
            kept,
        })
    });
    tell(asked, &sum, found.as_ref(), wall_seconds, &signals)
}

/// Tells what was found, and says how it ends.
fn tell(
    asked: &Fuzz,
    sum: &Sum,
    found: Option<&Found<'_>>,
    wall_seconds: f64,
    signals: &Signals,
) -> Result<End, String> {
    let uncovered: Vec<&str> = sum
        .coverage
        .lacking(asked.faults.unwrap_or_else(FaultKinds::all))
        .iter()
        .map(|kind| kind.name())
        .collect();
    if let Some(found) = found {
        out::warn(&found.in_a_line());
        found.kept.notes.iter().for_each(|note| out::warn(note));
        if sum.may_fail_below {
            out::warn("not all seeds below it were finished: one of them may fail, too");
        }
    }
    let said = if asked.json {
        let mut figures = figures(asked, sum, wall_seconds, &uncovered);
        figures["interrupted"] = signals.came().into();
        if let Some(found) = found {
            found.add_to(&mut figures, asked);
        }
        out::object(figures)
    } else {
        out::say(&words(asked, sum, found, wall_seconds))
    };
    if let (Err(_), Some(found)) = (&said, found) {
        // Where nothing can be said there, it is said here.
        out::warn(&format!("{}; repeat it: {}", found.kept.violation, found.repeat(asked)));
    }
    said?;
    if found.is_some() {
        return Ok(End::Violation);
    }
    if let Some(code) = signals.exit_code() {
        return Ok(End::Interrupted(code));
    }
    if !uncovered.is_empty() {
        out::warn(&format!(
            "these faults never took effect: {}; try more seeds, or more seconds",
            uncovered.join(", ")
        ));
        return Ok(End::Violation);
    }
    if asked.must_serve && !sum.service.is_alive() {
        out::warn("most of this time clusters were dead, and showed little: see what was acknowledged");
        return Ok(End::Violation);
    }
    Ok(End::Clean)
}

impl Found<'_> {
    fn in_a_line(&self) -> String {
        let Kept { shrunk, cut_by, .. } = &self.kept;
        let (nodes, faults, operations, _) = shrunk.scenario.size();
        let (seconds, load_seconds) = lengths(shrunk);
        let mut line = format!(
            "seed {} failed; shrunk to {}, {}, {}, {:.3} s ({load_seconds:.3} s of load) in {}",
            self.failure.scenario.settings.seed,
            counted(nodes, "node"),
            counted(faults as u64, "fault"),
            counted(operations as u64, "operation"),
            seconds,
            if shrunk.tries == 1 {
                "1 try".to_owned()
            } else {
                format!("{} tries", shrunk.tries)
            },
        );
        if let Some(what) = cut_by {
            line.push_str(&format!("; {what} cut that short"));
        }
        line
    }

    /// The line that repeats the kept run, or the one that was found, where nothing could be kept.
    fn repeat(&self, asked: &Fuzz) -> String {
        let kept = self.kept.small.as_deref().map(replays);
        kept.unwrap_or_else(|| self.again(asked))
    }

    /// The line that makes the run that was found again, from its seed.
    fn again(&self, asked: &Fuzz) -> String {
        let mut line = format!(
            "ftq sim --seed {} --seconds {}",
            self.failure.scenario.settings.seed, asked.seconds
        );
        if let Some(faults) = asked.faults {
            line.push_str(&format!(" --faults {faults}"));
        }
        if let Some(rule) = asked.ablate {
            line.push_str(&format!(" --ablate {}", rule.name()));
        }
        line
    }

    fn add_to(&self, figures: &mut Value, asked: &Fuzz) {
        let Kept { violation, shrunk, .. } = &self.kept;
        let (nodes, faults, operations, _) = shrunk.scenario.size();
        let (seconds, load_seconds) = lengths(shrunk);
        let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        figures["seed"] = self.failure.scenario.settings.seed.to_string().into();
        figures["violations"] = json!([violation.to_string()]);
        figures["violation"] = crate::sim::violation(violation);
        figures["trace_hash"] = format!("{:016x}", self.kept.trace_hash).into();
        figures["file"] = json!(path(&self.kept.small));
        figures["repeat"] = self.repeat(asked).into();
        figures["shrunk"] = json!({
            "nodes": nodes,
            "faults": faults,
            "operations": operations,
            "seconds": seconds,
            "load_seconds": load_seconds,
            "tries": shrunk.tries,
            "cut_short_by": self.kept.cut_by,
        });
        figures["original"] = json!({
            "violation": crate::sim::violation(self.violation),
            "trace_hash": format!("{:016x}", self.failure.outcome.trace_hash),
            "file": path(&self.kept.original),
            "repeat": self.again(asked),
        });
        figures["notes"] = json!(self.kept.notes);
    }
}

/// How long a small run takes until it breaks its promise, and for how much of that there is load and are faults, in seconds of virtual
/// time: many a promise is broken only after that.
fn lengths(shrunk: &Shrunk) -> (f64, f64) {
    let (breaks_at, load) = (shrunk.violation.at, shrunk.scenario.settings.duration);
    (breaks_at.0 as f64 / 1e6, breaks_at.0.min(load.0) as f64 / 1e6)
}

/// The line that replays a file, as a shell reads it.
fn replays(path: &Path) -> String {
    let path = path.to_string_lossy();
    // A name that begins like an option is none behind `./`.
    let path = if path.starts_with('-') {
        format!("./{path}")
    } else {
        path.into_owned()
    };
    let quoted = shlex::try_quote(&path).map_or_else(|_| path.clone(), |quoted| quoted.into_owned());
    format!("ftq replay {quoted} --until violation")
}

fn figures(asked: &Fuzz, sum: &Sum, wall_seconds: f64, uncovered: &[&str]) -> Value {
    let coverage: serde_json::Map<_, _> = FaultKind::ALL
        .iter()
        .map(|kind| (kind.name().to_owned(), sum.coverage.of(*kind).into()))
        .collect();
    json!({
        "seeds": asked.seeds.to_string(),
        "runs": sum.runs,
        "events": sum.events,
        "virtual_seconds": sum.virtual_us as f64 / 1e6,
        "wall_seconds": wall_seconds,
        "seed": null,
        "violations": [],
        "unjudged": sum.unjudged,
        "median_acknowledged_per_mille": sum.service.median(),
        "least_acknowledged_per_mille": sum.service.least().map(|(share, _)| share),
        "least_acknowledged_seed": sum.service.least().map(|(_, seed)| seed.to_string()),
        "coverage": coverage,
        "uncovered": uncovered,
        "repeat": null,
    })
}

fn words(asked: &Fuzz, sum: &Sum, found: Option<&Found<'_>>, wall_seconds: f64) -> String {
    let mut text = format!(
        "{} of seeds {}: {:.0} s of virtual time and {} in {wall_seconds:.1} s\n",
        counted(sum.runs, "run"),
        asked.seeds,
        sum.virtual_us as f64 / 1e6,
        counted(sum.events, "event"),
    );
    text.push_str(&format!("{}\n", sum.service));
    for kind in FaultKind::ALL {
        text.push_str(&format!("  {:<20} {:>10}\n", kind.name(), sum.coverage.of(*kind)));
    }
    match found {
        Some(found) => text.push_str(&format!(
            "{}\nrepeat it: {}\nas it was found, from seed {}: {}\n  {}\n",
            found.kept.violation,
            found.repeat(asked),
            found.failure.scenario.settings.seed,
            found
                .kept
                .original
                .as_deref()
                .map_or_else(|| found.again(asked), replays),
            found.violation,
        )),
        None if sum.unjudged > 0 => text.push_str(&format!(
            "no promise was broken; {} not wholly judged\n",
            match sum.unjudged {
                1 => "1 of the runs was".to_owned(),
                runs => format!("{runs} of the runs were"),
            }
        )),
        None => text.push_str("no promise was broken\n"),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_repeats_a_run_is_quoted() {
        for (path, line) in [
            ("x.ftq", "ftq replay x.ftq --until violation"),
            ("my run.ftq", "ftq replay 'my run.ftq' --until violation"),
            ("it's; rm -r.ftq", "ftq replay \"it's; rm -r.ftq\" --until violation"),
            ("-x.ftq", "ftq replay ./-x.ftq --until violation"),
        ] {
            assert_eq!(replays(Path::new(path)), line);
        }
    }
}
