//! What becomes of a run that failed: it is kept as it was found, made small, kept again, read back and repeated. What is told is what the
//! kept run does.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use sim::check::Violation;
use sim::shrink::{Shrunk, TRIES_MAX, shrink};
use sim::{Outcome, Scenario, file, run};

use crate::files;
use crate::progress::Line;
use crate::replay;
use crate::seeds::Failure;
use crate::signals::Signals;

/// How long a failing run is made smaller, at most, in wall time.
const SHRINK_MAX: Duration = Duration::from_secs(60);
/// How often it is looked whether that is over.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What there is of a run that failed.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The promise that the kept run breaks; where nothing could be kept, that of the run that was found.
    pub(crate) violation: Violation,
    /// The hash of all that happens in that run.
    pub(crate) trace_hash: u64,
    /// The file of the small run, if it could be written.
    pub(crate) small: Option<PathBuf>,
    /// The file of the run as it was found, if there is one.
    pub(crate) original: Option<PathBuf>,
    /// What was tried to make it small.
    pub(crate) shrunk: Shrunk,
    /// What ended that before there was nothing left to try.
    pub(crate) cut_by: Option<&'static str>,
    /// What else a person should know.
    pub(crate) notes: Vec<String>,
}

/// Keeps a run that failed.
pub(crate) fn keep(failure: &Failure, violation: &Violation, path: &Path, signals: &Signals) -> Kept {
    let mut notes = Vec::new();
    let mut noted = |what: Result<bool, String>| {
        what.unwrap_or_else(|why| {
            notes.push(why);
            false
        })
    };
    // First as it is: whatever happens from here on, it is not lost.
    let is_file = !path.exists() || path.is_file();
    let beside = files::beside(path, "original");
    let original = (is_file && noted(write(&beside, &failure.scenario))).then_some(beside);
    let (shrunk, cut_by) = shrink_within(&failure.scenario, violation, signals);
    let is_kept = noted(write(path, &shrunk.scenario).map(|_| true));
    let mut kept = Kept {
        violation: shrunk.violation.clone(),
        trace_hash: failure.outcome.trace_hash,
        small: is_kept.then(|| path.to_owned()),
        original,
        shrunk,
        cut_by,
        notes,
    };
    if !is_kept {
        kept.violation = violation.clone();
    } else if is_file && !signals.came() {
        kept.repeat(path);
    }
    kept
}

impl Kept {
    /// Reads the small run back and carries it out: it must break the same promise at the same instant.
    fn repeat(&mut self, path: &Path) {
        let again: Result<Outcome, String> = replay::read(path).map(|scenario| run(&scenario, |_| true));
        match again {
            Ok(outcome) if outcome.violation.as_ref() == Some(&self.violation) => self.trace_hash = outcome.trace_hash,
            Ok(outcome) => self.notes.push(format!(
                "the kept run did otherwise when it was read back ({}): this program is at fault",
                outcome
                    .violation
                    .map_or("no promise was broken".to_owned(), |violation| violation.to_string())
            )),
            Err(why) => self.notes.push(why),
        }
    }
}

/// Writes a run, and says whether it can be read again.
fn write(path: &Path, scenario: &Scenario) -> Result<bool, String> {
    files::write(path, &file::write(scenario)?)
}

/// Makes a run small on a thread of its own, which is left behind when time is up or a signal comes.
fn shrink_within(scenario: &Scenario, violation: &Violation, signals: &Signals) -> (Shrunk, Option<&'static str>) {
    let began = Instant::now();
    let stops = Arc::new(AtomicBool::new(false));
    let best = Arc::new(Mutex::new(Shrunk::nothing_yet(scenario, violation)));
    let worker = {
        let (scenario, violation) = (scenario.clone(), violation.clone());
        let (stops, best) = (stops.clone(), best.clone());
        move || {
            let shrunk = shrink(&scenario, &violation, TRIES_MAX, |now| {
                let mut best = best.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                if best.smaller == now.smaller {
                    best.tries = now.tries;
                } else {
                    best.clone_from(now);
                }
                !stops.load(Ordering::Relaxed)
            });
            *best.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = shrunk;
        }
    };
    let best_now = || best.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
    let Ok(thread) = thread::Builder::new().spawn(worker) else {
        return (best_now(), Some("there is no thread for it"));
    };
    let mut line = Line::new();
    while !thread.is_finished() {
        let cut_by = if signals.came() {
            Some("a signal")
        } else {
            (began.elapsed() > SHRINK_MAX).then_some("the clock")
        };
        if cut_by.is_some() {
            stops.store(true, Ordering::Relaxed);
            return (best_now(), cut_by);
        }
        line.say(|| {
            let tries = best.lock().map_or(0, |best| best.tries);
            format!("seed {} failed; making it smaller, try {tries}", scenario.settings.seed)
        });
        thread::sleep(LOOK_EVERY);
    }
    let shrunk = best_now();
    let cut_by = shrunk.cut_short.then_some("the number of tries");
    (shrunk, cut_by)
}
