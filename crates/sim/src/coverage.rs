//! Which faults really happened: not what was planned, but what took effect.

use crate::settings::{FaultKind, FaultKinds};

/// How often each kind of fault took effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage([u64; FaultKind::ALL.len()]);

impl Coverage {
    /// A fault took effect.
    pub(crate) fn note(&mut self, kind: FaultKind) {
        self.0[kind as usize] += 1;
    }

    /// Faults of several kinds took effect.
    pub(crate) fn note_all(&mut self, kinds: FaultKinds) {
        if !kinds.is_empty() {
            kinds.iter().for_each(|kind| self.note(kind));
        }
    }

    /// How often a kind did.
    pub fn of(&self, kind: FaultKind) -> u64 {
        self.0[kind as usize]
    }

    /// How often any did.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Adds what happened in another run.
    pub fn add(&mut self, other: &Coverage) {
        for (sum, count) in self.0.iter_mut().zip(other.0) {
            *sum += count;
        }
    }

    /// The kinds of a set that never took effect.
    pub fn lacking(&self, of: FaultKinds) -> Vec<FaultKind> {
        of.iter().filter(|kind| self.of(*kind) == 0).collect()
    }
}
