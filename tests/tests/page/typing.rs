//! What is typed while time runs, and what an address asks for.

use tests::{Page, drive, eventually};

const ENTER: char = '\u{e007}';
const TAB: char = '\u{e004}';

/// Selects all that stands in a field, as a click into it three times does.
fn enter_field(page: &Page, name: &str) {
    page.click(&format!("input[aria-label={name:?}]"));
    page.eval("document.activeElement.select?.()");
}

/// What stands in the field that has the focus.
fn typed(page: &Page) -> String {
    let value = page.eval("return document.activeElement.value");
    value.as_str().unwrap_or_default().to_owned()
}

fn value_of(page: &Page, name: &str) -> String {
    let value = page.eval(&format!(
        "return document.querySelector('input[aria-label={name:?}]').value"
    ));
    value.as_str().unwrap_or_default().to_owned()
}

/// Waits until many pictures later.
fn time_runs(page: &Page) {
    let before = page.status().now_ms;
    eventually(5.0, "time runs", || {
        (page.status().now_ms > before + 120.0).then_some(())
    });
}

#[test]
fn a_number_is_typed_digit_by_digit_while_time_runs() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        page.click("details.load summary");
        for (name, before) in [("Operations per second", "100"), ("Batch", "1")] {
            assert_eq!(value_of(page, name), before);
            type_slowly(page, name);
        }
        page.click_text("button", "Settings");
        let names = page.names("dialog[open] input[type=number]");
        assert_eq!(names.len(), 7, "{names:?}");
        for name in &names {
            type_slowly(page, name);
        }
    });
}

/// Types "250" and leaves the field.
fn type_slowly(page: &Page, name: &str) {
    enter_field(page, name);
    for (digit, text) in [("2", "2"), ("5", "25"), ("0", "250")] {
        page.press(digit);
        time_runs(page);
        assert_eq!(typed(page), text, "{name}");
    }
    page.press(TAB.to_string());
    let holds = match name {
        // Timers that do not go together are changed, and so much is never lost.
        "Longest election timeout" => "500",
        "Heartbeat" => "83",
        "Loss" => "0",
        _ => "250",
    };
    assert_eq!(value_of(page, name), holds, "{name}");
}

#[test]
fn a_number_that_is_refused_is_named_with_its_range() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        page.click_text("button", "Settings");
        let refused = || page.text("dialog[open] .refused:not([hidden])");
        for (typed, name, why) in [
            (
                "2",
                "Shortest election timeout",
                "2 is refused: Shortest election timeout takes a whole number from 10 to 60000 ms; 150 holds.",
            ),
            (
                "150",
                "Loss",
                "150 is refused: Loss takes a number from 0 to 100 %; 0 holds.",
            ),
            (
                "0",
                "Snapshot after",
                "0 is refused: Snapshot after takes a whole number from 1 to 1000000 entries; 4096 holds.",
            ),
        ] {
            let held = value_of(page, name);
            enter_field(page, name);
            page.press(format!("{typed}{ENTER}"));
            assert_eq!(
                eventually(2.0, "a reason", || Some(refused()).filter(|said| !said.is_empty())),
                why
            );
            page.press(TAB.to_string());
            assert_eq!(value_of(page, name), held, "what holds is shown");
            enter_field(page, name);
            page.press(format!("20{TAB}"));
            eventually(2.0, "the reason is gone", || refused().is_empty().then_some(()));
            assert_eq!(value_of(page, name), "20");
        }
    });
}

/// The text of the command line is a person's, too; and the slider is, while they move it.
#[test]
fn the_command_line_and_the_speed_are_left_to_who_is_in_them() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        // Who writes to a field while it is composed in ends the composition.
        page.eval(
            "window.written = [];
             const value = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value');
             Object.defineProperty(HTMLInputElement.prototype, 'value', { ...value, set(text) {
               if (document.activeElement === this) window.written.push([this.ariaLabel, text]);
               value.set.call(this, text);
             } });",
        );
        page.click_named("Command");
        page.press("push 1 4");
        time_runs(page);
        assert_eq!(typed(page), "push 1 4");
        page.click_named("Speed");
        page.press("\u{e012}");
        time_runs(page);
        assert!(page.status().rate < 1.0);
        assert_eq!(page.eval("return window.written"), serde_json::json!([]));
        page.click(".speed-value");
        eventually(2.0, "the slider follows the speed", || {
            (value_of(page, "Speed") == "0").then_some(())
        });
    });
}

#[test]
fn an_address_that_asks_for_too_much_is_told_what_holds() {
    drive(
        "?nodes=99&speed=1e99&snapshot=0&loss=150&elction_min=100&start=al&delay=quick&cluster=mine",
        |page| {
            let notice = eventually(5.0, "a notice", || {
                Some(page.text(".notices")).filter(|text| !text.is_empty())
            });
            for said in [
                "nodes=99: Nodes takes a whole number from 1 to 9; 9 holds.",
                "speed=1e99: Speed takes a number from 0.001 to 10; 10 holds.",
                "snapshot=0: Snapshot after takes a whole number from 1 to 1000000 entries; 1 holds.",
                "loss=150: Loss takes a number from 0 to 100 %; 100 holds.",
                "elction_min=100: there is no such setting; there are nodes, election_min,",
                "start=al: it is all or none.",
                "delay=quick: Delay takes a number from 0 to 10000 ms; 8 holds.",
                "cluster: this browser has no cluster of that name",
            ] {
                assert!(notice.contains(said), "{said} is not in {notice}");
            }
            assert_eq!(page.status().nodes.len(), 9);
            assert_eq!(page.status().rate, 10.0);

            page.go("?nodes=3&speed=1&snapshot=4096&loss=0&election_min=500&election_max=100");
            let notice = page.text(".notices");
            assert!(
                notice.contains("the longest election timeout, 100 ms, is shorter than the shortest, 500 ms"),
                "{notice}"
            );
            assert!(notice.contains("500 to 1000 ms"), "{notice}");
            page.go("?nodes=3&election_min=150&election_max=300&heartbeat=50&theme=dark&keys=on&start=all");
            page.leader_within(10.0);
            assert_eq!(page.text(".notices"), "", "what may be is taken without a word");
        },
    );
}
