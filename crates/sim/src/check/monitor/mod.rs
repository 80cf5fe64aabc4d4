//! Could plain queues have given these answers? Decided from the calls alone, without a log: each call takes effect once between its
//! invocation and its return, one after the other.
//!
//! Queues are independent of one another, so each is decided by itself ([`fifo`]); which queues and labels there are, and since when,
//! comes first ([`directory`]). Where a queue's calls are of a kind for which the quick procedure is not exact (items that are not
//! distinct, sizes), a bounded search follows ([`search`]). Where that gives up, nothing is claimed.

mod directory;
mod fifo;
mod search;

use std::collections::BTreeMap;

use ftqueue::{Answer, Label, Operation, QueueError, QueueId, Read, Write};

use super::Call;

/// Of a call that has not returned: it may take effect at any time.
pub(super) const NEVER: i64 = i64::MAX;
/// Before everything.
pub(super) const ALWAYS: i64 = i64::MIN / 2;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// There is an order.
    Fits,
    /// There is none: these calls alone cannot be put in order. Places in the list that was asked about.
    Broken(Vec<usize>),
    /// Not known, and why.
    Open(&'static str),
}

/// What there was before the calls that are judged.
#[derive(Clone, Debug)]
pub(super) struct Before {
    /// Calls of before that later ones may follow from: pushes of items that are still there, and what may happen yet.
    pub(super) ops: Vec<(QueueId, Op)>,
    /// How many queues there are, and their labels.
    pub(super) queues: u64,
    pub(super) labels: BTreeMap<Label, QueueId>,
    /// Of calls invoked up to here, some that ran beside them are left out: what they say of the whole queue is not held against
    /// what is left.
    pub(super) since: u64,
    /// Whether it is all: nothing else was ever asked of these queues.
    pub(super) whole: bool,
}

impl Default for Before {
    fn default() -> Before {
        Before {
            ops: Vec::new(),
            queues: 0,
            labels: BTreeMap::new(),
            since: 0,
            whole: true,
        }
    }
}

/// What a call says about one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Op {
    /// It took effect after this, in the order of invocations and returns.
    pub(super) from: i64,
    /// And before this; [`NEVER`] if it did not return.
    pub(super) to: i64,
    pub(super) kind: Kind,
    /// The place of the call in the list; none for what was before.
    pub(super) call: Option<usize>,
}

/// What it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Push(i64),
    /// The item; none for a pop without an answer.
    Pop(Option<i64>),
    Top(i64),
    /// A pop or a top that found nothing.
    Empty,
    Size(u64),
}

/// Decides whether there is an order of these calls, which stand in the order of their invocation.
pub(super) fn decide(calls: &[Call], before: &Before) -> Decision {
    let floors = match directory::decide(calls, before) {
        Ok(floors) => floors,
        Err(decision) => return unless_whole(decision, before),
    };
    let mut queues: BTreeMap<QueueId, Vec<Op>> = BTreeMap::new();
    for (qid, op) in &before.ops {
        queues.entry(*qid).or_default().push(*op);
    }
    let mut open = None;
    for (place, call) in calls.iter().enumerate() {
        let Some((qid, kind)) = about_queue(call) else {
            continue;
        };
        let kind = match kind {
            Ok(Kind::Empty | Kind::Size(_)) if call.invoked <= before.since => {
                open = Some("a call ran beside others that were judged long ago");
                continue;
            }
            Ok(kind) => kind,
            Err(Unfit::Wrong) => return Decision::Broken(vec![place]),
            Err(Unfit::Full) => {
                open = Some("a queue was full, which depends on all queues");
                continue;
            }
        };
        let floor = floors.get(&qid).copied().unwrap_or(ALWAYS);
        queues.entry(qid).or_default().push(Op {
            from: (call.invoked as i64).max(floor),
            to: call.returned.map_or(NEVER, |returned| returned.order as i64),
            kind,
            call: Some(place),
        });
    }
    for ops in queues.values() {
        match decide_queue(ops) {
            Decision::Fits => {}
            Decision::Broken(calls) if before.whole => return Decision::Broken(calls),
            Decision::Broken(_) => open = Some(NOT_WHOLE),
            Decision::Open(why) => open = open.or(Some(why)),
        }
    }
    open.map_or(Decision::Fits, Decision::Open)
}

const NOT_WHOLE: &str = "what was asked before this run began is not known";

fn unless_whole(decision: Decision, before: &Before) -> Decision {
    match decision {
        Decision::Broken(_) if !before.whole => Decision::Open(NOT_WHOLE),
        decision => decision,
    }
}

/// The quick procedure, and the search where it is not exact.
fn decide_queue(ops: &[Op]) -> Decision {
    match fifo::decide(ops) {
        Decision::Open(why) => match search::has_order(ops) {
            Some(true) => Decision::Fits,
            Some(false) => Decision::Broken(search::smallest(ops)),
            None => Decision::Open(why),
        },
        decision => decision,
    }
}

/// Why a call says nothing that can be decided.
enum Unfit {
    /// No queue ever answers so.
    Wrong,
    /// It found no room.
    Full,
}

/// Which queue a call is about, and what it did there; none for what is about no queue, or had no effect and no answer.
fn about_queue(call: &Call) -> Option<(QueueId, Result<Kind, Unfit>)> {
    let answer = call.returned.map(|returned| returned.result);
    let (qid, kind) = match call.operation {
        Operation::Write(Write::CreateQueue { .. }) | Operation::Read(Read::GetQid { .. }) => return None,
        Operation::Write(Write::Push { qid, item }) => (
            qid,
            match answer {
                None | Some(Ok(Answer::Pushed)) => Ok(Kind::Push(item)),
                Some(Err(QueueError::Full)) => Err(Unfit::Full),
                Some(Err(QueueError::NoSuchQueue)) => return None,
                Some(_) => Err(Unfit::Wrong),
            },
        ),
        Operation::Write(Write::Pop { qid }) => (
            qid,
            match answer {
                None => Ok(Kind::Pop(None)),
                Some(Ok(Answer::Item(item))) => Ok(Kind::Pop(Some(item))),
                Some(Err(QueueError::Empty)) => Ok(Kind::Empty),
                Some(Err(QueueError::NoSuchQueue)) => return None,
                Some(_) => Err(Unfit::Wrong),
            },
        ),
        Operation::Read(Read::Top { qid }) => (
            qid,
            match answer? {
                Ok(Answer::Item(item)) => Ok(Kind::Top(item)),
                Err(QueueError::Empty) => Ok(Kind::Empty),
                Err(QueueError::NoSuchQueue) => return None,
                _ => Err(Unfit::Wrong),
            },
        ),
        Operation::Read(Read::Qsize { qid }) => (
            qid,
            match answer? {
                Ok(Answer::Size(size)) => Ok(Kind::Size(size)),
                Err(QueueError::NoSuchQueue) => return None,
                _ => Err(Unfit::Wrong),
            },
        ),
    };
    Some((qid, kind))
}
