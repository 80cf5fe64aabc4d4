//! One thing that happened.

use std::fmt;

use cluster::host::{Fact, Recovery};
use ftqueue::{Answer, Operation, QueueError};
use raft_core::{Instant, NodeId, Role};
use serde::Serialize;

/// One thing that happened, and when.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Happening {
    /// When, in virtual time.
    #[serde(rename = "at_us")]
    pub at: Instant,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// Counts the operations of all clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CallNumber(pub u64);

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// A node tells what it did. Of a message that was sent it tells what really became of it.
    Told {
        /// The node.
        node: NodeId,
        /// What it did.
        fact: Fact,
    },
    /// A node has recovered and takes part.
    Started {
        /// The node.
        node: NodeId,
        /// Counts its boots from 1.
        boot: u32,
        /// What it found on its disk.
        recovery: Recovery,
        /// What it begins as: a follower after a boot; one that goes on from a state may lead.
        role: Role,
    },
    /// A node runs no longer.
    Crashed {
        /// The node.
        node: NodeId,
    },
    /// A node refuses to take part, or has lost its disk: it is gone for good.
    Lost {
        /// The node.
        node: NodeId,
    },
    /// A fault begins.
    FaultBegan {
        /// Counts the faults of the run.
        fault: usize,
        /// What it is. Where a line of JSON says all in words, it is a part of those.
        #[serde(skip_serializing)]
        text: String,
    },
    /// A fault is over.
    FaultEnded {
        /// Which.
        fault: usize,
    },
    /// A client asks for an operation.
    Invoked {
        /// The client.
        client: u16,
        /// The call's name.
        call: CallNumber,
        /// What is asked.
        #[serde(serialize_with = "as_text")]
        operation: Operation,
    },
    /// It was answered.
    Returned {
        /// The client.
        client: u16,
        /// The call.
        call: CallNumber,
        /// The answer.
        result: Result<Answer, QueueError>,
    },
    /// Its client waits no more: it may have happened, or may yet.
    GaveUp {
        /// The client.
        client: u16,
        /// The call.
        call: CallNumber,
    },
    /// A promise was broken.
    Violated {
        /// Which, and how. In a line of JSON, as above.
        #[serde(skip_serializing)]
        text: String,
    },
}

fn as_text<T: fmt::Display, S: serde::Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Told { node, fact } => write!(f, "{node}  {fact}"),
            What::Started { node, recovery, .. } => write!(
                f,
                "{node}  started: {}, log up to {}",
                recovery.hard_state.term, recovery.last_index
            ),
            What::Crashed { node } => write!(f, "{node}  crashed"),
            What::Lost { node } => write!(f, "{node}  is lost"),
            What::FaultBegan { text, .. } => write!(f, "fault begins: {text}"),
            What::FaultEnded { fault } => write!(f, "fault {fault} is over"),
            What::Invoked { client, operation, .. } => write!(f, "client {client}  asks: {operation}"),
            What::Returned {
                client,
                result: Ok(answer),
                ..
            } => write!(f, "client {client}  is answered: {answer}"),
            What::Returned {
                client,
                result: Err(error),
                ..
            } => write!(f, "client {client}  is answered: {error}"),
            What::GaveUp { client, .. } => write!(f, "client {client}  waits no more"),
            What::Violated { text } => f.write_str(text),
        }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.at, self.what)
    }
}
