//! A line on standard error that says how far long work is, where somebody looks.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// How often the line is renewed.
const EVERY: Duration = Duration::from_millis(200);

/// The line.
#[derive(Debug)]
pub(crate) struct Line {
    seen: bool,
    shown: Option<Instant>,
}

impl Line {
    pub(crate) fn new() -> Line {
        Line {
            seen: stderr().is_terminal(),
            shown: None,
        }
    }

    /// Renews the line, if it is time to.
    pub(crate) fn say(&mut self, text: impl FnOnce() -> String) {
        if self.seen && self.shown.is_none_or(|shown| shown.elapsed() > EVERY) {
            self.shown = Some(Instant::now());
            self.write(&text());
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self) {
        if self.shown.take().is_some() {
            self.write("");
        }
    }

    fn write(&self, text: &str) {
        let mut out = stderr().lock();
        // A terminal that is gone shows no progress.
        let _ = write!(out, "\r\x1b[K{text}").and_then(|()| out.flush());
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.clear();
    }
}
