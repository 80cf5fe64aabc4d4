//! Could what clients were answered have been answered by one queue, one operation after the other, each between its invocation
//! and its return?
//!
//! The log gives an order of the writes, so the quick way is to try that one: if reads fit in between, it is a witness. If it does
//! not explain the history, some other order might, and a complete search looks for one, queue by queue and label by label
//! (linearizability is a local property). An operation without an answer may have happened at any time after its
//! invocation, or never.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use ftqueue::{Answer, Label, Operation, QueueError, QueueId, Read, Write};
use raft_core::{Instant, LogIndex};

use super::{Accounts, Call, Returned};

/// How many states the search looks at for one queue or label, before it holds that there is no order.
const STATES_MAX: usize = 400_000;
/// How many calls before the one that cannot be explained are shown.
const SHOWN_BEFORE: usize = 6;

/// What came of the check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order.
    Linearizable,
    /// There is none.
    Not(Window),
}

/// The calls that cannot be explained: the last of them returned what no order allows, and without it there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// When the first of the calls was invoked.
    pub from: Instant,
    /// When the last returned.
    pub to: Instant,
    /// The calls, in words.
    pub calls: Vec<String>,
}

/// Judges calls, with the committed commands at hand, after what was settled before them.
pub fn judge(calls: &[Call], accounts: &Accounts, settled: &Settled) -> Verdict {
    if Witness::find(calls, accounts, settled.done).is_some() {
        return Verdict::Linearizable;
    }
    let has_happened = |call: &&Call| {
        let answer = call.key.and_then(|key| accounts.answers.get(&key));
        answer.is_some_and(|(index, _)| *index <= settled.applied)
    };
    let open: Vec<&Call> = calls.iter().filter(|call| !has_happened(call)).collect();
    search(&open, &settled.states)
}

/// What is left of calls that were judged and let go, so that later ones can be judged without them.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    /// The last place in the log at which one of them happened.
    done: LogIndex,
    /// How far the log was applied.
    applied: LogIndex,
    /// What every queue and label was then.
    states: BTreeMap<Object, State>,
}

impl Settled {
    /// Goes on from accounts that were found, all commands up to `applied` among them.
    pub fn found(applied: LogIndex, accounts: &Accounts) -> Settled {
        Settled {
            done: applied,
            applied,
            states: states(accounts),
        }
    }

    /// Takes the calls that have come to their end out of `calls`, if the order of the log explains them. What is left may
    /// still return. `applied` is how far `accounts` know the log.
    pub fn settle(&mut self, calls: &mut Vec<Call>, accounts: &mut Accounts, applied: LogIndex) -> Vec<Call> {
        let Some(witness) = Witness::find(calls, accounts, self.done) else {
            return Vec::new();
        };
        for (call, not_before) in calls.iter_mut().zip(witness.not_before) {
            call.not_before = Some(not_before);
        }
        let over = calls
            .extract_if(.., |call| call.returned.is_some() || call.given_up)
            .collect();
        let low = calls.iter().filter_map(|call| call.not_before).min();
        let awaited: BTreeSet<_> = calls.iter().filter_map(|call| call.key).collect();
        accounts.forget(low.unwrap_or(witness.done).min(witness.done), |key| {
            awaited.contains(key)
        });
        *self = Settled {
            done: witness.done,
            applied,
            states: states(accounts),
        };
        over
    }
}

/// What every queue and label is, once the log is applied as far as `accounts` know it.
fn states(accounts: &Accounts) -> BTreeMap<Object, State> {
    let mut states = BTreeMap::new();
    for (items, qid) in accounts.items().zip(1..) {
        let state = State {
            there: Some(QueueId(qid)),
            items: items.copied().collect(),
        };
        states.insert(Object::Queue(QueueId(qid)), state);
    }
    for (label, qid) in accounts.labels() {
        let state = State {
            there: Some(qid),
            ..State::default()
        };
        states.insert(Object::Label(label), state);
    }
    states
}

/// The order of the log, with each read at some place in it, where that explains the calls.
struct Witness {
    /// The last place at which a call that returned happened.
    done: LogIndex,
    /// Of each call, a place before which it did not happen.
    not_before: Vec<LogIndex>,
}

impl Witness {
    /// Each write happened at its place in the log, was answered what it came to there, and stands behind all that had returned
    /// when it was invoked. Each read has a place, not before what had returned when it was invoked, not after what was invoked
    /// when it had returned: in the order of their returns, each takes the first that fits. `done` is the last place at which
    /// something had happened before.
    fn find(calls: &[Call], accounts: &Accounts, mut done: LogIndex) -> Option<Witness> {
        let placed = |call: &Call| call.key.and_then(|key| accounts.answers.get(&key));
        let writes: Vec<(u64, LogIndex)> = calls
            .iter()
            .filter_map(|call| Some((call.invoked, placed(call)?.0)))
            .collect();
        // Calls come in the order of their invocation.
        let mut first_after = vec![LogIndex(u64::MAX); writes.len() + 1];
        for (place, (_, index)) in writes.iter().enumerate().rev() {
            first_after[place] = first_after[place + 1].min(*index);
        }
        let mut happenings: Vec<(u64, usize, Option<Returned>)> = Vec::with_capacity(2 * calls.len());
        for (place, call) in calls.iter().enumerate() {
            happenings.push((call.invoked, place, None));
            happenings.extend(call.returned.map(|returned| (returned.order, place, Some(returned))));
        }
        happenings.sort_unstable_by_key(|(order, ..)| *order);
        let mut not_before = vec![LogIndex::ZERO; calls.len()];
        for (order, place, returned) in happenings {
            let call = &calls[place];
            let Some(returned) = returned else {
                let bound = call.not_before.unwrap_or(done);
                not_before[place] = bound;
                if placed(call).is_some_and(|(index, _)| *index <= bound) {
                    return None;
                }
                continue;
            };
            let at = if let Operation::Read(read) = call.operation {
                let later = writes.partition_point(|(invoked, _)| *invoked < order);
                place_of_read(read, returned.result, accounts, not_before[place], first_after[later])?
            } else {
                let (index, answer) = placed(call)?;
                (returned.result == *answer).then_some(*index)?
            };
            done = done.max(at);
        }
        Some(Witness { done, not_before })
    }
}

/// The first place in the log, from `low` to before `high`, at which a read is answered so.
fn place_of_read(
    read: Read,
    result: Result<Answer, QueueError>,
    accounts: &Accounts,
    low: LogIndex,
    high: LogIndex,
) -> Option<LogIndex> {
    let (qid, wanted) = match read {
        Read::GetQid { label } => {
            let created = accounts.created.get(&label);
            return match (result, created) {
                (Ok(Answer::Qid(qid)), Some((index, made))) if qid == *made => {
                    Some(low.max(*index)).filter(|at| *at < high)
                }
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
    let candidates = looks
        .iter()
        .skip(first.saturating_sub(1))
        .take_while(|(index, ..)| *index < high);
    candidates
        .filter(|(_, size, top)| {
            let shown = match read {
                Read::Qsize { .. } => Ok(Answer::Size(*size)),
                _ => top.map(Answer::Item).ok_or(QueueError::Empty),
            };
            shown == wanted
        })
        .map(|(index, ..)| low.max(*index))
        .next()
}

/// A queue or a label, with the calls that are about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Object {
    Queue(QueueId),
    Label(Label),
}

/// Looks for an order of the calls about each queue and about each label, which were `states` before.
fn search(calls: &[&Call], states: &BTreeMap<Object, State>) -> Verdict {
    let objects: BTreeSet<Object> = calls
        .iter()
        .flat_map(|call| objects_of(call).into_iter().flatten())
        .collect();
    for object in objects {
        let about: Vec<&Call> = calls
            .iter()
            .filter(|call| objects_of(call).contains(&Some(object)))
            .copied()
            .collect();
        let start = states.get(&object).cloned().unwrap_or_default();
        if !has_order(object, &start, &about) {
            return Verdict::Not(smallest(object, &start, &about));
        }
    }
    Verdict::Linearizable
}

fn objects_of(call: &Call) -> [Option<Object>; 2] {
    let made = match call.returned.map(|returned| returned.result) {
        Some(Ok(Answer::Qid(qid))) => Some(Object::Queue(qid)),
        _ => None,
    };
    match call.operation {
        Operation::Write(Write::CreateQueue { label }) => [Some(Object::Label(label)), made],
        Operation::Read(Read::GetQid { label }) => [Some(Object::Label(label)), None],
        Operation::Write(Write::Push { qid, .. } | Write::Pop { qid })
        | Operation::Read(Read::Top { qid } | Read::Qsize { qid }) => [Some(Object::Queue(qid)), None],
    }
}

/// A queue, or a label, at some moment of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    /// Whether it is there; for a label, its queue, which is 0 while its creator had no answer.
    there: Option<QueueId>,
    items: VecDeque<i64>,
}

impl State {
    /// What it is after a call, if the call can be answered so.
    fn after(&self, object: Object, call: &Call) -> Option<State> {
        let result = call.returned.map(|returned| returned.result);
        let answers = |answer: Result<Answer, QueueError>| result.is_none_or(|result| result == answer);
        let mut next = self.clone();
        if let Object::Label(_) = object {
            return self.label_after(call, result);
        }
        let Some(_) = self.there else {
            return match call.operation {
                Operation::Write(Write::CreateQueue { .. }) => {
                    next.there = Some(QueueId(0));
                    Some(next)
                }
                _ => answers(Err(QueueError::NoSuchQueue)).then_some(next),
            };
        };
        let answer = match call.operation {
            Operation::Write(Write::Push { item, .. }) => {
                next.items.push_back(item);
                Ok(Answer::Pushed)
            }
            Operation::Write(Write::Pop { .. }) => next.items.pop_front().map(Answer::Item).ok_or(QueueError::Empty),
            Operation::Read(Read::Top { .. }) => self
                .items
                .front()
                .map(|item| Answer::Item(*item))
                .ok_or(QueueError::Empty),
            Operation::Read(Read::Qsize { .. }) => Ok(Answer::Size(self.items.len() as u64)),
            Operation::Write(Write::CreateQueue { .. }) | Operation::Read(Read::GetQid { .. }) => return None,
        };
        answers(answer).then_some(next)
    }

    fn label_after(&self, call: &Call, result: Option<Result<Answer, QueueError>>) -> Option<State> {
        let mut next = self.clone();
        // A queue whose creator had no answer has the id that the first to ask is told.
        let mut is = |qid: QueueId| match next.there {
            Some(QueueId(0)) => {
                next.there = Some(qid);
                true
            }
            there => there == Some(qid),
        };
        let fits = match (call.operation, result) {
            (Operation::Write(_), Some(Ok(Answer::Qid(qid)))) => {
                let free = next.there.is_none();
                next.there = Some(qid);
                free
            }
            (Operation::Write(_), Some(Err(QueueError::LabelTaken { qid }))) => is(qid),
            (Operation::Write(_), None) => {
                next.there = next.there.or(Some(QueueId(0)));
                true
            }
            (Operation::Read(_), Some(Ok(Answer::Qid(qid)))) => is(qid),
            (Operation::Read(_), Some(Err(QueueError::NoSuchLabel))) => next.there.is_none(),
            (Operation::Read(_), None) => true,
            _ => false,
        };
        fits.then_some(next)
    }
}

/// What happens in a history, in a list from which calls are taken as they find their places.
struct Happenings {
    /// Of each: the call, and whether it is its return.
    what: Vec<(usize, bool)>,
    next: Vec<usize>,
    before: Vec<usize>,
    /// Where each call's invocation and return stand.
    places: Vec<(usize, usize)>,
}

impl Happenings {
    /// Place 0 is the list's head.
    fn new(calls: &[&Call]) -> Happenings {
        let mut ordered: Vec<(u64, usize, bool)> = Vec::new();
        for (place, call) in calls.iter().enumerate() {
            ordered.push((call.invoked, place, false));
            ordered.push((call.returned.map_or(u64::MAX, |returned| returned.order), place, true));
        }
        ordered.sort_unstable();
        let mut places = vec![(0, 0); calls.len()];
        for (place, (_, call, returns)) in (1..).zip(&ordered) {
            if *returns {
                places[*call].1 = place;
            } else {
                places[*call].0 = place;
            }
        }
        let count = ordered.len() + 1;
        let what =
            std::iter::once((usize::MAX, false)).chain(ordered.iter().map(|(_, call, returns)| (*call, *returns)));
        Happenings {
            what: what.collect(),
            next: (1..=count).collect(),
            before: (0..count)
                .map(|place| place.saturating_sub(1))
                .chain([count - 1])
                .collect(),
            places,
        }
    }

    fn take(&mut self, call: usize) {
        let (invoked, returned) = self.places[call];
        for place in [invoked, returned] {
            let (before, next) = (self.before[place], self.next[place]);
            self.next[before] = next;
            self.before[next] = before;
        }
    }

    fn put_back(&mut self, call: usize) {
        let (invoked, returned) = self.places[call];
        for place in [returned, invoked] {
            let (before, next) = (self.before[place], self.next[place]);
            self.next[before] = place;
            self.before[next] = place;
        }
    }
}

/// Whether there is an order of these calls: depth first, never into a state that was seen with the same calls placed (the
/// algorithm of Wing and Gong, with Lowe's memory).
fn has_order(object: Object, start: &State, calls: &[&Call]) -> bool {
    let mut happenings = Happenings::new(calls);
    let end = happenings.what.len();
    let mut missing = calls.iter().filter(|call| call.returned.is_some()).count();
    let mut placed = vec![0_u64; calls.len().div_ceil(64)];
    let mut seen: BTreeSet<(Vec<u64>, State)> = BTreeSet::new();
    let mut state = start.clone();
    let mut taken: Vec<(usize, State)> = Vec::new();
    let mut at = happenings.next[0];
    while missing > 0 {
        let stuck = at == end || {
            let (call, returns) = happenings.what[at];
            // A call without an answer may wait for ever; any other must have its place by now.
            returns && calls[call].returned.is_some()
        };
        if stuck {
            let Some((call, before)) = taken.pop() else {
                return false;
            };
            state = before;
            placed[call / 64] &= !(1 << (call % 64));
            missing += usize::from(calls[call].returned.is_some());
            happenings.put_back(call);
            at = happenings.next[happenings.places[call].0];
            continue;
        }
        let (call, returns) = happenings.what[at];
        if !returns && let Some(next) = state.after(object, calls[call]) {
            placed[call / 64] |= 1 << (call % 64);
            if seen.len() < STATES_MAX && seen.insert((placed.clone(), next.clone())) {
                taken.push((call, std::mem::replace(&mut state, next)));
                missing -= usize::from(calls[call].returned.is_some());
                happenings.take(call);
                at = happenings.next[0];
                continue;
            }
            placed[call / 64] &= !(1 << (call % 64));
        }
        at = happenings.next[at];
    }
    true
}

/// The shortest beginning of a history without an order, of which the end is shown.
fn smallest(object: Object, start: &State, calls: &[&Call]) -> Window {
    let mut returns: Vec<u64> = calls.iter().filter_map(|call| Some(call.returned?.order)).collect();
    returns.sort_unstable();
    let until = |order: u64| -> Vec<Call> {
        let begun = calls.iter().filter(|call| call.invoked <= order);
        begun
            .map(|call| Call {
                returned: call.returned.filter(|returned| returned.order <= order),
                ..(*call).clone()
            })
            .collect()
    };
    let fails = |order: u64| {
        let begun = until(order);
        !has_order(object, start, &begun.iter().collect::<Vec<_>>())
    };
    let last = returns
        .partition_point(|order| !fails(*order))
        .min(returns.len().saturating_sub(1));
    let order = returns.get(last).copied().unwrap_or(0);
    let mut begun = until(order);
    let culprit = begun
        .iter()
        .find(|call| call.returned.is_some_and(|returned| returned.order == order))
        .cloned();
    let since = culprit.map_or(0, |call| call.invoked);
    // What returned long before is told by its outcome only; what overlaps is shown.
    let earlier = begun
        .iter()
        .filter(|call| call.returned.is_some_and(|returned| returned.order < since))
        .count();
    let mut skip = earlier.saturating_sub(SHOWN_BEFORE);
    begun.retain(|call| {
        let old = call.returned.is_some_and(|returned| returned.order < since);
        let hidden = old && skip > 0;
        skip -= usize::from(hidden);
        !hidden
    });
    Window {
        from: begun.first().map_or(Instant(0), |call| call.at),
        to: begun
            .iter()
            .filter_map(|call| Some(call.returned?.at))
            .max()
            .unwrap_or_default(),
        calls: begun.iter().map(ToString::to_string).collect(),
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}, {}: {}", self.client, self.at, self.operation)?;
        match self.returned {
            None => write!(f, " → no answer"),
            Some(returned) => match returned.result {
                Ok(answer) => write!(f, " → {answer} at {}", returned.at),
                Err(error) => write!(f, " → {error} at {}", returned.at),
            },
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no order of these calls gives these answers: {}",
            self.calls.join("; ")
        )
    }
}

#[cfg(test)]
mod tests;
