//! `ftq export`: what happened in a kept run, for other programs.

mod perfetto;

use std::cell::RefCell;
use std::io::{self, BufWriter, ErrorKind, Write};

use sim::{Outcome, Scenario, What, watch};
use trace::export::tracks::Tracks;
use trace::export::{Exporter, Format};

use perfetto::Perfetto;

use crate::args::{Export, To};
use crate::end::End;
use crate::files::Output;
use crate::out::{self, counted};
use crate::progress::Line;
use crate::replay::read;
use crate::signals::Signals;

impl To {
    fn exporter<'a>(self, out: impl Write + 'a) -> Box<dyn Exporter + 'a> {
        match self {
            To::Text(format) => format.exporter(out),
            To::Perfetto => Box::new(Tracks::new(Perfetto::new(out))),
        }
    }
}

pub(crate) fn export(asked: &Export) -> Result<End, String> {
    let scenario = read(&asked.file)?;
    let signals = Signals::heard()?;
    if asked.to == To::Text(Format::History) && goes_back(&scenario) {
        out::warn(
            "this run goes back in time: what clients were answered in a time that was taken back is in the history, and a checker of \
             histories that does not know of it finds it broken",
        );
    }
    let Some(path) = &asked.out else {
        let (outcome, written) = write_to(asked.to, &scenario, BufWriter::new(io::stdout().lock()), &signals);
        out::said(written.map(|_| ()))?;
        return Ok(ended(&outcome, &signals));
    };
    if same_file::is_same_file(&asked.file, path).unwrap_or(false) {
        return Err(format!("{} is the run itself: give --out another file", path.display()));
    }
    let mut file = Output::begin(path)?;
    let (outcome, written) = write_to(asked.to, &scenario, BufWriter::new(&mut file), &signals);
    let count = written.map_err(|error| format!("{} was not written: {error}", path.display()))?;
    if signals.came() {
        out::warn(&format!("{} was not written", path.display()));
    } else {
        file.finish()?;
        out::warn(&format!(
            "{} written to {}",
            counted(count, "happening"),
            path.display()
        ));
    }
    Ok(ended(&outcome, &signals))
}

fn goes_back(scenario: &Scenario) -> bool {
    scenario
        .faults
        .iter()
        .any(|fault| matches!(fault.what, What::GoBack { .. }))
}

/// How it ends.
fn ended(outcome: &Outcome, signals: &Signals) -> End {
    match signals.exit_code() {
        Some(code) => End::Interrupted(code),
        None if outcome.violation.is_some() => End::Violation,
        None => End::Clean,
    }
}

/// Carries a run out and writes what happens: what came of it, and how many happenings were written. It ends early where nothing more can be
/// written, or a signal comes; not where a reader has read enough, for what comes of the run is told all the same.
fn write_to(to: To, scenario: &Scenario, out: impl Write, signals: &Signals) -> (Outcome, io::Result<u64>) {
    let mut exporter = to.exporter(out);
    let written = RefCell::new(Ok(()));
    let mut count = 0_u64;
    let mut line = Line::new();
    let has_failed = |written: &io::Result<()>| {
        let error = written.as_ref().err();
        error.is_some_and(|error| error.kind() != ErrorKind::BrokenPipe)
    };
    let outcome = watch(
        scenario,
        |progress| {
            line.say(|| format!("{} of virtual time", progress.now));
            !has_failed(&written.borrow()) && !signals.came()
        },
        |happening| {
            let mut written = written.borrow_mut();
            if written.is_ok() {
                count += 1;
                *written = exporter.take(&happening);
            }
        },
    );
    line.clear();
    let written = written.into_inner().and_then(|()| exporter.finish());
    (outcome, written.map(|()| count))
}
