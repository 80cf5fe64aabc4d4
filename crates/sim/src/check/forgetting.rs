//! Members that have forgotten what they had promised: their storage is memory, or somebody emptied it. Raft does not answer for what
//! comes of that, but for all else it does. So what each had promised is kept in mind: a broken promise is excused where
//! the forgetting explains it, and nowhere else.

use std::collections::BTreeMap;

use raft_core::{NodeId, Term};

use super::window::Window;

/// What members had promised when they forgot. `T` is what stands in a log.
#[derive(Clone, Debug)]
pub(super) struct Forgetting<T> {
    lost: BTreeMap<NodeId, Vec<Lost<T>>>,
    excuse: Option<String>,
}

/// What one had promised.
#[derive(Clone, Debug)]
struct Lost<T> {
    /// Not to take part in an earlier term, and its vote in this one.
    term: Term,
    /// What it had told that it holds.
    log: Window<T>,
}

impl<T> Default for Forgetting<T> {
    fn default() -> Forgetting<T> {
        Forgetting {
            lost: BTreeMap::new(),
            excuse: None,
        }
    }
}

impl<T: PartialEq> Forgetting<T> {
    /// A member forgets this.
    pub(super) fn forgets(&mut self, id: NodeId, term: Term, log: Window<T>) {
        let lost = self.lost.entry(id).or_default();
        let holds = |earlier: &Lost<T>| match (earlier.log.end().checked_sub(1), earlier.log.last()) {
            // What stands in a log stands for all before it.
            (Some(end), Some(last)) => log.get(end) == Some(last),
            _ => true,
        };
        lost.retain(|earlier| earlier.term > term || !holds(earlier));
        lost.push(Lost { term, log });
    }

    /// Whether a member held this at this place before it forgot.
    pub(super) fn held(&self, id: NodeId, index: usize, what: &T) -> bool {
        let mut lost = self.lost.get(&id).into_iter().flatten();
        lost.any(|lost| lost.log.get(index) == Some(what))
    }

    /// The latest term in which a member was before it forgot, if it did.
    pub(super) fn term(&self, id: NodeId) -> Option<Term> {
        self.lost.get(&id)?.iter().map(|lost| lost.term).max()
    }

    /// Lets go what stands before a place, and what explains nothing any more.
    pub(super) fn retain(&mut self, first: usize, mut explains: impl FnMut(NodeId, Term, &Window<T>) -> bool) {
        for (id, lost) in &mut self.lost {
            lost.retain_mut(|lost| {
                lost.log.forget_before(first);
                explains(*id, lost.term, &lost.log)
            });
        }
        self.lost.retain(|_, lost| !lost.is_empty());
    }

    /// From here on something may be lost, and this is why.
    pub(super) fn excuses(&mut self, why: impl FnOnce() -> String) {
        self.excuse.get_or_insert_with(why);
    }

    /// Why something may be lost, if it may.
    pub(super) fn excuse(&self) -> Option<&str> {
        self.excuse.as_deref()
    }
}
