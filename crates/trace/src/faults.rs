//! Faults that last: which are begun and not over, by what they are about.

use std::collections::BTreeMap;

use crate::What;

/// The faults of a run. Each has a number of its own, also among those of the run that this one goes on from.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// What each that was ever begun is about, such as `crash 3`.
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
