//! A snapshot of the machine in the place of the log's beginning: taken, sent, and installed (§7).
//!
//! A node takes a snapshot and goes on with its whole log. Only when as much again has been applied does the snapshot take
//! the place of the entries that it stands for, so that the log of a leader keeps what a follower that lags a little needs.
//! Both happen in a flush, and never in the same: who looks after each step sees every entry between its commitment and its end.
//! Who lacks more gets the snapshot, one part after the other, each once the one before it is acknowledged. A lost part
//! needs no timer: with each heartbeat that finds a part unanswered, the leader asks how far the follower has come.

use serde::{Deserialize, Serialize};

use super::log::Log;
use super::replication::Leader;
use super::{Out, Raft, RoleState};
use crate::{
    AppendRefusal, Event, IgnoreReason, InstallOutcome, InstallSnapshot, InstallSnapshotReply, LogIndex, Machine,
    Message, NodeId, SNAPSHOT_BYTES_MAX, SNAPSHOT_PART_BYTES_MAX, Snapshot, Term,
};

/// A snapshot on its way to a follower.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Transfer {
    last_included_index: LogIndex,
    /// How many bytes the follower has.
    received: usize,
    /// The next part is on its way.
    sent: bool,
}

/// A snapshot on its way from a leader.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Incoming {
    leader: NodeId,
    term: Term,
    last_included_index: LogIndex,
    last_included_term: Term,
    data: Vec<u8>,
}

impl<M: Machine> Raft<M> {
    /// Puts the snapshot that was taken last in the place of the entries it stands for, once enough stand behind it.
    pub(super) fn compact(&mut self, out: &mut Out<M>) {
        let enough = |taken: &mut Snapshot| {
            self.last_applied.0 - taken.last_included_index.0 >= self.config.compact_after.max(1)
        };
        let Some(snapshot) = self.next_snapshot.take_if(enough) else {
            return;
        };
        let first = self.log.base().next();
        self.log
            .compact(snapshot.last_included_index, snapshot.last_included_term);
        out.events.push(Event::Compacted {
            first,
            last: snapshot.last_included_index,
        });
        self.snapshot = Some(snapshot);
        self.disk.snapshot_due = true;
    }

    /// Takes a snapshot of what is applied, if there is enough and none waits for its use.
    pub(super) fn take_snapshot(&mut self, out: &mut Out<M>) {
        /// About what an entry takes: a machine that holds much is written down the less often, so that what is written of it
        /// is not more than what is written of its log.
        const BYTES_PER_ENTRY: u64 = 32;
        let last_bytes = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.data.len() as u64);
        let after = self.config.compact_after.max(last_bytes / BYTES_PER_ENTRY).max(1);
        let index = self.last_applied;
        if self.next_snapshot.is_some() || index.0 - self.log.base().0 < after {
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
        let asked = part.data.is_empty() && !part.done;
        let mut incoming = match self.incoming.take() {
            Some(begun) if begun.is_of(from, &part) => begun,
            _ => Incoming {
                leader: from,
                term: part.term,
                last_included_index: part.last_included_index,
                last_included_term: part.last_included_term,
                data: Vec::new(),
            },
        };
        let follows = part.offset == incoming.data.len() as u64;
        if follows {
            incoming.data.extend_from_slice(&part.data);
        }
        if !(follows && part.done) {
            let bytes = incoming.data.len() as u64;
            self.incoming = Some(incoming);
            return InstallOutcome::Received { bytes, asked };
        }
        let Some(machine) = self.machine.restored(&incoming.data) else {
            self.ignore(from, IgnoreReason::UnreadableSnapshot, out);
            return InstallOutcome::Received { bytes: 0, asked };
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
            InstallOutcome::Received { bytes, asked } => {
                if let Some(transfer) = &mut leader.peers[place].transfer
                    && transfer.last_included_index == reply.last_included_index
                {
                    transfer.note_received(usize::try_from(bytes).unwrap_or(usize::MAX), asked);
                }
            }
            InstallOutcome::StaleTerm => self.ignore(from, IgnoreReason::NotAsked, out),
        }
    }
}

impl Incoming {
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
    /// The follower has so many bytes. What it says of a part that it was sent may be old; what it says when asked is not.
    fn note_received(&mut self, bytes: usize, asked: bool) {
        if asked || bytes > self.received {
            self.received = bytes;
            self.sent = false;
        }
    }
}

impl Leader {
    /// The next part of `snapshot` for the follower at `place`; or, if that is under way and a word is due, the question how far
    /// it has come.
    pub(super) fn next_part(
        &mut self,
        place: usize,
        snapshot: &Snapshot,
        term: Term,
        word_due: bool,
    ) -> (Option<InstallSnapshot>, Option<Event>) {
        let (progress, peer) = (&mut self.progress[place], &mut self.peers[place]);
        let mut event = None;
        let begun = peer
            .transfer
            .filter(|transfer| transfer.last_included_index == snapshot.last_included_index);
        let mut transfer = begun.unwrap_or_else(|| {
            peer.probe(progress);
            event = Some(Event::SnapshotNeeded {
                follower: progress.id,
                next_index: progress.next_index,
                last_included_index: snapshot.last_included_index,
            });
            Transfer {
                last_included_index: snapshot.last_included_index,
                received: 0,
                sent: false,
            }
        });
        let from = transfer.received.min(snapshot.data.len());
        let (data, done) = match (transfer.sent, word_due) {
            (true, false) => return (None, None),
            (true, true) => (Vec::new(), false),
            (false, _) => {
                let to = from.saturating_add(SNAPSHOT_PART_BYTES_MAX).min(snapshot.data.len());
                (snapshot.data[from..to].to_vec(), to == snapshot.data.len())
            }
        };
        transfer.sent = true;
        peer.transfer = Some(transfer);
        let part = InstallSnapshot {
            term,
            last_included_index: snapshot.last_included_index,
            last_included_term: snapshot.last_included_term,
            offset: from as u64,
            data,
            done,
            read_round: self.round,
        };
        (Some(part), event)
    }
}
