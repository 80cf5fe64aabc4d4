//! What keys do, on which keyboard, and where the focus has to be.

use serde_json::Value;
use tests::{Page, drive, eventually, throughout};

use crate::time::{back_to_now, look, now_us, past, presses};

/// The cluster's panel has the focus.
fn in_cluster(page: &Page) {
    page.click(".cluster h2");
}

/// A key goes down where the focus is, on a keyboard of any country: `fields` are those of its event.
fn goes_down(page: &Page, fields: &str) {
    page.eval(&format!(
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{ bubbles: true, cancelable: true, {fields} }}));"
    ));
}

/// How often each node was started.
fn boots(page: &Page) -> Vec<u32> {
    page.status().nodes.iter().map(|node| node.boot).collect()
}

/// All nodes run, in the boots that they had.
fn nothing_happens(page: &Page, before: &[u32]) {
    throughout(0.5, || {
        let status = page.status();
        assert!(status.nodes.iter().all(|node| node.role != "crashed"), "{status:?}");
    });
    assert_eq!(boots(page), before);
}

#[test]
fn keys_do_what_the_mouse_does() {
    drive("", |page| {
        page.leader_within(5.0);
        in_cluster(page);
        page.press("2");
        eventually(2.0, "2 crashes Node 2", || {
            (page.status().node(2).role == "crashed").then_some(())
        });
        page.press("2");
        eventually(5.0, "2 starts Node 2", || {
            (page.status().node(2).role != "crashed").then_some(())
        });
        page.press("p");
        eventually(2.0, "P pauses the node that has the focus", || {
            page.status().node(2).paused.then_some(())
        });
        page.press("p");
        page.press("i");
        eventually(2.0, "I isolates it", || page.status().node(2).isolated.then_some(()));
        page.press("i");
        eventually(2.0, "and lets it rejoin", || {
            (!page.status().node(2).isolated).then_some(())
        });
        page.press("/");
        assert_eq!(
            page.eval("return document.activeElement.getAttribute('aria-label')"),
            "Command"
        );
        page.eval("document.activeElement.blur()");
        page.press("?");
        let help = page.text("dialog[open]");
        assert!(help.contains("Keys"), "{help}");
    });
}

/// Digits beside the command line, or with nothing in focus, are nothing to the nodes.
#[test]
fn digits_crash_nobody_from_elsewhere() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        let before = boots(page);
        page.press("push 1 1");
        page.click(".commands .hint");
        page.press("push 1 2");
        page.click("[aria-label=Command]");
        page.press("push 1 3");
        nothing_happens(page, &before);
        assert_eq!(
            page.eval("return document.querySelector('[aria-label=Command]').value"),
            "push 1 3"
        );
        // Nor are those that are typed in a menu.
        page.click_named("Menu of Node 1");
        page.press("2");
        nothing_happens(page, &before);
    });
}

#[test]
fn a_key_is_what_it_types_and_acts_once() {
    drive("", |page| {
        page.leader_within(5.0);
        in_cluster(page);
        let before = boots(page);
        // The unshifted key of 3, and that of 6, on a French keyboard.
        goes_down(page, "key: '\"', code: 'Digit3'");
        goes_down(page, "key: '-', code: 'Digit6'");
        nothing_happens(page, &before);
        let slower = page.status().rate;
        assert!(slower < 1.0, "- is slower: {slower}");
        goes_down(page, "key: '0', code: 'Digit0'");
        assert_eq!(page.status().rate, 1.0);
        // A digit of the numeric pad; then it is held.
        goes_down(page, "key: '4', code: 'Numpad4'");
        eventually(2.0, "4 crashes Node 4", || {
            (page.status().node(4).role == "crashed").then_some(())
        });
        for _ in 0..5 {
            goes_down(page, "key: '4', code: 'Numpad4', repeat: true");
        }
        throughout(0.5, || assert_eq!(page.status().node(4).role, "crashed"));
        // Caps Lock is on.
        let theme = || page.eval("return document.querySelector('#theme-button').getAttribute('aria-label')");
        let shown = theme();
        goes_down(page, "key: 'T', code: 'KeyT'");
        eventually(2.0, "another theme", || (theme() != shown).then_some(()));
        // Seven with Shift on a German keyboard.
        goes_down(page, "key: '/', code: 'Digit7', shiftKey: true");
        let name = "return document.activeElement.getAttribute('aria-label')";
        assert_eq!(page.eval(name), "Command");
        // It is held for a while, and types nothing there; what is typed is typed.
        let typed = |fields: &str| {
            page.eval(&format!(
                "return document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{ bubbles: true, cancelable: true, {fields} }}));"
            ))
        };
        assert_eq!(typed("key: '/', code: 'Digit7', shiftKey: true, repeat: true"), false);
        assert_eq!(typed("key: 'p'"), true);
        assert_eq!(typed("key: 'p', repeat: true"), true);
        // Enter opens a dialog once: held, it does not press what has the focus there.
        page.eval(
            "[...document.querySelectorAll('header button')].find((button) => button.innerText === 'Settings').focus()",
        );
        assert_eq!(typed("key: 'Enter'"), true, "the browser presses it");
        page.eval("document.activeElement.click()");
        assert!(page.text("dialog[open]").starts_with("Settings"));
        assert_eq!(typed("key: 'Enter', repeat: true"), false);
    });
}

#[test]
fn enter_and_escape_that_end_a_composition_are_the_input_methods() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        let line = || page.eval("return document.querySelector('[aria-label=Command]').value");
        page.type_into("[aria-label=Command]", "create_queue 7");
        for key in ["Enter", "Escape"] {
            goes_down(page, &format!("key: '{key}', isComposing: true"));
            goes_down(page, &format!("key: '{key}', keyCode: 229"));
            assert_eq!(line(), "create_queue 7", "{key}");
        }
        assert!(page.text("[aria-label=Results]").starts_with("Nothing yet"));
        goes_down(page, "key: 'Enter'");
        eventually(10.0, "an answer", || {
            page.text("[aria-label=Results]").contains("queue 1").then_some(())
        });
        assert_eq!(line(), "");
    });
}

#[test]
fn one_switch_turns_single_keys_off() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        page.click_text("button", "Settings");
        page.click_named("Single-letter keys");
        page.click_text("dialog[open] button", "Close");
        let off = |page: &Page| {
            let before = boots(page);
            in_cluster(page);
            page.press("1l?");
            nothing_happens(page, &before);
            assert_eq!(page.text("dialog[open]"), "");
        };
        off(page);
        // It is kept for the next visit.
        page.go("?nodes=3");
        page.leader_within(5.0);
        off(page);
        page.click_text("button", "Settings");
        page.click_named("Single-letter keys");
        page.click_text("dialog[open] button", "Close");
        in_cluster(page);
        page.press("1");
        eventually(2.0, "1 crashes Node 1", || {
            (page.status().node(1).role == "crashed").then_some(())
        });
    });
}

/// Who presses a button on the timeline goes on with its keys; and a list that is open is closed by Escape.
#[test]
fn a_tooltips_key_works_where_the_tooltip_is() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        page.value_of("create_queue 7");
        recorder_runs(page);
        page.click("[data-do='key c']");
        let committed = eventually(5.0, "a commit", || Some(past(page)).filter(|past| !past.is_null()));
        goes_down(page, "key: 'E', shiftKey: true");
        eventually(5.0, "the election before", || {
            (past(page)["at_us"].as_u64() < committed["at_us"].as_u64()).then_some(())
        });
        assert_eq!(page.text("dialog[open]"), "", "E is not for the settings");
        // The button that has the focus goes away with the past; the panel keeps the focus, and its keys work on.
        page.click("[data-do=now]");
        eventually(5.0, "the present", || past(page).is_null().then_some(()));
        page.press("e");
        eventually(5.0, "an election", || (!past(page).is_null()).then_some(()));
        page.click(".filters summary");
        page.press("\u{e00c}"); // Escape
        assert_eq!(page.eval("return document.querySelector('.filters').open"), false);
        page.press("o");
        assert!(page.text("dialog[open]").starts_with("Settings"));
    });
}

#[test]
fn the_past_is_paused_and_resumed_by_key_and_a_script_is_told_where_it_asked() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        page.value_of("create_queue 7");
        recorder_runs(page);
        let then = now_us(page);
        eventually(10.0, "a little time", || (now_us(page) > then + 300_000).then_some(()));
        look(page, then);
        let outcome = page.submit("push 1 5");
        assert!(!outcome.ok && outcome.value.is_null(), "{outcome:?}");
        assert!(outcome.text.contains("Live is shown at"), "{outcome:?}");
        let branch = eventually(10.0, "a branch", || {
            Some(past(page)).filter(|past| past["run"].as_u64() > Some(0))
        });
        let outcome = page.submit("push 1 6");
        let named = format!("Branch {} is shown at", branch["run"]);
        assert!(!outcome.ok && outcome.text.contains(&named), "{outcome:?}");

        let is_paused = |shown: &Value| shown["nodes"][1]["paused"] == true;
        page.eval("document.querySelector('[data-node=\"2\"]').focus()");
        for paused in [true, false, true] {
            page.press("p");
            eventually(10.0, "P pauses it, or resumes it", || {
                (is_paused(&past(page)) == paused).then_some(())
            });
        }
        assert!(!page.status().node(2).paused, "the live one is left alone");
        presses(page, "show 0");
        back_to_now(page);
        assert_eq!(page.value_of("qsize 1"), 0, "nothing of it was done in the present");
    });
}

#[test]
fn an_instant_that_is_none_is_refused() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        recorder_runs(page);
        let then = now_us(page);
        eventually(10.0, "a little time", || (now_us(page) > then + 300_000).then_some(()));
        page.eval(&format!("await ftqueue.look(' {} ')", then as f64 / 1000.0));
        eventually(5.0, "the instant", || (past(page)["at_us"] == then).then_some(()));
        for what in ["'soon'", "''", "' '", "'12 s'", "NaN", "Infinity", "{}", "[]", "true"] {
            let error = page.try_eval(&format!("await ftqueue.look({what})")).unwrap_err();
            assert!(error.contains("milliseconds of virtual time"), "{what}: {error}");
        }
        assert_eq!(past(page)["at_us"], then, "nothing else is shown");
        let error = page.try_eval("await ftqueue.look(3600000)").unwrap_err();
        assert!(
            error.contains("3600.000000 s has not come yet: it is "),
            "it says what time it is: {error}"
        );
        // What comes soon is waited for.
        let soon = now_us(page) + 500_000;
        look(page, soon);
        page.eval("await ftqueue.look(null)");
        eventually(5.0, "the present", || past(page).is_null().then_some(()));
    });
}

fn recorder_runs(page: &Page) {
    eventually(10.0, "the recorder", || {
        (!page.text(".time-panel").is_empty()).then_some(())
    });
}
