//! The command line as pure code: what may come next, and what was typed before.

use std::collections::VecDeque;

use ftqueue::{Argument, COMMAND_BYTES_MAX, Label, Operation, OperationHelp, QueueId};

/// How many lines a history keeps.
pub const HISTORY_LINES_MAX: usize = 200;
/// How many completions are offered at once.
pub const COMPLETIONS_MAX: usize = 20;

/// Something that the last word of a line may become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The whole line then, with a space where another word must follow.
    pub line: String,
    /// The word.
    pub word: String,
    /// What it stands for.
    pub help: String,
}

/// What the last word of a line may become, given the queues that are known: for a name the operations that begin so, for
/// a label or a queue's id those that there are. Complete words count too: they are offered with the space that follows.
pub fn completions(line: &str, queues: &[(Label, QueueId)]) -> Vec<Completion> {
    if line.len() > COMMAND_BYTES_MAX {
        return Vec::new();
    }
    let start = line
        .rfind(char::is_whitespace)
        .map_or(0, |at| at + line[at..].chars().next().map_or(1, char::len_utf8));
    let (before, typed) = line.split_at(start);
    let mut words = before.split_whitespace();
    let candidates = match words.next() {
        None => names(),
        Some(name) => OperationHelp::named(name).map_or_else(Vec::new, |operation| {
            let place = words.count();
            let last = place + 1 == operation.arguments.len();
            let space = if last { "" } else { " " };
            let argument = operation.arguments.get(place);
            argument.map_or_else(Vec::new, |argument| arguments(operation, *argument, queues, space))
        }),
    };
    let typed = typed.to_ascii_lowercase();
    candidates
        .into_iter()
        .filter(|(word, _, _)| word.starts_with(&typed))
        .take(COMPLETIONS_MAX)
        .map(|(word, space, help)| Completion {
            line: format!("{before}{word}{space}"),
            word,
            help,
        })
        .collect()
}

/// The line with as much added as all completions agree on: what the Tab key does. None if that is nothing.
pub fn complete(line: &str, completions: &[Completion]) -> Option<String> {
    let (first, rest) = completions.split_first()?;
    let common = rest.iter().fold(first.line.as_str(), |common, other| {
        let same = common.chars().zip(other.line.chars()).take_while(|(a, b)| a == b);
        &common[..same.map(|(a, _)| a.len_utf8()).sum()]
    });
    (common.len() > line.len() || rest.is_empty() && common != line).then(|| common.to_owned())
}

/// The operation that a line is about, once its name is whole: for the usage beside the line.
pub fn operation(line: &str) -> Option<&'static OperationHelp> {
    OperationHelp::named(line.split_whitespace().next()?)
}

/// The lines that were entered, and the way back and forth among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    lines: VecDeque<String>,
    /// The line that is shown, counted from the oldest. None: the draft.
    shown: Option<usize>,
    draft: String,
}

impl History {
    /// A history with the lines of an earlier one, the oldest first. Lines that could not have been entered are left out.
    pub fn restore(lines: impl IntoIterator<Item = String>) -> History {
        let mut history = History::default();
        lines.into_iter().for_each(|line| history.enter(&line));
        history
    }

    /// Its lines, the oldest first.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// A line was entered. The same line twice in a row is kept once, an empty one or one that is too long not at all.
    pub fn enter(&mut self, line: &str) {
        self.shown = None;
        self.draft.clear();
        let line = line.trim();
        if line.is_empty() || line.len() > COMMAND_BYTES_MAX || self.lines.back().is_some_and(|last| last == line) {
            return;
        }
        if self.lines.len() == HISTORY_LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    /// The line before the one that is shown, if there is one. `line` is what stands on the command line now: where it is a
    /// draft, it is kept to come back to.
    pub fn up(&mut self, line: &str) -> Option<&str> {
        let before = self.shown.unwrap_or(self.lines.len()).checked_sub(1)?;
        if self.shown.is_none() {
            self.draft = line.to_owned();
        }
        self.shown = Some(before);
        self.lines.get(before).map(String::as_str)
    }

    /// The line after the one that is shown, or the draft after the last one. None if the draft is shown already.
    pub fn down(&mut self) -> Option<&str> {
        let after = self.shown? + 1;
        if after < self.lines.len() {
            self.shown = Some(after);
            self.lines.get(after).map(String::as_str)
        } else {
            self.shown = None;
            Some(&self.draft)
        }
    }
}

/// A word, the space after it, and its help.
type Candidate = (String, &'static str, String);

fn names() -> Vec<Candidate> {
    Operation::HELP
        .iter()
        .map(|operation| {
            (
                operation.name.to_owned(),
                " ",
                format!("{}: {}", operation.usage, operation.help),
            )
        })
        .collect()
}

fn arguments(
    operation: &OperationHelp,
    argument: Argument,
    queues: &[(Label, QueueId)],
    space: &'static str,
) -> Vec<Candidate> {
    let creates = operation.name == "create_queue";
    match argument {
        Argument::Label if creates => vec![(free_label(queues).to_string(), space, "a label that is free".to_owned())],
        Argument::Label => queues
            .iter()
            .map(|(label, qid)| (label.to_string(), space, format!("label of queue {qid}")))
            .collect(),
        Argument::Qid => queues
            .iter()
            .map(|(label, qid)| (qid.to_string(), space, format!("queue with label {label}")))
            .collect(),
        Argument::Item => Vec::new(),
    }
}

/// The smallest label from 1 that no known queue has.
fn free_label(queues: &[(Label, QueueId)]) -> i64 {
    (1..)
        .find(|label| queues.iter().all(|(taken, _)| taken.0 != *label))
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUEUES: &[(Label, QueueId)] = &[
        (Label(1), QueueId(1)),
        (Label(7), QueueId(2)),
        (Label(70), QueueId(3)),
        (Label(2), QueueId(12)),
    ];

    fn words(line: &str) -> Vec<String> {
        completions(line, QUEUES)
            .into_iter()
            .map(|completion| completion.word)
            .collect()
    }

    fn tab(line: &str) -> Option<String> {
        complete(line, &completions(line, QUEUES))
    }

    #[test]
    fn names_are_completed() {
        assert_eq!(words(""), ["create_queue", "get_qid", "push", "pop", "top", "qsize"]);
        assert_eq!(words("p"), ["push", "pop"]);
        assert_eq!(words("  PO"), ["pop"]);
        assert_eq!(tab("  PO").as_deref(), Some("  pop "));
        assert_eq!(tab("p"), None);
        assert_eq!(tab("push").as_deref(), Some("push "));
        assert_eq!(tab("x"), None);
    }

    #[test]
    fn labels_and_ids_are_completed_where_they_belong() {
        assert_eq!(words("get_qid "), ["1", "7", "70", "2"]);
        assert_eq!(words("get_qid 7"), ["7", "70"]);
        assert_eq!(words("pop "), ["1", "2", "3", "12"]);
        assert_eq!(words("push 1"), ["1", "12"]);
        assert_eq!(tab("push 12").as_deref(), Some("push 12 "));
        assert_eq!(tab("push 3").as_deref(), Some("push 3 "));
        assert_eq!(tab("pop 3"), None);
        assert_eq!(words("push 1 "), [""; 0]);
        assert_eq!(words("pop 1 "), [""; 0]);
        assert_eq!(words("nonsense "), [""; 0]);
        assert_eq!(words("create_queue "), ["3"]);
    }

    #[test]
    fn the_operation_of_a_line_is_known_once_its_name_is_whole() {
        assert_eq!(operation("pus"), None);
        assert_eq!(
            operation(" Push 1").map(|operation| operation.usage),
            Some("push QID ITEM")
        );
    }

    #[test]
    fn a_draft_is_kept_while_one_looks_back() {
        let mut history = History::default();
        assert_eq!(history.up("draft"), None);
        ["push 1 1", "pop 1", "pop 1", "  ", "top 1"]
            .into_iter()
            .for_each(|line| history.enter(line));
        assert_eq!(history.lines().collect::<Vec<_>>(), ["push 1 1", "pop 1", "top 1"]);
        assert_eq!(history.down(), None);
        assert_eq!(history.up("my draft"), Some("top 1"));
        assert_eq!(history.up("top 1"), Some("pop 1"));
        assert_eq!(history.up("pop 1"), Some("push 1 1"));
        assert_eq!(history.up("push 1 1"), None);
        assert_eq!(history.down(), Some("pop 1"));
        assert_eq!(history.down(), Some("top 1"));
        assert_eq!(history.down(), Some("my draft"));
        assert_eq!(history.down(), None);
        assert_eq!(history.up("another draft"), Some("top 1"));
        history.enter("qsize 1");
        assert_eq!(history.up(""), Some("qsize 1"));
        assert_eq!(history.down(), Some(""));
    }

    #[test]
    fn the_oldest_lines_are_forgotten() {
        let history = History::restore((0..HISTORY_LINES_MAX + 5).map(|item| format!("push 1 {item}")));
        assert_eq!(history.lines().len(), HISTORY_LINES_MAX);
        assert_eq!(history.lines().next(), Some("push 1 5"));
        assert_eq!(
            History::restore(["x".repeat(COMMAND_BYTES_MAX + 1)]),
            History::default()
        );
    }

    proptest! {
        #[test]
        fn any_line_can_be_completed(line in any::<String>()) {
            let all = completions(&line, QUEUES);
            prop_assert!(all.len() <= COMPLETIONS_MAX);
            let _ = (complete(&line, &all), operation(&line));
        }

        #[test]
        fn a_completion_keeps_what_was_typed(line in "(?i:push|pop|get_qid|t|cr)?[ \t\u{2003}]{0,2}[0-9]{0,2}") {
            for completion in completions(&line, QUEUES) {
                prop_assert!(completion.line.to_lowercase().starts_with(&line.to_lowercase()));
                prop_assert!(completion.line.trim_end().ends_with(&completion.word));
            }
        }
    }
}
