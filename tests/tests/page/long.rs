//! Work that takes long: it is seen how far it is, it can be cancelled, and the page and its recorder answer meanwhile.

use serde_json::Value;
use sim::{Scenario, Wanted};
use tests::{Page, drive, eventually};

use crate::opening::{gives, recorder_is_there};
use crate::time::{is_judged_safe, past, presses};

/// A run that is opened in a few seconds, and of which more is made than at once.
fn minutes() -> Vec<u8> {
    let wanted = Wanted {
        nodes: Some(3),
        seconds: Some(240),
        rate: Some(20),
        faults: Some([].into_iter().collect()),
        ..Wanted::default()
    };
    sim::file::write(&Scenario::drawn(3, wanted)).unwrap()
}

/// Sees all that the panel shows of what is being made, and every file that is offered. The first time that anything is seen to be made,
/// `window.meanwhile()` is called, if it is there.
const WATCH: &str = "
    window.seen = [];
    window.files = [];
    const make = URL.createObjectURL.bind(URL);
    URL.createObjectURL = (blob) => { window.files.push(blob); return make(blob); };
    new MutationObserver(() => {
      const bar = document.querySelector('.making progress');
      if (!bar) return;
      window.seen.push(bar.value);
      const meanwhile = window.meanwhile;
      window.meanwhile = null;
      meanwhile?.();
    }).observe(document.querySelector('.time-panel'), { childList: true, subtree: true });";

fn files(page: &Page) -> usize {
    page.eval("return window.files.length").as_u64().unwrap() as usize
}

fn nothing_is_made(page: &Page) {
    eventually(120.0, "nothing is being made", || {
        (page.eval("return document.querySelector('.making')").is_null()).then_some(())
    });
}

fn opened(page: &Page) {
    recorder_is_there(page);
    gives(page, "minutes.ftq", &minutes(), false);
    eventually(120.0, "the run", || (!past(page).is_null()).then_some(()));
    page.eval(WATCH);
}

#[test]
fn a_long_export_is_seen_to_come_and_the_recorder_answers_meanwhile() {
    drive("?nodes=3", |page| {
        opened(page);
        page.eval(
            "window.meanwhile = async () => {
               const past = await ftqueue.past();
               const timings = await ftqueue.timings();
               window.answered = {
                 run: past.run, judged: !!timings.took_us,
                 is_made_yet: !!document.querySelector('.making'),
               };
             };",
        );
        presses(page, "make jsonl");
        eventually(120.0, "the file", || (files(page) == 1).then_some(()));
        let answered = page.eval("return window.answered ?? null");
        assert_eq!(
            (&answered["run"], &answered["judged"], &answered["is_made_yet"]),
            (&Value::from(1), &Value::from(true), &Value::from(true)),
            "{answered}"
        );
        let seen = page.eval("return window.seen");
        let seen: Vec<u64> = seen.as_array().unwrap().iter().filter_map(Value::as_u64).collect();
        assert!(seen.is_sorted() && seen.first() < seen.last(), "{seen:?}");
        nothing_is_made(page);
        // What a script is given comes in parts, and is as long.
        let whole = page.eval(
            "const lines = (await window.files[0].text()).trimEnd().split('\\n').map(JSON.parse);
             const { facts } = await ftqueue.trace();
             const told = lines.filter(({ kind }) => kind === 'told');
             return {
               type: window.files[0].type,
               told: told.length,
               facts: facts.length,
               same: facts.every(({ at_us, text }, place) => at_us === told[place].at_us && told[place].text.endsWith(text)),
               sorted: lines.every(({ at_us }, place) => place === 0 || at_us >= lines[place - 1].at_us),
             };",
        );
        assert_eq!(whole["type"], "application/jsonl");
        assert!(whole["told"].as_u64() > Some(50_000), "{whole}");
        assert_eq!(
            (&whole["facts"], &whole["same"], &whole["sorted"]),
            (&whole["told"], &Value::from(true), &Value::from(true)),
            "{whole}"
        );
        presses(page, "show 0");
        page.eval("await ftqueue.look()");
        is_judged_safe(page);
    });
}

#[test]
fn a_long_export_can_be_cancelled_and_leaves_nothing() {
    const CANCEL: &str = "window.meanwhile = () => document.querySelector('[data-do=cancel-making]').click();";
    drive("?nodes=3", |page| {
        opened(page);
        for what in ["jsonl", "chrome", "shiviz"] {
            page.eval(CANCEL);
            presses(page, &format!("make {what}"));
            eventually(120.0, "it is cancelled", || {
                page.eval("return window.meanwhile").is_null().then_some(())
            });
            nothing_is_made(page);
        }
        // A script is told.
        page.eval(CANCEL);
        let why = page
            .try_eval("return await ftqueue.trace()")
            .expect_err("it is cancelled");
        assert!(why.contains("the trace was cancelled on the page"), "{why}");
        nothing_is_made(page);
        assert_eq!(page.text(".notices"), "");
        // One is made after the other: what is made last is all there is.
        presses(page, "make history");
        eventually(120.0, "the history", || (files(page) > 0).then_some(()));
        let made = page.eval(
            "return { types: window.files.map(({ type }) => type), begins: (await window.files[0].text()).slice(0, 9) };",
        );
        assert_eq!(
            made,
            serde_json::json!({ "types": ["application/edn"], "begins": "{:index 0" })
        );
        // The page goes on.
        presses(page, "show 0");
        page.eval("await ftqueue.look()");
        assert!(page.submit("create_queue 7").ok);
        is_judged_safe(page);
    });
}
