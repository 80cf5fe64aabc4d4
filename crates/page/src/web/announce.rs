//! What a screen reader hears: elections, crashes, commits. Never heartbeats.

use std::cell::{Cell, RefCell};

use raft_core::LogIndex;

use super::wall;

/// Commits are told at most this often, in wall milliseconds: under load there are hundreds a second.
const COMMITS_EVERY_MS: i32 = 2_000;
/// How long a sentence stands before the next may replace it, in wall milliseconds.
const SENTENCE_MS: i32 = 400;

thread_local! {
    static LINE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static COMMITTED: Cell<Option<LogIndex>> = const { Cell::new(None) };
}

/// Says a sentence, after those that wait.
pub(super) fn say(sentence: &str) {
    let first = LINE.with_borrow_mut(|line| {
        line.push(sentence.to_owned());
        line.len() == 1
    });
    if first {
        wall::after(0, speak);
    }
}

/// A leader has committed entries.
pub(super) fn committed(to: LogIndex) {
    let waiting = COMMITTED.replace(Some(to)).is_some();
    if !waiting {
        wall::after(COMMITS_EVERY_MS, || {
            if let Some(to) = COMMITTED.take() {
                say(&format!("committed up to {to}"));
            }
        });
    }
}

fn speak() {
    let sentences = LINE.with_borrow_mut(std::mem::take);
    if sentences.is_empty() {
        return;
    }
    if let Some(place) = wall::document().get_element_by_id("announcer") {
        place.set_text_content(Some(&sentences.join(". ")));
    }
    // Whoever speaks in the meantime waits, so that no sentence is overwritten unheard.
    LINE.with_borrow_mut(|line| line.push(String::new()));
    wall::after(SENTENCE_MS, || {
        LINE.with_borrow_mut(|line| line.retain(|sentence| !sentence.is_empty()));
        speak();
    });
}
