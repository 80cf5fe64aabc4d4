//! The order of the log, as an explanation of what clients were answered. It is checked in full: a write is the one that stands in the
//! log, has the answer that it came to there, explains one call only, and stands behind all that had returned when it was invoked;
//! each read fits in between.

use std::collections::BTreeSet;

use ftqueue::{Answer, Operation, QueueError, Read};
use raft_core::{Instant, LogIndex};

use super::{Accounts, Call, Returned};

/// How far the order of the log explains the calls.
#[derive(Debug)]
pub(super) struct Explained {
    /// The last place at which a call that returned happened.
    pub(super) done: LogIndex,
    /// Of each call, a place before which it did not happen.
    pub(super) not_before: Vec<LogIndex>,
    /// How many calls had returned, and were explained.
    pub(super) calls: usize,
    /// The last of them returned then.
    pub(super) upto: Instant,
    /// The first invocation or return that it does not explain: its order, and when it was.
    pub(super) stuck: Option<(u64, Instant)>,
}

/// Explains as many calls as it can, in the order in which they were invoked and returned. Each read takes the first place that
/// fits: not before what had returned when it was invoked, not after what was invoked when it had returned. `done` is the last
/// place at which something had happened before.
pub(super) fn explain(calls: &[Call], accounts: &Accounts, done: LogIndex) -> Explained {
    let mut claimed = BTreeSet::new();
    let placed: Vec<Option<(LogIndex, Result<Answer, QueueError>)>> = calls
        .iter()
        .map(|call| {
            let applied = accounts.answers.get(&call.key?)?;
            let is_it = call.operation == Operation::Write(applied.write) && claimed.insert(call.key);
            is_it.then_some((applied.index, applied.answer))
        })
        .collect();
    // Calls come in the order of their invocation.
    let writes: Vec<(u64, LogIndex)> = calls
        .iter()
        .zip(&placed)
        .filter_map(|(call, placed)| Some((call.invoked, placed.as_ref()?.0)))
        .collect();
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
    let mut explained = Explained {
        done,
        not_before: vec![LogIndex::ZERO; calls.len()],
        calls: 0,
        upto: Instant(0),
        stuck: None,
    };
    for (order, place, returned) in happenings {
        let call = &calls[place];
        let Some(returned) = returned else {
            let bound = call.not_before.unwrap_or(explained.done);
            explained.not_before[place] = bound;
            if placed[place].is_some_and(|(index, _)| index <= bound) {
                explained.stuck = Some((order, call.at));
                break;
            }
            continue;
        };
        let at = if let Operation::Read(read) = call.operation {
            let later = writes.partition_point(|(invoked, _)| *invoked < order);
            let low = explained.not_before[place];
            place_of_read(read, returned.result, accounts, low, first_after[later])
        } else {
            placed[place].and_then(|(index, answer)| (returned.result == answer).then_some(index))
        };
        let Some(at) = at else {
            explained.stuck = Some((order, returned.at));
            break;
        };
        explained.done = explained.done.max(at);
        explained.calls += 1;
        explained.upto = explained.upto.max(returned.at);
    }
    explained
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
