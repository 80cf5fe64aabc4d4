//! The state machine that the log is for, as the core sees it: something that takes commands in order.

use std::fmt::Debug;

use crate::LogIndex;

/// A deterministic state machine (§2). Given the same commands at the same places, every copy gives the same outputs.
pub trait Machine: Sized {
    /// What the log holds.
    type Command: Clone + Debug + PartialEq;
    /// What applying a command answers.
    type Output: Clone + Debug + PartialEq;

    /// Applies the command that was committed at `index`. Never fails: errors of the machine are outputs.
    fn apply(&mut self, index: LogIndex, command: &Self::Command) -> Self::Output;

    /// The state as bytes, from which [`Machine::restored`] makes the same state again (§7).
    fn snapshot(&self) -> Vec<u8>;

    /// A machine in the state that `snapshot` holds; none, if it holds no state.
    fn restored(&self, snapshot: &[u8]) -> Option<Self>;

    /// About how many bytes the command takes on the wire; bounds what one message carries.
    fn wire_bytes(command: &Self::Command) -> usize;
}
