//! The page that this tab had before this one: how it ended, and what went with it.
//!
//! A page keeps, for the next one of its tab, what is in its memory only, and whether it was left. One that the browser discarded, or that
//! crashed, was not.

use std::cell::Cell;

use super::home::Home;
use super::wall;

/// Under which name a tab keeps that.
const KEY: &str = "ftqueue-page";
/// It is a number: whether the page was left, whether it showed the past, and how many runs it had beside the live one.
const LEFT: u32 = 1;
const PAST: u32 = 2;
const RUN: u32 = 4;

thread_local! {
    /// The same of this page; none is kept yet.
    static HELD: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Begins to keep that of this page. Gives what a person has to know of the one before, if there was one that went against their will.
pub(super) fn ended(home: &Home, is_elsewhere: bool) -> Option<String> {
    let before = read();
    keep(0, 0);
    wall::on(&wall::window(), "pagehide", || keep(!LEFT, LEFT));
    wall::on(&wall::window(), "pageshow", || keep(!LEFT, 0));
    let before = before?;
    let was_discarded = wall::get(&wall::document(), "wasDiscarded").is_truthy();
    let how = match (was_discarded, before & LEFT == 0) {
        (true, _) => "The browser had discarded this tab, and has loaded it again.",
        // Whoever has the cluster lives, so this tab is a copy of that one.
        (false, true) if is_elsewhere => return None,
        (false, true) => "The page in this tab ended without being left: the tab crashed, or the browser ended it.",
        (false, false) if came_back() && before > LEFT => "You came back to a page that the browser has not kept.",
        (false, false) => return None,
    };
    let cluster = match home.in_memory() {
        None if is_elsewhere => "",
        None => " The cluster goes on from its disks.",
        Some(_) => " The cluster was in memory, and begins anew.",
    };
    let mut gone = " What was recorded is gone".to_owned();
    if before >= RUN {
        gone.push_str(&format!(", with {} beside the live one", runs(before / RUN)));
    }
    if before & PAST != 0 {
        gone.push_str(", with the instant that was shown");
    }
    Some(format!("{how}{cluster}{gone}."))
}

/// How many runs there are beside the live one, by now.
pub(super) fn holds_runs(count: u32) {
    keep(RUN - 1, count * RUN);
}

/// Whether the past is shown, by now.
pub(super) fn shows_past(past: bool) {
    keep(!PAST, if past { PAST } else { 0 });
}

fn keep(as_it_was: u32, now: u32) {
    let held = HELD.get().unwrap_or_default() & as_it_was | now;
    if HELD.replace(Some(held)) == Some(held) {
        return;
    }
    // Without such a storage the next page of this tab knows nothing, and says nothing.
    if let Ok(Some(storage)) = wall::window().session_storage() {
        let _ = storage.set_item(KEY, &held.to_string());
    }
}

fn read() -> Option<u32> {
    let storage = wall::window().session_storage().ok()??;
    storage.get_item(KEY).ok()??.parse().ok()
}

/// Whether the browser came here through its history.
fn came_back() -> bool {
    let performance = wall::window().performance();
    let entry = performance.map(|performance| performance.get_entries_by_type("navigation").get(0));
    entry.is_some_and(|entry| wall::get(&entry, "type") == "back_forward")
}

fn runs(count: u32) -> String {
    match count {
        1 => "1 run".to_owned(),
        count => format!("{count} runs"),
    }
}
