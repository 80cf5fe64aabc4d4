//! Whether a state that was read is one that a node can be in. What comes from outside is looked at once, here; the rest of the core
//! then rests on it.

use super::{MEMBERS_MAX, Raft, RoleState, SNAPSHOT_INDEX_MAX, TERM_MAX};
use crate::{LogIndex, Machine, NodeId};

impl<M: Machine> Raft<M> {
    /// Whether the state could be a node's: its members, places and roles fit one another. That its log and its votes are those of a
    /// cluster that kept Raft's rules, nobody can see from one node.
    pub fn is_sound(&self) -> bool {
        let members = &self.config.members;
        let rising = members.windows(2).all(|pair| pair[0] < pair[1]);
        let is_member = |node: &NodeId| members.contains(node);
        let last = self.log.last_index();
        let snapshot_fits = match &self.snapshot {
            Some(snapshot) => snapshot.last_included_index == self.log.base() && self.log.base() > LogIndex::ZERO,
            None => self.log.base() == LogIndex::ZERO,
        };
        let taken_fits = self
            .next_snapshot
            .as_ref()
            .is_none_or(|taken| (self.log.base()..=self.last_applied).contains(&taken.last_included_index));
        (1..=MEMBERS_MAX).contains(&members.len())
            && rising
            && is_member(&self.config.id)
            && self.config.timing.check().is_ok()
            && self.hard_state.term <= TERM_MAX
            && self.log.base() <= SNAPSHOT_INDEX_MAX
            && snapshot_fits
            && taken_fits
            && self.log.base() <= self.last_applied
            && self.last_applied <= self.commit_index
            && self.commit_index <= last
            && self.disk.durable_index <= last
            && self.leader.as_ref().is_none_or(is_member)
            && self.role_is_sound(last)
    }

    fn role_is_sound(&self, last: LogIndex) -> bool {
        let members = &self.config.members;
        let are_members = |nodes: &[NodeId]| nodes.iter().all(|node| members.contains(node));
        match &self.role {
            RoleState::Follower => true,
            RoleState::Candidate(candidate) => are_members(&candidate.votes),
            RoleState::Leader(leader) => {
                let others = members.iter().filter(|member| **member != self.config.id);
                let ids = leader.progress.iter().map(|progress| &progress.id);
                let places = leader.progress.iter().all(|progress| {
                    progress.match_index <= last && (LogIndex(1)..=last.next()).contains(&progress.next_index)
                });
                others.eq(ids) && places && leader.peers.len() == leader.progress.len() && are_members(&leader.votes)
            }
        }
    }
}
