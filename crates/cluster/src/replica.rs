//! The queues as the core sees them: a machine that takes commands in order.

use ftqueue::{Command, FtQueue, Output, Sequence, SessionId};
use raft_core::{LogIndex, Machine};

/// One node's copy of the queues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replica {
    queues: FtQueue,
    /// Whether a write that was applied is applied again when it is sent again: only in a run that shows why not.
    repeats: bool,
}

impl Replica {
    /// A copy that has applied nothing. With `deduplicates` off, it takes every write for a new one.
    pub fn new(deduplicates: bool) -> Replica {
        Replica {
            queues: FtQueue::default(),
            repeats: !deduplicates,
        }
    }

    /// The queues and sessions.
    pub fn queues(&self) -> &FtQueue {
        &self.queues
    }
}

impl Machine for Replica {
    type Command = Command;
    type Output = Output;

    fn apply(&mut self, index: LogIndex, command: &Command) -> Output {
        if let (true, Command::Write { write, .. }) = (self.repeats, *command) {
            // In a session of its own, no write has been seen before.
            self.queues.apply(index.0, &Command::OpenSession { nonce: 0 });
            let (session, sequence) = (SessionId(index.0), Sequence(1));
            return self.queues.apply(
                index.0,
                &Command::Write {
                    session,
                    sequence,
                    write,
                },
            );
        }
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
