//! Which queues and labels there are, and since when. Queues are numbered in the order in which they are made and never go, so all that
//! calls say comes down to bounds: a queue was made after what did not find it, and before what did.

use std::collections::BTreeMap;

use ftqueue::{Answer, LABEL_MAX, LABEL_MIN, Label, Operation, QUEUES_MAX, QueueError, QueueId, Read, Write};

use super::{ALWAYS, Before, Call, Decision, NEVER};

/// A bound, and the call that sets it.
#[derive(Clone, Copy, Debug)]
struct Bound {
    at: i64,
    by: Option<usize>,
}

impl Bound {
    fn raise(&mut self, at: i64, by: usize) {
        if at > self.at {
            *self = Bound { at, by: Some(by) };
        }
    }

    fn lower(&mut self, at: i64, by: usize) {
        if at < self.at {
            *self = Bound { at, by: Some(by) };
        }
    }
}

/// What is known of one queue or label.
#[derive(Clone, Copy, Debug)]
struct Known {
    after: Bound,
    before: Bound,
}

impl Default for Known {
    fn default() -> Known {
        Known {
            after: Bound { at: ALWAYS, by: None },
            before: Bound { at: NEVER, by: None },
        }
    }
}

/// All that calls say.
#[derive(Default)]
struct Directory {
    queues: BTreeMap<QueueId, Known>,
    labels: BTreeMap<Label, Known>,
    /// Which queue a label names, and the call that says so.
    named: BTreeMap<Label, (QueueId, Option<usize>)>,
    label_of: BTreeMap<QueueId, (Label, Option<usize>)>,
    /// Who made a queue.
    made: BTreeMap<QueueId, (usize, i64)>,
    /// Of each label, the first to ask for a queue who had no answer.
    unanswered: BTreeMap<Label, (usize, i64)>,
    is_full: bool,
}

/// After what each queue was made, in the order of invocations and returns; or what speaks against it.
pub(super) fn decide(calls: &[Call], before: &Before) -> Result<BTreeMap<QueueId, i64>, Decision> {
    let mut directory = Directory::default();
    for (label, qid) in &before.labels {
        directory.named.insert(*label, (*qid, None));
        directory.label_of.insert(*qid, (*label, None));
    }
    for (place, call) in calls.iter().enumerate() {
        directory.take(place, call)?;
    }
    for qid in (1..=before.queues).map(QueueId) {
        let too_early = directory.queues.get(&qid).and_then(|known| known.after.by);
        let again = directory.made.get(&qid).map(|(call, _)| *call);
        if let Some(call) = too_early.or(again) {
            return Err(Decision::Broken(vec![call]));
        }
    }
    for label in before.labels.keys() {
        if let Some(call) = directory.labels.get(label).and_then(|known| known.after.by) {
            return Err(Decision::Broken(vec![call]));
        }
    }
    directory.number(before)
}

impl Directory {
    fn take(&mut self, place: usize, call: &Call) -> Result<(), Decision> {
        let wrong = Err(Decision::Broken(vec![place]));
        let from = call.invoked as i64;
        let to = call.returned.map_or(NEVER, |returned| returned.order as i64);
        let answer = call.returned.map(|returned| returned.result);
        match call.operation {
            Operation::Write(Write::CreateQueue { label }) => match answer {
                None if is_label(label) => {
                    self.unanswered.entry(label).or_insert((place, from));
                }
                None => {}
                Some(Ok(Answer::Qid(qid))) => {
                    self.name(label, qid, place)?;
                    if let Some((other, _)) = self.made.insert(qid, (place, from)) {
                        return Err(Decision::Broken(vec![other, place]));
                    }
                    self.found(qid, label, to, place);
                }
                Some(Err(QueueError::LabelTaken { qid })) => {
                    self.name(label, qid, place)?;
                    self.found(qid, label, to, place);
                }
                Some(Err(QueueError::LabelOutOfRange)) if !is_label(label) => {}
                Some(Err(QueueError::Full)) => self.is_full = true,
                Some(_) => return wrong,
            },
            Operation::Read(Read::GetQid { label }) => match answer {
                None => {}
                Some(Ok(Answer::Qid(qid))) => {
                    self.name(label, qid, place)?;
                    self.found(qid, label, to, place);
                }
                Some(Err(QueueError::NoSuchLabel)) if is_label(label) => {
                    self.labels.entry(label).or_default().after.raise(from, place);
                }
                Some(Err(QueueError::LabelOutOfRange)) if !is_label(label) => {}
                Some(_) => return wrong,
            },
            Operation::Write(Write::Push { qid, .. } | Write::Pop { qid })
            | Operation::Read(Read::Top { qid } | Read::Qsize { qid }) => match answer {
                None => {}
                Some(Err(QueueError::NoSuchQueue)) => {
                    self.queues.entry(qid).or_default().after.raise(from, place);
                }
                Some(_) => self.queues.entry(qid).or_default().before.lower(to, place),
            },
        }
        Ok(())
    }

    /// A label names one queue, and a queue has one label.
    fn name(&mut self, label: Label, qid: QueueId, place: usize) -> Result<(), Decision> {
        if qid.0 == 0 || !is_label(label) {
            return Err(Decision::Broken(vec![place]));
        }
        let (named, by) = *self.named.entry(label).or_insert((qid, Some(place)));
        let (label_of, also_by) = *self.label_of.entry(qid).or_insert((label, Some(place)));
        if named != qid || label_of != label {
            let mut calls: Vec<usize> = [by, also_by, Some(place)].into_iter().flatten().collect();
            calls.dedup();
            return Err(Decision::Broken(calls));
        }
        Ok(())
    }

    fn found(&mut self, qid: QueueId, label: Label, to: i64, place: usize) {
        self.queues.entry(qid).or_default().before.lower(to, place);
        self.labels.entry(label).or_default().before.lower(to, place);
    }

    /// Gives every queue its maker and its place in their order.
    fn number(mut self, before: &Before) -> Result<BTreeMap<QueueId, i64>, Decision> {
        let seen = |(qid, known): (&QueueId, &Known)| known.before.by.map(|_| qid.0);
        let last = self.queues.iter().filter_map(seen).max().unwrap_or(0);
        if last > before.queues + QUEUES_MAX as u64 {
            let by = self.queues.get(&QueueId(last)).and_then(|known| known.before.by);
            return Err(Decision::Broken(by.into_iter().collect()));
        }
        // Those whose label nobody saw, the earliest last.
        let mut unseen: Vec<(i64, usize)> = Vec::new();
        for (label, (place, from)) in &self.unanswered {
            if !self.named.contains_key(label) {
                let after = self.labels.get(label).map_or(ALWAYS, |known| known.after.at);
                unseen.push((after.max(*from), *place));
            }
        }
        unseen.sort_unstable_by(|a, b| b.cmp(a));
        let mut floors = BTreeMap::new();
        let mut chain: Vec<(Bound, Bound)> = Vec::new();
        for qid in (before.queues + 1..=last).map(QueueId) {
            let Known {
                mut after,
                before: found,
            } = self.queues.remove(&qid).unwrap_or_default();
            let label = self.label_of.get(&qid).map(|(label, _)| *label);
            if let Some(bound) = label.and_then(|label| self.labels.get(&label)).map(|known| known.after)
                && let Some(by) = bound.by
            {
                after.raise(bound.at, by);
            }
            let unanswered = || label.and_then(|label| self.unanswered.get(&label));
            let maker = match self.made.get(&qid).or_else(unanswered) {
                Some((place, from)) => Some((*from, *place)),
                None if label.is_none() => unseen.pop(),
                None => None,
            };
            let Some((from, place)) = maker else {
                // Nobody can have made it.
                let later = self.queues.values().find_map(|known| known.before.by);
                return Err(if self.is_full {
                    Decision::Open("a table was full, which depends on all queues")
                } else {
                    Decision::Broken(found.by.or(later).into_iter().collect())
                });
            };
            after.raise(from, place);
            if let Some((earlier, _)) = chain.last()
                && let (true, Some(by)) = (earlier.at > after.at, earlier.by)
            {
                after.raise(earlier.at, by);
            }
            floors.insert(qid, after.at);
            chain.push((after, found));
        }
        let mut found = Bound { at: NEVER, by: None };
        for (after, before) in chain.iter().rev() {
            if let Some(by) = before.by {
                found.lower(before.at, by);
            }
            if after.at >= found.at {
                return Err(Decision::Broken([after.by, found.by].into_iter().flatten().collect()));
            }
        }
        if self.is_full {
            return Err(Decision::Open("a table was full, which depends on all queues"));
        }
        Ok(floors)
    }
}

fn is_label(label: Label) -> bool {
    (LABEL_MIN..=LABEL_MAX).contains(&label.0)
}
