//! What a cluster endures, for people to read: `cargo xtask endure` runs these, and they fail if anything that was acknowledged is lost, comes
//! twice, or is called wrong.

use std::env;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::{Page, drive, drive_sparing, eventually};

use crate::lifecycle::starts_load;

/// Five nodes, and clients that ask for 100 operations a second: each item is pushed once, and a pop follows each push.
const LOAD: &str = "
    window.pushed = new Set(); window.unsure = new Set(); window.popped = []; window.asked = 0; window.running = true;
    window.lostPops = 0;
    // A pop whose answer was lost on the way may have taken an item with it.
    const take = outcome => { if (outcome.ok) window.popped.push(outcome.value); else if (!outcome.text.includes('empty')) window.lostPops++; };
    window.load = setInterval(async () => {
      if (!window.running) return;
      const item = ++window.asked;
      const outcome = await ftqueue.submit('push 1 ' + item);
      (outcome.ok ? window.pushed : window.unsure).add(item);
      take(await ftqueue.submit('pop 1'));
    }, 20);";

fn number_of(variable: &str, otherwise: u32) -> u32 {
    let given = env::var(variable).ok().and_then(|number| number.parse().ok());
    given.unwrap_or(otherwise)
}

/// The memory of all processes that came from this one, in MB: what is a process's own, and its part of what they share.
fn memory_mb() -> f64 {
    let mut mine = vec![std::process::id()];
    let mut all: Vec<(u32, u32)> = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(id) = process.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        let parent = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
        all.extend(parent.map(|parent| (id, parent)));
    }
    let mut place = 0;
    while let Some(&parent) = mine.get(place) {
        mine.extend(all.iter().filter(|(_, of)| *of == parent).map(|(id, _)| *id));
        place += 1;
    }
    let kb: u64 = mine.iter().skip(1).map(|id| proportional_kb(*id)).sum();
    kb as f64 / 1000.0
}

fn proportional_kb(process: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}

fn begin(page: &Page) {
    page.leader_within(20.0);
    page.value_of("create_queue 7");
    page.eval(LOAD);
}

/// Ends the load, takes out what is left, and looks for what is lost or there twice. Prints a line.
fn settle(page: &Page, what: &str) {
    page.eval("window.running = false; clearInterval(window.load);");
    for node in 1..=5 {
        if page.status().node(node).role == "crashed" {
            page.restart(node);
        }
    }
    eventually(60.0, "a leader at the end", || page.status().leader);
    eventually(120.0, "an answer for everybody", || {
        let under_way = page.eval("return window.asked - window.pushed.size - window.unsure.size");
        (under_way.as_u64() == Some(0)).then_some(())
    });
    let rest = page.pop_all(1);
    let came = page.eval(&format!(
        "const all = [...window.popped, ...{rest:?}];
         const seen = new Set(all);
         const lost = [...window.pushed].filter(item => !seen.has(item)).length;
         const unknown = all.filter(item => !window.pushed.has(item) && !window.unsure.has(item)).length;
         return {{ acknowledged: window.pushed.size, unsure: window.unsure.size, came: all.length, lost, twice: all.length - seen.size, unknown }};"
    ));
    let number = |name: &str| came[name].as_u64().unwrap_or(u64::MAX);
    let verdict = eventually(120.0, "a verdict on all of it", || {
        let verdict = page.text(".verdict");
        (!verdict.contains("is judged") && !verdict.is_empty()).then_some(verdict)
    });
    println!("{what}: {came}; {verdict}");
    assert_eq!(
        (number("twice"), number("unknown")),
        (0, 0),
        "nothing comes twice, or from nowhere"
    );
    assert!(verdict.contains("safe"), "{verdict}");
    let lost = number("lost");
    let lost_pops = page.eval("return window.lostPops ?? 0").as_u64().unwrap_or(0);
    assert!(
        lost <= lost_pops,
        "{lost} items that were acknowledged never came out, and {lost_pops} pops have no answer"
    );
}

#[test]
#[ignore = "it takes minutes: cargo xtask endure"]
fn kills() {
    let kills = number_of("FTQUEUE_KILLS", 1_000);
    drive("?nodes=5", |page| {
        begin(page);
        let memory_before = memory_mb();
        let started = Instant::now();
        page.eval(&format!(
            "window.kills = 0;
             const pause = ms => new Promise(next => setTimeout(next, ms));
             (async () => {{
               const down = new Set();
               while (window.kills < {kills}) {{
                 await pause(40 + Math.random() * 120);
                 const {{ nodes }} = await ftqueue.status();
                 const up = nodes.filter(node => node.role !== 'crashed' && !down.has(node.id));
                 if (down.size < 2 && up.length > 3) {{
                   const victim = up[Math.floor(Math.random() * up.length)].id;
                   down.add(victim);
                   await ftqueue.crash(victim);
                   window.kills++;
                   pause(50 + Math.random() * 250).then(() => ftqueue.restart(victim)).finally(() => down.delete(victim));
                 }}
               }}
             }})();"
        ));
        let mut told = 0;
        loop {
            let done = page.eval("return window.kills").as_u64().unwrap_or(0);
            if done / 100 > told {
                told = done / 100;
                println!(
                    "{done} kills after {:.0} s: {:.0} MB, {}",
                    started.elapsed().as_secs_f64(),
                    memory_mb(),
                    page.text(".verdict")
                );
            }
            if done >= u64::from(kills) {
                break;
            }
            assert!(
                started.elapsed() < Duration::from_secs(3_600),
                "{done} kills within an hour"
            );
            std::thread::sleep(Duration::from_millis(500));
        }
        let memory_after = memory_mb();
        settle(
            page,
            &format!("{kills} kills, {memory_before:.0} MB before, {memory_after:.0} MB after"),
        );
    });
}

#[test]
#[ignore = "it takes an hour: cargo xtask endure --minutes 60"]
fn minutes() {
    let minutes = number_of("FTQUEUE_MINUTES", 60);
    drive("?nodes=5", |page| {
        begin(page);
        for minute in 1..=minutes {
            std::thread::sleep(Duration::from_secs(60));
            let timings =
                page.eval("const { tape_bytes, kept } = await ftqueue.timings(); return { tape_bytes, kept }");
            let answered = page.eval("return window.pushed.size").as_u64().unwrap_or(0);
            println!(
                "minute {minute}: {:.0} MB, {answered} pushes, {}",
                memory_mb(),
                told(&timings)
            );
        }
        settle(page, &format!("{minutes} minutes"));
    });
}

/// The same in a page that nobody looks at, whose timers the browser lets run once a minute: 20 operations a second by the page's own load.
#[test]
#[ignore = "it takes minutes: cargo xtask endure --minutes 15 --hidden"]
fn hidden() {
    let minutes = number_of("FTQUEUE_MINUTES", 15);
    drive_sparing("?nodes=5", |page| {
        page.leader_within(20.0);
        starts_load(page, 20);
        page.eval(
            "window.samples = [];
             const begun = performance.now();
             setInterval(async () => {
               const { tape_bytes, events } = await ftqueue.timings();
               const { leader, term, commit_index, now_ms } = await ftqueue.status();
               window.samples.push({
                 s: Math.round((performance.now() - begun) / 1000), hidden: document.hidden, tape_bytes, events, leader, term, commit_index, now_ms,
                 load: document.querySelector('.load summary').innerText, verdict: document.querySelector('.verdict').innerText,
               });
             }, 60_000);",
        );
        let before = page.status();
        let first = page.tab();
        page.open_tab("about:blank");
        let begun = Instant::now();
        for minute in 1..=minutes {
            std::thread::sleep(Duration::from_secs(60));
            println!("minute {minute}: {:.0} MB", memory_mb());
        }
        page.look_at(&first);
        let back = Instant::now();
        let after = page.status();
        let samples = page.eval("return window.samples");
        for sample in samples.as_array().into_iter().flatten() {
            println!("{sample}");
        }
        let verdict = eventually(10.0, "the verdict", || {
            Some(page.text(".verdict")).filter(|said| said.contains("safe"))
        });
        let operations = after.commit_index - before.commit_index;
        println!(
            "{:.0} s hidden: {operations} entries, terms {} and {}; {:.1} s later: {verdict}",
            begun.elapsed().as_secs_f64(),
            before.term,
            after.term,
            back.elapsed().as_secs_f64()
        );
        let hidden = samples
            .as_array()
            .into_iter()
            .flatten()
            .filter(|sample| sample["hidden"] == true);
        assert!(hidden.count() + 2 >= minutes as usize, "the page was hidden");
        assert!(operations > u64::from(minutes) * 60 * 15, "the load went on");
    });
}

fn told(timings: &Value) -> String {
    let mb = |bytes: &Value| bytes.as_f64().unwrap_or(0.0) / 1e6;
    let kept = &timings["kept"];
    format!(
        "tape {:.1} MB, timeline {:.1} MB, all {:.1} of {:.1} MB, kept from {:.0} s on",
        mb(&timings["tape_bytes"]),
        mb(&kept["timeline_bytes"]),
        mb(&kept["bytes"]),
        mb(&kept["bytes_max"]),
        mb(&kept["from_us"]),
    )
}
