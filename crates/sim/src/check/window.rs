//! A list by places, of which the beginning may have been let go: what a check keeps of a run that has no end.

use std::collections::VecDeque;

/// Values at the places from [`Window::first`] to before [`Window::end`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window<T> {
    first: usize,
    values: VecDeque<T>,
}

impl<T> Default for Window<T> {
    fn default() -> Window<T> {
        Window {
            first: 0,
            values: VecDeque::new(),
        }
    }
}

impl<T> Window<T> {
    /// Nothing yet; the first value will stand at this place.
    pub(crate) fn starting_at(first: usize) -> Window<T> {
        Window {
            first,
            values: VecDeque::new(),
        }
    }

    /// The first place that is still kept, or will be.
    pub(crate) fn first(&self) -> usize {
        self.first
    }

    /// The place after the last.
    pub(crate) fn end(&self) -> usize {
        self.first + self.values.len()
    }

    pub(crate) fn get(&self, place: usize) -> Option<&T> {
        self.values.get(place.checked_sub(self.first)?)
    }

    pub(crate) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.values.get_mut(place.checked_sub(self.first)?)
    }

    pub(crate) fn last(&self) -> Option<&T> {
        self.values.back()
    }

    pub(crate) fn push(&mut self, value: T) {
        self.values.push_back(value);
    }

    pub(crate) fn extend(&mut self, values: impl IntoIterator<Item = T>) {
        self.values.extend(values);
    }

    /// Drops what stands at `end` and after.
    pub(crate) fn truncate(&mut self, end: usize) {
        self.values.truncate(end.saturating_sub(self.first));
    }

    /// Leaves out what would stand between the end and `first`.
    pub(crate) fn skip_to(&mut self, first: usize) {
        if self.end() < first {
            *self = Window::starting_at(first);
        }
    }

    /// Lets go what stands before `first`.
    pub(crate) fn forget_before(&mut self, first: usize) {
        let gone = first.saturating_sub(self.first).min(self.values.len());
        self.values.drain(..gone);
        self.first += gone;
    }

    /// The values at `from` and after, with their places.
    pub(crate) fn since(&self, from: usize) -> impl Iterator<Item = (usize, &T)> + Clone {
        let skipped = from.saturating_sub(self.first);
        (self.first + skipped..).zip(self.values.iter().skip(skipped))
    }

    /// The last place whose value is such.
    pub(crate) fn rposition(&self, is_such: impl FnMut(&T) -> bool) -> Option<usize> {
        self.values.iter().rposition(is_such).map(|place| self.first + place)
    }
}
