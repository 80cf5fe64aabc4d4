//! `ftq fuzz`: many runs, until one fails.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use sim::check::Violation;
use sim::shrink::shrink;
use sim::{Coverage, FaultKind, FaultKinds, Scenario, Wanted, file, run};

use crate::End;
use crate::args::Fuzz;
use crate::progress::Line;

/// How often it is looked whether time is up, in wall time.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a failing run is made smaller, at most.
const SHRINK_MAX: Duration = Duration::from_secs(60);

/// What all runs came to.
#[derive(Default)]
struct Sum {
    runs: u64,
    events: u64,
    virtual_us: u64,
    coverage: Coverage,
    failure: Option<(Scenario, Violation)>,
}

pub(crate) fn fuzz(asked: &Fuzz) -> Result<End, String> {
    let stop = stop_on_ctrl_c()?;
    let started = Instant::now();
    let sum = carry_out(asked, stop, started);
    let uncovered = sum.coverage.lacking(FaultKinds::all());
    let violations: Vec<String> = sum.failure.iter().map(|(_, violation)| violation.to_string()).collect();
    let repeat = sum
        .failure
        .as_ref()
        .map(|(scenario, violation)| keep(asked, scenario, violation))
        .transpose()?;
    if asked.json {
        let coverage: serde_json::Map<_, _> = FaultKind::ALL
            .iter()
            .map(|kind| (kind.name().to_owned(), sum.coverage.of(*kind).into()))
            .collect();
        let figures = json!({
            "seeds": format!("{}..{}", asked.seeds.start, asked.seeds.end),
            "runs": sum.runs,
            "events": sum.events,
            "virtual_seconds": sum.virtual_us as f64 / 1e6,
            "wall_seconds": started.elapsed().as_secs_f64(),
            "violations": violations,
            "coverage": coverage,
            "uncovered": uncovered.iter().map(|kind| kind.name()).collect::<Vec<_>>(),
            "repeat": repeat,
        });
        println!("{figures}");
    } else {
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "{} runs of seeds {}..{}: {:.0} s of virtual time and {} events in {seconds:.1} s",
            sum.runs,
            asked.seeds.start,
            asked.seeds.end,
            sum.virtual_us as f64 / 1e6,
            sum.events
        );
        for kind in FaultKind::ALL {
            println!("  {:<20} {:>10}", kind.name(), sum.coverage.of(*kind));
        }
        match (violations.first(), &repeat) {
            (Some(violation), Some(repeat)) => println!("{violation}\nrepeat it: {repeat}"),
            _ => println!("no promise was broken"),
        }
    }
    let names: Vec<&str> = uncovered.iter().map(|kind| kind.name()).collect();
    if !names.is_empty() && sum.failure.is_none() {
        eprintln!(
            "ftq: these faults never took effect: {}; try more seeds, or more seconds",
            names.join(", ")
        );
    }
    Ok(if sum.failure.is_some() || !names.is_empty() {
        End::Violation
    } else {
        End::Clean
    })
}

/// A flag that Ctrl-C raises: what there is by then is told.
pub(crate) fn stop_on_ctrl_c() -> Result<&'static AtomicBool, String> {
    static STOP: AtomicBool = AtomicBool::new(false);
    ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed))
        .map_err(|error| format!("Ctrl-C cannot be heard: {error}"))?;
    Ok(&STOP)
}

/// How many threads to use, if nobody has said.
pub(crate) fn processors(asked: Option<usize>) -> usize {
    asked
        .unwrap_or_else(|| thread::available_parallelism().map_or(1, Into::into))
        .max(1)
}

fn carry_out(asked: &Fuzz, stop: &AtomicBool, started: Instant) -> Sum {
    let next = AtomicU64::new(asked.seeds.start);
    let done = AtomicBool::new(false);
    let sum = Mutex::new(Sum::default());
    let count = asked.seeds.end - asked.seeds.start;
    let work = || {
        while !stop.load(Ordering::Relaxed) && !done.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= asked.seeds.end {
                return;
            }
            let wanted = Wanted {
                seconds: Some(asked.seconds),
                ablate: asked.ablate,
                ..Wanted::default()
            };
            let scenario = Scenario::drawn(seed, wanted);
            let outcome = run(&scenario, |_| !stop.load(Ordering::Relaxed));
            let mut sum = sum.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            sum.runs += 1;
            sum.events += outcome.events;
            sum.virtual_us += outcome.virtual_time.0;
            sum.coverage.add(&outcome.coverage);
            if let Some(violation) = outcome.violation {
                done.store(true, Ordering::Relaxed);
                sum.failure.get_or_insert((scenario, violation));
            }
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..processors(asked.jobs)).map(|_| scope.spawn(work)).collect();
        let mut line = Line::new();
        while threads.iter().any(|thread| !thread.is_finished()) {
            thread::sleep(LOOK_EVERY);
            if asked
                .minutes
                .is_some_and(|minutes| started.elapsed().as_secs_f64() > minutes * 60.0)
            {
                done.store(true, Ordering::Relaxed);
            }
            let runs = sum.lock().map_or(0, |sum| sum.runs);
            line.say(|| format!("{runs} of {count} runs, {:.0} s", started.elapsed().as_secs_f64()));
        }
    });
    sum.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Makes a failing run small, keeps it, and gives the command that repeats it.
fn keep(asked: &Fuzz, scenario: &Scenario, violation: &Violation) -> Result<String, String> {
    let until = Instant::now() + SHRINK_MAX;
    let mut line = Line::new();
    let mut tries = 0;
    let (small, _) = shrink(scenario, violation, || {
        tries += 1;
        line.say(|| format!("seed {} failed; making it smaller, try {tries}", scenario.settings.seed));
        Instant::now() < until
    });
    line.clear();
    let (nodes, faults, operations, seconds) = small.size();
    eprintln!(
        "ftq: seed {} failed; shrunk to {nodes} nodes, {faults} faults, {operations} operations, {seconds:.3} s",
        scenario.settings.seed
    );
    let bytes = file::write(&small)?;
    std::fs::write(&asked.trace, bytes)
        .map_err(|error| format!("{} was not written: {error}", asked.trace.display()))?;
    Ok(format!("ftq replay {} --until violation", asked.trace.display()))
}
