//! A run that breaks a promise, made small: whatever can be left out while the same promise is still broken in the same way, is.
//!
//! Shorter runs are tried first, for they cost least; then whatever there is much of is left out by halves, quarters, and so on
//! down to single things: operations, faults, stretches of time. What breaks only at the end of a run (what clients were answered, what
//! became of items, whether the cluster agrees) gets as short as what breaks at an instant.

use ftqueue::Operation;
use raft_core::{Duration, Instant, NodeId};

use crate::check::Violation;
use crate::plan::{Fault, Scenario, What};
use crate::run::run;

/// How many smaller runs are tried, if nobody says otherwise: for most failures more than are needed.
pub const TRIES_MAX: u32 = 2_000;

/// How much longer than until its violation a run is made.
const AFTER: Duration = Duration::from_millis(10);
/// How much longer than until the first call that cannot be explained.
const AFTER_CALLS: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_millis(1_000),
    Duration::from_millis(5_000),
];
/// The shortest run, and the shortest stretch of one that is left out.
const STRETCH_MIN: Duration = Duration::from_millis(10);
/// Into how many stretches the time of a run is cut at most, before all else is tried again.
const STRETCHES_MAX: u64 = 64;

/// What a run that breaks a promise was made into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The run.
    pub scenario: Scenario,
    /// The promise that it breaks: it has the [`identity`](Violation::identity) of the one at the beginning.
    pub violation: Violation,
    /// How many runs were tried.
    pub tries: u32,
    /// How many of them were smaller and broke the promise.
    pub smaller: u32,
    /// Whether there was more to try.
    pub cut_short: bool,
}

impl Shrunk {
    /// A run of which nothing has been left out.
    pub fn nothing_yet(scenario: &Scenario, violation: &Violation) -> Shrunk {
        Shrunk {
            scenario: scenario.clone(),
            violation: violation.clone(),
            tries: 0,
            smaller: 0,
            cut_short: false,
        }
    }
}

/// A smaller run that breaks the same promise in the same way, and how. At most `tries_max` runs are tried; `more` is asked
/// before each, with what there is by then, and ends the search by returning false.
pub fn shrink(scenario: &Scenario, violation: &Violation, tries_max: u32, more: impl FnMut(&Shrunk) -> bool) -> Shrunk {
    let mut search = Search {
        best: Shrunk::nothing_yet(scenario, violation),
        tries_max,
        more,
    };
    loop {
        let before = search.best.smaller;
        search.shorten();
        search.end_earlier();
        search.fewer_nodes();
        search.fewer_clients();
        search.fewer_things();
        search.calmer_faults();
        if search.best.smaller == before || search.best.cut_short {
            return search.best;
        }
    }
}

struct Search<M> {
    best: Shrunk,
    tries_max: u32,
    more: M,
}

impl<M: FnMut(&Shrunk) -> bool> Search<M> {
    /// Takes a smaller run for the best one, if it breaks the same promise in the same way.
    fn try_it(&mut self, smaller: Scenario) -> bool {
        if smaller == self.best.scenario || self.best.cut_short {
            return false;
        }
        if self.best.tries == self.tries_max || !(self.more)(&self.best) {
            self.best.cut_short = true;
            return false;
        }
        self.best.tries += 1;
        match run(&smaller, |_| true).violation {
            Some(violation) if violation.identity() == self.best.violation.identity() => {
                (self.best.scenario, self.best.violation) = (smaller, violation);
                self.best.smaller += 1;
                true
            }
            _ => false,
        }
    }

    /// Ends the run soon after its violation, or after the first of the calls that it is about.
    fn shorten(&mut self) {
        let since = self.best.violation.since;
        let early = since
            .into_iter()
            .flat_map(|since| AFTER_CALLS.map(|after| since + after));
        for end in early.chain([self.best.violation.at + AFTER]) {
            if end.0 < self.duration() && self.try_it(self.best.scenario.until(end)) {
                return;
            }
        }
    }

    /// Ends the run as early as breaks the promise: a sixty-fourth of its time, or a thirty-second, and so on; then between the last that
    /// did not break it and the first that did.
    fn end_earlier(&mut self) {
        let (mut holds, mut breaks) = (0, self.duration());
        let mut end = breaks / STRETCHES_MAX;
        while end < breaks && !self.best.cut_short {
            if end >= STRETCH_MIN.0 && self.try_it(self.best.scenario.until(Instant(end))) {
                breaks = end;
            } else {
                holds = end;
                end = (2 * end).max(STRETCH_MIN.0);
            }
        }
        while breaks - holds > (breaks / 8).max(STRETCH_MIN.0) && !self.best.cut_short {
            let end = holds + (breaks - holds) / 2;
            if self.try_it(self.best.scenario.until(Instant(end))) {
                breaks = end;
            } else {
                holds = end;
            }
        }
    }

    fn fewer_nodes(&mut self) {
        while self.best.scenario.settings.nodes > 1 {
            let mut smaller = self.best.scenario.clone();
            smaller.settings.nodes -= 1;
            let last = NodeId(smaller.settings.nodes);
            smaller.faults.retain(|fault| !names(fault, |node| node > last));
            if !self.try_it(smaller) {
                return;
            }
        }
    }

    /// One client does what several did, or half of them do.
    fn fewer_clients(&mut self) {
        let now = self.best.scenario.settings.clients;
        for clients in [1, now / 2, now.saturating_sub(1)] {
            if (1..now).contains(&clients) {
                let mut smaller = self.best.scenario.clone();
                smaller.settings.clients = clients;
                if self.try_it(smaller) {
                    return;
                }
            }
        }
    }

    /// Leaves out halves of all that there is, then quarters, and so on.
    fn fewer_things(&mut self) {
        let mut parts = 2;
        loop {
            let operations = self.fewer(
                parts,
                |scenario| scenario.operations.len() as u64,
                |scenario, from, until| drop(scenario.operations.drain(from as usize..until as usize)),
            );
            let faults = self.fewer(
                parts,
                |scenario| scenario.faults.len() as u64,
                |scenario, from, until| drop(scenario.faults.drain(from as usize..until as usize)),
            );
            let time = parts <= STRETCHES_MAX
                && self.duration() / parts >= STRETCH_MIN.0
                && self.fewer(
                    parts,
                    |scenario| scenario.settings.duration.0,
                    |scenario, from, until| scenario.leave_out(Instant(from), Instant(until)),
                );
            if !(operations || faults || time) {
                return;
            }
            parts *= 2;
        }
    }

    /// Leaves out one after the other of so many parts of a list, and says whether there are smaller parts.
    fn fewer(
        &mut self,
        parts: u64,
        count: impl Fn(&Scenario) -> u64,
        remove: impl Fn(&mut Scenario, u64, u64),
    ) -> bool {
        let all = count(&self.best.scenario);
        if parts / 2 >= all.max(1) {
            return false;
        }
        let stretch = all.div_ceil(parts);
        let mut from = 0;
        while from < count(&self.best.scenario) && !self.best.cut_short {
            let mut smaller = self.best.scenario.clone();
            remove(&mut smaller, from, (from + stretch).min(count(&self.best.scenario)));
            if smaller.settings.duration.0 == 0 || !self.try_it(smaller) {
                from += stretch;
            }
        }
        !self.best.cut_short
    }

    /// Lets what faults remain last half as long.
    fn calmer_faults(&mut self) {
        for place in 0..self.best.scenario.faults.len() {
            let mut calmer = self.best.scenario.clone();
            calmer.faults[place].lasts = Duration(calmer.faults[place].lasts.0 / 2);
            self.try_it(calmer);
        }
    }

    /// How long the run's phase with faults lasts, in microseconds.
    fn duration(&self) -> u64 {
        self.best.scenario.settings.duration.0
    }
}

/// Whether a fault is about a node of which this is true.
fn names(fault: &Fault, is: impl Fn(NodeId) -> bool) -> bool {
    match fault.what {
        What::OneWayCut { from, to } => is(from) || is(to),
        What::SlowLink { one, other, .. } | What::Flap { one, other, .. } => is(one) || is(other),
        What::GoBack { stays_behind: node, .. } | What::NoRoom { node } => node.is_some_and(is),
        What::Deaf { node }
        | What::Isolated { node, .. }
        | What::SlowNode { node, .. }
        | What::Crash { node, .. }
        | What::CrashInPersist { node, .. }
        | What::Pause { node }
        | What::Skew { node, .. }
        | What::SlowFlush { node, .. }
        | What::LateFlush { node }
        | What::OutlastingFlush { node, .. }
        | What::FailedFlush { node }
        | What::Miscount { node, .. }
        | What::FlipAcknowledged { node, .. }
        | What::DiskFull { node }
        | What::Wipe { node }
        | What::OldRequest { node, .. } => is(node),
        What::Drop { .. }
        | What::Duplicate { .. }
        | What::Reorder { .. }
        | What::Delay { .. }
        | What::Partition { .. }
        | What::HeavyTail { .. }
        | What::OldMessages { .. }
        | What::LeaderCrash { .. }
        | What::LeaderCut { .. }
        | What::UnheardLeaders { .. }
        | What::RestartAll { .. }
        | What::Abandon { .. } => false,
    }
}

impl Scenario {
    /// The same, ended at this instant.
    fn until(&self, end: Instant) -> Scenario {
        let mut shorter = self.clone();
        shorter.settings.duration = Duration(end.0);
        shorter.faults.retain(|fault| fault.at < end);
        for fault in &mut shorter.faults {
            fault.lasts = fault.lasts.min(Duration(end.0 - fault.at.0));
        }
        shorter.operations.retain(|(at, ..)| *at < end);
        shorter
    }

    /// Leaves out a stretch of time, with what begins in it; what is later comes earlier by so much.
    fn leave_out(&mut self, from: Instant, until: Instant) {
        let stretch = until.0 - from.0;
        let is_in = |at: Instant| (from..until).contains(&at);
        let sooner = |at: Instant| if at >= until { Instant(at.0 - stretch) } else { at };
        self.settings.duration = Duration(self.settings.duration.0 - stretch);
        self.faults.retain(|fault| !is_in(fault.at));
        for fault in &mut self.faults {
            let end = fault.at + fault.lasts;
            if fault.at < from && end > from {
                fault.lasts = Duration(fault.lasts.0 - (end.min(until).0 - from.0));
            }
            fault.at = sooner(fault.at);
        }
        self.operations.retain(|(at, ..)| !is_in(*at));
        for (at, ..) in &mut self.operations {
            *at = sooner(*at);
        }
    }

    /// How much there is to read: nodes, faults, operations, and seconds.
    pub fn size(&self) -> (u8, usize, usize, f64) {
        let Scenario {
            settings,
            faults,
            operations,
        } = self;
        let operations: &[(Instant, u16, Operation)] = operations;
        (
            settings.nodes,
            faults.len(),
            operations.len(),
            settings.duration.0 as f64 / 1e6,
        )
    }
}
