//! A snapshot of the machine in the place of the log's beginning: taken, sent, and installed (§7).
//!
//! A node takes a snapshot and goes on with its whole log. Only when as much again has been applied does the snapshot take
//! the place of the entries that it stands for, so that the log of a leader keeps what a follower that lags a little needs.
//! Both happen in a flush, and never in the same: who looks after each step sees every entry between its commitment and its end.
//!
//! Who lacks more gets the snapshot, a few parts at a time. A transfer keeps its snapshot to the end, though newer ones are taken:
//! with each that began anew, a follower that is far away would never see one whole. No part is sent twice because time has
//! passed: with each heartbeat that finds nothing to send the leader asks how far the follower has come, and numbers the
//! questions. Who answers what was asked after a part, and lacks it, has lost it.
//!
//! While a follower is sent a snapshot, and until it has caught up from the log behind it, the leader drops nothing from its log,
//! up to a bound ([`crate::KEPT_FOR_TRANSFER`]): so the snapshot is of use when it is there. The leader does so for nobody who has
//! stopped answering.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::log::Log;
use super::replication::Leader;
use super::{Out, Raft, RoleState};
use crate::{
    AppendRefusal, Event, IgnoreReason, InstallOutcome, InstallSnapshot, InstallSnapshotReply, KEPT_FOR_TRANSFER,
    KEPT_FOR_TRANSFER_ENTRIES_MAX, LogIndex, Machine, Message, NodeId, Outbox, SNAPSHOT_BYTES_MAX,
    SNAPSHOT_PART_BYTES_MAX, SNAPSHOT_PARTS_INFLIGHT_MAX, Snapshot, Term,
};

/// A part is lost if the follower answers the third question that was asked after it and does not have it. One would do if no
/// message overtook another; the second and third come with later heartbeats, and nothing is delayed so much but what is lost.
const QUESTIONS_UNTIL_LOST: u64 = 3;

/// A snapshot on its way to a follower.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Transfer {
    last_included_index: LogIndex,
    /// How many bytes the follower has, without a gap.
    received: usize,
    /// How many bytes have been sent, at least once.
    sent: usize,
    /// The parts that have been sent and that `received` does not reach, in the order of their places.
    parts: VecDeque<SentPart>,
    /// The last question that had been asked when the leader learned of `received`. Who has less when a later one reaches it has
    /// forgotten.
    asked_before: u64,
}

/// A part that is on its way, or waits behind a gap, or is lost.
#[derive(Debug, Serialize, Deserialize)]
struct SentPart {
    offset: usize,
    /// The last question before it was sent last.
    asked_before: u64,
    lost: bool,
}

/// A snapshot on its way from a leader.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Incoming {
    leader: NodeId,
    term: Term,
    last_included_index: LogIndex,
    last_included_term: Term,
    /// What is here from its beginning on, without a gap.
    data: Vec<u8>,
    /// Parts behind a gap, by where they begin. As many as may be on the way, at most.
    ahead: BTreeMap<u64, Vec<u8>>,
    /// Where the snapshot ends, once that is known.
    end: Option<u64>,
}

impl<M: Machine> Raft<M> {
    /// Puts the snapshot that was taken last in the place of the entries it stands for, once enough stand behind it.
    pub(super) fn compact(&mut self, out: &mut Out<M>) {
        let enough =
            |taken: &Snapshot| self.last_applied.0 - taken.last_included_index.0 >= self.config.compact_after.max(1);
        if !self.next_snapshot.as_ref().is_some_and(enough) || self.log_is_needed() {
            return;
        }
        let Some(snapshot) = self.next_snapshot.take() else {
            return;
        };
        let first = self.log.base().next();
        self.log
            .compact(snapshot.last_included_index, snapshot.last_included_term);
        out.events.push(Event::Compacted {
            first,
            last: snapshot.last_included_index,
        });
        let before = self.snapshot.replace(snapshot);
        self.disk.snapshot_due = true;
        if let RoleState::Leader(leader) = &mut self.role {
            leader.log_was_compacted(before);
        }
    }

    /// After how many applied entries a snapshot is taken.
    fn snapshot_interval(&self) -> u64 {
        /// About what an entry takes: a machine that holds much is written down the less often, so that what is written of it
        /// is not more than what is written of its log.
        const BYTES_PER_ENTRY: u64 = 32;
        let last_bytes = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.data.len() as u64);
        self.config.compact_after.max(last_bytes / BYTES_PER_ENTRY).max(1)
    }

    /// Whether entries that the next snapshot stands for are kept for followers which are sent an earlier one.
    fn log_is_needed(&mut self) -> bool {
        let bound = self
            .snapshot_interval()
            .saturating_mul(KEPT_FOR_TRANSFER)
            .min(KEPT_FOR_TRANSFER_ENTRIES_MAX);
        let (RoleState::Leader(leader), Some(next)) = (&mut self.role, &self.next_snapshot) else {
            return false;
        };
        let is_in_bound = self.last_applied.0 - self.log.base().0 < bound;
        is_in_bound && leader.lets_wait(next.last_included_index)
    }

    /// Takes a snapshot of what is applied, if there is enough and none waits for its use.
    pub(super) fn take_snapshot(&mut self, out: &mut Out<M>) {
        let index = self.last_applied;
        if self.next_snapshot.is_some() || index.0 - self.log.base().0 < self.snapshot_interval() {
            return;
        }
        let Some(term) = self.log.term_at(index) else { return };
        let data = self.machine.snapshot();
        if data.len() > SNAPSHOT_BYTES_MAX {
            return; // The log must do.
        }
        out.events.push(Event::SnapshotTaken {
            last_included_index: index,
            bytes: data.len() as u64,
        });
        self.next_snapshot = Some(Snapshot {
            last_included_index: index,
            last_included_term: term,
            data,
        });
    }

    /// A leader sends a part of its snapshot, or asks how far this node has come.
    pub(super) fn install_snapshot(&mut self, from: NodeId, part: InstallSnapshot, out: &mut Out<M>) {
        let ours = self.hard_state.term;
        let (term, last_included_index, read_round) = (part.term, part.last_included_index, part.read_round);
        let question = part.question;
        let outcome = if term < ours && self.config.rules.refuse_stale_append {
            out.events.push(Event::AppendRefused {
                leader: from,
                reason: AppendRefusal::StaleTerm { ours },
            });
            InstallOutcome::StaleTerm
        } else {
            if !self.hears_leader(from, term, out) {
                return;
            }
            self.take_part(from, part, out)
        };
        let reply = InstallSnapshotReply {
            term: if outcome.accepts_leader() { term } else { ours },
            last_included_index,
            question,
            outcome,
            read_round,
        };
        let rests_on = match outcome {
            InstallOutcome::Installed => last_included_index.min(self.log.last_index()),
            _ => LogIndex::ZERO,
        };
        self.send_once_durable(from, Message::InstallSnapshotReply(reply), rests_on);
    }

    /// Adds a part to those that are here, and installs the snapshot with the last.
    fn take_part(&mut self, from: NodeId, part: InstallSnapshot, out: &mut Out<M>) -> InstallOutcome {
        if part.last_included_index <= self.commit_index && self.config.rules.ignore_old_snapshot {
            self.incoming = None;
            return InstallOutcome::Installed; // All that it stands for is committed here.
        }
        let mut incoming = match self.incoming.take() {
            Some(begun) if begun.is_of(from, &part) => begun,
            _ => Incoming {
                leader: from,
                term: part.term,
                last_included_index: part.last_included_index,
                last_included_term: part.last_included_term,
                data: Vec::new(),
                ahead: BTreeMap::new(),
                end: None,
            },
        };
        incoming.add(part);
        if !incoming.is_whole() {
            let bytes = incoming.data.len() as u64;
            self.incoming = Some(incoming);
            return InstallOutcome::Received { bytes };
        }
        let Some(machine) = self.machine.restored(&incoming.data) else {
            self.ignore(from, IgnoreReason::UnreadableSnapshot, out);
            return InstallOutcome::Received { bytes: 0 };
        };
        let snapshot = Snapshot {
            last_included_index: incoming.last_included_index,
            last_included_term: incoming.last_included_term,
            data: incoming.data,
        };
        self.install(from, snapshot, machine, out);
        InstallOutcome::Installed
    }

    /// Begins anew with a snapshot, unless the log holds all that it stands for.
    fn install(&mut self, leader: NodeId, snapshot: Snapshot, machine: M, out: &mut Out<M>) {
        let (index, term) = (snapshot.last_included_index, snapshot.last_included_term);
        if self.log.term_at(index) == Some(term) && index > self.commit_index {
            out.events.push(Event::CommitAdvanced {
                from: self.commit_index,
                to: index,
                copies: Vec::new(),
            });
            self.commit_index = index;
            return;
        }
        out.events.push(Event::SnapshotInstalled {
            leader,
            last_included_index: index,
            last_included_term: term,
            dropped_to: self.log.last_index(),
        });
        let tail = if self.config.rules.drop_log_behind_snapshot {
            Vec::new()
        } else {
            self.log.split_off(index.next())
        };
        self.log = Log::new(index, term, tail);
        self.machine = machine;
        (self.commit_index, self.last_applied) = (index, index);
        self.snapshot = Some(snapshot);
        self.next_snapshot = None;
        self.disk.snapshot_due = true;
        self.disk.log_changed(LogIndex(1));
        self.lose_overwritten(LogIndex(1), out);
    }

    /// A follower says how far it has come with the snapshot.
    pub(super) fn install_snapshot_reply(&mut self, from: NodeId, reply: &InstallSnapshotReply, out: &mut Out<M>) {
        let accepts_leader = reply.outcome.accepts_leader();
        let Some((place, _)) = self.answered(from, reply.term, reply.read_round, accepts_leader, out) else {
            return;
        };
        let RoleState::Leader(leader) = &mut self.role else {
            return;
        };
        match reply.outcome {
            InstallOutcome::Installed => {
                let advanced = leader.matched(place, reply.last_included_index);
                out.events.extend(advanced.then_some(Event::Matched {
                    follower: from,
                    match_index: reply.last_included_index,
                }));
            }
            InstallOutcome::Received { bytes } => {
                let peer = &mut leader.peers[place];
                if let Some(transfer) = &mut peer.transfer
                    && transfer.last_included_index == reply.last_included_index
                {
                    transfer.note_received(usize::try_from(bytes).unwrap_or(usize::MAX), reply.question, peer.asked);
                }
            }
            InstallOutcome::StaleTerm => self.ignore(from, IgnoreReason::NotAsked, out),
        }
    }
}

impl Incoming {
    /// Takes a part: at the end of what is here, or behind a gap.
    fn add(&mut self, part: InstallSnapshot) {
        let end = part.offset.saturating_add(part.data.len() as u64);
        if part.done {
            self.end = Some(end);
        }
        if part.offset > self.data.len() as u64
            && self.ahead.len() < SNAPSHOT_PARTS_INFLIGHT_MAX
            && !part.data.is_empty()
        {
            self.ahead.insert(part.offset, part.data);
        } else if part.offset == self.data.len() as u64 {
            self.data.extend_from_slice(&part.data);
        }
        while let Some(ahead) = self.ahead.first_entry() {
            let length = self.data.len() as u64;
            if *ahead.key() > length {
                break;
            }
            let (offset, data) = ahead.remove_entry();
            if offset == length {
                self.data.extend_from_slice(&data);
            }
        }
    }

    /// Whether nothing is missing any more.
    fn is_whole(&self) -> bool {
        self.end == Some(self.data.len() as u64)
    }

    fn is_of(&self, leader: NodeId, part: &InstallSnapshot) -> bool {
        (
            self.leader,
            self.term,
            self.last_included_index,
            self.last_included_term,
        ) == (leader, part.term, part.last_included_index, part.last_included_term)
    }
}

impl Transfer {
    fn new(last_included_index: LogIndex) -> Transfer {
        Transfer {
            last_included_index,
            received: 0,
            sent: 0,
            parts: VecDeque::new(),
            asked_before: 0,
        }
    }

    /// The follower has so many bytes without a gap, it says in answer to the question of this number, or to a part that was
    /// sent behind it. `asked` is the last question so far.
    fn note_received(&mut self, bytes: usize, question: u64, asked: u64) {
        if bytes < self.received && question > self.asked_before {
            // It has forgotten what it had, and begins anew.
            self.parts.clear();
            (self.received, self.sent, self.asked_before) = (bytes, bytes, asked);
        } else if bytes > self.received {
            (self.received, self.asked_before) = (bytes, asked);
            self.sent = self.sent.max(bytes);
            while self.parts.pop_front_if(|part| part.offset < bytes).is_some() {}
        }
        if let Some(missing) = self.parts.front_mut() {
            missing.lost |= question >= missing.asked_before.saturating_add(QUESTIONS_UNTIL_LOST);
        }
    }

    /// Where the next part begins that is to be sent, if one may be: one that was lost, or one more.
    fn next_offset(&mut self, length: usize, window: usize, asked: u64) -> Option<usize> {
        if let Some(missing) = self.parts.front_mut().filter(|part| part.lost) {
            (missing.lost, missing.asked_before) = (false, asked);
            return Some(missing.offset.min(length));
        }
        let offset = self.sent;
        let is_empty = length == 0 && self.parts.is_empty();
        if self.parts.len() >= window || (offset >= length && !is_empty) {
            return None;
        }
        self.sent = offset.saturating_add(SNAPSHOT_PART_BYTES_MAX).min(length);
        self.parts.push_back(SentPart {
            offset,
            asked_before: asked,
            lost: false,
        });
        Some(offset)
    }
}

impl Leader {
    /// Whether the follower at `place` is being sent a snapshot, or is to be, `newest` being what stands for the log's beginning.
    pub(super) fn needs_snapshot(&self, place: usize, newest: &Snapshot) -> bool {
        // A snapshot on its way is `newest` or an older one.
        self.progress[place].next_index <= newest.last_included_index
    }

    /// Sends the follower at `place` what it lacks of its snapshot and may have on the way; if that is nothing, and a word is
    /// due, the question how far it has come.
    pub(super) fn send_parts<C, O>(
        &mut self,
        place: usize,
        newest: &Snapshot,
        term: Term,
        word_due: bool,
        out: &mut Outbox<C, O>,
    ) {
        let (progress, peer) = (&mut self.progress[place], &mut self.peers[place]);
        let next_index = progress.next_index;
        let begun = peer.transfer.take().and_then(|transfer| {
            let index = transfer.last_included_index;
            let known = std::iter::once(newest).chain(&self.sending);
            let snapshot = known
                .into_iter()
                .find(|snapshot| snapshot.last_included_index == index)?;
            (next_index <= index).then_some((transfer, snapshot))
        });
        let (mut transfer, snapshot) = begun.unwrap_or_else(|| {
            peer.probe(progress);
            peer.log_is_kept = true;
            out.events.push(Event::SnapshotNeeded {
                follower: progress.id,
                next_index,
                last_included_index: newest.last_included_index,
            });
            (Transfer::new(newest.last_included_index), newest)
        });
        let mut send = |question: u64, offset: usize, data: &[u8], done: bool| {
            let part = InstallSnapshot {
                term,
                last_included_index: snapshot.last_included_index,
                last_included_term: snapshot.last_included_term,
                offset: offset as u64,
                data: data.to_vec(),
                done,
                question,
                read_round: self.round,
            };
            out.messages.push((progress.id, Message::InstallSnapshot(part)));
        };
        let data = &snapshot.data[..];
        let window = if peer.silent { 1 } else { SNAPSHOT_PARTS_INFLIGHT_MAX };
        let mut asks = word_due;
        while let Some(from) = transfer.next_offset(data.len(), window, peer.asked) {
            asks = false;
            let to = from.saturating_add(SNAPSHOT_PART_BYTES_MAX).min(data.len());
            send(peer.asked, from, &data[from..to], to == data.len());
        }
        if asks {
            peer.asked = peer.asked.saturating_add(1);
            send(peer.asked, transfer.received.min(data.len()), &[], false);
        }
        peer.transfer = Some(transfer);
    }

    /// Whether a follower that answers is still to be sent, from the log, entries up to `index`, having got a snapshot. Those that
    /// have come so far need it no longer.
    fn lets_wait(&mut self, index: LogIndex) -> bool {
        let mut waits = false;
        for (progress, peer) in self.progress.iter().zip(&mut self.peers) {
            peer.log_is_kept &= progress.match_index < index;
            waits |= peer.log_is_kept && !peer.silent;
        }
        waits
    }

    /// A newer snapshot has taken the place of this one, and of the log that went with it. Who is being sent the older one gets it
    /// to its end, but for those who have not answered meanwhile.
    fn log_was_compacted(&mut self, before: Option<Snapshot>) {
        for peer in &mut self.peers {
            peer.log_is_kept = false;
            peer.silent = !std::mem::take(&mut peer.heard);
            if peer.silent {
                peer.transfer = None;
            }
        }
        self.sending.extend(before);
        self.forget_sent();
    }

    /// Lets go of the snapshots that nobody is being sent any more.
    pub(super) fn forget_sent(&mut self) {
        let peers = &self.peers;
        self.sending.retain(|snapshot| {
            let is_this = |transfer: &Transfer| transfer.last_included_index == snapshot.last_included_index;
            peers.iter().filter_map(|peer| peer.transfer.as_ref()).any(is_this)
        });
    }
}
