//! What a person or a script asks for, rightly and wrongly.

use serde_json::json;
use tests::{drive, eventually};

#[test]
fn six_operations() {
    drive("?nodes=3", |page| {
        let qid = page.value_of("create_queue 7");
        assert_eq!(page.value_of("get_qid 7"), qid);
        assert!(page.submit(&format!("push {qid} 42")).ok);
        assert!(page.submit(&format!("push {qid} -9223372036854775808")).ok);
        assert_eq!(page.value_of(&format!("qsize {qid}")), 2);
        assert_eq!(page.value_of(&format!("top {qid}")), 42);
        assert_eq!(page.value_of(&format!("pop {qid}")), 42);
        let least = page.submit(&format!("pop {qid}"));
        assert_eq!(least.value, json!("-9223372036854775808"));
        assert_eq!(least.text, "-9223372036854775808");
    });
}

#[test]
fn bad_input_is_named_and_changes_nothing() {
    drive("?nodes=3", |page| {
        let qid = page.value_of("create_queue 7");
        page.value_of(&format!("push {qid} 1"));
        let before = page.status();

        // Malformed: named, and not sent.
        for (command, named) in [
            ("", ""),
            ("psh 1 42", "psh"),
            ("push", "push"),
            ("push 1", "push"),
            ("push 1 2 3", "push"),
            ("push 1 forty-two", "forty-two"),
            ("push 1 9223372036854775808", "9223372036854775808"),
            ("create_queue -99999999999999999999", "-99999999999999999999"),
            ("pop 1; pop 1", "1;"),
            ("<b>push</b>", "<b>push</b>"),
        ] {
            let outcome = page.submit(command);
            assert!(!outcome.ok && outcome.tries == 0, "{command:?}: {outcome:?}");
            let error = outcome.error.unwrap_or_default();
            assert!(!error.is_empty() && error.contains(named), "{command:?}: {error}");
        }
        // Well formed, but not possible: an error that the cluster has agreed on.
        let empty = page.value_of("create_queue 8");
        for (command, named) in [
            ("create_queue 7".to_owned(), format!("{qid}")),
            ("get_qid 9".to_owned(), "label".to_owned()),
            ("pop 99".to_owned(), "queue".to_owned()),
            ("top 99".to_owned(), "queue".to_owned()),
            (format!("pop {empty}"), "empty".to_owned()),
            (format!("top {empty}"), "empty".to_owned()),
        ] {
            let outcome = page.submit(&command);
            assert!(!outcome.ok && outcome.tries > 0, "{command}: {outcome:?}");
            assert!(outcome.text.contains(&named), "{command}: {outcome:?}");
        }
        assert_eq!(page.value_of(&format!("qsize {qid}")), 1);
        assert_eq!(page.value_of(&format!("qsize {empty}")), 0);
        assert_eq!(page.status().term, before.term);

        // Not commands at all.
        let error = page.try_eval("await ftqueue.submit(42)").unwrap_err();
        assert!(error.contains("push 1 42"), "it says what would be right: {error}");
        for call in ["crash(9)", "crash('x')", "restart(0)", "restart()"] {
            let error = page.try_eval(&format!("await ftqueue.{call}")).unwrap_err();
            assert!(error.contains("1 to 3"), "{call}: {error}");
        }
        page.crash(1);
        let error = page.try_eval("await ftqueue.crash(1)").unwrap_err();
        assert!(error.contains("not running"), "{error}");
    });
}

#[test]
fn typed_commands_stay_among_the_results() {
    const ENTER: char = '\u{e007}';
    const UP: char = '\u{e013}';
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        let command_line = "[aria-label=Command]";
        let results = |what: &str| {
            eventually(10.0, &format!("{what:?} among the results"), || {
                page.text("[aria-label=Results]").contains(what).then_some(())
            });
        };
        page.type_into(command_line, format!("create_queue 7{ENTER}"));
        results("queue 1");
        page.type_into(command_line, format!("pop 1{ENTER}"));
        results("empty");
        page.type_into(command_line, format!("push 1 nonsense{ENTER}"));
        results("nonsense");
        // The line before the last, once more.
        page.type_into(command_line, format!("{UP}{UP}{ENTER}"));
        eventually(5.0, "the command again", || {
            (page.text("[aria-label=Results]").matches("pop 1").count() >= 2).then_some(())
        });
        assert_eq!(page.names("[role=log]"), ["Results"]);
    });
}

#[test]
fn a_command_waits_for_a_majority() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        let qid = page.value_of("create_queue 7");
        page.crash(1);
        page.crash(2);
        page.crash(3);
        page.eval(&format!("window.late = ftqueue.submit('push {qid} 5')"));
        page.restart(1);
        std::thread::sleep(std::time::Duration::from_secs(1));
        assert_eq!(
            page.eval("return await Promise.race([window.late, 'under way'])"),
            "under way"
        );
        page.restart(2);
        let outcome = page.eval("return await window.late");
        assert_eq!(outcome["ok"], true, "{outcome}");
        assert!(outcome["tries"].as_u64() > Some(1), "{outcome}");
        assert_eq!(page.value_of(&format!("qsize {qid}")), 1, "it was applied once");
    });
}
