//! What is on the disk, what is on its way there, and what waits for it.
//!
//! The core never assumes that a write is done. It asks for one and goes on; whatever rests on the bytes (a vote, an
//! acknowledgement, its own copy of an entry, its own vote) counts once the host has said that they are durable.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Out, Raft, RoleState};
use crate::{
    AppendOutcome, Duration, Event, HardState, IgnoreReason, InstallOutcome, Instant, LogIndex, Machine, Malformed,
    Message, NodeId, Persist, PersistId,
};

/// How many writes may be under way. More changes wait, and become one write when there is room.
const WRITES_UNDER_WAY_MAX: usize = 64;

/// What the node knows of its disk.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Disk {
    /// The term and vote that are durable.
    pub(super) durable_hard_state: HardState,
    /// How far the log on the disk is the log in memory.
    pub(super) durable_index: LogIndex,
    /// The term and vote that the disk will hold when all writes are done.
    requested_hard_state: HardState,
    /// Where the log on the disk will end when all writes are done.
    requested_last_index: LogIndex,
    /// A snapshot has taken the place of a part of the log, and is to be written.
    pub(super) snapshot_due: bool,
    /// The first place where memory differs from what has been asked for.
    changed_from: Option<LogIndex>,
    /// Writes under way, oldest first.
    writes: VecDeque<Write>,
    /// The number of the last write that was asked for.
    last_sequence: u64,
    /// How long the write that was done last took.
    pub(super) last_took: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
struct Write {
    id: PersistId,
    /// When it was asked for.
    asked: Instant,
    hard_state: HardState,
    /// Whether it puts a snapshot in the place of what was there.
    is_snapshot: bool,
    /// The first place that the write changes.
    changes_from: Option<LogIndex>,
}

/// A message that may leave once the term and vote are durable, and the log up to `rests_on`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Withheld<C> {
    to: NodeId,
    message: Message<C>,
    rests_on: LogIndex,
}

impl Disk {
    pub(super) fn new(hard_state: HardState, last_index: LogIndex) -> Disk {
        Disk {
            durable_hard_state: hard_state,
            durable_index: last_index,
            requested_hard_state: hard_state,
            requested_last_index: last_index,
            snapshot_due: false,
            changed_from: None,
            writes: VecDeque::new(),
            last_sequence: 0,
            last_took: Duration::default(),
        }
    }

    /// The log in memory has changed at `from` and perhaps after.
    pub(super) fn log_changed(&mut self, from: LogIndex) {
        self.durable_index = self.durable_index.min(from.prev());
        self.changed_from = Some(self.changed_from.map_or(from, |earlier| earlier.min(from)));
    }

    /// Since when the oldest write under way is, if one is.
    pub(super) fn writing_since(&self) -> Option<Instant> {
        self.writes.front().map(|write| write.asked)
    }

    /// The last place that neither a write under way nor an unwritten change touches.
    fn untouched_through(&self) -> LogIndex {
        let under_way = self.writes.iter().filter_map(|write| write.changes_from);
        under_way
            .chain(self.changed_from)
            .min()
            .map_or(LogIndex(u64::MAX), LogIndex::prev)
    }
}

impl<M: Machine> Raft<M> {
    /// Asks for one write for everything that has changed since the last one, if anything has.
    pub(super) fn request_write(&mut self, out: &mut Out<M>) {
        // A disk that puts one snapshot in the place of what it holds needs that until it is done.
        let replaces = self.disk.snapshot_due && self.disk.writes.iter().any(|write| write.is_snapshot);
        if self.disk.writes.len() >= WRITES_UNDER_WAY_MAX || replaces {
            return;
        }
        if let Some(persist) = self.next_write() {
            out.events.push(Event::PersistRequested {
                sequence: persist.id.sequence,
            });
            out.persist.push(persist);
        }
    }

    /// Counts all that has changed since the last write as asked for, however much is under way, and names that write: for a host
    /// that writes down the whole state anew, in the place of all writes.
    pub fn write_all(&mut self) -> Option<PersistId> {
        self.next_write().map(|persist| persist.id)
    }

    fn next_write(&mut self) -> Option<Persist<M::Command>> {
        let hard_state = self.recorded_hard_state();
        let is_snapshot = std::mem::take(&mut self.disk.snapshot_due);
        let new_hard_state = (is_snapshot || hard_state != self.disk.requested_hard_state).then_some(hard_state);
        if new_hard_state.is_none() && self.disk.changed_from.is_none() {
            return None;
        }
        let changes_from = self.disk.changed_from.take();
        let (snapshot, truncate_from, append_from) = if is_snapshot {
            (self.snapshot.clone(), None, Some(self.log.base().next()))
        } else {
            let truncate_from = changes_from.filter(|&from| from <= self.disk.requested_last_index);
            (None, truncate_from, changes_from)
        };
        let append = append_from.map_or_else(Vec::new, |from| self.log.tail(from).to_vec());
        self.disk.last_sequence += 1;
        let id = PersistId {
            sequence: self.disk.last_sequence,
            term: self.hard_state.term,
            last_index: self.log.last_index(),
            last_term: self.log.last_term(),
        };
        self.disk.requested_hard_state = hard_state;
        self.disk.requested_last_index = id.last_index;
        self.disk.writes.push_back(Write {
            id,
            asked: self.now,
            hard_state,
            is_snapshot,
            changes_from,
        });
        Some(Persist {
            id,
            snapshot,
            hard_state: new_hard_state,
            truncate_from,
            append,
        })
    }

    /// A write is done, and with it all that were asked for before it.
    pub(super) fn persisted(&mut self, id: PersistId, out: &mut Out<M>) {
        let own = self.config.id;
        if id.sequence == 0 || id.sequence > self.disk.last_sequence {
            return self.ignore(own, IgnoreReason::NotAsked, out);
        }
        let Some(place) = self
            .disk
            .writes
            .iter()
            .position(|write| write.id.sequence == id.sequence)
        else {
            return self.ignore(own, IgnoreReason::Outdated, out);
        };
        if self.disk.writes[place].id != id {
            return self.ignore(
                own,
                IgnoreReason::Malformed {
                    what: Malformed::NeverAsked,
                },
                out,
            );
        }
        let took = self
            .disk
            .writing_since()
            .map_or(Duration(0), |since| self.now.since(since));
        let hard_state_is_new = self.disk.durable_hard_state != self.disk.writes[place].hard_state;
        self.disk.durable_hard_state = self.disk.writes[place].hard_state;
        self.disk.writes.drain(..=place);
        self.disk.last_took = took;

        // The disk now holds the log as it was when the write was asked for. What has been overwritten in memory since
        // is not durable, however much the disk holds in its place.
        let untouched = self.disk.untouched_through();
        self.disk.durable_index = if self.config.rules.ignore_late_fsync {
            id.last_index.min(untouched)
        } else {
            id.last_index.min(self.log.last_index())
        };
        if id.last_index > untouched {
            out.events.push(Event::PersistStale { sequence: id.sequence });
        } else {
            let durable_index = self.disk.durable_index;
            out.events.push(Event::PersistCompleted {
                sequence: id.sequence,
                durable_index,
            });
        }
        if took >= self.config.timing.election_min {
            out.events.push(Event::WriteOutlastedTimeout {
                sequence: id.sequence,
                took,
            });
        }
        match &mut self.role {
            RoleState::Leader(leader) => leader.recount = true,
            _ => self.go_on_waiting(hard_state_is_new),
        }
    }

    /// Whether the disk keeps this node from standing for election: what it would write now stands behind a write under way,
    /// and what it has to say waits for that.
    pub(super) fn waits_for_disk(&self) -> bool {
        self.config.rules.wait_for_fsync && (!self.disk.writes.is_empty() || !self.hard_state_counts())
    }

    /// Sends `message` once the term and vote are durable, and the log up to `rests_on`.
    ///
    /// Replies that wait make way for newer ones that say the same or more, so that a disk that stands still does not
    /// fill the memory.
    pub(super) fn send_once_durable(&mut self, to: NodeId, message: Message<M::Command>, rests_on: LogIndex) {
        let outdone = self
            .withheld
            .iter_mut()
            .find(|waiting| waiting.to == to && same_reply(&waiting.message, &message));
        match outdone {
            Some(waiting) => *waiting = Withheld { to, message, rests_on },
            None => self.withheld.push(Withheld { to, message, rests_on }),
        }
    }

    /// Sends the messages that rest on nothing that is not durable.
    pub(super) fn release_withheld(&mut self, out: &mut Out<M>) {
        out.messages.append(&mut self.released);
        if self.withheld.is_empty() || !self.hard_state_counts() {
            return;
        }
        let durable = self.counted_index();
        let ready = self.withheld.extract_if(.., |waiting| waiting.rests_on <= durable);
        out.messages.extend(ready.map(|waiting| (waiting.to, waiting.message)));
    }

    /// The node is about to leave its term. What waits is of no use any more, and may rest on entries that will be overwritten;
    /// but an answer whose bytes have become durable since the last flush is as true as if it had left then, and somebody
    /// counts on it.
    pub(super) fn drop_withheld(&mut self) {
        if self.withheld.is_empty() {
            return;
        }
        let durable = if self.hard_state_counts() {
            Some(self.counted_index())
        } else {
            None
        };
        let waiting = std::mem::take(&mut self.withheld).into_iter();
        let ready = waiting.filter(|waiting| {
            let asks = matches!(waiting.message, Message::RequestVote(_));
            !asks && durable.is_some_and(|durable| waiting.rests_on <= durable)
        });
        self.released.extend(ready.map(|waiting| (waiting.to, waiting.message)));
    }

    /// Whether the present term and vote are durable, or need not be.
    pub(super) fn hard_state_counts(&self) -> bool {
        !self.config.rules.wait_for_fsync || self.disk.durable_hard_state == self.recorded_hard_state()
    }

    /// How far the node's own log counts as a copy.
    pub(super) fn counted_index(&self) -> LogIndex {
        if self.config.rules.wait_for_fsync {
            self.disk.durable_index
        } else {
            self.log.last_index()
        }
    }

    /// The term and vote as they are written down.
    fn recorded_hard_state(&self) -> HardState {
        let voted_for = self.hard_state.voted_for.filter(|_| self.config.rules.persist_vote);
        HardState {
            voted_for,
            ..self.hard_state
        }
    }
}

/// Whether a newer message says all that a waiting one does. Both are of one term, for the term's change drops them; and in one
/// term a candidate asks each for its vote once.
fn same_reply<C>(waiting: &Message<C>, newer: &Message<C>) -> bool {
    match (waiting, newer) {
        (Message::RequestVoteReply(a), Message::RequestVoteReply(b)) => !a.granted || b.granted,
        (Message::AppendEntriesReply(a), Message::AppendEntriesReply(b)) => match (a.outcome, b.outcome) {
            (AppendOutcome::Matched { match_index: a }, AppendOutcome::Matched { match_index: b }) => a == b,
            (AppendOutcome::Conflict { .. }, AppendOutcome::Conflict { .. }) => true,
            (AppendOutcome::StaleTerm, AppendOutcome::StaleTerm) => true,
            _ => false,
        },
        (Message::InstallSnapshotReply(a), Message::InstallSnapshotReply(b)) => {
            b.outcome == InstallOutcome::Installed || a.outcome != InstallOutcome::Installed
        }
        _ => false,
    }
}
