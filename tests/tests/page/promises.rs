//! Every promise that a script is given settles: with an answer, or with the reason why there is none.

use serde_json::Value;
use tests::{Page, drive, eventually};

/// What is asked of the recorder.
const ASKED: [&str; 6] = [
    "trace()",
    "past()",
    "timings()",
    "look()",
    "look(100)",
    "reconstruct(1)",
];

/// Whether a promise is kept, or why it is not.
fn settles(page: &Page, call: &str) -> Result<Value, String> {
    page.try_eval(&format!(
        "const never = new Promise((_, no) => setTimeout(() => no(new Error('it is open yet')), 10000));
         return await Promise.race([ftqueue.{call}, never]);"
    ))
}

#[test]
fn without_a_recorder_who_asks_it_is_told_why_there_is_none() {
    drive("?nodes=3&record=no", |page| {
        page.leader_within(5.0);
        for call in ASKED {
            let why = settles(page, call).expect_err(call);
            assert!(why.contains("the address says record=no"), "{call}: {why}");
        }
        page.choose(1, "Download state");
        eventually(5.0, "a notice", || {
            page.text(".notices").contains("record=no").then_some(())
        });
        assert!(page.submit("create_queue 7").ok, "the cluster needs none");
    });
}

#[test]
fn when_the_recorder_stops_who_asked_it_and_who_asks_is_told() {
    drive("?nodes=3&start=none", |page| {
        // Made before the page fetches the recorder, which it does a while later when there is no leader.
        page.eval(
            "window.Worker = class extends Worker {
               constructor(address, options) {
                 super(address, options);
                 if (options.name === 'lockstep') window.recorder = this;
               }
             };
             await ftqueue.look();",
        );
        for id in 1..=3 {
            page.restart(id);
        }
        page.leader_within(10.0);
        let settled = page.eval(&format!(
            "const asked = [{}];
             window.recorder.dispatchEvent(new ErrorEvent('error', {{ cancelable: true, message: 'gone' }}));
             const never = new Promise((_, no) => setTimeout(() => no(new Error('it is open yet')), 10000));
             const settled = await Promise.allSettled(asked.map((one) => Promise.race([one, never])));
             return settled.map((one) => one.status + ': ' + (one.reason?.message ?? ''));",
            ASKED.map(|call| format!("ftqueue.{call}")).join(", ")
        ));
        for said in settled.as_array().unwrap() {
            let said = said.as_str().unwrap();
            assert!(
                said.starts_with("rejected: ") && said.contains("has stopped"),
                "{settled}"
            );
        }
        for call in ASKED {
            let why = settles(page, call).expect_err(call);
            assert!(why.contains("has stopped"), "{call}: {why}");
        }
        assert!(page.submit("create_queue 7").ok, "the cluster runs on");
    });
}

/// More at once than have room in line.
#[test]
fn of_twelve_thousand_operations_each_is_answered_or_refused() {
    drive("?nodes=1&delay=0&jitter=0", |page| {
        page.leader_within(5.0);
        let qid = page.value_of("create_queue 7");
        page.eval(&format!(
            "const all = Array.from({{ length: 12000 }}, (_, item) => ftqueue.submit('push {qid} ' + item));
             window.settled = 0;
             all.forEach((one) => one.then(() => window.settled++));
             window.all = Promise.all(all);"
        ));
        eventually(200.0, "every promise settles", || {
            (page.eval("return window.settled") == 12_000).then_some(())
        });
        let count = page.eval(
            "const count = {};
             for (const { ok, text } of await window.all) {
               const kind = ok ? 'ok' : text.split(':')[0];
               count[kind] = (count[kind] ?? 0) + 1;
             }
             return count;",
        );
        let (answered, refused) = (count["ok"].as_i64().unwrap(), count["Overloaded"].as_i64().unwrap());
        assert_eq!(answered + refused, 12_000, "{count}");
        assert!(refused > 1_000, "{count}");
        assert_eq!(page.value_of(&format!("qsize {qid}")), answered);
        eventually(5.0, "no line is under way", || {
            (!page.text("[aria-label=Results]").contains("under way")).then_some(())
        });
    });
}

#[test]
fn where_no_node_runs_for_good_a_script_is_told_so() {
    drive("?nodes=3&start=none", |page| {
        page.eval("ftqueue.submit('create_queue 7').then((outcome) => window.outcome = outcome)");
        let outcome = eventually(60.0, "an outcome", || {
            Some(page.eval("return window.outcome ?? null")).filter(|outcome| !outcome.is_null())
        });
        assert_eq!(outcome["ok"], false);
        let text = outcome["text"].as_str().unwrap();
        assert!(
            text.contains("no node runs") && text.contains("it is under way yet"),
            "{text}"
        );
        // It was no lie.
        for id in 1..=3 {
            page.restart(id);
        }
        eventually(10.0, "the operation is carried out", || {
            page.submit("get_qid 7").ok.then_some(())
        });
    });
}

#[test]
fn a_node_that_dies_when_it_is_asked_answers_nobody_and_that_is_said() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        // Each has an answer of its own.
        let both = page.eval("return await Promise.all([1, 2, 3].map((id) => ftqueue.reconstruct(id)))");
        for answer in both.as_array().unwrap() {
            assert_eq!(answer["said"], answer["again"], "{both}");
        }
        let why = page
            .try_eval("const asked = ftqueue.reconstruct(1); ftqueue.crash(1); return await asked;")
            .expect_err("its Worker is gone");
        assert!(why.contains("Node 1 has stopped"), "{why}");
        let why = settles(page, "reconstruct(1)").expect_err("it is down");
        assert!(why.contains("Node 1 does not run"), "{why}");
        let why = page
            .try_eval("const started = ftqueue.restart(1); ftqueue.crash(1); return await started;")
            .expect_err("it has not booted");
        assert!(why.contains("Node 1 was crashed before it had booted"), "{why}");
    });
}
