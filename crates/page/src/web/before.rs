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
    let came = came_by();
    let how = match came.as_str() {
        _ if was_discarded => "The browser had discarded this tab, and has loaded it again.",
        // That a page was left is written as it goes, which may not come in time for the next page if that is in another process: only a page
        // that is loaded again has the process of the one before, unless that is gone. Whoever has the cluster lives, so this tab is a copy then.
        "reload" if before & LEFT == 0 && !is_elsewhere => {
            "The page in this tab ended without being left: the tab crashed, or the browser ended it."
        }
        "back_forward" if before & !LEFT != 0 => "You came back to a page that the browser has not kept.",
        _ => return None,
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

/// How the browser came here, in its words: `navigate`, `reload`, `back_forward`.
fn came_by() -> String {
    let performance = wall::window().performance();
    let entry = performance.map(|performance| performance.get_entries_by_type("navigation").get(0));
    entry
        .and_then(|entry| wall::get(&entry, "type").as_string())
        .unwrap_or_default()
}

fn runs(count: u32) -> String {
    match count {
        1 => "1 run".to_owned(),
        count => format!("{count} runs"),
    }
}
