//! The queues as the core sees them: a machine that takes commands in order.

use ftqueue::{Command, FtQueue, Output, Sequence, SessionId};
use raft_core::{LogIndex, Machine, Rules, SNAPSHOT_BYTES_MAX};
use serde::{Deserialize, Serialize};

use crate::codec;

/// The version of snapshots.
const SNAPSHOT_VERSION: u8 = 2;

/// One node's copy of the queues.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    queues: FtQueue,
    /// Whether a write that was applied is applied again when it is sent again: only in a run that shows why not.
    repeats: bool,
    /// Whether a session is known by its place in the log alone: only in a run that shows why not.
    ignores_nonces: bool,
    /// Whether snapshots lack the sessions: only in a run that shows why not.
    forgets_sessions: bool,
}

impl Replica {
    /// A copy that has applied nothing, and keeps the rules that are in force.
    pub fn new(rules: &Rules) -> Replica {
        Replica {
            queues: FtQueue::default(),
            repeats: !rules.deduplicate_in_machine,
            ignores_nonces: !rules.session_carries_nonce,
            forgets_sessions: !rules.sessions_in_snapshot,
        }
    }

    /// The same command, taken for one of whichever session was opened at that place in the log.
    fn at_its_place(&self, command: Command) -> Command {
        let Command::Write {
            session,
            sequence,
            write,
        } = command
        else {
            return command;
        };
        let mut known = self.queues.sessions().map(|(id, ..)| id);
        Command::Write {
            session: known.find(|known| known.index == session.index).unwrap_or(session),
            sequence,
            write,
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
        let command = &if self.ignores_nonces {
            self.at_its_place(*command)
        } else {
            *command
        };
        if let (true, Command::Write { write, .. }) = (self.repeats, *command) {
            // In a session of its own, no write has been seen before.
            self.queues.apply(index.0, &Command::OpenSession { nonce: 0 });
            let session = SessionId {
                index: index.0,
                nonce: 0,
            };
            let sequence = Sequence(1);
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

    fn snapshot(&self) -> Vec<u8> {
        if self.forgets_sessions {
            codec::encode_as(SNAPSHOT_VERSION, &self.queues.without_sessions())
        } else {
            codec::encode_as(SNAPSHOT_VERSION, &self.queues)
        }
    }

    fn restored(&self, snapshot: &[u8]) -> Option<Replica> {
        let queues = codec::decode_as(SNAPSHOT_VERSION, SNAPSHOT_BYTES_MAX, snapshot).ok()?;
        Some(Replica { queues, ..*self })
    }

    /// The most that postcard makes of each: a byte for a variant, ten for a number of 64 bits.
    fn wire_bytes(command: &Command) -> usize {
        match command {
            Command::OpenSession { .. } => 11,
            Command::Write { .. } => 52,
        }
    }
}
