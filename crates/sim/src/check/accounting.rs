//! What the committed commands come to, by a plain queue of our own; and where every item went.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ftqueue::{
    Answer, Command, FtQueue, ITEMS_MAX, LABEL_MAX, LABEL_MIN, Label, Operation, QUEUE_ITEMS_MAX, QUEUES_MAX,
    QueueError, QueueId, SESSIONS_MAX, Sequence, SessionId, Write,
};
use raft_core::LogIndex;

use super::Call;

/// What the committed commands come to, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    queues: Vec<Queue>,
    by_label: BTreeMap<Label, QueueId>,
    sessions: BTreeMap<SessionId, Session>,
    /// How many items all queues hold.
    item_count: usize,
    /// What was applied: each write once, however often it stands in the log.
    pub(super) answers: BTreeMap<(SessionId, Sequence), Applied>,
    /// When each label got its queue.
    pub(super) created: BTreeMap<Label, (LogIndex, QueueId)>,
}

/// A write that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Applied {
    /// Its place in the log.
    pub(super) index: LogIndex,
    /// What it did.
    pub(super) write: Write,
    /// What it came to.
    pub(super) answer: Result<Answer, QueueError>,
}

#[derive(Clone, Debug, Default)]
struct Queue {
    items: VecDeque<i64>,
    /// How it looked after each change: the place in the log, the size, the first item.
    looks: Vec<(LogIndex, u64, Option<i64>)>,
}

#[derive(Clone, Debug)]
struct Session {
    used: LogIndex,
    next: Sequence,
}

impl Accounts {
    /// The accounts of a machine as it is.
    pub fn found(machine: &FtQueue) -> Accounts {
        let mut accounts = Accounts::default();
        for queue in machine.queues() {
            let items = queue.items.clone();
            let look = (LogIndex::ZERO, items.len() as u64, items.front().copied());
            accounts.by_label.insert(queue.label, queue.qid);
            accounts.created.insert(queue.label, (LogIndex::ZERO, queue.qid));
            accounts.item_count += items.len();
            accounts.queues.push(Queue {
                items,
                looks: vec![look],
            });
        }
        for (id, used, last) in machine.sessions() {
            let next = Sequence(last.map_or(0, |last| last.0) + 1);
            let used = LogIndex(used);
            accounts.sessions.insert(id, Session { used, next });
        }
        accounts
    }

    /// Applies a committed command.
    pub fn apply(&mut self, index: LogIndex, command: &Command) {
        match *command {
            Command::OpenSession { nonce } => {
                self.sessions.insert(
                    SessionId { index: index.0, nonce },
                    Session {
                        used: index,
                        next: Sequence(1),
                    },
                );
                if self.sessions.len() > SESSIONS_MAX {
                    let oldest = self
                        .sessions
                        .iter()
                        .min_by_key(|(_, session)| session.used)
                        .map(|(id, _)| *id);
                    oldest.map(|oldest| self.sessions.remove(&oldest));
                }
            }
            Command::Write {
                session,
                sequence,
                write,
            } => {
                let Some(known) = self.sessions.get_mut(&session) else {
                    return;
                };
                known.used = index;
                if known.next != sequence {
                    return;
                }
                known.next = Sequence(sequence.0 + 1);
                let answer = self.write(index, write);
                self.answers
                    .insert((session, sequence), Applied { index, write, answer });
            }
        }
    }

    fn write(&mut self, index: LogIndex, write: Write) -> Result<Answer, QueueError> {
        match write {
            Write::CreateQueue { label } => {
                if !(LABEL_MIN..=LABEL_MAX).contains(&label.0) {
                    return Err(QueueError::LabelOutOfRange);
                }
                if let Some(qid) = self.by_label.get(&label) {
                    return Err(QueueError::LabelTaken { qid: *qid });
                }
                if self.queues.len() == QUEUES_MAX {
                    return Err(QueueError::Full);
                }
                self.queues.push(Queue {
                    looks: vec![(index, 0, None)],
                    ..Queue::default()
                });
                let qid = QueueId(self.queues.len() as u64);
                self.by_label.insert(label, qid);
                self.created.insert(label, (index, qid));
                Ok(Answer::Qid(qid))
            }
            Write::Push { qid, item } => {
                let has_room = self.item_count < ITEMS_MAX;
                let queue = self.queue_mut(qid)?;
                if !has_room || queue.items.len() == QUEUE_ITEMS_MAX {
                    return Err(QueueError::Full);
                }
                queue.items.push_back(item);
                queue.look(index);
                self.item_count += 1;
                Ok(Answer::Pushed)
            }
            Write::Pop { qid } => {
                let queue = self.queue_mut(qid)?;
                let item = queue.items.pop_front().ok_or(QueueError::Empty)?;
                queue.look(index);
                self.item_count -= 1;
                Ok(Answer::Item(item))
            }
        }
    }

    /// Goes back to where so much of the log was applied. The machine as it was there says what the queues held.
    ///
    /// # Errors
    /// The machine holds something else there than the log comes to.
    pub(super) fn back_to(&mut self, index: LogIndex, machine: &FtQueue) -> Result<(), String> {
        let mut then = Accounts::found(machine);
        let looks_then = |queue: &Queue| {
            let known = queue.looks.partition_point(|(at, ..)| *at <= index);
            queue.looks.get(..known).unwrap_or_default().to_vec()
        };
        let known: Vec<_> = self
            .queues
            .iter()
            .map(looks_then)
            .filter(|looks| !looks.is_empty())
            .collect();
        if known.len() != then.queues.len() {
            return Err(format!(
                "having applied the entries up to {index}, a member has {} queues, and its log makes {}",
                then.queues.len(),
                known.len()
            ));
        }
        for ((queue, looks), qid) in then.queues.iter_mut().zip(known).zip(1..) {
            let held = |look: &(LogIndex, u64, Option<i64>)| (look.1, look.2);
            if looks.last().map(held) != queue.looks.last().map(held) {
                return Err(format!(
                    "having applied the entries up to {index}, a member holds other items in queue {qid} than its log makes of it"
                ));
            }
            queue.looks = looks;
        }
        self.answers.retain(|_, applied| applied.index <= index);
        self.created.retain(|_, (at, _)| *at <= index);
        then.answers = std::mem::take(&mut self.answers);
        then.created = std::mem::take(&mut self.created);
        *self = then;
        Ok(())
    }

    /// How a queue looked after each change that is still told; nothing, if it never was.
    pub(super) fn looks(&self, qid: QueueId) -> &[(LogIndex, u64, Option<i64>)] {
        let queue = (qid.0 as usize).checked_sub(1).and_then(|place| self.queues.get(place));
        queue.map_or(&[], |queue| &queue.looks)
    }

    /// What each queue holds at the end, by rising id.
    pub fn items(&self) -> impl Iterator<Item = impl Iterator<Item = &i64>> {
        self.queues.iter().map(|queue| queue.items.iter())
    }

    /// What each label and each queue is now.
    pub(super) fn labels(&self) -> impl Iterator<Item = (Label, QueueId)> {
        self.by_label.iter().map(|(label, qid)| (*label, *qid))
    }

    /// Lets go how queues looked before `index`, and writes that are not needed.
    pub(super) fn forget(
        &mut self,
        index: LogIndex,
        mut is_needed: impl FnMut(&(SessionId, Sequence), &Applied) -> bool,
    ) {
        for queue in &mut self.queues {
            let later = queue.looks.partition_point(|(at, ..)| *at <= index);
            // The last of them is how it looks at `index`.
            queue.looks.drain(..later.saturating_sub(1));
        }
        self.answers.retain(|key, applied| is_needed(key, applied));
    }

    fn queue_mut(&mut self, qid: QueueId) -> Result<&mut Queue, QueueError> {
        let place = (qid.0 as usize).checked_sub(1).ok_or(QueueError::NoSuchQueue)?;
        self.queues.get_mut(place).ok_or(QueueError::NoSuchQueue)
    }
}

impl Queue {
    fn look(&mut self, index: LogIndex) {
        self.looks
            .push((index, self.items.len() as u64, self.items.front().copied()));
    }
}

/// Where every item went: what was pushed came out once, what came out had been pushed. Where a pop had no answer, it may have
/// taken one item along.
#[derive(Clone, Debug, Default)]
pub struct Items {
    /// What was pushed and has not come out; whether that was certain.
    pushed: BTreeMap<(QueueId, i64), bool>,
    /// What came out before its push had its answer.
    early: BTreeSet<(QueueId, i64)>,
    unknown_pops: BTreeMap<QueueId, usize>,
}

impl Items {
    /// Takes calls into account that will not change any more.
    ///
    /// # Errors
    /// One took an item out that had come out already.
    pub fn settle(&mut self, calls: &[Call]) -> Result<(), String> {
        calls.iter().try_for_each(|call| self.take(call))
    }

    fn take(&mut self, call: &Call) -> Result<(), String> {
        let answer = call.returned.map(|returned| returned.result);
        match (call.operation, answer) {
            (Operation::Write(Write::Push { qid, item }), Some(Ok(_)) | None) if !self.early.remove(&(qid, item)) => {
                self.pushed.insert((qid, item), answer.is_some());
            }
            (Operation::Write(Write::Pop { qid }), Some(Ok(Answer::Item(item)))) => {
                let known = self.pushed.remove(&(qid, item)).is_some();
                if !known && !self.early.insert((qid, item)) {
                    return Err(format!("item {item} came out of queue {qid} twice"));
                }
            }
            (Operation::Write(Write::Pop { qid }), None) => *self.unknown_pops.entry(qid).or_default() += 1,
            _ => {}
        }
        Ok(())
    }

    /// Accounts for every item, when all queues are drained and all calls settled.
    ///
    /// # Errors
    /// Names the item.
    pub fn account(&mut self) -> Result<(), String> {
        if let Some((qid, item)) = self.early.first() {
            return Err(format!(
                "item {item} came out of queue {qid} more often than it was pushed"
            ));
        }
        for (&(qid, item), _) in self.pushed.iter().filter(|(_, certain)| **certain) {
            let unknown = self.unknown_pops.entry(qid).or_default();
            if *unknown == 0 {
                return Err(format!("item {item} was pushed to queue {qid} and never came out"));
            }
            *unknown -= 1;
        }
        Ok(())
    }
}
