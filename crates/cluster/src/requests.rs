//! The requests of a node's clients that are not answered yet.

use std::collections::BTreeMap;

use ftqueue::{Command, FtQueue, Operation, Output};
use raft_core::{Outcome, Ticket};
use serde::{Deserialize, Serialize};

use crate::host::{Reply, Request, RequestId};

/// Requests by the ticket under which the core knows them. The core limits how many it keeps waiting, and settles every
/// ticket that it is given, so these are as many.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Requests {
    open: BTreeMap<Ticket, (RequestId, Request)>,
    opened: u64,
}

impl Requests {
    /// A ticket for a request.
    pub(crate) fn open(&mut self, request: RequestId, body: Request) -> Ticket {
        self.opened += 1;
        let ticket = Ticket(self.opened);
        self.open.insert(ticket, (request, body));
        ticket
    }

    /// The reply to the request of that ticket, if this outcome settles it. Reads are answered from `queues` as they
    /// are.
    pub(crate) fn settle(
        &mut self,
        ticket: Ticket,
        outcome: Outcome<Output>,
        queues: &FtQueue,
    ) -> Option<(RequestId, Reply)> {
        if let Outcome::Accepted { .. } = outcome {
            return None;
        }
        let (request, body) = self.open.remove(&ticket)?;
        let reply = match (outcome, body) {
            (Outcome::Applied { output, .. }, _) => output.into(),
            (Outcome::ReadReady { .. }, Request::Read(read)) => Reply::Answered(queues.read(&read)),
            (Outcome::NotLeader { leader }, _) => Reply::NotLeader { leader },
            (Outcome::Lost { leader }, _) => Reply::Lost { leader },
            // The core gives reads nothing else, and nothing else to reads.
            (Outcome::Busy | Outcome::ReadReady { .. } | Outcome::Accepted { .. }, _) => Reply::Busy,
        };
        Some((request, reply))
    }
}

impl Request {
    /// What goes into the log for it; nothing for a read.
    pub fn command(self) -> Option<Command> {
        match self {
            Request::OpenSession { nonce } => Some(Command::OpenSession { nonce }),
            Request::Write {
                session,
                sequence,
                write,
            } => Some(Command::Write {
                session,
                sequence,
                write,
            }),
            Request::Read(_) => None,
        }
    }

    /// The operation a person asked for; none for a session that a client opens by itself.
    pub fn operation(self) -> Option<Operation> {
        match self {
            Request::OpenSession { .. } => None,
            Request::Write { write, .. } => Some(Operation::Write(write)),
            Request::Read(read) => Some(Operation::Read(read)),
        }
    }
}

impl From<Output> for Reply {
    fn from(output: Output) -> Reply {
        match output {
            Output::SessionOpened(session) => Reply::SessionOpened(session),
            Output::Answered(answer) => Reply::Answered(answer),
            Output::SessionExpired => Reply::SessionExpired,
            Output::OutOfSequence { next } => Reply::OutOfSequence { next },
        }
    }
}
