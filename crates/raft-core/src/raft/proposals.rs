//! Proposals of this node's clients, and the application of what is committed.

use serde::{Deserialize, Serialize};

use super::{Out, Raft, RoleState};
use crate::{APPLY_ENTRIES_MAX, Entry, Event, LogIndex, Machine, Outcome, PENDING_REQUESTS_MAX, Payload, Term, Ticket};

/// A proposal that stands in the log and is not applied yet.
///
/// A node that stops leading keeps its proposals: the next leader commits them, or overwrites them, and either way the
/// client can be told what happened.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Proposal {
    ticket: Ticket,
    index: LogIndex,
    term: Term,
}

impl<M: Machine> Raft<M> {
    /// A client of this node wants a command committed.
    pub(super) fn propose(&mut self, ticket: Ticket, command: M::Command, out: &mut Out<M>) {
        if let Some(refusal) = self.request_refusal() {
            return out.outcomes.push((ticket, refusal));
        }
        let (index, term) = self.append_own(Payload::Command(command), out);
        self.proposals.push_back(Proposal { ticket, index, term });
        out.outcomes.push((ticket, Outcome::Accepted { index, term }));
    }

    /// Why a client's request cannot be taken now, if it cannot.
    pub(super) fn request_refusal(&self) -> Option<Outcome<M::Output>> {
        match &self.role {
            RoleState::Leader(leader) if self.proposals.len() + leader.reads.len() >= PENDING_REQUESTS_MAX => {
                Some(Outcome::Busy)
            }
            RoleState::Leader(_) => None,
            _ => Some(Outcome::NotLeader { leader: self.leader }),
        }
    }

    /// A leader appends an entry of its own term to its log.
    pub(super) fn append_own(&mut self, payload: Payload<M::Command>, out: &mut Out<M>) -> (LogIndex, Term) {
        let term = self.hard_state.term;
        self.log.push(Entry { term, payload });
        let index = self.log.last_index();
        self.disk.log_changed(index);
        match out.events.last_mut() {
            // One event for a run of proposals: a leader does nothing else between its election and an append that is not its
            // own.
            Some(Event::Appended { last, .. }) => *last = index,
            _ => out.events.push(Event::Appended {
                first: index,
                last: index,
                term,
            }),
        }
        (index, term)
    }

    /// The log has changed at `from` and after: proposals whose entries are gone are lost.
    pub(super) fn lose_overwritten(&mut self, from: LogIndex, out: &mut Out<M>) {
        let first = self.proposals.partition_point(|proposal| proposal.index < from);
        if first == self.proposals.len() {
            return;
        }
        let tail = self.proposals.split_off(first);
        for proposal in tail {
            if self.log.term_at(proposal.index) == Some(proposal.term) {
                self.proposals.push_back(proposal);
            } else {
                out.outcomes
                    .push((proposal.ticket, Outcome::Lost { leader: self.leader }));
            }
        }
    }

    /// Applies what is committed, up to a bound: a long backlog, as after a restart, must not keep the node from
    /// answering its peers. [`Raft::deadline`] asks for more time while there is one.
    pub(super) fn apply(&mut self, out: &mut Out<M>) {
        let first = self.last_applied.next();
        let bound = LogIndex(self.last_applied.0.saturating_add(APPLY_ENTRIES_MAX as u64));
        let until = self.commit_index.min(bound);
        while self.last_applied < until {
            let index = self.last_applied.next();
            let Some(entry) = self.log.get(index) else { break };
            let term = entry.term;
            let output = match &entry.payload {
                Payload::NoOp => None,
                Payload::Command(command) => Some(self.machine.apply(index, command)),
            };
            self.last_applied = index;
            self.resolve(index, term, output, out);
        }
        if self.last_applied >= first {
            out.events.push(Event::Applied {
                first,
                last: self.last_applied,
            });
        }
    }

    /// Tells the client whose proposal stood at `index`, if there is one, what became of it.
    fn resolve(&mut self, index: LogIndex, term: Term, output: Option<M::Output>, out: &mut Out<M>) {
        let Some(proposal) = self.proposals.pop_front_if(|proposal| proposal.index <= index) else {
            return;
        };
        let outcome = match output {
            Some(output) if (proposal.index, proposal.term) == (index, term) => Outcome::Applied { index, output },
            _ => Outcome::Lost { leader: self.leader },
        };
        out.outcomes.push((proposal.ticket, outcome));
    }
}
