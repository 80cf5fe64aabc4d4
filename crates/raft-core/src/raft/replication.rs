//! What a leader does to make the other logs like its own (§5.3), and when an entry is committed (§5.4.2).
//!
//! Each follower is either *probed*, one append at a time, until the place where the logs agree is found; or appends are
//! *pipelined* to it, each sent on the assumption that those before it will be taken. A refusal says that the assumption
//! was wrong, and the leader probes again. Heartbeats go to the place after the last append that was sent, so a follower
//! refuses one whenever something before it was lost: no append needs a timer of its own.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::log::Log;
use super::reads::PendingRead;
use super::snapshots::Transfer;
use super::{Out, Raft, RoleState};
use crate::{
    APPEND_BYTES_MAX, APPEND_ENTRIES_MAX, AppendEntries, AppendEntriesReply, AppendOutcome, CommitHold, Entry, Event,
    INFLIGHT_APPENDS_MAX, INFLIGHT_BYTES_MAX, IgnoreReason, LogIndex, MEMBERS_MAX, Machine, Message, NodeId, Outbox,
    Payload, Progress, ReadRound, Snapshot, Term,
};

/// What a leader keeps.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Leader {
    /// The votes it was elected with.
    pub(super) votes: Vec<NodeId>,
    /// The place of its term's first entry.
    pub(super) term_start: LogIndex,
    /// What it knows of each follower, in the order of the members.
    pub(super) progress: Vec<Progress>,
    /// How it goes about each follower, in the same order.
    pub(super) peers: Vec<Peer>,
    /// Every follower is to hear something at the next flush.
    pub(super) heartbeat_due: bool,
    /// Copies may have been added since they were counted.
    pub(super) recount: bool,
    /// The last round begun.
    pub(super) round: ReadRound,
    /// Reads wait for a round that has not begun.
    pub(super) round_due: bool,
    /// The last round said to be confirmed.
    pub(super) confirmed: ReadRound,
    /// Reads that wait, oldest first.
    pub(super) reads: VecDeque<PendingRead>,
    /// Snapshots that are on their way to followers, and whose place in this node has been taken by newer ones. At most one for
    /// each follower.
    pub(super) sending: Vec<Snapshot>,
    /// What was last said about an entry that is not committed.
    explained: Option<(LogIndex, CommitHold)>,
}

/// How a leader goes about one follower.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Peer {
    mode: Mode,
    /// Appends on the way, oldest first: where each ends, and its bytes. Empty while probing.
    inflight: VecDeque<(LogIndex, usize)>,
    /// The snapshot on its way to it, if it needs one.
    pub(super) transfer: Option<Transfer>,
    /// How often it was asked how far it has come with a snapshot.
    pub(super) asked: u64,
    /// The log is kept for it: it was sent a snapshot, and is to find what comes behind.
    pub(super) log_is_kept: bool,
    /// It has answered since entries were dropped from the log.
    pub(super) heard: bool,
    /// It had not answered for long when entries were dropped, and has not since.
    pub(super) silent: bool,
    /// The latest round it has answered.
    pub(super) answered_round: ReadRound,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Mode {
    /// One append at a time.
    Probe { sent: bool },
    /// As many as may be on the way.
    Pipeline,
}

impl<M: Machine> Raft<M> {
    /// Begins to lead the present term.
    pub(super) fn lead(&mut self, votes: Vec<NodeId>, out: &mut Out<M>) {
        let term_start = self.log.last_index().next();
        let others = self.config.members.iter().filter(|&&member| member != self.config.id);
        let progress: Vec<Progress> = others
            .map(|&id| Progress {
                id,
                next_index: term_start,
                match_index: LogIndex::ZERO,
                inflight_bytes: 0,
            })
            .collect();
        let peers = progress.iter().map(|_| Peer::new()).collect();
        self.role = RoleState::Leader(Leader {
            votes,
            term_start,
            progress,
            peers,
            heartbeat_due: true,
            recount: true,
            round: ReadRound(0),
            round_due: false,
            confirmed: ReadRound(0),
            reads: VecDeque::new(),
            sending: Vec::new(),
            explained: None,
        });
        if self.config.rules.no_op_on_election {
            self.append_own(Payload::NoOp, out);
        }
    }

    /// Sends each follower what it lacks and may have on the way, or a heartbeat if it is to hear something.
    pub(super) fn send_appends(&mut self, out: &mut Out<M>) {
        let RoleState::Leader(leader) = &mut self.role else {
            return;
        };
        if std::mem::take(&mut leader.round_due) {
            leader.round = ReadRound(leader.round.0.saturating_add(1));
            leader.heartbeat_due = true;
        }
        let heartbeat_due = std::mem::take(&mut leader.heartbeat_due);
        for place in 0..leader.peers.len() {
            let mut word_due = heartbeat_due;
            if let Some(snapshot) = &self.snapshot
                && leader.needs_snapshot(place, snapshot)
            {
                leader.send_parts(place, snapshot, self.hard_state.term, word_due, out);
                continue;
            }
            let (progress, peer) = (&mut leader.progress[place], &mut leader.peers[place]);
            peer.transfer = None;
            loop {
                let prev_log_index = progress.next_index.prev();
                let tail = self.log.tail(progress.next_index);
                let (count, bytes) = peer.next_batch::<M>(progress.inflight_bytes, tail);
                if count == 0 && !word_due {
                    break;
                }
                word_due = false;
                let append = AppendEntries {
                    term: self.hard_state.term,
                    prev_log_index,
                    prev_log_term: self.log.term_at(prev_log_index).unwrap_or_default(),
                    entries: tail[..count].to_vec(),
                    leader_commit: self.commit_index,
                    read_round: leader.round,
                };
                out.messages.push((progress.id, Message::AppendEntries(append)));
                peer.note_sent(progress, count, bytes);
            }
        }
        leader.forget_sent();
    }

    /// A follower has answered an append.
    pub(super) fn append_entries_reply(&mut self, from: NodeId, reply: &AppendEntriesReply, out: &mut Out<M>) {
        let match_index_never_falls = self.config.rules.match_index_never_falls;
        let Some((place, newly_answered)) =
            self.answered(from, reply.term, reply.read_round, reply.outcome.accepts_leader(), out)
        else {
            return;
        };
        let RoleState::Leader(leader) = &mut self.role else {
            return;
        };
        let (progress, peer) = (&mut leader.progress[place], &mut leader.peers[place]);
        let event = match reply.outcome {
            AppendOutcome::Matched { match_index } => {
                let known = match_index <= progress.match_index;
                if !known || !match_index_never_falls {
                    progress.match_index = match_index;
                    leader.recount = true;
                }
                let resumed = peer.note_matched(progress, match_index);
                if !known {
                    Some(Event::Matched {
                        follower: from,
                        match_index,
                    })
                } else if match_index == progress.match_index || resumed || newly_answered {
                    None // The answer to a heartbeat.
                } else {
                    Some(Event::Ignored {
                        from,
                        reason: IgnoreReason::Outdated,
                    })
                }
            }
            AppendOutcome::Conflict {
                prev_log_index: refused,
                conflict_term,
                conflict_index,
            } => {
                match peer.back_to(
                    progress,
                    refused,
                    self.log.retry_at(refused, conflict_term, conflict_index),
                ) {
                    Some(next_index) => Some(Event::Backtracked {
                        follower: from,
                        refused,
                        next_index,
                        conflict_term,
                    }),
                    None => Some(Event::Ignored {
                        from,
                        reason: IgnoreReason::Outdated,
                    }),
                }
            }
            AppendOutcome::StaleTerm => Some(Event::Ignored {
                from,
                reason: IgnoreReason::NotAsked,
            }),
        };
        out.events.extend(event);
    }

    /// Notes that a follower has answered this leader. Says where it stands among the followers, and whether it had not answered
    /// this round before; nothing, if the answer is not for the leader of this term.
    ///
    /// An answer that does not accept the leader is of the follower's term, and answers something of an older one, perhaps of
    /// this node's own earlier leadership, whose rounds were numbered alike. It confirms nothing.
    pub(super) fn answered(
        &mut self,
        from: NodeId,
        term: Term,
        read_round: ReadRound,
        accepts_leader: bool,
        out: &mut Out<M>,
    ) -> Option<(usize, bool)> {
        let ours = self.hard_state.term;
        if term < ours {
            self.ignore(from, IgnoreReason::StaleTerm { theirs: term, ours }, out);
            return None;
        }
        let RoleState::Leader(leader) = &mut self.role else {
            self.ignore(from, IgnoreReason::NotAsked, out);
            return None;
        };
        let place = leader.progress.iter().position(|progress| progress.id == from)?;
        let peer = &mut leader.peers[place];
        (peer.heard, peer.silent) = (true, false);
        if !accepts_leader && self.config.rules.only_acceptance_confirms {
            return Some((place, false));
        }
        let newly_answered = read_round > peer.answered_round;
        peer.answered_round = peer.answered_round.max(read_round);
        Some((place, newly_answered))
    }

    /// Commits what a majority has durably, if it is of the leader's own term.
    pub(super) fn advance_commit(&mut self, out: &mut Out<M>) {
        let majority = self.majority();
        let own_copy = self.counted_index();
        let RoleState::Leader(leader) = &mut self.role else {
            return;
        };
        if !std::mem::take(&mut leader.recount) && self.config.rules.wait_for_fsync {
            return;
        }
        let to = leader.held_by_majority(own_copy, majority).min(self.log.last_index());
        if to <= self.commit_index {
            return;
        }
        let term = self.log.term_at(to).unwrap_or_default();
        if term != self.hard_state.term && self.config.rules.commit_own_term_only {
            return leader.explain(to, CommitHold::OlderTerm { term }, out);
        }
        let holds = |member: &NodeId| match leader.progress.iter().find(|progress| progress.id == *member) {
            Some(progress) => progress.match_index >= to,
            None => own_copy >= to,
        };
        let copies = self.config.members.iter().copied().filter(holds).collect();
        out.events.push(Event::CommitAdvanced {
            from: self.commit_index,
            to,
            copies,
        });
        self.commit_index = to;
    }

    /// Says why the leader's last entry is not committed, if it is not and that has not been said.
    pub(super) fn explain_hold(&mut self, out: &mut Out<M>) {
        let needed = self.majority();
        let own_copy = self.counted_index();
        let last = self.log.last_index();
        let RoleState::Leader(leader) = &mut self.role else {
            return;
        };
        if last > self.commit_index {
            let followers = leader.progress.iter().filter(|progress| progress.match_index >= last);
            let copies = followers.count() + usize::from(own_copy >= last);
            if copies < needed {
                leader.explain(
                    last,
                    CommitHold::LacksCopies {
                        copies: copies as u8,
                        needed: needed as u8,
                    },
                    out,
                );
            }
        }
    }
}

impl Leader {
    /// The last place that a majority holds durably.
    fn held_by_majority(&self, own_copy: LogIndex, majority: usize) -> LogIndex {
        let followers = self.progress.iter().map(|progress| progress.match_index.0);
        LogIndex(reached_by(majority, own_copy.0, followers))
    }

    /// The follower at `place` has what a snapshot up to `match_index` stands for, durably. Says whether that is news. It commits
    /// nothing: all of that is committed.
    pub(super) fn matched(&mut self, place: usize, match_index: LogIndex) -> bool {
        let (progress, peer) = (&mut self.progress[place], &mut self.peers[place]);
        peer.note_matched(progress, match_index);
        let is_news = match_index > progress.match_index;
        progress.match_index = progress.match_index.max(match_index);
        is_news
    }

    fn explain<C, O>(&mut self, index: LogIndex, reason: CommitHold, out: &mut Outbox<C, O>) {
        if self.explained != Some((index, reason)) {
            self.explained = Some((index, reason));
            out.events.push(Event::CommitHeld { index, reason });
        }
    }
}

/// The greatest number that so many of these reach.
pub(super) fn reached_by(count: usize, own: u64, others: impl Iterator<Item = u64>) -> u64 {
    let mut reached = [0; MEMBERS_MAX];
    reached[0] = own;
    for (slot, other) in reached[1..].iter_mut().zip(others) {
        *slot = other;
    }
    reached.sort_unstable_by(|a, b| b.cmp(a));
    reached[count - 1]
}

impl Peer {
    fn new() -> Peer {
        Peer {
            mode: Mode::Probe { sent: false },
            inflight: VecDeque::new(),
            transfer: None,
            asked: 0,
            log_is_kept: false,
            heard: false,
            silent: false,
            answered_round: ReadRound(0),
        }
    }

    /// How many of the entries in `tail` to send next, and their bytes: none if enough is on the way.
    fn next_batch<M: Machine>(&self, inflight_bytes: usize, tail: &[Entry<M::Command>]) -> (usize, usize) {
        match self.mode {
            Mode::Probe { sent: true } => return (0, 0),
            Mode::Pipeline if self.inflight.len() >= INFLIGHT_APPENDS_MAX => return (0, 0),
            _ => {}
        }
        let room = INFLIGHT_BYTES_MAX.saturating_sub(inflight_bytes).min(APPEND_BYTES_MAX);
        let (mut count, mut bytes) = (0, 0_usize);
        for entry in tail.iter().take(APPEND_ENTRIES_MAX) {
            let with_entry = bytes.saturating_add(entry.wire_bytes::<M>());
            // A command larger than any append goes alone, when nothing else is on the way.
            let alone = count == 0 && self.inflight.is_empty();
            if with_entry > room && !alone {
                break;
            }
            bytes = with_entry;
            count += 1;
        }
        (count, bytes)
    }

    /// An append with `count` entries has been sent.
    fn note_sent(&mut self, progress: &mut Progress, count: usize, bytes: usize) {
        if count == 0 {
            return;
        }
        match &mut self.mode {
            Mode::Probe { sent } => *sent = true,
            Mode::Pipeline => {
                let last = LogIndex(progress.next_index.prev().0.saturating_add(count as u64));
                self.inflight.push_back((last, bytes));
                progress.inflight_bytes = progress.inflight_bytes.saturating_add(bytes);
                progress.next_index = last.next();
            }
        }
    }

    /// The follower has the log up to `match_index`. Says whether this ended the probing.
    fn note_matched(&mut self, progress: &mut Progress, match_index: LogIndex) -> bool {
        while let Some((_, bytes)) = self.inflight.pop_front_if(|&mut (last, _)| last <= match_index) {
            progress.inflight_bytes = progress.inflight_bytes.saturating_sub(bytes);
        }
        let reached = match_index.next() >= progress.next_index;
        progress.next_index = progress.next_index.max(match_index.next());
        let resumed = reached && self.mode != Mode::Pipeline;
        if resumed {
            self.mode = Mode::Pipeline;
        }
        resumed
    }

    /// The follower has refused an append after `refused`; `retry_at` is where its log may agree. Returns the place that
    /// is tried next, or none if the refusal is of an append that has been answered or given up since.
    fn back_to(&mut self, progress: &mut Progress, refused: LogIndex, retry_at: LogIndex) -> Option<LogIndex> {
        let outdated = match self.mode {
            Mode::Probe { .. } => refused.next() != progress.next_index,
            Mode::Pipeline => refused >= progress.next_index,
        };
        // A follower that refuses what it has acknowledged is answering late. It is believed only where the leader stands
        // right now, for so a follower whose disk was wiped against all rules can be filled again.
        let denies_match = refused == progress.match_index && refused.next() == progress.next_index;
        if outdated || (refused <= progress.match_index && !denies_match) {
            return None;
        }
        let floor = if denies_match {
            LogIndex(1)
        } else {
            progress.match_index.next()
        };
        progress.next_index = retry_at.min(refused).max(floor);
        self.probe(progress);
        Some(progress.next_index)
    }

    /// Gives up what is on the way, and looks for the place where the logs agree.
    pub(super) fn probe(&mut self, progress: &mut Progress) {
        progress.inflight_bytes = 0;
        self.inflight.clear();
        self.mode = Mode::Probe { sent: false };
    }
}

impl<C> Log<C> {
    /// Where to try next when a follower has refused what comes after `refused` (§5.3): behind the last entry of the
    /// conflicting term, if there is one here; otherwise at the first entry that the follower has of it.
    fn retry_at(&self, refused: LogIndex, conflict_term: Option<Term>, conflict_index: LogIndex) -> LogIndex {
        let shared = conflict_term.and_then(|term| self.last_of_term(term));
        shared
            .map_or(conflict_index, |last| last.next().max(conflict_index))
            .min(refused)
    }
}

impl<C> Entry<C> {
    /// About how many bytes the entry's command takes on the wire.
    pub(super) fn wire_bytes<M: Machine<Command = C>>(&self) -> usize {
        match &self.payload {
            Payload::NoOp => 0,
            Payload::Command(command) => M::wire_bytes(command),
        }
    }
}
