//! What no correct node says. Such messages are refused before they change anything.

use super::{Raft, RoleState, SNAPSHOT_INDEX_MAX, TERM_MAX};
use crate::{
    APPEND_BYTES_MAX, APPEND_ENTRIES_MAX, AppendEntries, AppendEntriesReply, AppendOutcome, InstallOutcome,
    InstallSnapshot, InstallSnapshotReply, LogIndex, Machine, Malformed, Message, NodeId, SNAPSHOT_BYTES_MAX,
    SNAPSHOT_PART_BYTES_MAX, Term,
};

impl<M: Machine> Raft<M> {
    /// Whether a correct member of this cluster can have said this.
    pub(super) fn check(&self, from: NodeId, message: &Message<M::Command>) -> Result<(), Malformed> {
        let term = message.term();
        if term == Term(0) || term > TERM_MAX {
            return Err(Malformed::Term);
        }
        match message {
            Message::RequestVote(request) => check_place(request.last_log_index, request.last_log_term, term),
            // A vote is given in the term in which it was asked for; only a refusal can show a newer one.
            Message::RequestVoteReply(reply) if reply.granted && term > self.hard_state.term => {
                Err(Malformed::NeverAsked)
            }
            Message::RequestVoteReply(_) => Ok(()),
            Message::AppendEntries(append) => check_append::<M>(append),
            Message::AppendEntriesReply(reply) => self.check_append_reply(reply),
            Message::InstallSnapshot(part) => check_part(part),
            Message::InstallSnapshotReply(reply) => self.check_install_reply(from, reply),
        }
    }

    fn check_install_reply(&self, from: NodeId, reply: &InstallSnapshotReply) -> Result<(), Malformed> {
        if reply.term > self.hard_state.term && reply.outcome != InstallOutcome::StaleTerm {
            return Err(Malformed::NeverAsked);
        }
        let RoleState::Leader(leader) = &self.role else {
            return Ok(());
        };
        if reply.term != self.hard_state.term || !reply.outcome.accepts_leader() {
            return Ok(()); // It answers another term's leader.
        }
        if reply.read_round > leader.round || reply.last_included_index > self.log.base() {
            return Err(Malformed::NeverAsked);
        }
        let place = leader.progress.iter().position(|progress| progress.id == from);
        if place.is_some_and(|place| reply.question > leader.peers[place].asked) {
            return Err(Malformed::NeverAsked);
        }
        Ok(())
    }

    fn check_append_reply(&self, reply: &AppendEntriesReply) -> Result<(), Malformed> {
        if reply.term > self.hard_state.term && reply.outcome != AppendOutcome::StaleTerm {
            return Err(Malformed::NeverAsked);
        }
        let RoleState::Leader(leader) = &self.role else {
            return Ok(());
        };
        if reply.term != self.hard_state.term || !reply.outcome.accepts_leader() {
            return Ok(()); // It answers another term's leader.
        }
        if reply.read_round > leader.round {
            return Err(Malformed::NeverAsked);
        }
        let last_index = self.log.last_index();
        match reply.outcome {
            AppendOutcome::Matched { match_index } if match_index > last_index => Err(Malformed::MatchBeyondLog),
            AppendOutcome::Conflict {
                prev_log_index,
                conflict_term,
                conflict_index,
            } => {
                if prev_log_index > last_index {
                    Err(Malformed::NeverAsked)
                } else if conflict_index == LogIndex::ZERO
                    || conflict_index > prev_log_index
                    || conflict_term.is_some_and(|term| term == Term(0) || term > reply.term)
                {
                    Err(Malformed::PreviousEntry)
                } else {
                    Ok(())
                }
            }
            _ => Ok(()),
        }
    }
}

fn check_append<M: Machine>(append: &AppendEntries<M::Command>) -> Result<(), Malformed> {
    check_place(append.prev_log_index, append.prev_log_term, append.term)?;
    let count = append.entries.len();
    let end = append
        .prev_log_index
        .0
        .checked_add(count as u64)
        .filter(|&end| end < u64::MAX);
    if count > APPEND_ENTRIES_MAX || end.is_none() {
        return Err(Malformed::TooLarge);
    }
    let mut bytes = 0_usize;
    let mut earlier = append.prev_log_term.max(Term(1));
    for entry in &append.entries {
        bytes = bytes.saturating_add(entry.wire_bytes::<M>());
        if entry.term < earlier || entry.term > append.term {
            return Err(Malformed::EntryTerms);
        }
        earlier = entry.term;
    }
    if count > 1 && bytes > APPEND_BYTES_MAX {
        Err(Malformed::TooLarge)
    } else {
        Ok(())
    }
}

fn check_part(part: &InstallSnapshot) -> Result<(), Malformed> {
    if part.last_included_index == LogIndex::ZERO {
        return Err(Malformed::PreviousEntry);
    }
    check_place(part.last_included_index, part.last_included_term, part.term)?;
    let end = part.offset.saturating_add(part.data.len() as u64);
    let place_is_sound = part.last_included_index <= SNAPSHOT_INDEX_MAX;
    if !place_is_sound || part.data.len() > SNAPSHOT_PART_BYTES_MAX || end > SNAPSHOT_BYTES_MAX as u64 {
        Err(Malformed::TooLarge)
    } else {
        Ok(())
    }
}

/// Whether an entry of this term can be at this place in the log of a node in `at_most`.
fn check_place(index: LogIndex, term: Term, at_most: Term) -> Result<(), Malformed> {
    if index == LogIndex(u64::MAX) {
        Err(Malformed::TooLarge)
    } else if (index == LogIndex::ZERO) != (term == Term(0)) || term > at_most {
        Err(Malformed::PreviousEntry)
    } else {
        Ok(())
    }
}
