//! Faults that last: which are begun and not over, by what they are about.

use std::collections::BTreeMap;

use crate::What;

/// The faults of a run. Each has a number of its own, also among those of the run that this one goes on from.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// What each that was begun is about, such as `crash 3`: of all that may be gone on from.
    begun: BTreeMap<usize, String>,
    /// Those that are not over.
    open: BTreeMap<String, usize>,
    /// The number of the next.
    next: usize,
}

impl Faults {
    /// None yet. They are numbered from here.
    pub fn from(next: usize) -> Faults {
        Faults {
            next,
            ..Faults::default()
        }
    }

    /// Those of a run that goes on from this one's, where the faults of these numbers are not over. What begins there is numbered from
    /// `next` at least.
    #[must_use]
    pub fn going_on(&self, open: impl IntoIterator<Item = usize>, next: usize) -> Faults {
        let open = open
            .into_iter()
            .filter_map(|number| Some((self.begun.get(&number)?.clone(), number)));
        Faults {
            open: open.collect(),
            begun: self.begun.clone(),
            next: self.next.max(next),
        }
    }

    /// Nobody goes on any more from where others than these lasted.
    pub fn forget_all_but(&mut self, known: impl Fn(usize) -> bool) {
        let open: Vec<usize> = self.open.values().copied().collect();
        self.begun.retain(|fault, _| known(*fault) || open.contains(fault));
    }

    /// What it is about begins to be faulty, in these words, or is so no longer. Gives what happens by that.
    pub fn tell(&mut self, about: String, text: Option<String>) -> Vec<What> {
        let over = self.open.remove(&about).map(|fault| What::FaultEnded { fault });
        let begins = text.map(|text| {
            let fault = self.next;
            self.next += 1;
            self.begun.insert(fault, about.clone());
            self.open.insert(about, fault);
            What::FaultBegan { fault, text }
        });
        over.into_iter().chain(begins).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_goes_on_from_is_forgotten() {
        let mut faults = Faults::from(1);
        for _ in 0..1_000 {
            faults.tell("crash 1".to_owned(), Some("Node 1 crashed".to_owned()));
            faults.tell("crash 1".to_owned(), None);
        }
        faults.tell("cut 1 2".to_owned(), Some("cut".to_owned()));
        faults.forget_all_but(|fault| fault == 1_000);
        assert_eq!(faults.begun.keys().copied().collect::<Vec<_>>(), [1_000, 1_001]);
        let mut on = faults.going_on([1_000, 1_001], 0);
        assert_eq!(on.tell("crash 1".to_owned(), None).len(), 1);
    }
}
