//! Messages that have reached this node's door before their time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ftqueue::Command;
use raft_core::{Duration, Instant, Message, NodeId};
use serde::{Deserialize, Serialize};

use crate::codec::Envelope;
use crate::host::{Arriving, DropReason, MessageId, MessageSummary, Surgery};

/// How many bytes of one peer's frames wait for their time. A peer that sends more than a link should hold loses the
/// rest.
pub const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long after a message its duplicate arrives, if somebody makes one.
const DUPLICATE_AFTER: Duration = Duration::from_millis(1);

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Arrivals {
    /// By the time they arrive, and in the order they came where that is the same. Most come in that order.
    waiting: VecDeque<Waiting>,
    waiting_bytes: BTreeMap<NodeId, usize>,
    cut: BTreeSet<NodeId>,
    /// Messages that somebody holds.
    held: Vec<Waiting>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Waiting {
    sent_at: Instant,
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
            epoch: _,
            sent_at,
            deliver_at,
            frame,
        } = envelope;
        let waiting_bytes = self.waiting_bytes.entry(message.from).or_default();
        if *waiting_bytes + bytes > WAITING_BYTES_MAX {
            return Err(DropReason::Full);
        }
        *waiting_bytes += bytes;
        self.insert(Waiting {
            sent_at,
            deliver_at,
            message,
            frame,
            bytes,
        });
        Ok(())
    }

    fn insert(&mut self, arrival: Waiting) {
        let earlier = self
            .waiting
            .iter()
            .rposition(|waiting| waiting.deliver_at <= arrival.deliver_at);
        self.waiting.insert(earlier.map_or(0, |place| place + 1), arrival);
    }

    /// Does this to a message that waits, or that somebody holds. Says whether there is one to which it can be done.
    pub(crate) fn operate(&mut self, now: Instant, message: MessageId, surgery: Surgery) -> bool {
        let waits = self.waiting.iter().position(|waiting| waiting.message == message);
        let is_held = self.held.iter().position(|held| held.message == message);
        let mut arrival = match (waits, is_held, surgery) {
            (Some(place), _, Surgery::Duplicate) => {
                let mut again = self.waiting[place].clone();
                again.deliver_at = again.deliver_at + DUPLICATE_AFTER;
                *self.waiting_bytes.entry(message.from).or_default() += again.bytes;
                self.insert(again);
                return true;
            }
            (Some(_), _, Surgery::Release) | (None, Some(_), Surgery::Hold | Surgery::Duplicate) | (None, None, _) => {
                return false;
            }
            (Some(place), _, _) => match self.waiting.remove(place) {
                Some(arrival) => arrival,
                None => return false,
            },
            (None, Some(place), _) => self.held.remove(place),
        };
        match surgery {
            Surgery::Drop => {
                if let Some(waiting_bytes) = self.waiting_bytes.get_mut(&message.from) {
                    *waiting_bytes = waiting_bytes.saturating_sub(arrival.bytes);
                }
            }
            Surgery::Hold => self.held.push(arrival),
            Surgery::Release | Surgery::Duplicate => self.insert(arrival),
            Surgery::Deliver => {
                arrival.deliver_at = now;
                self.waiting.push_front(arrival);
            }
        }
        true
    }

    /// What waits. What somebody holds never arrives.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = Arriving> {
        let told = |at: Instant, waiting: &Waiting| Arriving {
            message: waiting.message,
            sent: waiting.sent_at,
            arrives: at,
            summary: MessageSummary::from(&waiting.frame),
        };
        let waiting = self
            .waiting
            .iter()
            .map(move |waiting| told(waiting.deliver_at, waiting));
        waiting.chain(self.held.iter().map(move |held| told(Instant::NEVER, held)))
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
            *waiting_bytes = waiting_bytes.saturating_sub(bytes);
        }
        Some(Due {
            message,
            from,
            frame,
            cut: self.cut.contains(&from),
        })
    }

    /// The peers from whom the direction is cut.
    pub(crate) fn cut(&self) -> impl Iterator<Item = NodeId> {
        self.cut.iter().copied()
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
