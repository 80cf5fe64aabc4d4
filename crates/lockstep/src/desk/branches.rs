//! What is done in the past: branches, and what becomes of them.

use cluster::host::ToNode;
use raft_core::{Instant, NodeId};
use trace::Act;
use trace::lockstep::{FromLockstep, LIVE, RunId};

use super::{Desk, RUNS_MAX, cut};
use crate::run::{GOES_ON, Run};

impl Desk {
    /// Does something to a node: to its Worker, in the present; else in a branch.
    pub(super) fn lay_hands(&mut self, node: NodeId, live: ToNode, act: Act) {
        if self.shown == LIVE && self.at.is_none() {
            self.out.push(FromLockstep::Tell(node, live));
            self.panel_stale = true;
        } else {
            self.act(&act);
        }
    }

    /// Does something at the instant that is shown, in a branch.
    pub(super) fn act(&mut self, act: &Act) {
        let Some((run, at)) = self.place() else { return };
        let id = run.id;
        let goes_on = run.branch.is_some() && at >= run.end();
        if self.amend(id, at, act) {
            return;
        }
        let id = if goes_on {
            id
        } else {
            let Some(branch) = self.branch_at(id, at) else { return };
            branch
        };
        let Some(run) = self.runs.get_mut(&id) else { return };
        run.act(act);
        run.extend(at + GOES_ON);
        (self.shown, self.at) = (id, Some(at));
        self.stale = true;
    }

    /// Does something in a branch at the very instant at which something was done in it last, if nothing hangs from it: both are done
    /// there, and the branch is made again. Says whether it was.
    fn amend(&mut self, id: RunId, at: Instant, act: &Act) -> bool {
        let Some(run) = self.runs.get(&id) else { return false };
        let (Some(branch), Some((parent, left))) = (&run.branch, run.leaves) else {
            return false;
        };
        let is_last = branch.acts.last().is_some_and(|(last, _)| *last == at);
        let hangs = self
            .runs
            .values()
            .any(|other| other.leaves.is_some_and(|(parent, _)| parent == id));
        if !is_last || hangs {
            return false;
        }
        let (seed, end) = (branch.seed, run.end());
        let mut acts = branch.acts.clone();
        acts.push((at, act.clone()));
        let Some(knows) = self.run_at(parent, left) else {
            return false;
        };
        if knows.first() > left {
            return false;
        }
        let mut again = Run::branch(knows, id, left, seed);
        for (at, act) in &acts {
            again.extend(*at);
            again.act(act);
        }
        again.extend(end);
        if let Some(run) = self.runs.get_mut(&id) {
            again.name = std::mem::take(&mut run.name);
            again.notes = std::mem::take(&mut run.notes);
            again.leaves = run.leaves;
            *run = again;
        }
        self.stale = true;
        true
    }

    /// A new branch of a run at an instant.
    pub(super) fn branch_at(&mut self, id: RunId, at: Instant) -> Option<RunId> {
        if self.runs.len() >= RUNS_MAX {
            self.say(format!(
                "There are {RUNS_MAX} runs, which is the most: delete a branch that is not needed, and do it again."
            ));
            return None;
        }
        let parent = self.run_at(id, at)?;
        let branch = RunId(self.next_run);
        let seed = at.0 ^ (u64::from(branch.0) << 48);
        let mut run = Run::branch(parent, branch, at, seed);
        run.extend(at);
        self.next_run += 1;
        self.runs.insert(branch, run);
        Some(branch)
    }

    pub(super) fn extend(&mut self) {
        if let Some(run) = self.runs.get_mut(&self.shown) {
            let until = run.end() + GOES_ON;
            run.extend(until);
            self.at = None;
            self.stale = true;
        }
    }

    pub(super) fn name(&mut self, run: RunId, name: &str) {
        if let Some(run) = self.runs.get_mut(&run)
            && !name.trim().is_empty()
        {
            run.name = cut(name.trim());
            self.stale = true;
        }
    }

    pub(super) fn note(&mut self, text: &str) {
        let Some((run, at)) = self.place() else { return };
        let (id, end) = (run.id, run.end());
        let at = at.min(end);
        if let Some(run) = self.runs.get_mut(&id) {
            if text.trim().is_empty() {
                run.notes.remove(&at);
            } else {
                run.notes.insert(at, cut(text.trim()));
            }
            self.stale = true;
        }
    }
}
