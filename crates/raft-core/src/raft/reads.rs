//! Linearizable reads without a log entry (§8, and the thesis, §6.4).
//!
//! A leader may have been deposed without knowing it. Before it answers a read it asks the others, in a *round* that
//! begins after the read has come, and waits until a majority has said that it still leads. The read sees everything that
//! was committed by then, once the machine has applied as much.

use serde::{Deserialize, Serialize};

use super::replication::reached_by;
use super::{Out, Raft, RoleState};
use crate::{Event, LogIndex, Machine, Outcome, ReadRound, Ticket};

/// How many tokens clients choose among, in a run that lets them.
const CLIENT_TOKENS: u64 = 16;

/// A read that waits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PendingRead {
    ticket: Ticket,
    /// The round that must be confirmed.
    round: ReadRound,
    /// How far the machine must have applied the log.
    read_index: LogIndex,
}

impl<M: Machine> Raft<M> {
    /// A client of this node wants to read.
    pub(super) fn read(&mut self, ticket: Ticket, out: &mut Out<M>) {
        if let Some(refusal) = self.request_refusal() {
            return out.outcomes.push((ticket, refusal));
        }
        let commit_before_read = self.config.rules.commit_before_read;
        let RoleState::Leader(leader) = &mut self.role else {
            return;
        };
        // A new leader has every committed entry, but does not know how far they go until one of its own is committed.
        let read_index = if commit_before_read {
            self.commit_index.max(leader.term_start)
        } else {
            self.commit_index
        };
        // The reads of one run share the round that the flush begins.
        let next = leader.round.0.saturating_add(1);
        let round = if self.config.rules.own_read_tokens {
            ReadRound(next)
        } else {
            // What clients choose repeats.
            ReadRound(next.min(ticket.0 % CLIENT_TOKENS))
        };
        leader.round_due = true;
        leader.reads.push_back(PendingRead {
            ticket,
            round,
            read_index,
        });
        out.events.push(Event::ReadStarted { round, read_index });
    }

    /// Answers the reads that have waited long enough, in the order in which they came.
    pub(super) fn serve_reads(&mut self, out: &mut Out<M>) {
        let majority = self.majority();
        let rules = self.config.rules;
        let RoleState::Leader(leader) = &mut self.role else {
            return;
        };
        if leader.reads.is_empty() {
            return;
        }
        let confirmed = leader.confirmed_round(majority);
        if confirmed > leader.confirmed {
            leader.confirmed = confirmed;
            out.events.push(Event::ReadConfirmed { round: confirmed });
        }
        let applied = self.last_applied;
        let ready = |read: &mut PendingRead| {
            (read.round <= confirmed || !rules.confirm_leadership_before_read)
                && (read.read_index <= self.commit_index)
                && (read.read_index <= applied || !rules.apply_before_read)
        };
        while let Some(read) = leader.reads.pop_front_if(ready) {
            out.outcomes.push((read.ticket, Outcome::ReadReady { applied }));
        }
    }

    /// Gives up the reads that wait, for this node leads no longer.
    pub(super) fn lose_reads(&mut self, out: &mut Out<M>) {
        let RoleState::Leader(leader) = &mut self.role else {
            return;
        };
        let lost = leader
            .reads
            .drain(..)
            .map(|read| (read.ticket, Outcome::Lost { leader: self.leader }));
        out.outcomes.extend(lost);
    }
}

impl super::Leader {
    /// The latest round that a majority has answered. The leader answers its own at once, even one about to begin.
    fn confirmed_round(&self, majority: usize) -> ReadRound {
        let own = self.round.0.saturating_add(u64::from(self.round_due));
        let others = self.peers.iter().map(|peer| peer.answered_round.0);
        ReadRound(reached_by(majority, own, others))
    }
}
