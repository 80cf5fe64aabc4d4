//! Many runs on many threads. Which of them fails first is a matter of chance; which of them is told is not: the least seed that fails.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sim::{Coverage, Outcome, Scenario, Service, Wanted, run};

use crate::args::Seeds;
use crate::signals::Signals;

/// How often it is looked whether time is up, in wall time.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long threads are waited for that were told to stop, in wall time; then they are left behind.
const LEFT_BEHIND_AFTER: Duration = Duration::from_millis(400);

/// What the runs came to, up to the one that failed.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    pub(crate) runs: u64,
    pub(crate) events: u64,
    pub(crate) virtual_us: u64,
    pub(crate) coverage: Coverage,
    /// How many runs were not wholly judged.
    pub(crate) unjudged: u64,
    pub(crate) service: Service,
    /// The run of the least seed that failed.
    pub(crate) failure: Option<Failure>,
    /// Whether a seed below that of the failure was not finished.
    pub(crate) may_fail_below: bool,
}

/// A run that broke a promise.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) scenario: Scenario,
    pub(crate) outcome: Outcome,
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.runs += 1;
        self.events += outcome.events;
        self.virtual_us += outcome.virtual_time.0;
        self.coverage.add(&outcome.coverage);
        self.unjudged += u64::from(outcome.unjudged.is_some() || outcome.convergence_unjudged.is_some());
        self.service.add(seed, outcome);
    }
}

/// How many threads to use, if nobody has said.
pub(crate) fn processors(asked: Option<u16>) -> usize {
    asked.map_or_else(|| thread::available_parallelism().map_or(1, Into::into), usize::from)
}

/// Runs seeds until one fails and all below it are done; or until `minutes` are over, after which no further run begins; or until a
/// signal comes. `look` is told now and then how many runs are over.
///
/// # Errors
/// No thread can be started.
pub(crate) fn carry_out(
    seeds: Seeds,
    wanted: Wanted,
    jobs: usize,
    minutes: Option<f64>,
    signals: &Signals,
    mut look: impl FnMut(u64),
) -> Result<Sum, String> {
    let started = Instant::now();
    let jobs = jobs.min(usize::try_from(seeds.count()).unwrap_or(usize::MAX));
    let shared = Arc::new(Shared::new(seeds));
    let threads: Vec<JoinHandle<()>> = (0..jobs)
        .map(|_| {
            let shared = shared.clone();
            thread::Builder::new().spawn(move || shared.work(wanted))
        })
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{jobs} threads cannot be started: {error}; give fewer --jobs"))?;
    let is_busy = || threads.iter().any(|thread| !thread.is_finished());
    while is_busy() && !signals.came() {
        thread::sleep(LOOK_EVERY);
        if minutes.is_some_and(|minutes| started.elapsed().as_secs_f64() > minutes * 60.0) {
            shared.begins_no_more.store(true, Ordering::Relaxed);
        }
        look(shared.results().sum.runs);
    }
    shared.stops.store(true, Ordering::Relaxed);
    let told = Instant::now();
    while is_busy() && told.elapsed() < LEFT_BEHIND_AFTER {
        thread::sleep(LOOK_EVERY);
    }
    let mut results = shared.results();
    results.add_the_rest();
    Ok(std::mem::take(&mut results.sum))
}

/// What threads share.
#[derive(Debug)]
struct Shared {
    results: Mutex<Results>,
    /// The least seed that failed, or the last there is.
    least: AtomicU64,
    begins_no_more: AtomicBool,
    stops: AtomicBool,
}

#[derive(Debug)]
struct Results {
    /// Seeds whose runs have not begun.
    left: RangeInclusive<u64>,
    /// The least seed whose run is not in the sum, if there is a greater one than those that are.
    next: Option<u64>,
    /// Runs that are over, and wait for some of lesser seeds.
    waiting: BTreeMap<u64, Outcome>,
    sum: Sum,
}

impl Shared {
    fn new(seeds: Seeds) -> Shared {
        Shared {
            results: Mutex::new(Results {
                next: Some(seeds.first),
                left: seeds.iter(),
                waiting: BTreeMap::new(),
                sum: Sum::default(),
            }),
            least: AtomicU64::new(u64::MAX),
            begins_no_more: AtomicBool::new(false),
            stops: AtomicBool::new(false),
        }
    }

    fn results(&self) -> MutexGuard<'_, Results> {
        self.results.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn work(&self, wanted: Wanted) {
        while let Some(seed) = self.begin() {
            let scenario = Scenario::drawn(seed, wanted);
            let mut is_whole = true;
            let outcome = run(&scenario, |_| {
                is_whole = !self.stops.load(Ordering::Relaxed) && seed <= self.least.load(Ordering::Relaxed);
                is_whole
            });
            if is_whole {
                self.ended(seed, scenario, outcome);
            }
        }
    }

    fn begin(&self) -> Option<u64> {
        let mut results = self.results();
        let is_over = self.stops.load(Ordering::Relaxed) || self.begins_no_more.load(Ordering::Relaxed);
        // Seeds begin in their order: all that are less than one that failed have begun.
        if is_over || results.sum.failure.is_some() {
            None
        } else {
            results.left.next()
        }
    }

    fn ended(&self, seed: u64, scenario: Scenario, outcome: Outcome) {
        let mut results = self.results();
        let failed = results
            .sum
            .failure
            .as_ref()
            .map(|failure| failure.scenario.settings.seed);
        if outcome.violation.is_some() && failed.is_none_or(|failed| seed < failed) {
            self.least.store(seed, Ordering::Relaxed);
            let outcome = outcome.clone();
            results.sum.failure = Some(Failure { scenario, outcome });
        }
        results.waiting.insert(seed, outcome);
        results.add_in_order();
    }
}

impl Results {
    /// Adds runs to the sum in the order of their seeds, and nothing after one that failed: the sum is the same on any number of threads.
    fn add_in_order(&mut self) {
        while let Some(seed) = self.next
            && let Some(outcome) = self.waiting.remove(&seed)
        {
            self.sum.add(seed, &outcome);
            if outcome.violation.is_some() {
                self.waiting.clear();
                return;
            }
            self.next = seed.checked_add(1);
        }
    }

    /// Adds runs of which some before were not finished, when there will be no more.
    fn add_the_rest(&mut self) {
        let failed = self.sum.failure.as_ref().map(|failure| failure.scenario.settings.seed);
        for (seed, outcome) in std::mem::take(&mut self.waiting) {
            if failed.is_none_or(|failed| seed <= failed) {
                self.sum.add(seed, &outcome);
            }
        }
        self.sum.may_fail_below = failed.is_some_and(|failed| self.next.is_some_and(|next| next < failed));
    }
}

#[cfg(test)]
mod tests {
    use raft_core::Rule;

    use super::*;

    fn found(jobs: usize) -> Sum {
        let wanted = Wanted {
            seconds: Some(5),
            ablate: Some(Rule::PersistVote),
            ..Wanted::default()
        };
        let seeds = Seeds { first: 0, last: 199 };
        carry_out(seeds, wanted, jobs, None, &Signals::default(), |_| ()).unwrap()
    }

    #[test]
    fn the_least_seed_that_fails_is_told_on_any_number_of_threads() {
        let one = found(1);
        let failure = one.failure.unwrap();
        let seed = failure.scenario.settings.seed;
        assert_eq!(one.runs, seed + 1);
        for jobs in [2, 3, 8] {
            let many = found(jobs);
            let again = many.failure.unwrap();
            assert_eq!(again.scenario.settings.seed, seed);
            assert_eq!(again.outcome.violation, failure.outcome.violation);
            assert_eq!((many.runs, many.events), (one.runs, one.events), "{jobs} threads");
            assert!(!many.may_fail_below);
        }
    }
}
