//! What is tried in every engine: a visit from end to end, and that there is a picture.

use serde_json::Value;
use tests::{Page, drive, eventually};
use xtask::engines::Engine;

use crate::time::{back_to_now, look, makes_link, now_us, past, presses, shows_instant_of};

/// Open, elect, push, crash, restart, go back, branch, link.
#[test]
fn a_visit() {
    let mut link = String::new();
    let mut shown = Value::Null;
    drive("?nodes=3", |page| {
        let leader = page.leader_within(20.0);
        page.value_of("create_queue 7");
        page.value_of("push 1 42");
        page.crash(leader);
        page.other_leader_within(20.0, leader);
        page.value_of("push 1 43");
        page.restart(leader);
        eventually(20.0, "the restarted one catches up", || {
            let status = page.status();
            (status.node(leader).commit_index == status.commit_index).then_some(())
        });
        recorder_has_drawn(page);
        let at = now_us(page) - 300_000;
        look(page, at);
        // A click on a node of the past begins a branch.
        page.eval("document.querySelector('[data-node]').click()");
        let branch = eventually(20.0, "a branch", || {
            Some(past(page)).filter(|shown| shown["run"].as_u64() > Some(0))
        });
        shown = look(page, branch["end_us"].as_u64().unwrap() - 100_000);
        link = makes_link(page);
        presses(page, "show 0");
        back_to_now(page);
        page.value_of("push 1 44");
        assert_eq!(page.pop_all(1), [42, 43, 44]);
        let verdict = page.text(".verdict");
        assert!(verdict.contains("safe"), "{verdict}");
    });
    drive(&link, |page| {
        assert_eq!(shows_instant_of(page, &shown)["hash"], shown["hash"]);
    });
}

/// Firefox gives the context of a canvas that was handed over once: whoever asks for it with every picture paints one, and that is wiped when
/// the size changes.
#[test]
fn the_timeline_is_painted_at_any_size() {
    drive("?nodes=3", |page| {
        page.leader_within(20.0);
        recorder_has_drawn(page);
        for (width, height) in [(1280, 800), (1024, 768), (1440, 900)] {
            page.resize(width, height);
            recorder_has_drawn(page);
        }
    });
}

/// A hidden page has no frames of the screen, and who asks it or its recorder is answered all the same; what is shown then is painted as
/// soon as it is seen again.
#[test]
fn who_asks_a_hidden_page_is_answered() {
    drive("?nodes=3", |page| {
        page.leader_within(20.0);
        recorder_has_drawn(page);
        let at_us = now_us(page) - 300_000;
        page.eval(&format!(
            "document.addEventListener('visibilitychange', async () => {{
               if (!document.hidden) return;
               let frames = 0;
               requestAnimationFrame(() => frames++);
               await ftqueue.look({});
               const past = await ftqueue.past();
               const {{ facts }} = await ftqueue.trace();
               const make = URL.createObjectURL.bind(URL);
               const file = new Promise((offered) => {{
                 URL.createObjectURL = (blob) => {{ offered(blob); return make(blob); }};
               }});
               document.querySelector('[data-do=\"make jsonl\"]').click();
               const lines = (await (await file).text()).trimEnd().split('\\n').length;
               await ftqueue.look();
               const outcome = await ftqueue.submit('create_queue 7');
               localStorage.setItem('answered', JSON.stringify({{
                 at_us: past.at_us, facts: facts.length, lines, outcome: outcome.text, frames, hidden: document.hidden,
               }}));
             }}, {{ once: true }});",
            at_us as f64 / 1000.0
        ));
        let mut answered = Value::Null;
        // Another document of the same site sees what the hidden page puts into its storage.
        page.in_another_tab(&format!("{}icons/icon.svg", page.address()), || {
            answered = eventually(60.0, "an answer of the hidden page", || {
                let answered = page.eval("return JSON.parse(localStorage.getItem('answered'))");
                Some(answered).filter(|answered| !answered.is_null())
            });
        });
        assert_eq!(answered["at_us"], at_us, "{answered}");
        assert_eq!(answered["hidden"], true, "not only when the page was seen again");
        // Firefox makes one now and then.
        if Engine::of_environment() == Engine::Chromium {
            assert_eq!(answered["frames"], 0, "a hidden page has no frames: {answered}");
        }
        assert!(answered["facts"].as_u64() > Some(10), "{answered}");
        assert!(answered["lines"].as_u64() > answered["facts"].as_u64(), "{answered}");
        assert!(
            answered["outcome"].as_str().is_some_and(|text| text.contains('1')),
            "{answered}"
        );
        recorder_has_drawn(page);
    });
}

/// Waits until the timeline is no blank.
fn recorder_has_drawn(page: &Page) {
    eventually(20.0, "a picture of the timeline", || {
        let painted = page.eval(
            "const timeline = document.querySelector('.timeline-view canvas');
             if (!timeline || !timeline.width) return 0;
             const copy = document.createElement('canvas');
             [copy.width, copy.height] = [timeline.width, timeline.height];
             const context = copy.getContext('2d');
             context.drawImage(timeline, 0, 0);
             const dots = context.getImageData(0, 0, copy.width, copy.height).data;
             let painted = 0;
             for (let place = 3; place < dots.length; place += 4) if (dots[place]) painted += 1;
             return painted / (dots.length / 4);",
        );
        painted.as_f64().filter(|part| *part > 0.01)
    });
}
