//! What a follower does with an append (§5.3).

use super::{Out, Raft, RoleState};
use crate::{
    AppendEntries, AppendEntriesReply, AppendOutcome, AppendRefusal, Entry, Event, IgnoreReason, LogIndex, Machine,
    Message, NodeId, Term,
};

impl<M: Machine> Raft<M> {
    /// A leader replicates entries, or shows that it is alive.
    pub(super) fn append_entries(&mut self, from: NodeId, append: AppendEntries<M::Command>, out: &mut Out<M>) {
        let ours = self.hard_state.term;
        if append.term < ours && self.config.rules.refuse_stale_append {
            out.events.push(Event::AppendRefused {
                leader: from,
                reason: AppendRefusal::StaleTerm { ours },
            });
            return self.reply_to_append(from, ours, &append, AppendOutcome::StaleTerm);
        }
        if !self.hears_leader(from, append.term, out) {
            return;
        }
        match self.append_refusal(&append) {
            Some(reason) => {
                out.events.push(Event::AppendRefused { leader: from, reason });
                self.reply_to_append(from, append.term, &append, self.conflict(append.prev_log_index, reason));
            }
            None => self.take_append(from, append, out),
        }
    }

    /// Follows the leader that `from` shows itself to be, in `term`. Says whether it is to be listened to: not if another leads
    /// the same term.
    pub(super) fn hears_leader(&mut self, from: NodeId, term: Term, out: &mut Out<M>) -> bool {
        let ours = self.hard_state.term;
        let second = match self.role {
            RoleState::Leader(_) => Some(self.config.id),
            _ => self.leader.filter(|&leader| leader != from && term == ours),
        };
        if let Some(leader) = second {
            self.ignore(from, IgnoreReason::SecondLeader { leader }, out);
            return false;
        }
        if term == ours {
            self.follow(from, out);
        }
        true
    }

    /// Why the append does not fit the log, if it does not.
    fn append_refusal(&self, append: &AppendEntries<M::Command>) -> Option<AppendRefusal> {
        let rules = &self.config.rules;
        let checks =
            rules.check_previous_entry && (rules.check_previous_entry_of_heartbeats || !append.entries.is_empty());
        if !checks {
            return None;
        }
        let (prev_log_index, prev_log_term) = (append.prev_log_index, append.prev_log_term);
        if prev_log_index < self.log.base() {
            return None; // It stands in the snapshot, which is the same in every node.
        }
        match self.log.term_at(prev_log_index) {
            None => Some(AppendRefusal::Gap {
                prev_log_index,
                last_index: self.log.last_index(),
            }),
            Some(our_term) if our_term != prev_log_term => Some(AppendRefusal::Mismatch {
                prev_log_index,
                prev_log_term,
                our_term,
            }),
            Some(_) => None,
        }
    }

    /// Tells the leader how far to go back: past the whole term that conflicts, but never into what is committed here.
    fn conflict(&self, prev_log_index: LogIndex, reason: AppendRefusal) -> AppendOutcome {
        let (conflict_term, conflict_index) = match reason {
            AppendRefusal::Mismatch { our_term, .. } => (Some(our_term), self.log.first_of_term(our_term)),
            _ => (None, self.log.last_index().next()),
        };
        let conflict_index = conflict_index.max(self.commit_index.next()).min(prev_log_index);
        AppendOutcome::Conflict {
            prev_log_index,
            conflict_term,
            conflict_index,
        }
    }

    fn take_append(&mut self, from: NodeId, mut append: AppendEntries<M::Command>, out: &mut Out<M>) {
        let entries = std::mem::take(&mut append.entries);
        let is_heartbeat = entries.is_empty();
        let matched = LogIndex(append.prev_log_index.0.saturating_add(entries.len() as u64));
        self.store(append.prev_log_index, entries, out);

        let last_index = self.log.last_index();
        let bound = if self.config.rules.commit_bounded_by_match {
            matched
        } else {
            last_index
        };
        let commit = append.leader_commit.min(bound).min(last_index);
        if commit > self.commit_index {
            let event = Event::CommitAdvanced {
                from: self.commit_index,
                to: commit,
                copies: Vec::new(),
            };
            out.events.push(event);
            self.commit_index = commit;
        }
        let match_index = if self.config.rules.acknowledge_only_what_matched {
            matched
        } else {
            last_index
        };
        // A heartbeat asks whether the leader is followed, and its answer waits for no flush: so leadership is confirmed, and reads are
        // answered (§8), while disks are slow or full. What is not durable yet is acknowledged by the answers to the appends that brought it.
        let match_index = if is_heartbeat {
            match_index.min(self.counted_index())
        } else {
            match_index
        };
        self.reply_to_append(from, append.term, &append, AppendOutcome::Matched { match_index });
    }

    /// Makes the log agree with `entries`, which come after `prev_log_index`.
    fn store(&mut self, prev_log_index: LogIndex, entries: Vec<Entry<M::Command>>, out: &mut Out<M>) {
        // Without the check of the previous entry there may be a hole before the entries; a log has none.
        let mut index = prev_log_index.min(self.log.last_index()).next();
        if !self.config.rules.truncate_only_on_conflict {
            self.truncate(index.max(self.commit_index.next()), None, out);
        }
        let known = |index: LogIndex, entry: &Entry<M::Command>| {
            index < self.log.base() || self.log.term_at(index) == Some(entry.term)
        };
        let mut entries = entries.into_iter().peekable();
        while entries.next_if(|entry| known(index, entry)).is_some() {
            index = index.next();
        }
        let Some(first_new) = entries.peek() else { return };
        if index <= self.commit_index {
            return; // Such an append has been refused as a contradiction already; committed entries stay in any case.
        }
        let kept_tail = self.truncate(index, Some((first_new.term, entries.len())), out);
        self.log.extend(entries);
        self.disk.log_changed(index);
        let (last, term) = (self.log.last_index(), self.log.last_term());
        self.log.extend(kept_tail);
        out.events.push(Event::Appended {
            first: index,
            last,
            term,
        });
        self.lose_overwritten(index, out);
    }

    /// Drops the entries from `from` on, if there are any. `replaced_by` is the term of the entry to come there, and how
    /// many come with it. Returns what is to be kept behind those: nothing, unless `drop_tail_on_conflict` is off.
    fn truncate(
        &mut self,
        from: LogIndex,
        replaced_by: Option<(Term, usize)>,
        out: &mut Out<M>,
    ) -> Vec<Entry<M::Command>> {
        let last = self.log.last_index();
        let Some(our_term) = self.log.term_at(from) else {
            return Vec::new();
        };
        let (leader_term, count) = replaced_by.unwrap_or((our_term, 0));
        out.events.push(Event::Truncated {
            from,
            last,
            our_term,
            leader_term,
        });
        let kept_tail = match replaced_by {
            Some(_) if !self.config.rules.drop_tail_on_conflict => {
                self.log.split_off(LogIndex(from.0.saturating_add(count as u64)))
            }
            _ => Vec::new(),
        };
        self.log.truncate(from);
        self.disk.log_changed(from);
        if replaced_by.is_none() {
            self.lose_overwritten(from, out);
        }
        kept_tail
    }

    /// Answers an append, in `term`, once what the answer rests on is durable.
    fn reply_to_append(&mut self, to: NodeId, term: Term, append: &AppendEntries<M::Command>, outcome: AppendOutcome) {
        let rests_on = match outcome {
            AppendOutcome::Matched { match_index } => match_index.min(self.log.last_index()),
            _ => LogIndex::ZERO,
        };
        let reply = AppendEntriesReply {
            term,
            outcome,
            read_round: append.read_round,
        };
        self.send_once_durable(to, Message::AppendEntriesReply(reply), rests_on);
    }
}
