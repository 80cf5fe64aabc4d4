//! A judge of its own, written from the definition, which shares no code with the checkers: it reads what clients asked and were
//! answered as anybody who watches a run is told it, and knows nothing of logs.
//!
//! Of each queue it takes the items away one by one in an order in which they can have been in front. An item can be the first of those that are
//! left if no other must have been pushed before it and none must have been in front before it. Where no item can be the first, each of those
//! that are left had another before it: no order gives these answers, and they are named. It needs items that are pushed once.
//! What found nothing needs a moment at which no item must be there, and a size one at which so many can be.

use std::collections::{BTreeMap, BTreeSet};

use ftqueue::{Answer, Label, Operation, QueueError, QueueId, Read, Write};
use trace::{CallNumber, Happening, What};

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// There is an order.
    Right,
    /// There is none, and why.
    Wrong(String),
    /// It cannot tell, and why.
    Open(String),
}

/// One call: its operation, its place among all invocations, and its answer with its place.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) operation: Operation,
    pub(crate) from: u64,
    pub(crate) answer: Option<(u64, Result<Answer, QueueError>)>,
}

/// The calls of a run, by the names that those who watch it are told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    pub(crate) all: BTreeMap<CallNumber, Asked>,
    order: u64,
}

impl Calls {
    pub(crate) fn hear(&mut self, happening: &Happening) {
        match happening.what {
            What::Invoked { call, operation, .. } => self.invoke(call, operation),
            What::Returned { call, result, .. } => self.answer(call, result),
            _ => {}
        }
    }

    pub(crate) fn invoke(&mut self, call: CallNumber, operation: Operation) {
        self.order += 1;
        let from = self.order;
        let answer = None;
        self.all.insert(
            call,
            Asked {
                operation,
                from,
                answer,
            },
        );
    }

    pub(crate) fn answer(&mut self, call: CallNumber, result: Result<Answer, QueueError>) {
        self.order += 1;
        if let Some(asked) = self.all.get_mut(&call) {
            asked.answer = Some((self.order, result));
        }
    }

    pub(crate) fn answered(&self) -> usize {
        self.all.values().filter(|asked| asked.answer.is_some()).count()
    }
}

/// Later than everything.
const NEVER: u64 = u64::MAX;

/// An item, by what is known of it. All are places among invocations and returns.
#[derive(Clone, Copy, Debug)]
struct Item {
    item: i64,
    /// When its push was asked, and by when it had happened.
    push: (u64, u64),
    /// By when it had been in front first.
    seen_by: u64,
    /// When what saw it last was asked; never over, if it was not taken out.
    there_until: u64,
    /// The same, of those that only looked.
    looked_at: u64,
    /// By when it had been taken out.
    gone_by: u64,
}

/// What was asked of one queue.
struct Queue {
    items: BTreeMap<i64, Item>,
    empty: Vec<(u64, u64)>,
    sizes: Vec<(u64, u64, u64)>,
    /// Pops without an answer, the first last.
    lost_pops: Vec<u64>,
    /// When something that was asked of it had found it; and when something that did not was asked.
    found: u64,
    missed: u64,
}

/// Judges the calls of clients who began with nothing.
pub(crate) fn judge(calls: &Calls) -> Said {
    let mut queues: BTreeMap<QueueId, Queue> = BTreeMap::new();
    let mut labels: BTreeMap<Label, BTreeSet<QueueId>> = BTreeMap::new();
    // Pushes first: a pop may be asked before the push whose item it gets.
    for asked in calls.all.values() {
        let Operation::Write(Write::Push { qid, item }) = asked.operation else {
            continue;
        };
        let by = match asked.answer {
            Some((at, Ok(Answer::Pushed))) => at,
            None => NEVER,
            Some((_, Err(QueueError::NoSuchQueue))) => continue,
            Some((_, other)) => return Said::Open(format!("push → {other:?}")),
        };
        let new = Item {
            item,
            push: (asked.from, by),
            seen_by: NEVER,
            there_until: NEVER,
            looked_at: 0,
            gone_by: NEVER,
        };
        let queue = queues.entry(qid).or_default();
        if queue.items.insert(item, new).is_some() {
            return Said::Open(format!("{item} was pushed twice"));
        }
    }
    for asked in calls.all.values() {
        if let Err(said) = take(asked, &mut queues, &mut labels) {
            return said;
        }
    }
    for (label, qids) in &labels {
        if qids.len() > 1 {
            return Said::Wrong(format!("label {} names {qids:?}", label.0));
        }
    }
    let mut said = Said::Right;
    for (qid, queue) in queues {
        match queue.judge() {
            Said::Right => {}
            Said::Wrong(why) => return Said::Wrong(format!("queue {qid}: {why}")),
            open => said = open,
        }
    }
    said
}

fn take(
    asked: &Asked,
    queues: &mut BTreeMap<QueueId, Queue>,
    labels: &mut BTreeMap<Label, BTreeSet<QueueId>>,
) -> Result<(), Said> {
    let from = asked.from;
    match (asked.operation, asked.answer) {
        (
            Operation::Write(Write::CreateQueue { label }) | Operation::Read(Read::GetQid { label }),
            Some((_, answer)),
        ) => {
            if let Ok(Answer::Qid(qid)) | Err(QueueError::LabelTaken { qid }) = answer {
                labels.entry(label).or_default().insert(qid);
            }
        }
        (Operation::Write(Write::Pop { qid }), None) => {
            queues.entry(qid).or_default().lost_pops.push(from);
        }
        (
            Operation::Write(Write::Push { qid, .. } | Write::Pop { qid })
            | Operation::Read(Read::Top { qid } | Read::Qsize { qid }),
            Some((to, answer)),
        ) => {
            let queue = queues.entry(qid).or_default();
            if answer == Err(QueueError::NoSuchQueue) {
                queue.missed = queue.missed.max(from);
                return Ok(());
            }
            queue.found = queue.found.min(to);
            let takes = asked.operation == Operation::Write(Write::Pop { qid });
            match answer {
                Ok(Answer::Pushed) => {}
                Ok(Answer::Size(size)) => queue.sizes.push((from, to, size)),
                Err(QueueError::Empty) => queue.empty.push((from, to)),
                Ok(Answer::Item(item)) => {
                    let Some(known) = queue.items.get_mut(&item) else {
                        return Err(Said::Wrong(format!(
                            "{item} came out of queue {qid} and was never pushed"
                        )));
                    };
                    if takes && known.gone_by != NEVER {
                        return Err(Said::Wrong(format!("{item} came out of queue {qid} twice")));
                    }
                    known.seen_by = known.seen_by.min(to);
                    if takes {
                        (known.there_until, known.gone_by) = (from, to);
                    } else {
                        known.looked_at = known.looked_at.max(from);
                    }
                    if known.seen_by < known.push.0 {
                        return Err(Said::Wrong(format!("{item} was seen before it was pushed")));
                    }
                }
                other => return Err(Said::Open(format!("{:?} → {other:?}", asked.operation))),
            }
        }
        _ => {}
    }
    Ok(())
}

impl Default for Queue {
    fn default() -> Queue {
        Queue {
            items: BTreeMap::new(),
            empty: Vec::new(),
            sizes: Vec::new(),
            lost_pops: Vec::new(),
            found: NEVER,
            missed: 0,
        }
    }
}

impl Queue {
    fn judge(mut self) -> Said {
        if self.found < self.missed {
            return Said::Wrong("it was not found after it had been".to_owned());
        }
        self.lost_pops.sort_unstable();
        self.lost_pops.reverse();
        let mut items: Vec<Item> = self.items.values().copied().collect();
        // A push without an answer whose item nobody saw may never have happened.
        items.retain(|item| item.push.1 != NEVER || item.seen_by != NEVER);
        for item in &mut items {
            item.push.1 = item.push.1.min(item.seen_by);
            if item.gone_by < item.looked_at {
                return Said::Wrong(format!("{} was seen after it had been taken out", item.item));
            }
            item.there_until = item.there_until.max(item.looked_at);
        }
        let lost = self.lost_pops.len() as i64;
        if let Err(why) = in_turn(&mut items, self.lost_pops.clone()) {
            return if lost == 0 {
                Said::Wrong(why)
            } else {
                Said::Open(format!("{why}, unless a pop without an answer took another one"))
            };
        }
        // Of each moment: how many must be there, and how many can be.
        let must: Vec<(u64, i64)> = items
            .iter()
            .filter(|item| item.push.1 < item.there_until)
            .flat_map(|item| [(item.push.1, 1), (item.there_until, -1)])
            .collect();
        let can = self
            .items
            .values()
            .flat_map(|item| [(item.push.0, 1), (item.gone_by, -1)]);
        let (must, can) = (moments(must), moments(can.collect()));
        let mut said = Said::Right;
        for (from, to) in &self.empty {
            let least = during(&must, *from, *to).min().unwrap_or(0);
            if least > lost {
                return Said::Wrong(format!(
                    "nothing was found from {from} to {to}, when something was always there"
                ));
            } else if least > 0 {
                said = Said::Open("pops without an answer may have taken what was there".to_owned());
            }
        }
        for (from, to, size) in &self.sizes {
            let least = during(&must, *from, *to).min().unwrap_or(0);
            let most = during(&can, *from, *to).max().unwrap_or(0);
            let size = *size as i64;
            if size < least - lost || size > most {
                return Said::Wrong(format!("{size} cannot have been there from {from} to {to}"));
            } else if size < least {
                said = Said::Open("pops without an answer may have taken what was there".to_owned());
            }
        }
        said
    }
}

/// Takes the items away, one by one, each the first of those that are left. A pop without an answer may take one that else is in the
/// way.
fn in_turn(items: &mut [Item], mut lost_pops: Vec<u64>) -> Result<(), String> {
    items.sort_by_key(|item| item.push.0);
    let mut pushed: BTreeSet<(u64, usize)> = BTreeSet::new();
    let mut seen: BTreeSet<(u64, usize)> = BTreeSet::new();
    for (place, item) in items.iter().enumerate() {
        pushed.insert((item.push.1, place));
        seen.insert((item.seen_by, place));
    }
    let mut next = 0;
    // Those that can have been pushed before all others.
    let mut first: Vec<usize> = Vec::new();
    while let Some(&(earliest, _)) = pushed.first() {
        while items.get(next).is_some_and(|item| item.push.0 < earliest) {
            first.push(next);
            next += 1;
        }
        let was_before_all = |place: &usize| {
            let mut others = seen.iter().filter(|(_, other)| other != place);
            others
                .next()
                .is_none_or(|(seen_by, _)| items[*place].there_until <= *seen_by)
        };
        if let Some(found) = first.iter().position(was_before_all) {
            let place = first.swap_remove(found);
            pushed.remove(&(items[place].push.1, place));
            seen.remove(&(items[place].seen_by, place));
            continue;
        }
        let stays = first.iter().find(|place| items[**place].there_until == NEVER);
        match (stays, lost_pops.pop()) {
            (Some(place), Some(pop)) => items[*place].there_until = pop.max(items[*place].looked_at),
            _ => {
                let named: Vec<i64> = first.iter().take(8).map(|place| items[*place].item).collect();
                return Err(format!(
                    "none of {named:?} can have been the first of those that are left"
                ));
            }
        }
    }
    Ok(())
}

/// How many there are from each moment on.
fn moments(mut changes: Vec<(u64, i64)>) -> Vec<(u64, i64)> {
    changes.sort_unstable();
    let mut count = 0;
    for (_, change) in &mut changes {
        count += *change;
        *change = count;
    }
    changes
}

/// The counts of all moments between two places.
fn during(moments: &[(u64, i64)], from: u64, to: u64) -> impl Iterator<Item = i64> {
    let before = moments.partition_point(|(at, _)| *at <= from);
    let now = before.checked_sub(1).map_or(0, |last| moments[last].1);
    let later = moments[before..].iter().take_while(move |(at, _)| *at < to);
    std::iter::once(now).chain(later.map(|(_, count)| *count))
}
