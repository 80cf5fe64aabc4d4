//! What goes into a step and what comes out: the whole surface between the core and its host.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Entry, Event, LogIndex, Message, NodeId, Term, Timing};

/// Something that happens to a node. See [`crate::Raft::step`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input<C> {
    /// Time has passed. Has an effect only at or after [`crate::Raft::deadline`].
    Tick,
    /// A message has arrived from a peer.
    Receive {
        /// Who sent it.
        from: NodeId,
        /// What it says.
        message: Message<C>,
    },
    /// The host has made a write durable, and with it every write that was asked for before it.
    Persisted(PersistId),
    /// A client of this node wants a command committed. Answered by [`Outcome`]s in the outbox.
    Propose {
        /// The host's name for the request; the core only hands it back.
        ticket: Ticket,
        /// What to commit.
        command: C,
    },
    /// A client of this node wants to read. Answered by [`Outcome`]s in the outbox.
    Read {
        /// The host's name for the request; the core only hands it back.
        ticket: Ticket,
    },
    /// Timing has been changed by hand; running timers are drawn anew.
    SetTiming(Timing),
    /// The timer runs out now, whenever it was to: somebody wants to see what comes of it. A timer decides when a node acts and
    /// never what is true, so this can break no promise.
    Expire,
}

/// The host's name for a request, handed back with its outcome. Never sent to another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ticket(pub u64);

/// What a step asks of its host. Fields are appended to, so that one outbox can serve many steps. The host starts the
/// writes of `persist` in their order, and may send the `messages` at once, for none of them rests on a write that it has
/// not yet reported as done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbox<C, O> {
    /// Writes to make durable, in this order.
    pub persist: Vec<Persist<C>>,
    /// Messages to send. None of them rests on bytes that are not durable yet.
    pub messages: Vec<(NodeId, Message<C>)>,
    /// Answers to proposals and reads of this node's clients.
    pub outcomes: Vec<(Ticket, Outcome<O>)>,
    /// What happened and why.
    pub events: Vec<Event>,
}

/// Names one write. Carries what it makes durable, so that a completion that comes late, after the log was overwritten in
/// a newer term, counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PersistId {
    /// Counts the writes of this boot from 1.
    pub sequence: u64,
    /// The node's term when it asked.
    pub term: Term,
    /// Where the log ended when it asked.
    pub last_index: LogIndex,
    /// The term of the entry there.
    pub last_term: Term,
}

/// A machine's state, in place of the entries that led to it (§7).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last entry it stands for.
    pub last_included_index: LogIndex,
    /// The term of that entry.
    pub last_included_term: Term,
    /// What [`crate::Machine::snapshot`] made.
    pub data: Vec<u8>,
}

impl fmt::Debug for Snapshot {
    /// The bytes say nothing to a reader.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, term) = (self.last_included_index, self.last_included_term);
        write!(f, "Snapshot up to {index} of {term}, {} bytes", self.data.len())
    }
}

/// One atomic write: the host makes all of it durable or none of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Persist<C> {
    /// To be handed back in [`Input::Persisted`].
    pub id: PersistId,
    /// Put this in the place of all that is there. The term and vote and the whole log behind it come along, so that nothing of
    /// what was written before is needed any more.
    pub snapshot: Option<Snapshot>,
    /// The term and vote, if they changed.
    pub hard_state: Option<HardState>,
    /// Drop the entries from this index on, first.
    pub truncate_from: Option<LogIndex>,
    /// Then append these at the end of the log.
    pub append: Vec<Entry<C>>,
}

/// What a node must remember apart from its log: one record, written whole (figure 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardState {
    /// The latest term the node has seen.
    pub term: Term,
    /// Who got its vote in that term.
    pub voted_for: Option<NodeId>,
}

/// What became of a proposal or a read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome<O> {
    /// The proposal stands in the log at this place, not committed yet. Another outcome follows.
    Accepted {
        /// Its place.
        index: LogIndex,
        /// Its term.
        term: Term,
    },
    /// The proposal was committed and applied with this output.
    Applied {
        /// Its place.
        index: LogIndex,
        /// What the machine answered.
        output: O,
    },
    /// The read may be answered from the machine as it is right now, within this step (§8).
    ReadReady {
        /// How far the machine has applied the log.
        applied: LogIndex,
    },
    /// This node does not lead; nothing was done. Ask the hinted node.
    NotLeader {
        /// The leader this node knows.
        leader: Option<NodeId>,
    },
    /// Another leader's entry took the proposal's place, or leadership was lost before a read was confirmed:
    /// the proposal may or may not be committed elsewhere. Ask again.
    Lost {
        /// The leader this node knows.
        leader: Option<NodeId>,
    },
    /// The node has too much under way; nothing was done. Ask again later.
    Busy,
}

impl<C, O> Default for Outbox<C, O> {
    fn default() -> Self {
        Outbox {
            persist: Vec::new(),
            messages: Vec::new(),
            outcomes: Vec::new(),
            events: Vec::new(),
        }
    }
}

impl<C, O> Outbox<C, O> {
    /// Whether nothing is asked and nothing is told.
    pub fn is_empty(&self) -> bool {
        self.persist.is_empty() && self.messages.is_empty() && self.outcomes.is_empty() && self.events.is_empty()
    }

    /// Empties the outbox, keeping its memory.
    pub fn clear(&mut self) {
        self.persist.clear();
        self.messages.clear();
        self.outcomes.clear();
        self.events.clear();
    }
}
