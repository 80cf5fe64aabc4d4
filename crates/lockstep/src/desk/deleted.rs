//! Runs that were deleted, and can be brought back.

use raft_core::Instant;
use trace::lockstep::{LIVE, RunId};

use super::{Desk, RUNS_MAX};
use crate::run::Run;

/// How much is kept of what was deleted in all, in bytes. What was deleted last is kept, however much that is.
const DELETED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A run and its branches, which were deleted together, and what was shown then.
pub(super) struct Deleted {
    pub(super) runs: Vec<Run>,
    shown: RunId,
    at: Option<Instant>,
    compared: Option<RunId>,
}

impl Deleted {
    fn bytes(&self) -> usize {
        self.runs.iter().map(Run::bytes).sum()
    }
}

impl Desk {
    /// Deletes a run and its branches. They are kept aside, until so much is that there is no room.
    pub(super) fn delete(&mut self, run: RunId) {
        if run == LIVE {
            return self.say("The live run cannot be deleted: it is what the Workers do.".to_owned());
        }
        let mut deleted = Deleted {
            runs: Vec::new(),
            shown: self.shown,
            at: self.at,
            compared: self.compared,
        };
        self.take_out_run(run, &mut deleted.runs);
        self.stale = true;
        if deleted.runs.is_empty() {
            return;
        }
        self.deleted.push(deleted);
        while self.deleted.len() > 1 && self.deleted.iter().map(Deleted::bytes).sum::<usize>() > DELETED_BYTES_MAX {
            self.deleted.remove(0);
        }
    }

    /// Takes a run away, and before it what hangs from it.
    fn take_out_run(&mut self, run: RunId, into: &mut Vec<Run>) {
        // What the Workers do goes on without what was before.
        let mut stand = vec![LIVE];
        while let Some((parent, _)) = stand.last().and_then(|id| self.runs.get(id)?.leaves) {
            stand.push(parent);
        }
        let leaves = |known: &Run| known.leaves.filter(|(parent, _)| *parent == run).map(|_| known.id);
        let hanging: Vec<RunId> = self.runs.values().filter_map(leaves).collect();
        for branch in hanging.into_iter().filter(|id| !stand.contains(id)) {
            self.take_out_run(branch, into);
        }
        let Some(taken) = self.runs.remove(&run) else { return };
        if self.shown == run {
            self.shown = taken.leaves.map_or(LIVE, |(parent, _)| parent);
        }
        self.compared = self.compared.filter(|other| *other != run);
        into.push(taken);
    }

    /// Brings back what was deleted last, and shows what was shown then.
    pub(super) fn undelete(&mut self) {
        let Some(deleted) = self.deleted.pop() else { return };
        if self.runs.len() + deleted.runs.len() > RUNS_MAX {
            self.deleted.push(deleted);
            return self.say(format!(
                "There are {} runs, and {RUNS_MAX} is the most: delete one that is not needed, and then undo this.",
                self.runs.len()
            ));
        }
        let Deleted {
            runs,
            shown,
            at,
            compared,
        } = deleted;
        self.runs.extend(runs.into_iter().map(|run| (run.id, run)));
        if self.runs.contains_key(&shown) {
            (self.shown, self.at) = (shown, at);
        }
        self.compared = compared.filter(|other| self.runs.contains_key(other));
        self.stale = true;
    }

    /// What was deleted last, in words.
    pub(super) fn deleted_last(&self) -> Option<String> {
        let deleted = self.deleted.last()?;
        let (run, branches) = deleted.runs.split_last()?;
        let what = match run.leaves {
            Some((_, at)) => format!("the branch from {:.3} s", at.0 as f64 / 1e6),
            None => "the run".to_owned(),
        };
        Some(match branches.len() {
            0 => format!("Deleted: {what}."),
            1 => format!("Deleted: {what}, and 1 branch of it."),
            count => format!("Deleted: {what}, and {count} branches of it."),
        })
    }
}
