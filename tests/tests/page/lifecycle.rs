//! What browsers do with pages that nobody looks at: they keep them aside, freeze them, spare them processor, discard them; and they crash.

use tests::{Page, drive, eventually};
use xtask::engines::Engine;

use crate::opening::recorder_is_there;
use crate::time::is_judged_safe;

/// Has the page's own load ask for so many operations a second.
pub(crate) fn starts_load(page: &Page, rate: u32) {
    page.eval(&format!(
        "document.querySelector('.load').open = true;
         const field = document.querySelector('.load input');
         field.value = '{rate}';
         for (const name of ['input', 'change']) field.dispatchEvent(new Event(name, {{ bubbles: true }}));"
    ));
    page.click_text(".load button", "Start load");
    eventually(10.0, "the load runs", || {
        page.text(".load summary").contains("ops/s").then_some(())
    });
}

/// A document of the same site that is no page.
fn elsewhere(page: &Page) -> String {
    format!("{}icons/icon.svg", page.address())
}

/// Operations from here on, one after the other in each of so many chains. What each answers, and when, is kept.
fn begin_clients(page: &Page, chains: u32) {
    page.eval(&format!(
        "window.asked = 0;
         window.answers = [];
         window.running = true;
         const chain = async () => {{
           while (window.running) {{
             const item = ++window.asked;
             const outcome = await ftqueue.submit(`push 1 ${{item}}`);
             window.answers.push({{ item, ok: outcome.ok, text: outcome.text, at: performance.now(), hidden: document.hidden }});
           }}
         }};
         window.chains = Promise.all(Array.from({{ length: {chains} }}, chain));"
    ));
    answers_go_on(page);
}

fn answers_go_on(page: &Page) {
    let answered = || page.eval("return window.answers.length").as_u64().unwrap();
    let before = answered();
    eventually(10.0, "answers go on", || (answered() > before + 20).then_some(()));
}

/// Every client has its answer, a good one, and everything that was pushed is there once.
fn end_clients(page: &Page) {
    let bad = page.eval(
        "window.running = false;
         await window.chains;
         return window.answers.filter(({ ok }) => !ok).map(({ text }) => text)",
    );
    assert_eq!(bad, serde_json::json!([]), "no operation failed, or has been given up");
    let pushed = page.eval("return window.asked").as_i64().unwrap();
    let mut items = page.pop_all(1);
    items.sort_unstable();
    assert_eq!(items, (1..=pushed).collect::<Vec<_>>());
}

/// Virtual time as the page reads it, again and again; it never goes back.
fn watch_time(page: &Page) {
    page.eval(
        "window.wentBack = [];
         let before = 0;
         const look = async () => {
           const { now_ms } = await ftqueue.status();
           if (now_ms < before) window.wentBack.push([before, now_ms]);
           before = now_ms;
           setTimeout(look, 5);
         };
         look();",
    );
}

fn time_never_went_back(page: &Page) {
    assert_eq!(page.eval("return window.wentBack"), serde_json::json!([]));
}

/// Whether the browser has kept the page or loads it anew is its own affair: both end in the same cluster, which goes on.
#[test]
fn who_goes_away_and_comes_back_has_their_cluster_again() {
    drive("?nodes=3", |page| {
        page.leader_within(10.0);
        recorder_is_there(page);
        let qid = page.value_of("create_queue 7");
        page.value_of(&format!("push {qid} 42"));
        for away in [elsewhere(page), "about:blank".to_owned()] {
            page.eval(
                "window.addEventListener('pageshow', ({ persisted }) => { window.persisted = persisted; });
                 window.pending = Promise.all(Array.from({ length: 8 }, () => ftqueue.submit('qsize 1')));",
            );
            watch_time(page);
            page.load(&away);
            // So long, a frozen page has missed many elections.
            std::thread::sleep(std::time::Duration::from_secs(2));
            page.back();
            page.wait();
            let kept = page.eval("return window.persisted === true") == true;
            let why = page.eval("return performance.getEntriesByType('navigation')[0].notRestoredReasons?.reasons?.map(({ reason }) => reason) ?? null");
            println!("after {away}: the page was kept: {kept}; why not: {why}");
            page.leader_within(20.0);
            assert_eq!(page.status().cluster, "cluster-0-n3");
            if kept {
                let sizes = page.eval("return (await window.pending).map(({ ok, value }) => ok && value)");
                assert_eq!(sizes, serde_json::json!([1, 1, 1, 1, 1, 1, 1, 1]));
                time_never_went_back(page);
            }
            is_judged_safe(page);
            assert_eq!(page.text(".notices"), "");
        }
        page.value_of(&format!("push {qid} 43"));
        assert_eq!(page.pop_all(qid), [42, 43]);
    });
}

/// Who goes elsewhere soon, into another process of the browser perhaps, has left the page: nothing has crashed.
#[test]
fn who_leaves_at_once_and_comes_again_is_told_nothing() {
    drive("?nodes=3", |page| {
        for _ in 0..8 {
            page.load("about:blank");
            page.go("?nodes=3");
            assert_eq!(page.text(".notices"), "");
        }
    });
}

/// A page that was ended without being left is told of when its tab is loaded again, once.
#[test]
fn a_page_that_ended_without_being_left_is_told_of() {
    drive("?nodes=3", |page| {
        page.leader_within(10.0);
        // Nobody wrote that it was left.
        page.eval("addEventListener('pagehide', () => sessionStorage.setItem('ftqueue-page', '4'))");
        page.reload();
        page.leader_within(20.0);
        let said = page.text(".notices");
        assert!(said.contains("ended without being left"), "{said}");
        assert!(
            said.contains("goes on from its disks") && said.contains("1 run beside the live one"),
            "{said}"
        );
        page.reload();
        page.leader_within(20.0);
        assert_eq!(page.text(".notices"), "");
    });
}

/// A page that is kept aside gives its cluster to whoever opens the page meanwhile, and says so when one comes back to it.
#[test]
fn a_cluster_that_another_tab_has_taken_meanwhile_is_named() {
    drive("?nodes=3", |page| {
        page.leader_within(10.0);
        let qid = page.value_of("create_queue 7");
        page.load(&elsewhere(page));
        let first = page.tab();
        let second = page.open_tab(&format!("{}?nodes=3", page.address()));
        page.wait();
        page.leader_within(10.0);
        assert_eq!(page.status().cluster, "cluster-0-n3", "nobody has it open");
        assert_eq!(page.value_of("get_qid 7"), qid);
        page.look_at(&first);
        page.back();
        page.wait();
        page.leader_within(10.0);
        assert_eq!(page.status().cluster, "cluster-1-n3");
        let said = page.text(".notices");
        assert!(said.contains("cluster 1 is open in another tab by now"), "{said}");
        page.value_of("create_queue 8");
        page.look_at(&second);
        page.close_tab(&first);
    });
}

/// The page of the same tab, by its address: what is kept aside stands in nobody's way.
#[test]
fn the_page_before_in_the_same_tab_gives_its_cluster_up() {
    drive("?nodes=3", |page| {
        page.leader_within(10.0);
        let qid = page.value_of("create_queue 7");
        for query in ["?nodes=3&theme=dark", "?nodes=3&theme=light"] {
            page.load(&elsewhere(page));
            page.go(query);
            page.leader_within(10.0);
            assert_eq!(page.status().cluster, "cluster-0-n3");
            assert_eq!(page.value_of("get_qid 7"), qid);
            assert_eq!(page.text(".notices"), "");
        }
    });
}

/// Browsers freeze tabs that nobody looks at, in the middle of whatever they do: here so often, each time for so many seconds. All goes on.
fn is_frozen_at_work(times: u32, seconds: u64) {
    if Engine::of_environment() != Engine::Chromium {
        return;
    }
    drive("?nodes=3", |page| {
        page.leader_within(10.0);
        recorder_is_there(page);
        page.value_of("create_queue 7");
        watch_time(page);
        begin_clients(page, 8);
        for _ in 0..times {
            page.set_frozen(true);
            std::thread::sleep(std::time::Duration::from_secs(seconds));
            page.set_frozen(false);
            page.leader_within(10.0);
            answers_go_on(page);
        }
        end_clients(page);
        time_never_went_back(page);
        is_judged_safe(page);
        assert_eq!(page.text(".notices"), "");
    });
}

#[test]
fn a_page_that_was_frozen_at_work_goes_on() {
    is_frozen_at_work(3, 3);
}

/// Longer than anybody is waited for: nobody is told that there was no answer.
#[test]
fn a_page_that_was_frozen_for_long_says_nothing_false() {
    is_frozen_at_work(1, 35);
}

/// A frozen page answers nobody who asks for its cluster. Another tab does not wait for it.
#[test]
fn another_tab_does_not_wait_for_one_that_is_frozen() {
    if Engine::of_environment() != Engine::Chromium {
        return;
    }
    drive("?nodes=3", |page| {
        page.leader_within(10.0);
        let qid = page.value_of("create_queue 7");
        let first = page.tab();
        page.set_frozen(true);
        let second = page.open_tab(&format!("{}?nodes=3", page.address()));
        page.wait();
        page.leader_within(10.0);
        assert_eq!(page.status().cluster, "cluster-1-n3");
        assert_eq!(page.text(".notices"), "", "nobody was to have the first one");
        page.look_at(&first);
        page.set_frozen(false);
        page.leader_within(10.0);
        assert_eq!(page.value_of("get_qid 7"), qid);
        // It answers again.
        page.open_tab(&format!("{}?nodes=3", page.address()));
        page.wait();
        assert_eq!(page.status().cluster, "cluster-2-n3");
        page.close_tab(&second);
        // And this one's page, which was frozen once, is not taken for frozen now.
        page.set_frozen(true);
        page.set_frozen(false);
        page.reload();
        page.leader_within(10.0);
        assert_eq!(page.status().cluster, "cluster-1-n3");
    });
}

/// The cluster is on its disks; what was recorded, and branches of it, were in memory. Both are said.
#[test]
fn a_tab_that_was_discarded_has_its_cluster_again_and_says_what_is_gone() {
    if Engine::of_environment() != Engine::Chromium {
        return;
    }
    const BRANCHES: &str = "
        const until = async (look) => { while (!(await look())) await new Promise((next) => setTimeout(next, 50)); };
        await until(async () => (await opened.ftqueue.status()).leader);
        await opened.ftqueue.submit('create_queue 7');
        await opened.ftqueue.submit('push 1 42');
        const { now_ms } = await opened.ftqueue.status();
        await opened.ftqueue.look(now_ms - 100);
        await until(async () => await opened.ftqueue.past());
        opened.document.querySelector('[data-node]').click();
        await until(async () => (await opened.ftqueue.past())?.run > 0);";
    drive("?nodes=3", |page| {
        page.discard("?nodes=3", BRANCHES);
        page.wait();
        assert_eq!(page.eval("return document.wasDiscarded"), true);
        page.leader_within(20.0);
        assert_eq!(page.status().cluster, "cluster-0-n3");
        assert_eq!(page.pop_all(1), [42]);
        let said = page.text(".notices");
        assert!(
            said.contains("discarded this tab") && said.contains("goes on from its disks"),
            "{said}"
        );
        assert!(said.contains("1 run beside the live one, with the instant"), "{said}");
        is_judged_safe(page);
        // It is said once.
        page.reload();
        page.leader_within(20.0);
        assert_eq!(page.text(".notices"), "");
    });
}

/// A page may stand still alone: in a dialog of the browser's, or in a script. The nodes go on without it, and when it comes to itself, they
/// still do.
#[test]
fn nodes_do_not_stop_when_the_page_comes_to_itself() {
    drive("?nodes=3", |page| {
        page.leader_within(10.0);
        page.value_of("create_queue 7");
        for _ in 0..3 {
            page.eval("const until = performance.now() + 4000; while (performance.now() < until);");
            // Each answer needs a heartbeat's worth of virtual time at most.
            let took_ms = page.eval(
                "const began = performance.now(); for (let n = 0; n < 20; n += 1) await ftqueue.submit('qsize 1'); return performance.now() - began",
            );
            println!("20 reads in {took_ms} ms");
            let (now, since) = (page.status().now_ms, std::time::Instant::now());
            std::thread::sleep(std::time::Duration::from_secs(2));
            let ran_ms = page.status().now_ms - now;
            let wall_ms = since.elapsed().as_secs_f64() * 1000.0;
            assert!(
                ran_ms > 0.9 * wall_ms,
                "{ran_ms:.0} ms of virtual time passed in {wall_ms:.0} ms"
            );
        }
        // A busy computer may have elections; all that was said stays true.
        is_judged_safe(page);
    });
}

/// A browser lets the timers of a hidden page run once a minute, after a while; here it does so at once. What clients ask goes on, and so does
/// the load, and what is recorded of both.
#[test]
fn clients_and_load_of_a_hidden_page_go_on() {
    drive("?nodes=3", |page| {
        page.leader_within(10.0);
        recorder_is_there(page);
        page.value_of("create_queue 7");
        page.eval(
            "const wait = window.setTimeout;
             window.setTimeout = (run, ms, ...more) => wait.call(window, run, document.hidden ? 60_000 : ms, ...more);",
        );
        starts_load(page, 20);
        begin_clients(page, 1);
        let asked = || page.eval("return window.asked").as_u64().unwrap();
        let (before, asked_before) = (page.status(), asked());
        let first = page.tab();
        let other = page.open_tab("about:blank");
        std::thread::sleep(std::time::Duration::from_secs(12));
        page.look_at(&first);
        let hidden = page.eval(
            "const answers = window.answers.filter(({ hidden }) => hidden);
             let gap = 0;
             for (let n = 1; n < answers.length; n += 1) gap = Math.max(gap, answers[n].at - answers[n - 1].at);
             return { answers: answers.length, gap, load: document.querySelector('.load summary').innerText }",
        );
        println!("{hidden}");
        assert!(
            // Without what catches up, a client asks again once a minute.
            hidden["answers"].as_u64() > Some(20) && hidden["gap"].as_f64() < Some(10_000.0),
            "{hidden}"
        );
        let after = page.status();
        let of_load = (after.commit_index - before.commit_index).saturating_sub(asked() - asked_before);
        println!("{of_load} entries are the load's");
        assert!(of_load > 40, "{of_load} entries in 12 s");
        is_judged_safe(page);
        end_clients(page);
        page.look_at(&other);
        page.close_tab(&first);
    });
}
