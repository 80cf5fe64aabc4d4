//! A run that breaks a promise, made small: whatever can be left out while the same promise is still broken, is.

use ftqueue::Operation;
use raft_core::{Duration, Instant, NodeId};

use crate::check::Violation;
use crate::plan::{Fault, Scenario, What};
use crate::run::run;

/// How much longer than until its violation a run is made.
const AFTER: Duration = Duration::from_millis(10);

/// A smaller run that breaks the same promise, and how. `more` is asked before every try, and ends the search by returning
/// false.
pub fn shrink(scenario: &Scenario, violation: &Violation, more: impl FnMut() -> bool) -> (Scenario, Violation) {
    let mut search = Search {
        best: scenario.clone(),
        violation: violation.clone(),
        more,
    };
    loop {
        let before = search.best.clone();
        search.shorten();
        search.fewer_nodes();
        search.fewer(
            |scenario| scenario.faults.len(),
            |scenario, from, until| drop(scenario.faults.drain(from..until)),
        );
        search.fewer(
            |scenario| scenario.operations.len(),
            |scenario, from, until| drop(scenario.operations.drain(from..until)),
        );
        search.calmer_faults();
        if search.best == before || !(search.more)() {
            return (search.best, search.violation);
        }
    }
}

struct Search<M> {
    best: Scenario,
    violation: Violation,
    more: M,
}

impl<M: FnMut() -> bool> Search<M> {
    /// Takes a smaller run for the best one, if it breaks the same promise.
    fn try_it(&mut self, smaller: Scenario) -> bool {
        if smaller == self.best || !(self.more)() {
            return false;
        }
        match run(&smaller, |_| true).violation {
            Some(violation) if violation.property == self.violation.property => {
                (self.best, self.violation) = (smaller, violation);
                true
            }
            _ => false,
        }
    }

    /// Ends the run soon after its violation.
    fn shorten(&mut self) {
        let end = self.violation.at + AFTER;
        if end.0 >= self.best.settings.duration.0 {
            return;
        }
        let mut shorter = self.best.clone();
        shorter.settings.duration = Duration(end.0);
        shorter.faults.retain(|fault| fault.at <= end);
        for fault in &mut shorter.faults {
            fault.lasts = fault.lasts.min(Duration(end.0 - fault.at.0));
        }
        shorter.operations.retain(|(at, ..)| *at <= end);
        self.try_it(shorter);
    }

    fn fewer_nodes(&mut self) {
        while self.best.settings.nodes > 1 {
            let mut smaller = self.best.clone();
            smaller.settings.nodes -= 1;
            let last = NodeId(smaller.settings.nodes);
            smaller.faults.retain(|fault| !names(fault, |node| node > last));
            if !self.try_it(smaller) {
                return;
            }
        }
    }

    /// Leaves out whole stretches of a list, then shorter and shorter ones.
    fn fewer(&mut self, count: impl Fn(&Scenario) -> usize, remove: impl Fn(&mut Scenario, usize, usize)) {
        let mut stretch = count(&self.best).div_ceil(2);
        while stretch > 0 {
            let mut from = 0;
            while from < count(&self.best) {
                let mut smaller = self.best.clone();
                remove(&mut smaller, from, (from + stretch).min(count(&self.best)));
                if !self.try_it(smaller) {
                    from += stretch;
                }
                if !(self.more)() {
                    return;
                }
            }
            stretch /= 2;
        }
    }

    /// Lets what faults remain last half as long.
    fn calmer_faults(&mut self) {
        for place in 0..self.best.faults.len() {
            let mut calmer = self.best.clone();
            calmer.faults[place].lasts = Duration(calmer.faults[place].lasts.0 / 2);
            self.try_it(calmer);
        }
    }
}

/// Whether a fault is about a node of which this is true.
fn names(fault: &Fault, is: impl Fn(NodeId) -> bool) -> bool {
    match fault.what {
        What::OneWayCut { from, to } => is(from) || is(to),
        What::SlowLink { one, other, .. } | What::Flap { one, other, .. } => is(one) || is(other),
        What::Crash { node, .. }
        | What::CrashInPersist { node, .. }
        | What::Pause { node }
        | What::Skew { node, .. }
        | What::SlowFlush { node, .. }
        | What::LateFlush { node }
        | What::FlipAcknowledged { node, .. }
        | What::DiskFull { node }
        | What::Wipe { node }
        | What::OldRequest { node, .. } => is(node),
        What::Drop { .. }
        | What::Duplicate { .. }
        | What::Reorder { .. }
        | What::Delay { .. }
        | What::Partition { .. }
        | What::RestartAll { .. }
        | What::Abandon { .. } => false,
    }
}

impl Scenario {
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
