//! Which faults really happened: not what was planned, but what took effect on a cluster that lived on. A fault counts when a
//! client's command is committed after it, while there are faults: a dead cluster shows nothing.

use crate::settings::{FaultKind, FaultKinds};

/// How often each kind of fault took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    counted: Counts,
    /// Those after which nothing has been committed yet.
    open: Counts,
    is_open: bool,
}

/// How often each kind did something.
type Counts = [u64; FaultKind::ALL.len()];

/// None did.
const NONE: Counts = [0; FaultKind::ALL.len()];

impl Default for Coverage {
    fn default() -> Coverage {
        Coverage {
            counted: NONE,
            open: NONE,
            is_open: false,
        }
    }
}

impl Coverage {
    /// A fault took effect.
    pub(crate) fn note(&mut self, kind: FaultKind) {
        self.open[kind as usize] += 1;
        self.is_open = true;
    }

    /// Something was committed: what took effect before counts.
    pub(crate) fn committed(&mut self) {
        if std::mem::take(&mut self.is_open) {
            for (sum, open) in self.counted.iter_mut().zip(&mut self.open) {
                *sum += std::mem::take(open);
            }
        }
    }

    /// Everything is mended: what nothing was committed after does not count.
    pub(crate) fn close(&mut self) {
        self.is_open = false;
        self.open = NONE;
    }

    /// Faults of several kinds took effect.
    pub(crate) fn note_all(&mut self, kinds: FaultKinds) {
        if !kinds.is_empty() {
            kinds.iter().for_each(|kind| self.note(kind));
        }
    }

    /// How often a kind did.
    pub fn of(&self, kind: FaultKind) -> u64 {
        self.counted[kind as usize]
    }

    /// How often any did.
    pub fn total(&self) -> u64 {
        self.counted.iter().sum()
    }

    /// Adds what happened in another run.
    pub fn add(&mut self, other: &Coverage) {
        for (sum, count) in self.counted.iter_mut().zip(other.counted) {
            *sum += count;
        }
    }

    /// The kinds of a set that never took effect.
    pub fn lacking(&self, of: FaultKinds) -> Vec<FaultKind> {
        of.iter().filter(|kind| self.of(*kind) == 0).collect()
    }
}
