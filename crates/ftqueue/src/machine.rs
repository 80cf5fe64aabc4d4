//! The state machine.

use crate::{Answer, Command, Output, QueueError, Read};

/// Every queue and every session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FtQueue {}

impl FtQueue {
    /// Applies the command that stands at `index` of the log.
    pub fn apply(&mut self, index: u64, command: &Command) -> Output {
        let _ = (index, command);
        todo!()
    }

    /// Answers a read from the state as it is.
    ///
    /// # Errors
    /// As [`QueueError`] says.
    pub fn read(&self, read: &Read) -> Result<Answer, QueueError> {
        let _ = read;
        todo!()
    }
}
