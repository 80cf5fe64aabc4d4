//! The queues as the core sees them: a machine that takes commands in order.

use ftqueue::{Command, FtQueue, Output};
use raft_core::{LogIndex, Machine};

/// One node's copy of the queues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replica {
    queues: FtQueue,
}

impl Replica {
    /// The queues and sessions.
    pub fn queues(&self) -> &FtQueue {
        &self.queues
    }
}

impl Machine for Replica {
    type Command = Command;
    type Output = Output;

    fn apply(&mut self, index: LogIndex, command: &Command) -> Output {
        self.queues.apply(index.0, command)
    }

    /// The most that postcard makes of each: a byte for a variant, ten for a number of 64 bits.
    fn wire_bytes(command: &Command) -> usize {
        match command {
            Command::OpenSession { .. } => 11,
            Command::Write { .. } => 42,
        }
    }
}
