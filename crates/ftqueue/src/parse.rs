//! What a person types: the six operations by name, their help, and what is wrong with a line that is none of them.

use std::fmt;
use std::str::FromStr;

use crate::{COMMAND_BYTES_MAX, LABEL_MAX, LABEL_MIN, Label, Operation, QueueId, Read, Write};

/// One of the six operations as a person knows it.
#[derive(Debug, PartialEq, Eq)]
pub struct OperationHelp {
    /// Its name.
    pub name: &'static str,
    /// What comes after the name, in order.
    pub arguments: &'static [Argument],
    /// Its name and arguments, as one types them.
    pub usage: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// A line that could be typed.
    pub example: &'static str,
}

/// A kind of argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// The label of a queue.
    Label,
    /// The id of a queue.
    Qid,
    /// An item.
    Item,
}

/// Why a line is not an operation. `Display` says what is wrong and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// There is nothing on the line.
    Empty,
    /// The line is longer than [`COMMAND_BYTES_MAX`].
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// The first word is not the name of an operation.
    UnknownOperation {
        /// The word.
        word: String,
        /// The operation that may have been meant.
        nearest: Option<&'static OperationHelp>,
    },
    /// The line ends too early.
    MissingArgument {
        /// The operation.
        operation: &'static OperationHelp,
        /// What should have come next.
        argument: Argument,
    },
    /// The line goes on after the last argument.
    ExtraArgument {
        /// The operation.
        operation: &'static OperationHelp,
        /// The first word too many.
        word: String,
    },
    /// A word should be an integer and is none.
    NotAnInteger {
        /// The operation.
        operation: &'static OperationHelp,
        /// What it should be.
        argument: Argument,
        /// The word.
        word: String,
    },
    /// An integer is too small or too large for what it should be.
    OutOfRange {
        /// What it should be.
        argument: Argument,
        /// The word.
        word: String,
    },
}

impl Operation {
    /// All six, in the order in which one comes to use them.
    pub const HELP: &'static [OperationHelp] = &[CREATE_QUEUE, GET_QID, PUSH, POP, TOP, QSIZE];

    /// The name and help of this one.
    pub fn help(&self) -> &'static OperationHelp {
        match self {
            Operation::Write(Write::CreateQueue { .. }) => &CREATE_QUEUE,
            Operation::Write(Write::Push { .. }) => &PUSH,
            Operation::Write(Write::Pop { .. }) => &POP,
            Operation::Read(Read::GetQid { .. }) => &GET_QID,
            Operation::Read(Read::Top { .. }) => &TOP,
            Operation::Read(Read::Qsize { .. }) => &QSIZE,
        }
    }
}

impl FromStr for Operation {
    type Err = ParseError;

    /// Reads a line: a name, in any case, and its arguments, apart by white space.
    fn from_str(line: &str) -> Result<Operation, ParseError> {
        if line.len() > COMMAND_BYTES_MAX {
            return Err(ParseError::TooLong { bytes: line.len() });
        }
        let mut words = line.split_whitespace();
        let name = words.next().ok_or(ParseError::Empty)?;
        let operation = OperationHelp::named(name).ok_or_else(|| ParseError::UnknownOperation {
            word: name.to_owned(),
            nearest: OperationHelp::nearest(name),
        })?;
        let mut arguments = Arguments { operation, words };
        let parsed = match operation.name {
            "create_queue" => Operation::Write(Write::CreateQueue {
                label: arguments.label()?,
            }),
            "push" => Operation::Write(Write::Push {
                qid: arguments.qid()?,
                item: arguments.item()?,
            }),
            "pop" => Operation::Write(Write::Pop { qid: arguments.qid()? }),
            "get_qid" => Operation::Read(Read::GetQid {
                label: arguments.label()?,
            }),
            "top" => Operation::Read(Read::Top { qid: arguments.qid()? }),
            _ => Operation::Read(Read::Qsize { qid: arguments.qid()? }),
        };
        arguments.end()?;
        Ok(parsed)
    }
}

impl OperationHelp {
    /// The operation of this name, in any case.
    pub fn named(name: &str) -> Option<&'static OperationHelp> {
        Operation::HELP
            .iter()
            .find(|operation| operation.name.eq_ignore_ascii_case(name))
    }

    /// The operation that someone who wrote `word` may have meant: one that begins or ends so, or is few letters away.
    pub fn nearest(word: &str) -> Option<&'static OperationHelp> {
        let word: String = word
            .to_ascii_lowercase()
            .chars()
            .map(|c| if c == '-' { '_' } else { c })
            .collect();
        let word = word.split(['(', ',', ';', ':']).next().unwrap_or_default();
        if word.chars().count() < 2 {
            return None;
        }
        let part = |operation: &&OperationHelp| {
            let name = operation.name;
            name.starts_with(word) || name.ends_with(word) || word.starts_with(name)
        };
        Operation::HELP.iter().find(part).or_else(|| {
            let (distance, nearest) = Operation::HELP
                .iter()
                .map(|operation| (edits(word, operation.name), operation))
                .min_by_key(|(d, _)| *d)?;
            (distance <= nearest.name.len() / 2).then_some(nearest)
        })
    }
}

const CREATE_QUEUE: OperationHelp = OperationHelp {
    name: "create_queue",
    arguments: &[Argument::Label],
    usage: "create_queue LABEL",
    help: "Creates an empty queue under a label of its own, and answers the queue's id.",
    example: "create_queue 7",
};
const GET_QID: OperationHelp = OperationHelp {
    name: "get_qid",
    arguments: &[Argument::Label],
    usage: "get_qid LABEL",
    help: "Answers the id of the queue with this label.",
    example: "get_qid 7",
};
const PUSH: OperationHelp = OperationHelp {
    name: "push",
    arguments: &[Argument::Qid, Argument::Item],
    usage: "push QID ITEM",
    help: "Adds an item at the end of a queue.",
    example: "push 1 42",
};
const POP: OperationHelp = OperationHelp {
    name: "pop",
    arguments: &[Argument::Qid],
    usage: "pop QID",
    help: "Removes the first item of a queue and answers it.",
    example: "pop 1",
};
const TOP: OperationHelp = OperationHelp {
    name: "top",
    arguments: &[Argument::Qid],
    usage: "top QID",
    help: "Answers the first item of a queue and leaves it there.",
    example: "top 1",
};
const QSIZE: OperationHelp = OperationHelp {
    name: "qsize",
    arguments: &[Argument::Qid],
    usage: "qsize QID",
    help: "Answers how many items a queue has.",
    example: "qsize 1",
};

/// The words after the name.
struct Arguments<'a> {
    operation: &'static OperationHelp,
    words: std::str::SplitWhitespace<'a>,
}

impl Arguments<'_> {
    fn label(&mut self) -> Result<Label, ParseError> {
        let (word, label) = self.integer::<i64>(Argument::Label)?;
        if (LABEL_MIN..=LABEL_MAX).contains(&label) {
            Ok(Label(label))
        } else {
            Err(ParseError::OutOfRange {
                argument: Argument::Label,
                word,
            })
        }
    }

    fn qid(&mut self) -> Result<QueueId, ParseError> {
        Ok(QueueId(self.integer(Argument::Qid)?.1))
    }

    fn item(&mut self) -> Result<i64, ParseError> {
        Ok(self.integer(Argument::Item)?.1)
    }

    fn end(mut self) -> Result<(), ParseError> {
        match self.words.next() {
            None => Ok(()),
            Some(word) => Err(ParseError::ExtraArgument {
                operation: self.operation,
                word: word.to_owned(),
            }),
        }
    }

    /// The next word, and the integer that it is.
    fn integer<T: FromStr>(&mut self, argument: Argument) -> Result<(String, T), ParseError> {
        let operation = self.operation;
        let word = self
            .words
            .next()
            .ok_or(ParseError::MissingArgument { operation, argument })?
            .to_owned();
        match word.parse() {
            Ok(integer) => Ok((word, integer)),
            Err(_) if is_integer(&word) => Err(ParseError::OutOfRange { argument, word }),
            Err(_) => Err(ParseError::NotAnInteger {
                operation,
                argument,
                word,
            }),
        }
    }
}

/// Whether the word is an integer, of whatever size.
fn is_integer(word: &str) -> bool {
    let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// How many letters must be added, dropped, changed or swapped with their neighbour to make one word of the other.
fn edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for i in 1..=from.len() {
        let mut next = vec![i];
        for j in 1..=to.len() {
            let change = row[j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = change.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[to.len()]
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Argument::Label => "LABEL",
            Argument::Qid => "QID",
            Argument::Item => "ITEM",
        })
    }
}

impl Argument {
    fn range(self) -> String {
        match self {
            Argument::Label => format!("labels go from {LABEL_MIN} to {LABEL_MAX}"),
            Argument::Qid => format!("queue ids go from 1 to {}", u64::MAX),
            Argument::Item => format!("items go from {} to {}", i64::MIN, i64::MAX),
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::Empty => write!(f, "the line is empty: type one of {}", names("or")),
            ParseError::TooLong { bytes } => {
                write!(
                    f,
                    "the line has {bytes} bytes; a command has at most {COMMAND_BYTES_MAX}"
                )
            }
            ParseError::UnknownOperation {
                word,
                nearest: Some(nearest),
            } => {
                write!(f, "there is no operation {word:?}; did you mean “{}”?", nearest.usage)
            }
            ParseError::UnknownOperation { word, nearest: None } => {
                write!(f, "there is no operation {word:?}; there are {}", names("and"))
            }
            ParseError::MissingArgument { operation, argument } => {
                write!(
                    f,
                    "{argument} is missing: {}, for example “{}”",
                    operation.usage, operation.example
                )
            }
            ParseError::ExtraArgument { operation, word } => {
                write!(
                    f,
                    "{word:?} is one word too many: {}, for example “{}”",
                    operation.usage, operation.example
                )
            }
            ParseError::NotAnInteger {
                operation,
                argument,
                word,
            } => {
                write!(
                    f,
                    "{argument} must be a whole number, not {word:?}: {}, for example “{}”",
                    operation.usage, operation.example
                )
            }
            ParseError::OutOfRange { argument, word } => write!(f, "{word} is out of range: {}", argument.range()),
        }
    }
}

impl std::error::Error for ParseError {}

/// The names of all operations, as a sentence lists them.
fn names(last_word: &str) -> String {
    let names: Vec<&str> = Operation::HELP.iter().map(|operation| operation.name).collect();
    match names.split_last() {
        Some((last, rest)) => format!("{} {last_word} {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests;
