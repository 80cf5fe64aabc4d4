//! The order of the log, as an explanation of what clients were answered. It is checked in full: a write is the one that stands in the
//! log, has the answer that it came to there, explains one call only, and stands behind all that had returned when it was invoked;
//! each read fits in between.
//!
//! What is explained stays explained, whatever comes later, so each look begins where the last one ended: a long history costs no more
//! each second than a short one.

use std::collections::BTreeSet;

use ftqueue::{Answer, Operation, QueueError, Read, Sequence, SessionId};
use raft_core::{Instant, LogIndex};

use super::history::Returned;
use super::{Accounts, Call, CallId};

/// How far the order of the log has explained the calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Explained {
    /// The last place at which a call that returned happened.
    pub(super) done: LogIndex,
    /// How many calls had returned, and were explained, of those that are kept.
    pub(super) calls: usize,
    /// The last of them returned then.
    pub(super) upto: Instant,
    /// The first invocation or return that it does not explain: its order, and when it was.
    pub(super) stuck: Option<(u64, Instant)>,
    /// The order from which on nothing was looked at yet.
    next: u64,
    /// Calls whose invocations were looked at, and that had not returned.
    open: BTreeSet<CallId>,
    /// The writes of the log that explain a call, each one.
    claimed: BTreeSet<(SessionId, Sequence)>,
}

impl Explained {
    /// Nothing yet, of a history before which something had happened up to `done`.
    pub(super) fn after(done: LogIndex) -> Explained {
        Explained {
            done,
            ..Explained::default()
        }
    }

    /// Explains as many more calls as it can, in the order in which they were invoked and returned. Each read takes the first place that
    /// fits: not before what had returned when it was invoked. What is invoked later must find its place behind it. Calls stand in the
    /// order of their invocation; each learns before which place it did not happen.
    pub(super) fn go_on(&mut self, calls: &mut [Call], accounts: &Accounts) {
        self.stuck = None;
        let known = calls.partition_point(|call| call.invoked < self.next);
        let mut happenings: Vec<(u64, usize, Option<Returned>)> = Vec::new();
        // One that is gone was never sent.
        self.open
            .retain(|id| calls.binary_search_by_key(id, |call| call.id).is_ok());
        for id in &self.open {
            let Ok(place) = calls.binary_search_by_key(id, |call| call.id) else {
                continue;
            };
            let call = &calls[place];
            match call.returned {
                Some(returned) => happenings.push((returned.order, place, Some(returned))),
                // It may have happened by now; before it was asked it can not.
                None if self.is_too_early(call, accounts) => {
                    self.stuck = Some((call.invoked, call.at));
                    return;
                }
                None => {}
            }
        }
        for (place, call) in calls.iter().enumerate().skip(known) {
            happenings.push((call.invoked, place, None));
            happenings.extend(call.returned.map(|returned| (returned.order, place, Some(returned))));
        }
        happenings.sort_unstable_by_key(|(order, ..)| *order);
        for (order, place, returned) in happenings {
            let call = &mut calls[place];
            let Some(returned) = returned else {
                call.not_before.get_or_insert(self.done);
                if self.is_too_early(call, accounts) {
                    self.stuck = Some((order, call.at));
                    return;
                }
                self.open.insert(call.id);
                self.next = order + 1;
                continue;
            };
            let Some(at) = self.place_of(call, returned, accounts) else {
                self.stuck = Some((order, returned.at));
                return;
            };
            if let Some(key) = call.key {
                self.claimed.insert(key);
            }
            self.open.remove(&call.id);
            self.next = order + 1;
            self.done = self.done.max(at);
            self.calls += 1;
            self.upto = self.upto.max(returned.at);
        }
    }

    /// The first order that was not explained.
    pub(super) fn end(&self) -> u64 {
        self.stuck.map_or(u64::MAX, |(order, _)| order)
    }

    /// These calls are let go: they were explained, or given up.
    pub(super) fn let_go(&mut self, over: &[Call], accounts: &Accounts) {
        let returned = over.iter().filter(|call| call.returned.is_some()).count();
        self.calls = self.calls.saturating_sub(returned);
        for call in over {
            self.open.remove(&call.id);
        }
        self.claimed.retain(|key| accounts.answers.contains_key(key));
    }

    /// The history was put back to an instant at which so much of the log had been applied.
    pub(super) fn back_to(&mut self, calls: &[Call], accounts: &Accounts, at: Instant, applied: LogIndex) {
        self.done = self.done.min(applied);
        self.upto = self.upto.min(at);
        self.stuck = None;
        let explained = |call: &&Call| call.returned.is_some_and(|returned| returned.order < self.next);
        self.calls = calls.iter().filter(explained).count();
        let next = self.next;
        let waits = |call: &&Call| call.invoked < next && call.returned.is_none_or(|returned| returned.order >= next);
        self.open = calls.iter().filter(waits).map(|call| call.id).collect();
        self.claimed.retain(|key| accounts.answers.contains_key(key));
    }

    fn is_too_early(&self, call: &Call, accounts: &Accounts) -> bool {
        let placed = call.key.filter(|key| !self.claimed.contains(key));
        let applied = placed.and_then(|key| accounts.answers.get(&key));
        let is_it = applied.filter(|applied| call.operation == Operation::Write(applied.write));
        is_it.is_some_and(|applied| applied.index <= call.not_before.unwrap_or(self.done))
    }

    /// Where a call that returned so happened.
    fn place_of(&self, call: &Call, returned: Returned, accounts: &Accounts) -> Option<LogIndex> {
        let bound = call.not_before.unwrap_or(self.done);
        if let Operation::Read(read) = call.operation {
            return place_of_read(read, returned.result, accounts, bound);
        }
        let key = call.key?;
        let applied = accounts.answers.get(&key)?;
        let is_it = call.operation == Operation::Write(applied.write)
            && returned.result == applied.answer
            && applied.index > bound
            && !self.claimed.contains(&key);
        is_it.then_some(applied.index)
    }
}

/// The first place in the log, from `low` on, at which a read is answered so.
fn place_of_read(
    read: Read,
    result: Result<Answer, QueueError>,
    accounts: &Accounts,
    low: LogIndex,
) -> Option<LogIndex> {
    let (qid, wanted) = match read {
        Read::GetQid { label } => {
            let created = accounts.created.get(&label);
            return match (result, created) {
                (Ok(Answer::Qid(qid)), Some((index, made))) if qid == *made => Some(low.max(*index)),
                (Err(QueueError::NoSuchLabel), Some((index, _))) => Some(low).filter(|at| at < index),
                (Err(QueueError::NoSuchLabel), None) => Some(low),
                _ => None,
            };
        }
        Read::Top { qid } | Read::Qsize { qid } => (qid, result),
    };
    let looks = accounts.looks(qid);
    let first = looks.partition_point(|(index, ..)| *index <= low);
    if first == 0 && wanted == Err(QueueError::NoSuchQueue) {
        return Some(low);
    }
    let mut candidates = looks.iter().skip(first.saturating_sub(1));
    let found = candidates.find(|(_, size, top)| {
        let shown = match read {
            Read::Qsize { .. } => Ok(Answer::Size(*size)),
            _ => top.map(Answer::Item).ok_or(QueueError::Empty),
        };
        shown == wanted
    });
    found.map(|(index, ..)| low.max(*index))
}
