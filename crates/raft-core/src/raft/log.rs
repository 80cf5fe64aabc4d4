//! The log in memory.

use crate::{Entry, LogIndex, Term};

/// The log, whole. The entry at index 1 comes first.
#[derive(Debug)]
pub(super) struct Log<C> {
    entries: Vec<Entry<C>>,
}

impl<C> Log<C> {
    pub(super) fn new(entries: Vec<Entry<C>>) -> Log<C> {
        Log { entries }
    }

    pub(super) fn entries(&self) -> &[Entry<C>] {
        &self.entries
    }

    pub(super) fn last_index(&self) -> LogIndex {
        LogIndex(self.entries.len() as u64)
    }

    /// The term of the last entry; 0 if there is none.
    pub(super) fn last_term(&self) -> Term {
        self.entries.last().map_or(Term(0), |entry| entry.term)
    }

    pub(super) fn get(&self, index: LogIndex) -> Option<&Entry<C>> {
        let offset = usize::try_from(index.0.checked_sub(1)?).ok()?;
        self.entries.get(offset)
    }

    /// The term of the entry at `index`. The place before the log has term 0; a place after it has none.
    pub(super) fn term_at(&self, index: LogIndex) -> Option<Term> {
        if index == LogIndex::ZERO {
            Some(Term(0))
        } else {
            self.get(index).map(|entry| entry.term)
        }
    }

    /// The entries at `from` and after.
    pub(super) fn tail(&self, from: LogIndex) -> &[Entry<C>] {
        &self.entries[self.offset(from)..]
    }

    /// The first place that holds an entry of `term` or a later one; the place after the log if there is none.
    pub(super) fn first_of_term(&self, term: Term) -> LogIndex {
        LogIndex(self.entries.partition_point(|entry| entry.term < term) as u64 + 1)
    }

    /// The last place that holds an entry of `term`, if there is one.
    pub(super) fn last_of_term(&self, term: Term) -> Option<LogIndex> {
        let last = LogIndex(self.entries.partition_point(|entry| entry.term <= term) as u64);
        (self.term_at(last) == Some(term) && last > LogIndex::ZERO).then_some(last)
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

    /// Where in the vector the entry at `index` is, or the vector's end.
    fn offset(&self, index: LogIndex) -> usize {
        usize::try_from(index.0.saturating_sub(1))
            .unwrap_or(usize::MAX)
            .min(self.entries.len())
    }
}
