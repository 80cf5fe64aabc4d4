//! How messages, marks and operations are packed: what is usual, in few bytes. What is not is kept as it is.

use cluster::host::{MessageId, MessageSummary};
use ftqueue::{Answer, Label, Operation, QueueError, QueueId, Read, Write};
use raft_core::{Instant, LogIndex, NodeId, Term};

use super::filed::{Cell, Filable, Packed};
use super::happened::{ClientOperation, Flight, FlightEnd, Mark, MarkKind, Outcome};

/// What messages that are packed together have in common.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    /// The first message of each sender.
    first: Box<[MessageId]>,
    term: Term,
    index: LogIndex,
}

const FLIGHT_ENDS: [FlightEnd; 5] = [
    FlightEnd::Arrives,
    FlightEnd::Lost,
    FlightEnd::Cut,
    FlightEnd::Down,
    FlightEnd::Held,
];

/// The kind, and the places in the log that a message names, of those that there are many of.
fn places(summary: &MessageSummary) -> Option<(u64, [LogIndex; 3])> {
    Some(match *summary {
        MessageSummary::Heartbeat {
            prev_log_index,
            leader_commit,
            ..
        } => (0, [prev_log_index, leader_commit, leader_commit]),
        MessageSummary::Append {
            first,
            last,
            leader_commit,
            ..
        } => (1, [first, last, leader_commit]),
        MessageSummary::Matched { match_index, .. } => (2, [match_index; 3]),
        _ => return None,
    })
}

impl Filable for Flight {
    type Base = Messages;
    const CELL_BYTES: usize = 14;
    const RECENT: usize = super::LOOK_BACK_MESSAGES;

    fn at(&self) -> Instant {
        self.sent
    }

    fn base(flights: &[Flight]) -> Messages {
        let mut first: Vec<MessageId> = Vec::new();
        for flight in flights {
            if first.iter().all(|known| known.from != flight.id.from) {
                first.push(flight.id);
            }
        }
        let terms = flights.iter().map(|flight| flight.summary.term());
        let index = flights.iter().find_map(|flight| places(&flight.summary));
        Messages {
            first: first.into_boxed_slice(),
            term: terms.min().unwrap_or_default(),
            index: index.map_or(LogIndex::ZERO, |(_, [index, ..])| index),
        }
    }

    fn pack(&self, base: &Messages, cell: &mut Cell<'_>) -> Option<()> {
        let first = base.first.iter().position(|known| known.from == self.id.from)?;
        let (kind, [a, b, c]) = places(&self.summary)?;
        let end = FLIGHT_ENDS.iter().position(|end| *end == self.end)?;
        let boot = base.first[first].boot;
        if self.again.is_some() || self.id.boot != boot || self.to.0 > 15 || first > 15 {
            return None;
        }
        cell.put(1, (first as u64) << 4 | u64::from(self.to.0))?;
        cell.put(1, (end as u64) << 4 | kind)?;
        cell.put(3, self.ends.0.checked_sub(self.sent.0)?)?;
        cell.put_from(2, self.id.number, base.first[first].number)?;
        cell.put(1, self.summary.term().0.checked_sub(base.term.0)?)?;
        cell.put_from(2, a.0, base.index.0)?;
        cell.put_from(2, b.0, a.0)?;
        cell.put_from(2, c.0, a.0)
    }

    fn unpack(sent: Instant, base: &Messages, mut cell: Packed<'_>) -> Flight {
        let ends_of = cell.get(1);
        let first = base.first[(ends_of >> 4) as usize];
        let how = cell.get(1);
        let ends = Instant(sent.0 + cell.get(3));
        let number = cell.get_from(2, first.number);
        let term = Term(base.term.0 + cell.get(1));
        let a = cell.get_from(2, base.index.0);
        let (b, c) = (LogIndex(cell.get_from(2, a)), LogIndex(cell.get_from(2, a)));
        let a = LogIndex(a);
        let summary = match how & 15 {
            0 => MessageSummary::Heartbeat {
                term,
                prev_log_index: a,
                leader_commit: b,
            },
            1 => MessageSummary::Append {
                term,
                first: a,
                last: b,
                leader_commit: c,
            },
            _ => MessageSummary::Matched { term, match_index: a },
        };
        Flight {
            id: MessageId { number, ..first },
            to: NodeId((ends_of & 15) as u8),
            sent,
            ends,
            again: None,
            end: FLIGHT_ENDS[(how >> 4) as usize],
            summary,
        }
    }
}

impl Filable for Mark {
    /// A place in the log.
    type Base = LogIndex;
    const CELL_BYTES: usize = 6;
    const RECENT: usize = 512;

    fn at(&self) -> Instant {
        self.at
    }

    fn base(marks: &[Mark]) -> LogIndex {
        let index = |mark: &Mark| match mark.kind {
            MarkKind::Committed { to } | MarkKind::Learned { to } => Some(to),
            MarkKind::Appended { first, .. } => Some(first),
            _ => None,
        };
        marks.iter().find_map(index).unwrap_or_default()
    }

    fn pack(&self, base: &LogIndex, cell: &mut Cell<'_>) -> Option<()> {
        let mut head = |kind: u64| {
            let node = Some(u64::from(self.node.0)).filter(|node| *node < 16)?;
            cell.put(1, node << 4 | kind)
        };
        match self.kind {
            MarkKind::Committed { to } => {
                head(0)?;
                cell.put_from(3, to.0, base.0)
            }
            MarkKind::Learned { to } => {
                head(1)?;
                cell.put_from(3, to.0, base.0)
            }
            MarkKind::Appended { first, last } => {
                head(2)?;
                cell.put_from(3, first.0, base.0)?;
                cell.put(2, last.0.checked_sub(first.0)?)
            }
            MarkKind::Synced { bytes } => {
                head(3)?;
                cell.put(5, bytes)
            }
            _ => None,
        }
    }

    fn unpack(at: Instant, base: &LogIndex, mut cell: Packed<'_>) -> Mark {
        let head = cell.get(1);
        let kind = match head & 15 {
            0 => MarkKind::Committed {
                to: LogIndex(cell.get_from(3, base.0)),
            },
            1 => MarkKind::Learned {
                to: LogIndex(cell.get_from(3, base.0)),
            },
            2 => {
                let first = cell.get_from(3, base.0);
                MarkKind::Appended {
                    first: LogIndex(first),
                    last: LogIndex(first + cell.get(2)),
                }
            }
            _ => MarkKind::Synced { bytes: cell.get(5) },
        };
        Mark {
            at,
            node: NodeId((head >> 4) as u8),
            kind,
        }
    }
}

/// Which operation it is, what it is about, and the item that it pushes.
fn asked(operation: Operation) -> (u64, u64, u64) {
    match operation {
        Operation::Write(Write::CreateQueue { label }) => (0, label.0 as u64, 0),
        Operation::Write(Write::Push { qid, item }) => (1, qid.0, item as u64),
        Operation::Write(Write::Pop { qid }) => (2, qid.0, 0),
        Operation::Read(Read::GetQid { label }) => (3, label.0 as u64, 0),
        Operation::Read(Read::Top { qid }) => (4, qid.0, 0),
        Operation::Read(Read::Qsize { qid }) => (5, qid.0, 0),
    }
}

fn operation(kind: u64, about: u64, item: u64) -> Operation {
    let (label, qid) = (Label(about as i64), QueueId(about));
    match kind {
        0 => Operation::Write(Write::CreateQueue { label }),
        1 => Operation::Write(Write::Push { qid, item: item as i64 }),
        2 => Operation::Write(Write::Pop { qid }),
        3 => Operation::Read(Read::GetQid { label }),
        4 => Operation::Read(Read::Top { qid }),
        _ => Operation::Read(Read::Qsize { qid }),
    }
}

/// What became of it, and the number in that.
fn became(outcome: Outcome) -> (u64, u64) {
    match outcome {
        Outcome::Waits => (0, 0),
        Outcome::GivenUp => (1, 0),
        Outcome::Unknown => (2, 0),
        Outcome::Answered(Ok(answer)) => match answer {
            Answer::Pushed => (3, 0),
            Answer::Qid(qid) => (4, qid.0),
            Answer::Item(item) => (5, item as u64),
            Answer::Size(size) => (6, size),
        },
        Outcome::Answered(Err(error)) => match error {
            QueueError::LabelTaken { qid } => (7, qid.0),
            QueueError::LabelOutOfRange => (8, 0),
            QueueError::NoSuchLabel => (9, 0),
            QueueError::NoSuchQueue => (10, 0),
            QueueError::Empty => (11, 0),
            QueueError::Full => (12, 0),
        },
    }
}

fn outcome(kind: u64, number: u64) -> Outcome {
    let qid = QueueId(number);
    match kind {
        0 => Outcome::Waits,
        1 => Outcome::GivenUp,
        2 => Outcome::Unknown,
        3 => Outcome::Answered(Ok(Answer::Pushed)),
        4 => Outcome::Answered(Ok(Answer::Qid(qid))),
        5 => Outcome::Answered(Ok(Answer::Item(number as i64))),
        6 => Outcome::Answered(Ok(Answer::Size(number))),
        7 => Outcome::Answered(Err(QueueError::LabelTaken { qid })),
        8 => Outcome::Answered(Err(QueueError::LabelOutOfRange)),
        9 => Outcome::Answered(Err(QueueError::NoSuchLabel)),
        10 => Outcome::Answered(Err(QueueError::NoSuchQueue)),
        11 => Outcome::Answered(Err(QueueError::Empty)),
        _ => Outcome::Answered(Err(QueueError::Full)),
    }
}

impl Filable for ClientOperation {
    type Base = ();
    const CELL_BYTES: usize = 14;
    const RECENT: usize = 512;

    fn at(&self) -> Instant {
        self.returned.unwrap_or_default()
    }

    fn base(_: &[ClientOperation]) {}

    fn pack(&self, (): &(), cell: &mut Cell<'_>) -> Option<()> {
        let (kind, about, item) = asked(self.operation);
        let (end, number) = became(self.outcome);
        // A push has an item, or its answer a number: never both, or there is no room for it.
        if item != 0 && number != 0 {
            return None;
        }
        cell.put(1, end << 4 | kind)?;
        cell.put(2, u64::from(self.client))?;
        cell.put(3, self.returned?.0.checked_sub(self.invoked.0)?)?;
        cell.put_from(4, about, 0)?;
        cell.put_from(4, item | number, 0)
    }

    fn unpack(returned: Instant, (): &(), mut cell: Packed<'_>) -> ClientOperation {
        let kinds = cell.get(1);
        let client = cell.get(2) as u16;
        let invoked = Instant(returned.0 - cell.get(3));
        let about = cell.get_from(4, 0);
        let number = cell.get_from(4, 0);
        ClientOperation {
            client,
            invoked,
            returned: Some(returned),
            operation: operation(kinds & 15, about, number),
            outcome: outcome(kinds >> 4, number),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::super::Filed;
    use super::*;

    /// These, again and again, until most of them are packed: each is read as it was written.
    fn are_read_as_written<T: Filable + PartialEq + Debug>(some: &[T], later: impl Fn(&T, u64) -> T) {
        let mut filed = Filed::new();
        let all: Vec<T> = (0..3 * T::RECENT)
            .map(|place| later(&some[place % some.len()], 1_000 * place as u64))
            .collect();
        for item in &all {
            filed.file(*item);
        }
        assert!(filed.recent_mut().count() < all.len() / 2, "most are packed");
        for (read, written) in filed.iter().zip(&all) {
            assert_eq!(&read, written);
        }
    }

    #[test]
    fn messages_are_packed_without_loss() {
        let (term, index) = (Term(3), LogIndex(100_000));
        let summaries = [
            MessageSummary::Heartbeat {
                term,
                prev_log_index: index,
                leader_commit: LogIndex(99_990),
            },
            MessageSummary::Append {
                term: Term(4),
                first: index,
                last: LogIndex(100_700),
                leader_commit: LogIndex(99_000),
            },
            MessageSummary::Append {
                term: Term(u64::MAX),
                first: index,
                last: LogIndex(1_000_000),
                leader_commit: LogIndex(0),
            },
            MessageSummary::Matched {
                term,
                match_index: LogIndex(2),
            },
            MessageSummary::Matched {
                term,
                match_index: index,
            },
            MessageSummary::Vote { term, granted: true },
            MessageSummary::StaleTerm { term },
        ];
        let mut flights = Vec::new();
        for (summary, place) in summaries.into_iter().zip(0_u64..) {
            for end in FLIGHT_ENDS {
                for again in [None, Some(Instant(77))] {
                    flights.push(Flight {
                        id: MessageId {
                            from: NodeId(1 + (place % 5) as u8),
                            boot: 1 + (place % 2) as u32,
                            number: 40_000_000_000 + place * 20_000,
                        },
                        to: NodeId(9),
                        sent: Instant(0),
                        ends: Instant(place * 5_000_000),
                        again,
                        end,
                        summary,
                    });
                }
            }
        }
        are_read_as_written(&flights, |flight, us| Flight {
            sent: Instant(us),
            ends: Instant(flight.ends.0 + us),
            ..*flight
        });
    }

    #[test]
    fn marks_are_packed_without_loss() {
        let (near, far) = (LogIndex(70_000), LogIndex(90_000_000));
        let kinds = [
            MarkKind::Committed { to: near },
            MarkKind::Learned { to: far },
            MarkKind::Learned { to: LogIndex(1) },
            MarkKind::Appended {
                first: near,
                last: near,
            },
            MarkKind::Appended { first: near, last: far },
            MarkKind::Synced { bytes: 0 },
            MarkKind::Synced { bytes: u64::MAX },
            MarkKind::Crashed,
            MarkKind::Truncated { from: near },
            MarkKind::Elected {
                term: Term(9),
                votes: 3,
            },
        ];
        let marks = kinds.map(|kind| Mark {
            at: Instant(0),
            node: NodeId(5),
            kind,
        });
        are_read_as_written(&marks, |mark, us| Mark {
            at: Instant(us),
            ..*mark
        });
    }

    #[test]
    fn operations_are_packed_without_loss() {
        let numbers = [0, 1, 4_000_000_000, u64::MAX, 1 << 63];
        let mut operations = Vec::new();
        for kind in 0..6 {
            for end in 0..13 {
                for about in numbers {
                    for number in numbers {
                        operations.push(ClientOperation {
                            client: 65_535,
                            invoked: Instant(number),
                            returned: Some(Instant(0)),
                            operation: operation(kind, about, number),
                            outcome: outcome(end, number),
                        });
                    }
                }
            }
        }
        are_read_as_written(&operations, |operation, us| {
            let us = us + 90_000_000;
            ClientOperation {
                invoked: Instant(us - operation.invoked.0 % 30_000_000),
                returned: Some(Instant(us)),
                ..*operation
            }
        });
    }
}
