//! Messages that have reached this node's door before their time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ftqueue::Command;
use raft_core::{Instant, Message, NodeId};

use crate::codec::Envelope;
use crate::host::{DropReason, MessageId};

/// How many bytes of one peer's frames wait for their time. A peer that sends more than a link should hold loses the
/// rest.
pub const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// By the time they arrive, and in the order they came where that is the same. Most come in that order.
    waiting: VecDeque<Waiting>,
    waiting_bytes: BTreeMap<NodeId, usize>,
    cut: BTreeSet<NodeId>,
}

#[derive(Debug)]
struct Waiting {
    deliver_at: Instant,
    message: MessageId,
    frame: Message<Command>,
    bytes: usize,
}

/// A message whose time has come.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) message: MessageId,
    pub(crate) from: NodeId,
    pub(crate) frame: Message<Command>,
    /// The link is cut: it does not arrive after all.
    pub(crate) cut: bool,
}

impl Arrivals {
    /// Keeps a message that took `bytes` until its time.
    pub(crate) fn keep(&mut self, envelope: Envelope, bytes: usize) -> Result<(), DropReason> {
        let Envelope {
            message,
            deliver_at,
            frame,
            ..
        } = envelope;
        let waiting_bytes = self.waiting_bytes.entry(message.from).or_default();
        if *waiting_bytes + bytes > WAITING_BYTES_MAX {
            return Err(DropReason::Full);
        }
        *waiting_bytes += bytes;
        let earlier = self
            .waiting
            .iter()
            .rposition(|waiting| waiting.deliver_at <= deliver_at);
        self.waiting.insert(
            earlier.map_or(0, |place| place + 1),
            Waiting {
                deliver_at,
                message,
                frame,
                bytes,
            },
        );
        Ok(())
    }

    /// When the next message arrives.
    pub(crate) fn next(&self) -> Instant {
        self.waiting
            .front()
            .map_or(Instant::NEVER, |waiting| waiting.deliver_at)
    }

    /// The next message, if its time has come.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Due> {
        let Waiting {
            message, frame, bytes, ..
        } = self.waiting.pop_front_if(|waiting| waiting.deliver_at <= now)?;
        let from = message.from;
        if let Some(waiting_bytes) = self.waiting_bytes.get_mut(&from) {
            *waiting_bytes -= bytes;
        }
        Some(Due {
            message,
            from,
            frame,
            cut: self.cut.contains(&from),
        })
    }

    /// Whether the direction from `peer` is cut from now on.
    pub(crate) fn set_cut(&mut self, peer: NodeId, cut: bool) {
        if cut {
            self.cut.insert(peer);
        } else {
            self.cut.remove(&peer);
        }
    }
}
