//! The state machine.

use std::collections::{BTreeMap, VecDeque};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::{FifoHash, hash_words};
use crate::session::{Admission, Session, Sessions};
use crate::{
    Answer, Command, ITEMS_MAX, LABEL_MAX, LABEL_MIN, Label, Output, QUEUE_ITEMS_MAX, QUEUES_MAX, QueueError, QueueId,
    Read, SESSIONS_MAX, Sequence, SessionId, Write,
};

/// Every queue and every session.
///
/// - The queue with id `n` is the `n`th that was created; queues are never removed.
/// - `by_label` names each queue once, and nothing else.
/// - `items` is the sum of the queues' lengths, `digest` that of their hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FtQueue {
    queues: Vec<Queue>,
    by_label: BTreeMap<Label, QueueId>,
    items: usize,
    digest: u64,
    sessions: Sessions,
    limits: Limits,
}

/// A queue, for those who look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueView<'a> {
    /// Its id.
    pub qid: QueueId,
    /// Its label.
    pub label: Label,
    /// What it holds, the item that was pushed first in front.
    pub items: &'a VecDeque<i64>,
}

impl FtQueue {
    /// Applies the command that stands at `index` of the log.
    pub fn apply(&mut self, index: u64, command: &Command) -> Output {
        match *command {
            Command::OpenSession { nonce } => {
                Output::SessionOpened(self.sessions.open(index, nonce, self.limits.sessions_max))
            }
            Command::Write {
                session,
                sequence,
                write,
            } => match self.sessions.admit(index, session, sequence) {
                Admission::Answer(output) => output,
                Admission::Apply => {
                    let answer = self.write(write);
                    self.sessions.answered(session, sequence, answer);
                    Output::Answered(answer)
                }
            },
        }
    }

    /// Answers a read from the state as it is.
    ///
    /// # Errors
    /// As [`QueueError`] says.
    pub fn read(&self, read: &Read) -> Result<Answer, QueueError> {
        match *read {
            Read::GetQid { label } => {
                label.check()?;
                self.by_label
                    .get(&label)
                    .map(|qid| Answer::Qid(*qid))
                    .ok_or(QueueError::NoSuchLabel)
            }
            Read::Top { qid } => self
                .queue(qid)?
                .items
                .front()
                .map(|item| Answer::Item(*item))
                .ok_or(QueueError::Empty),
            Read::Qsize { qid } => Ok(Answer::Size(self.queue(qid)?.items.len() as u64)),
        }
    }

    /// Every queue, by rising id.
    pub fn queues(&self) -> impl ExactSizeIterator<Item = QueueView<'_>> {
        self.queues.iter().enumerate().map(|(place, queue)| QueueView {
            qid: QueueId(place as u64 + 1),
            label: queue.label,
            items: &queue.items,
        })
    }

    /// How many items all queues hold together.
    pub fn item_count(&self) -> usize {
        self.items
    }

    /// The open sessions: each with the place in the log at which it was last used, and the last write that was applied for it.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, u64, Option<Sequence>)> {
        let session = |(id, session): (SessionId, Session)| (id, session.last_used, session.last.map(|(last, _)| last));
        self.sessions.iter().map(session)
    }

    /// How many sessions are open.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// A hash of everything the machine holds, kept up to date so that asking costs nothing. Machines that hold the same have
    /// the same digest, whatever happened to them before; machines that do not, almost surely do not.
    pub fn digest(&self) -> u64 {
        hash_words(&[self.queues.len() as u64, self.digest, self.sessions.digest()])
    }

    /// What is written of a machine that does not keep its sessions.
    pub fn without_sessions(&self) -> impl Serialize {
        Written {
            sessions: Vec::new(),
            ..self.written()
        }
    }

    fn write(&mut self, write: Write) -> Result<Answer, QueueError> {
        match write {
            Write::CreateQueue { label } => self.create(label),
            Write::Push { qid, item } => self.push(qid, item),
            Write::Pop { qid } => self.pop(qid),
        }
    }

    fn create(&mut self, label: Label) -> Result<Answer, QueueError> {
        label.check()?;
        if let Some(qid) = self.by_label.get(&label) {
            return Err(QueueError::LabelTaken { qid: *qid });
        }
        if self.queues.len() >= self.limits.queues_max {
            return Err(QueueError::Full);
        }
        let queue = Queue {
            label,
            items: VecDeque::new(),
            hash: FifoHash::EMPTY,
        };
        let qid = QueueId(self.queues.len() as u64 + 1);
        self.digest = self.digest.wrapping_add(queue.digest(qid));
        self.queues.push(queue);
        self.by_label.insert(label, qid);
        Ok(Answer::Qid(qid))
    }

    fn push(&mut self, qid: QueueId, item: i64) -> Result<Answer, QueueError> {
        if self.queue(qid)?.items.len() >= self.limits.queue_items_max || self.items >= self.limits.items_max {
            return Err(QueueError::Full);
        }
        self.change(qid, |queue| queue.push(item))?;
        self.items += 1;
        Ok(Answer::Pushed)
    }

    fn pop(&mut self, qid: QueueId) -> Result<Answer, QueueError> {
        let item = self.change(qid, Queue::pop)?.ok_or(QueueError::Empty)?;
        self.items -= 1;
        Ok(Answer::Item(item))
    }

    fn queue(&self, qid: QueueId) -> Result<&Queue, QueueError> {
        self.queues.get(place(qid)).ok_or(QueueError::NoSuchQueue)
    }

    /// Changes a queue and keeps the digest in step.
    fn change<T>(&mut self, qid: QueueId, change: impl FnOnce(&mut Queue) -> T) -> Result<T, QueueError> {
        let queue = self.queues.get_mut(place(qid)).ok_or(QueueError::NoSuchQueue)?;
        self.digest = self.digest.wrapping_sub(queue.digest(qid));
        let result = change(queue);
        self.digest = self.digest.wrapping_add(queue.digest(qid));
        Ok(result)
    }
}

/// Where a queue stands among all; beyond the end for ids that no queue has.
fn place(qid: QueueId) -> usize {
    qid.0
        .checked_sub(1)
        .and_then(|place| usize::try_from(place).ok())
        .unwrap_or(usize::MAX)
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Queue {
    label: Label,
    items: VecDeque<i64>,
    hash: FifoHash,
}

impl Queue {
    fn push(&mut self, item: i64) {
        self.items.push_back(item);
        self.hash.push(item);
    }

    fn pop(&mut self) -> Option<i64> {
        let item = self.items.pop_front()?;
        self.hash.pop(item);
        Some(item)
    }

    fn digest(&self, qid: QueueId) -> u64 {
        hash_words(&[qid.0, self.label.0 as u64, self.items.len() as u64, self.hash.value()])
    }
}

impl Label {
    fn check(self) -> Result<(), QueueError> {
        if (LABEL_MIN..=LABEL_MAX).contains(&self.0) {
            Ok(())
        } else {
            Err(QueueError::LabelOutOfRange)
        }
    }
}

/// The limits a machine keeps: those of the crate. Tests, which have little time, set lower ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) queues_max: usize,
    pub(crate) queue_items_max: usize,
    pub(crate) items_max: usize,
    pub(crate) sessions_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            queues_max: QUEUES_MAX,
            queue_items_max: QUEUE_ITEMS_MAX,
            items_max: ITEMS_MAX,
            sessions_max: SESSIONS_MAX,
        }
    }
}

/// What is written of a machine: everything that cannot be worked out again.
#[derive(Serialize)]
struct Written<'a> {
    queues: Vec<(Label, &'a VecDeque<i64>)>,
    sessions: Vec<(SessionId, Session)>,
}

/// The same, as it is read back, before it is believed.
#[derive(Deserialize)]
struct Unchecked {
    queues: Vec<(Label, VecDeque<i64>)>,
    sessions: Vec<(SessionId, Session)>,
}

impl Serialize for FtQueue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.written().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FtQueue {
    /// Refuses what no machine within the limits could hold.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FtQueue, D::Error> {
        let Unchecked { queues, sessions } = Unchecked::deserialize(deserializer)?;
        let mut machine = FtQueue::default();
        for (label, items) in queues {
            machine.restore_queue(label, items).map_err(D::Error::custom)?;
        }
        if sessions.len() > machine.limits.sessions_max || !sessions.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(D::Error::custom("too many sessions, or not in the order of their ids"));
        }
        for (id, session) in sessions {
            machine.sessions.replace(id, session);
        }
        Ok(machine)
    }
}

impl FtQueue {
    fn written(&self) -> Written<'_> {
        Written {
            queues: self.queues.iter().map(|queue| (queue.label, &queue.items)).collect(),
            sessions: self.sessions.iter().collect(),
        }
    }

    fn restore_queue(&mut self, label: Label, items: VecDeque<i64>) -> Result<(), QueueError> {
        let Answer::Qid(qid) = self.create(label)? else {
            unreachable!("creating a queue answers its id")
        };
        items.into_iter().try_for_each(|item| self.push(qid, item).map(|_| ()))
    }

    /// A machine with limits of its own.
    #[cfg(test)]
    pub(crate) fn with_limits(limits: Limits) -> FtQueue {
        FtQueue {
            limits,
            ..FtQueue::default()
        }
    }
}

#[cfg(test)]
mod tests;
