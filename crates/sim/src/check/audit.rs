//! What clients did, judged part by part: a long run needs no more memory for it than a short one.

use ftqueue::{Command, FtQueue};
use raft_core::{Instant, LogIndex};

use super::{Accounts, History, Items, Property, Settled, Verdict, Violation, judge};

/// How many calls are kept before they are judged. A run with fewer is judged whole.
const CALLS_MAX: usize = 32 * 1024;

/// All that is known of what clients asked and were answered, and of what was committed for it.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// What clients do.
    pub history: History,
    accounts: Accounts,
    applied: LogIndex,
    settled: Settled,
    items: Items,
    /// How many calls there may be before they are judged again: more, where calls could not be settled.
    calls_max: usize,
}

impl Audit {
    /// Of a run whose clients' deeds are kept until they are taken.
    pub fn watched() -> Audit {
        Audit {
            history: History::watched(),
            ..Audit::default()
        }
    }

    /// Goes on from the queues and sessions as a machine has them, all commands up to `index` applied.
    pub fn found(&mut self, index: LogIndex, queues: &FtQueue) {
        self.accounts = Accounts::found(queues);
        self.settled = Settled::found(index, &self.accounts);
        self.applied = index;
    }

    /// A command was committed at this place.
    pub fn committed(&mut self, index: LogIndex, command: &Command) {
        self.accounts.apply(index, command);
        self.applied = index;
    }

    /// Judges what there is, if it is much, and lets go of it.
    ///
    /// # Errors
    /// What clients were answered cannot be explained.
    pub fn settle(&mut self, at: Instant) -> Result<(), Violation> {
        if self.history.calls().len() < self.calls_max.max(CALLS_MAX) {
            return Ok(());
        }
        self.judge(at)?;
        let calls = self.history.calls_mut();
        let over = self.settled.settle(calls, &mut self.accounts, self.applied);
        self.calls_max = calls.len() + CALLS_MAX;
        self.items
            .settle(&over)
            .map_err(|detail| violated(Property::ItemsAccounted, at, detail))
    }

    /// What each queue holds, by rising id, as a plain queue would.
    pub fn queues(&self) -> impl Iterator<Item = impl Iterator<Item = &i64>> {
        self.accounts.items()
    }

    /// Whether what clients were answered can be explained.
    ///
    /// # Errors
    /// It cannot.
    pub fn judge(&self, at: Instant) -> Result<(), Violation> {
        match judge(self.history.calls(), &self.accounts, &self.settled) {
            Verdict::Linearizable => Ok(()),
            Verdict::Not(window) => Err(Violation {
                since: Some(window.from),
                ..violated(Property::Linearizable, at, window.to_string())
            }),
        }
    }

    /// Accounts for every item, when all queues are drained.
    ///
    /// # Errors
    /// An item is missing, or came out more often than it was pushed.
    pub fn account(&mut self, at: Instant) -> Result<(), Violation> {
        self.items
            .settle(self.history.calls())
            .and_then(|()| self.items.account())
            .map_err(|detail| violated(Property::ItemsAccounted, at, detail))
    }
}

fn violated(property: Property, at: Instant, detail: String) -> Violation {
    Violation {
        property,
        at,
        since: None,
        node: None,
        detail,
    }
}
