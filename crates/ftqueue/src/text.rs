//! How everything reads: one `Display` each, for tests, traces and the page alike.

use std::fmt;

use crate::{
    Answer, Command, ITEMS_MAX, LABEL_MAX, LABEL_MIN, Label, Operation, Output, QUEUE_ITEMS_MAX, QUEUES_MAX,
    QueueError, QueueId, Read, Sequence, SessionId, Write,
};

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SessionId {
    /// The index, and as much of the nonce as tells two sessions of one index apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:04x}", self.index, self.nonce as u16)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::Write(write) => write.fmt(f),
            Operation::Read(read) => read.fmt(f),
        }
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Write::CreateQueue { label } => write!(f, "create_queue {label}"),
            Write::Push { qid, item } => write!(f, "push {qid} {item}"),
            Write::Pop { qid } => write!(f, "pop {qid}"),
        }
    }
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Read::GetQid { label } => write!(f, "get_qid {label}"),
            Read::Top { qid } => write!(f, "top {qid}"),
            Read::Qsize { qid } => write!(f, "qsize {qid}"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Qid(qid) => write!(f, "queue {qid}"),
            Answer::Pushed => f.write_str("ok"),
            Answer::Item(item) => item.fmt(f),
            Answer::Size(1) => f.write_str("1 item"),
            Answer::Size(size) => write!(f, "{size} items"),
        }
    }
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueueError::LabelTaken { qid } => write!(f, "the label is taken by queue {qid}"),
            QueueError::LabelOutOfRange => write!(f, "labels go from {LABEL_MIN} to {LABEL_MAX}"),
            QueueError::NoSuchLabel => f.write_str("no queue has this label"),
            QueueError::NoSuchQueue => f.write_str("no queue has this id"),
            QueueError::Empty => f.write_str("the queue is empty"),
            QueueError::Full => write!(
                f,
                "full: there is room for {QUEUES_MAX} queues, {QUEUE_ITEMS_MAX} items in each, {ITEMS_MAX} in all"
            ),
        }
    }
}

impl std::error::Error for QueueError {}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::OpenSession { nonce } => write!(f, "open session (nonce {nonce})"),
            Command::Write {
                session,
                sequence,
                write,
            } => write!(f, "{write} (session {session}, write {sequence})"),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::SessionOpened(session) => write!(f, "session {session}"),
            Output::Answered(Ok(answer)) => answer.fmt(f),
            Output::Answered(Err(error)) => error.fmt(f),
            Output::SessionExpired => f.write_str("the session has expired"),
            Output::OutOfSequence { next } => write!(f, "out of sequence: the next write is {next}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How each output reads to a person.
    #[test]
    fn outputs() {
        let answered = |answer| Output::Answered(answer).to_string();
        assert_eq!(
            Output::SessionOpened(SessionId { index: 9, nonce: 0xabc }).to_string(),
            "session 9-0abc"
        );
        assert_eq!(Output::SessionExpired.to_string(), "the session has expired");
        assert_eq!(
            Output::OutOfSequence { next: Sequence(3) }.to_string(),
            "out of sequence: the next write is 3"
        );
        assert_eq!(answered(Ok(Answer::Qid(QueueId(3)))), "queue 3");
        assert_eq!(answered(Ok(Answer::Pushed)), "ok");
        assert_eq!(answered(Ok(Answer::Item(-42))), "-42");
        assert_eq!(answered(Ok(Answer::Size(1))), "1 item");
        assert_eq!(answered(Ok(Answer::Size(0))), "0 items");
        assert_eq!(
            answered(Err(QueueError::LabelTaken { qid: QueueId(3) })),
            "the label is taken by queue 3"
        );
        assert_eq!(
            answered(Err(QueueError::LabelOutOfRange)),
            "labels go from 0 to 4294967295"
        );
        assert_eq!(answered(Err(QueueError::NoSuchLabel)), "no queue has this label");
        assert_eq!(answered(Err(QueueError::NoSuchQueue)), "no queue has this id");
        assert_eq!(answered(Err(QueueError::Empty)), "the queue is empty");
        assert_eq!(
            answered(Err(QueueError::Full)),
            "full: there is room for 1000 queues, 100000 items in each, 1000000 in all"
        );
    }

    /// How each command reads in a log.
    #[test]
    fn commands() {
        assert_eq!(
            Command::OpenSession { nonce: 12 }.to_string(),
            "open session (nonce 12)"
        );
        let write = Write::Push {
            qid: QueueId(1),
            item: 42,
        };
        let command = Command::Write {
            session: SessionId {
                index: 7,
                nonce: 0x5_0001,
            },
            sequence: Sequence(3),
            write,
        };
        assert_eq!(command.to_string(), "push 1 42 (session 7-0001, write 3)");
    }
}
