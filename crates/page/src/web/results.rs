//! What came of operations: the lines that the page shows. They are shown with the next frame: a line for itself would have the browser lay out
//! the page twice an operation.

use std::collections::VecDeque;
use std::sync::Arc;

/// How many lines are kept.
const LINES_MAX: usize = 500;

/// What came of one operation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ResultLine {
    /// Counts them.
    pub(super) number: u64,
    /// What was typed.
    pub(super) line: String,
    /// What came of it; nothing yet while it is under way.
    pub(super) outcome: Option<ResultOutcome>,
}

/// What came of an operation, in words and numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ResultOutcome {
    pub(super) ok: bool,
    pub(super) text: String,
    pub(super) value: Option<i128>,
    pub(super) tries: u32,
    pub(super) leaders: Vec<u8>,
    pub(super) wall_ms: f64,
    pub(super) virtual_ms: f64,
}

impl ResultOutcome {
    /// What never was an operation of the cluster.
    pub(super) fn at_once(ok: bool, text: String) -> ResultOutcome {
        ResultOutcome {
            ok,
            text,
            value: None,
            tries: 0,
            leaders: Vec::new(),
            wall_ms: 0.0,
            virtual_ms: 0.0,
        }
    }
}

/// The lines, newest last.
#[derive(Default)]
pub(super) struct Results {
    lines: VecDeque<Arc<ResultLine>>,
    next: u64,
    /// How many errors are no longer among them, for want of room.
    errors_let_go: u64,
    changed: bool,
}

impl Results {
    /// An operation is under way from now on. Gives its number.
    pub(super) fn begin(&mut self, line: String) -> u64 {
        let number = self.next;
        self.next += 1;
        self.lines.push_back(Arc::new(ResultLine {
            number,
            line,
            outcome: None,
        }));
        if self.lines.len() > LINES_MAX {
            self.let_go();
        }
        self.changed = true;
        number
    }

    /// It has come to its end.
    pub(super) fn end(&mut self, number: u64, outcome: ResultOutcome) {
        if let Ok(place) = self.lines.binary_search_by_key(&number, |line| line.number) {
            let line = self.lines[place].line.clone();
            self.lines[place] = Arc::new(ResultLine {
                number,
                line,
                outcome: Some(outcome),
            });
        } else if !outcome.ok {
            self.errors_let_go += 1;
        }
        self.changed = true;
    }

    /// What there is to show, and how many errors are no longer there, if that has changed since the last time.
    pub(super) fn take_changed(&mut self) -> Option<(Vec<Arc<ResultLine>>, u64)> {
        std::mem::take(&mut self.changed).then(|| (self.lines.iter().cloned().collect(), self.errors_let_go))
    }

    /// Makes room: an answer as asked goes before an error, which a person may not have read.
    fn let_go(&mut self) {
        let went_well = |line: &Arc<ResultLine>| line.outcome.as_ref().is_some_and(|outcome| outcome.ok);
        let place = self.lines.iter().position(went_well).unwrap_or(0);
        let gone = self.lines.remove(place);
        if gone.is_some_and(|line| line.outcome.as_ref().is_some_and(|outcome| !outcome.ok)) {
            self.errors_let_go += 1;
        }
    }
}
