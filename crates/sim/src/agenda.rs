//! What is to happen, by when it does; in the order in which it was entered, where that is the same.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use raft_core::Instant;

/// A heap of times beside the events: what moves in the heap is small.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    times: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    events: Vec<Option<T>>,
    free: Vec<usize>,
    entered: u64,
}

impl<T> Agenda<T> {
    pub(crate) fn new() -> Agenda<T> {
        Agenda {
            times: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            entered: 0,
        }
    }

    pub(crate) fn enter(&mut self, at: Instant, event: T) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[place] = Some(event);
        self.entered += 1;
        self.times.push(Reverse((at, self.entered, place)));
    }

    /// When the next event happens.
    pub(crate) fn next(&self) -> Instant {
        self.times.peek().map_or(Instant::NEVER, |Reverse((at, ..))| *at)
    }

    /// Lets go of all events but those of which this is true.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(&T) -> bool) {
        let (events, free) = (&mut self.events, &mut self.free);
        self.times.retain(|Reverse((_, _, place))| {
            let keeps = events[*place].as_ref().is_some_and(&is_kept);
            if !keeps {
                events[*place] = None;
                free.push(*place);
            }
            keeps
        });
    }

    /// Takes the next event.
    pub(crate) fn take(&mut self) -> Option<T> {
        let Reverse((_, _, place)) = self.times.pop()?;
        self.free.push(place);
        self.events[place].take()
    }
}
