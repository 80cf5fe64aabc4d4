//! Sessions: what the machine remembers of its clients, so that a write that is sent again is not applied again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::digest::hash_words;
use crate::{Answer, Output, QueueError, Sequence, SessionId};

/// The open sessions. There is always room for another: the one that was used least recently makes way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sessions {
    open: BTreeMap<SessionId, Session>,
    /// The same sessions by the place in the log at which each was last used.
    by_use: BTreeSet<(u64, SessionId)>,
    digest: u64,
}

/// What the machine remembers of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The place in the log of the last command that named the session.
    pub(crate) last_used: u64,
    /// The last write that was applied, and what it answered.
    pub(crate) last: Option<(Sequence, Result<Answer, QueueError>)>,
}

/// What is to be done with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is new: apply it, and say what it answered to [`Sessions::answered`], without which the digest lacks the session.
    Apply,
    /// It is not to be applied; answer this.
    Answer(Output),
}

impl Sessions {
    /// Opens a session at this place in the log, with what its client drew for it. If there are more than `sessions_max` then, one expires.
    pub(crate) fn open(&mut self, index: u64, nonce: u64, sessions_max: usize) -> SessionId {
        let id = SessionId { index, nonce };
        self.replace(
            id,
            Session {
                last_used: index,
                last: None,
            },
        );
        while self.open.len() > sessions_max.max(1) {
            let Some((_, least_recent)) = self.by_use.first().copied() else {
                break;
            };
            self.remove(least_recent);
        }
        id
    }

    /// Decides about a write that stands at this place in the log. A session is the one that is meant only if its nonce is the
    /// same, too: one of the same index that was opened in another past is not known. Every command that names a session uses it, be it
    /// applied or not: its client is alive.
    pub(crate) fn admit(&mut self, index: u64, id: SessionId, sequence: Sequence) -> Admission {
        let Some(session) = self.open.get_mut(&id) else {
            return Admission::Answer(Output::SessionExpired);
        };
        self.digest = self.digest.wrapping_sub(session.digest(id));
        self.by_use.remove(&(session.last_used, id));
        self.by_use.insert((index, id));
        session.last_used = index;
        let output = match session.last {
            Some((last, answer)) if last == sequence => Output::Answered(answer),
            _ if sequence == session.next() => return Admission::Apply,
            _ => Output::OutOfSequence { next: session.next() },
        };
        self.digest = self.digest.wrapping_add(session.digest(id));
        Admission::Answer(output)
    }

    /// Remembers what an admitted write answered.
    pub(crate) fn answered(&mut self, id: SessionId, sequence: Sequence, answer: Result<Answer, QueueError>) {
        if let Some(session) = self.open.get_mut(&id) {
            session.last = Some((sequence, answer));
            self.digest = self.digest.wrapping_add(session.digest(id));
        }
    }

    /// Sets a session to what it was, when a machine is restored.
    pub(crate) fn replace(&mut self, id: SessionId, session: Session) {
        self.remove(id);
        self.digest = self.digest.wrapping_add(session.digest(id));
        self.by_use.insert((session.last_used, id));
        self.open.insert(id, session);
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Every open session by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionId, Session)> + '_ {
        self.open.iter().map(|(id, session)| (*id, *session))
    }

    /// A hash of all of them.
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    fn remove(&mut self, id: SessionId) {
        if let Some(session) = self.open.remove(&id) {
            self.digest = self.digest.wrapping_sub(session.digest(id));
            self.by_use.remove(&(session.last_used, id));
        }
    }
}

impl Session {
    /// The sequence of the write that may come next.
    fn next(&self) -> Sequence {
        Sequence(self.last.map_or(0, |(sequence, _)| sequence.0).saturating_add(1))
    }

    fn digest(&self, id: SessionId) -> u64 {
        let (sequence, answer) = match self.last {
            None => (0, [0, 0]),
            Some((sequence, Ok(Answer::Qid(qid)))) => (sequence.0, [1, qid.0]),
            Some((sequence, Ok(Answer::Pushed))) => (sequence.0, [2, 0]),
            Some((sequence, Ok(Answer::Item(item)))) => (sequence.0, [3, item as u64]),
            Some((sequence, Ok(Answer::Size(size)))) => (sequence.0, [4, size]),
            Some((sequence, Err(QueueError::LabelTaken { qid }))) => (sequence.0, [5, qid.0]),
            Some((sequence, Err(QueueError::LabelOutOfRange))) => (sequence.0, [6, 0]),
            Some((sequence, Err(QueueError::NoSuchLabel))) => (sequence.0, [7, 0]),
            Some((sequence, Err(QueueError::NoSuchQueue))) => (sequence.0, [8, 0]),
            Some((sequence, Err(QueueError::Empty))) => (sequence.0, [9, 0]),
            Some((sequence, Err(QueueError::Full))) => (sequence.0, [10, 0]),
        };
        hash_words(&[id.index, id.nonce, self.last_used, sequence, answer[0], answer[1]])
    }
}
