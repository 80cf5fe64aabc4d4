//! What a push costs beside what the platform costs, for people to read: `cargo xtask bench` runs these. Nothing here fails for being slow.

use serde_json::Value;
use tests::{Page, Site, drive_site};

const PUSHES: u32 = 400;

/// Milliseconds at which a part of all lies.
fn percentile(mut all: Vec<f64>, part: f64) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    let place = ((all.len() as f64 - 1.0) * part).round() as usize;
    all.get(place).copied().unwrap_or(f64::NAN)
}

fn numbers(value: &Value) -> Vec<f64> {
    let all = value.as_array().cloned().unwrap_or_default();
    all.iter().filter_map(Value::as_f64).collect()
}

/// Milliseconds that pushes took, one at a time, each asked for when the one before was answered.
fn one_at_a_time(page: &Page) -> Vec<f64> {
    let took = page.eval(&format!(
        "const took = [];
         for (let push = 0; push < {PUSHES} + 50; push++) {{
           const started = performance.now();
           const outcome = await ftqueue.submit('push 1 1');
           if (!outcome.ok) throw new Error(outcome.text);
           if (push >= 50) took.push(performance.now() - started);
         }}
         return took;"
    ));
    numbers(&took)
}

/// Opens a cluster of so many nodes whose links take no time, with a queue, some seconds after its first leader.
fn ready(page: &Page, nodes: u32, more: &str) {
    page.go(&format!("?nodes={nodes}&delay=0&jitter=0{more}"));
    page.leader_within(10.0);
    if !page.submit("create_queue 7").ok {
        page.value_of("get_qid 7");
    }
    // The recorder is there, and has read what came before.
    page.eval("await new Promise(done => setTimeout(done, 3000));");
}

fn site() -> Site {
    Site::with_files(
        "floor",
        &[
            ("floor.html", include_str!("../../floor/floor.html")),
            ("floor.js", include_str!("../../floor/floor.js")),
            ("floor-worker.js", include_str!("../../floor/floor-worker.js")),
        ],
    )
}

/// One push at a time, with 1, 3 and 5 nodes, beside the floor that the same run measures: one flush while all nodes flush, and two port
/// round trips; with one node, one flush. And beside the messages and flushes of a push, with nothing computed for them: what is above that is ours.
#[test]
#[ignore = "a measurement: cargo xtask bench"]
fn of_one_push() {
    drive_site(&site(), "?start=none", |page| {
        println!("nodes  floor            its traffic alone   a push, not recorded           recorded");
        for nodes in [1, 3, 5] {
            let (mut floors, mut alone) = (Vec::new(), Vec::new());
            let (mut bare, mut recorded) = (Vec::new(), Vec::new());
            let mut parts = (0.0, 0.0);
            for _ in 0..2 {
                page.load(&format!("{}floor.html", page.address()));
                let floor = page.eval(&format!("return await floor({nodes})"));
                let (flush, hop) = (floor["flush"].as_f64().unwrap(), floor["hop"].as_f64().unwrap());
                parts = (flush, hop);
                floors.push(flush + 2.0 * hop);
                alone.push(floor["push"].as_f64().unwrap());
                ready(page, nodes, "&record=no");
                bare.extend(one_at_a_time(page));
                ready(page, nodes, "");
                recorded.extend(one_at_a_time(page));
            }
            let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
            let (floor, alone) = (mean(&floors), mean(&alone));
            let row = |all: Vec<f64>| {
                let p50 = percentile(all.clone(), 0.5);
                format!(
                    "p50 {p50:.2} ms = {:.2} x, p95 {:.2} ms",
                    p50 / floor,
                    percentile(all, 0.95)
                )
            };
            println!(
                "{nodes}      {floor:.2} ms ({:.2} + 2 x {:.2})   {alone:.2} ms = {:.2} x   {}   {}",
                parts.0,
                parts.1,
                alone / floor,
                row(bare),
                row(recorded)
            );
        }
    });
}

/// Operations a second of five nodes with a thousand pushes in flight, and what the page's own thread spends on each.
#[test]
#[ignore = "a measurement: cargo xtask bench"]
fn of_a_thousand_in_flight() {
    drive_site(&site(), "?start=none", |page| {
        for more in ["&record=no", ""] {
            for nodes in [1, 5] {
                ready(page, nodes, more);
                let told = page.eval(
                    "let [done, failed, running] = [0, 0, true];
                     const client = async () => {
                       while (running) for (const line of ['push 1 1', 'pop 1']) (await ftqueue.submit(line)).ok ? done++ : failed++;
                     };
                     const all = Promise.all(Array.from({ length: 1000 }, client));
                     await new Promise(next => setTimeout(next, 1000));
                     const [before, started] = [done, performance.now()];
                     await new Promise(next => setTimeout(next, 5000));
                     const [after, ended] = [done, performance.now()];
                     running = false;
                     await all;
                     return { rate: (after - before) / (ended - started) * 1000, failed };",
                );
                println!(
                    "{nodes} nodes, 1000 in flight{}: {:.0} operations a second, {} failed",
                    if more.is_empty() { ", recorded" } else { "" },
                    told["rate"].as_f64().unwrap_or(f64::NAN),
                    told["failed"]
                );
            }
        }
    });
}
