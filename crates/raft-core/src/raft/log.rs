//! The log in memory.

use serde::{Deserialize, Serialize};

use crate::{Entry, LogIndex, Term};

/// The log behind its *base*: the place and term of the last entry that a snapshot stands for, or the place before all.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Log<C> {
    base: LogIndex,
    base_term: Term,
    entries: Vec<Entry<C>>,
}

impl<C> Log<C> {
    pub(super) fn new(base: LogIndex, base_term: Term, entries: Vec<Entry<C>>) -> Log<C> {
        Log {
            base,
            base_term,
            entries,
        }
    }

    pub(super) fn base(&self) -> LogIndex {
        self.base
    }

    pub(super) fn entries(&self) -> &[Entry<C>] {
        &self.entries
    }

    pub(super) fn last_index(&self) -> LogIndex {
        LogIndex(self.base.0 + self.entries.len() as u64)
    }

    /// The term of the last entry; 0 if there never was one.
    pub(super) fn last_term(&self) -> Term {
        self.entries.last().map_or(self.base_term, |entry| entry.term)
    }

    pub(super) fn get(&self, index: LogIndex) -> Option<&Entry<C>> {
        let offset = index.0.checked_sub(self.base.0)?.checked_sub(1)?;
        self.entries.get(usize::try_from(offset).ok()?)
    }

    /// The term of the entry at `index`, if that is known: the base's is, that of a place before it or after the log is not.
    pub(super) fn term_at(&self, index: LogIndex) -> Option<Term> {
        if index == self.base {
            Some(self.base_term)
        } else {
            self.get(index).map(|entry| entry.term)
        }
    }

    /// The entries at `from` and after.
    pub(super) fn tail(&self, from: LogIndex) -> &[Entry<C>] {
        &self.entries[self.offset(from)..]
    }

    /// The first place behind the base that holds an entry of `term` or a later one; the place after the log if there is none.
    pub(super) fn first_of_term(&self, term: Term) -> LogIndex {
        self.place(self.entries.partition_point(|entry| entry.term < term))
    }

    /// The last place that holds an entry of `term`, if there is one. No entry is of term 0.
    pub(super) fn last_of_term(&self, term: Term) -> Option<LogIndex> {
        let last = self
            .place(self.entries.partition_point(|entry| entry.term <= term))
            .prev();
        (self.term_at(last) == Some(term)).then_some(last)
    }

    pub(super) fn push(&mut self, entry: Entry<C>) {
        self.entries.push(entry);
    }

    pub(super) fn extend(&mut self, entries: impl IntoIterator<Item = Entry<C>>) {
        self.entries.extend(entries);
    }

    /// Removes the entries at `from` and after, and gives them back.
    pub(super) fn split_off(&mut self, from: LogIndex) -> Vec<Entry<C>> {
        self.entries.split_off(self.offset(from))
    }

    /// Drops the entries at `from` and after.
    pub(super) fn truncate(&mut self, from: LogIndex) {
        self.entries.truncate(self.offset(from));
    }

    /// Drops the entries up to `base`, which a snapshot stands for from now on.
    pub(super) fn compact(&mut self, base: LogIndex, base_term: Term) {
        self.entries.drain(..self.offset(base.next()));
        (self.base, self.base_term) = (base, base_term);
    }

    /// Where in the vector the entry at `index` is, or the nearest of its ends.
    fn offset(&self, index: LogIndex) -> usize {
        usize::try_from(index.0.saturating_sub(self.base.0).saturating_sub(1))
            .unwrap_or(usize::MAX)
            .min(self.entries.len())
    }

    /// The index of the entry that is here in the vector.
    fn place(&self, offset: usize) -> LogIndex {
        LogIndex(self.base.0 + offset as u64 + 1)
    }
}
