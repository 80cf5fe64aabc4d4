//! Leader election: terms, timers, votes (§5.2, §5.4.1).

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::{Out, Raft, RoleState, TERM_MAX};
use crate::{
    Duration, Event, FollowReason, HardState, IgnoreReason, Instant, LogIndex, Machine, Message, NodeId, RequestVote,
    RequestVoteReply, Term, VoteRefusal,
};

/// The timer that runs: for an election in a follower or candidate, for the next heartbeat in a leader.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Timer {
    pub(super) deadline: Instant,
    pub(super) timeout: Duration,
    /// An election timer has run out once already, and the election waits for the disk.
    put_off: bool,
}

/// What a candidate has heard.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Candidate {
    /// Who has voted for it, in rising order. Itself too, once its vote is durable.
    pub(super) votes: Vec<NodeId>,
    /// Who has refused it.
    refusals: Vec<NodeId>,
}

impl<M: Machine> Raft<M> {
    /// Draws a new election timeout and starts it.
    pub(super) fn start_election_timer(&mut self, out: &mut Out<M>) {
        self.restart_election_timer();
        out.events.push(Event::ElectionTimerSet {
            timeout: self.timer.timeout,
        });
    }

    /// The same in silence, for heartbeats, which would otherwise say little else.
    pub(super) fn restart_election_timer(&mut self) {
        let timing = self.config.timing;
        let timeout = Duration(self.rng.random_range(timing.election_min.0..=timing.election_max.0));
        self.timer = Timer {
            deadline: self.now + timeout,
            timeout,
            put_off: false,
        };
    }

    /// Starts to wait for the next heartbeat's time.
    pub(super) fn start_heartbeat_timer(&mut self) {
        let timeout = self.config.timing.heartbeat;
        self.timer = Timer {
            deadline: self.now + timeout,
            timeout,
            put_off: false,
        };
    }

    /// The election timer has run out.
    ///
    /// While a write is under way no term is opened. The vote for oneself would have to wait behind that write; and a
    /// candidate whose own vote takes longer to write than its timer runs would throw away, again and again, the requests
    /// that wait for it, and ask nobody ever.
    pub(super) fn election_timed_out(&mut self, out: &mut Out<M>) {
        let timeout = self.timer.timeout;
        if self.waits_for_disk() {
            out.events.push(Event::ElectionPutOff { timeout });
            self.timer.deadline = self.now + timeout;
            self.timer.put_off = true;
            return;
        }
        out.events.push(Event::ElectionTimedOut { timeout });
        self.campaign(out);
    }

    /// A write is done, and the node does not lead.
    ///
    /// If a vote has become durable, its own or another's, it leaves only now, and the wait for what comes of it begins now.
    /// If the timer ran out meanwhile and the host, busy with the write, did not say so, it did not listen either: whoever
    /// spoke is yet to be heard. If it said so, nobody spoke, and the election is held.
    pub(super) fn go_on_waiting(&mut self, hard_state_is_new: bool) {
        let voted = hard_state_is_new && self.hard_state.voted_for.is_some() && self.hard_state_counts();
        let missed = !self.timer.put_off && self.now >= self.timer.deadline;
        if voted || missed {
            self.timer.deadline = self.now + self.timer.timeout;
            self.timer.put_off = false;
        } else if self.timer.put_off && !self.waits_for_disk() {
            self.timer.deadline = self.now;
        }
    }

    /// Stands for election in a new term.
    pub(super) fn campaign(&mut self, out: &mut Out<M>) {
        if self.hard_state.term >= TERM_MAX {
            return self.start_election_timer(out); // There is no term left to stand in.
        }
        let term = self.hard_state.term.next();
        self.enter_term(term, Some(self.config.id));
        self.role = RoleState::Candidate(Candidate::default());
        out.events.push(Event::BecameCandidate { term });
        self.start_election_timer(out);

        let request = RequestVote {
            term,
            last_log_index: self.log.last_index(),
            last_log_term: self.log.last_term(),
        };
        for place in 0..self.config.members.len() {
            let to = self.config.members[place];
            if to != self.config.id {
                self.send_once_durable(to, Message::RequestVote(request.clone()), LogIndex::ZERO);
            }
        }
    }

    /// Takes up a newer term that a message has shown.
    pub(super) fn adopt_term(&mut self, term: Term, from: NodeId, out: &mut Out<M>) {
        self.enter_term(term, None);
        let was_leader = matches!(self.role, RoleState::Leader(_));
        let keeps_role = !self.config.rules.newer_term_steps_down && !matches!(self.role, RoleState::Follower);
        if keeps_role {
            self.leader = was_leader.then_some(self.config.id);
            return;
        }
        self.become_follower(out);
        out.events.push(Event::BecameFollower {
            term,
            leader: None,
            reason: FollowReason::NewerTerm { from },
        });
        if was_leader {
            self.start_election_timer(out);
        }
    }

    /// Follows the leader of the present term, which has made itself known.
    pub(super) fn follow(&mut self, leader: NodeId, out: &mut Out<M>) {
        if self.leader != Some(leader) {
            let term = self.hard_state.term;
            self.become_follower(out);
            self.leader = Some(leader);
            let reason = FollowReason::LeaderAppeared;
            out.events.push(Event::BecameFollower {
                term,
                leader: Some(leader),
                reason,
            });
        }
        if !self.config.rules.vote_kept_in_term {
            self.hard_state.voted_for = None;
        }
        self.restart_election_timer();
    }

    /// Moves to a newer term.
    fn enter_term(&mut self, term: Term, voted_for: Option<NodeId>) {
        self.drop_withheld();
        self.hard_state = HardState { term, voted_for };
        self.leader = None;
    }

    fn become_follower(&mut self, out: &mut Out<M>) {
        self.lose_reads(out);
        self.role = RoleState::Follower;
    }

    /// A candidate asks for this node's vote.
    pub(super) fn request_vote(&mut self, candidate: NodeId, request: &RequestVote, out: &mut Out<M>) {
        let term = self.hard_state.term;
        let granted = match self.vote_refusal(candidate, request) {
            None => {
                self.hard_state.voted_for = Some(candidate);
                out.events.push(Event::VoteGranted { candidate, term });
                if !matches!(self.role, RoleState::Leader(_)) {
                    self.start_election_timer(out);
                }
                true
            }
            Some(reason) => {
                out.events.push(Event::VoteRefused {
                    candidate,
                    term: request.term,
                    reason,
                });
                false
            }
        };
        let reply = RequestVoteReply { term, granted };
        self.send_once_durable(candidate, Message::RequestVoteReply(reply), LogIndex::ZERO);
    }

    /// Why the candidate does not get the vote, if it does not.
    fn vote_refusal(&self, candidate: NodeId, request: &RequestVote) -> Option<VoteRefusal> {
        let rules = &self.config.rules;
        if request.term < self.hard_state.term {
            return Some(VoteRefusal::StaleTerm {
                ours: self.hard_state.term,
            });
        }
        let leads = matches!(self.role, RoleState::Leader(_));
        if leads && rules.leader_keeps_its_vote {
            return Some(VoteRefusal::Leading);
        }
        if let Some(voted_for) = self.hard_state.voted_for.filter(|&voted_for| voted_for != candidate)
            && rules.vote_once
            && !leads
        {
            return Some(VoteRefusal::AlreadyVoted { voted_for });
        }
        let (our_last_index, our_last_term) = self.log_to_compare();
        let (their_last_index, their_last_term) = (request.last_log_index, request.last_log_term);
        let behind = if rules.compare_term_before_length {
            (their_last_term, their_last_index) < (our_last_term, our_last_index)
        } else {
            their_last_index < our_last_index
        };
        (behind && rules.compare_logs_before_voting).then_some(VoteRefusal::LogBehind {
            our_last_term,
            our_last_index,
            their_last_term,
            their_last_index,
        })
    }

    /// Where the log ends that a candidate's is compared with. A leader is asked only without
    /// `leader_keeps_its_vote`, and then goes by the log with which it stood for election itself.
    fn log_to_compare(&self) -> (LogIndex, Term) {
        let index = match &self.role {
            RoleState::Leader(leader) => leader.term_start.prev().min(self.log.last_index()),
            _ => self.log.last_index(),
        };
        (index, self.log.term_at(index).unwrap_or_default())
    }

    /// A voter has answered.
    pub(super) fn request_vote_reply(&mut self, voter: NodeId, reply: &RequestVoteReply, out: &mut Out<M>) {
        let ours = self.hard_state.term;
        if reply.term < ours {
            return self.ignore(
                voter,
                IgnoreReason::StaleTerm {
                    theirs: reply.term,
                    ours,
                },
                out,
            );
        }
        let reason = match &self.role {
            // A refusal may answer what this node asked in an earlier term, for it carries the voter's term. A vote is of this
            // term, and takes the refusal's place.
            RoleState::Candidate(candidate) if candidate.has_heard(voter, reply.granted) => IgnoreReason::Outdated,
            RoleState::Candidate(_) => return self.count_vote(voter, reply.granted, out),
            RoleState::Leader(_) => IgnoreReason::Outdated,
            RoleState::Follower => IgnoreReason::NotAsked,
        };
        self.ignore(voter, reason, out);
    }

    /// A candidate's own vote counts like any other: once it is durable.
    pub(super) fn count_own_vote(&mut self, out: &mut Out<M>) {
        let own = self.config.id;
        if let RoleState::Candidate(candidate) = &self.role
            && !candidate.has_heard(own, true)
            && self.hard_state_counts()
        {
            self.count_vote(own, true, out);
        }
    }

    fn count_vote(&mut self, voter: NodeId, granted: bool, out: &mut Out<M>) {
        let needed = self.majority();
        let term = self.hard_state.term;
        let RoleState::Candidate(candidate) = &mut self.role else {
            return;
        };
        let heard = if granted {
            candidate.refusals.retain(|refused| *refused != voter);
            &mut candidate.votes
        } else {
            &mut candidate.refusals
        };
        if let Err(place) = heard.binary_search(&voter) {
            heard.insert(place, voter);
        }
        let votes = candidate.votes.len();
        out.events.push(Event::VoteCounted {
            voter,
            term,
            granted,
            votes: votes as u8,
            needed: needed as u8,
        });
        if votes >= needed {
            let votes = std::mem::take(&mut candidate.votes);
            self.become_leader(votes, out);
        }
    }

    fn become_leader(&mut self, votes: Vec<NodeId>, out: &mut Out<M>) {
        self.leader = Some(self.config.id);
        out.events.push(Event::BecameLeader {
            term: self.hard_state.term,
            votes: votes.clone(),
        });
        self.lead(votes, out);
        self.start_heartbeat_timer();
    }
}

impl Candidate {
    /// Whether the voter has said as much or more: a vote outweighs a refusal.
    fn has_heard(&self, voter: NodeId, granted: bool) -> bool {
        self.votes.contains(&voter) || (!granted && self.refusals.contains(&voter))
    }
}
