//! What the timeline costs, for people to read: `cargo xtask bench` runs these. Nothing here fails for being slow.

use serde_json::Value;
use sim::{Scenario, Wanted, file};
use tests::{Page, drive, eventually};

/// The figure below which a part of all lies.
fn percentile(sorted: &[u64], part: f64) -> f64 {
    let place = ((sorted.len() as f64 - 1.0) * part).round() as usize;
    sorted.get(place).copied().unwrap_or(0) as f64 / 1_000.0
}

fn tell(what: &str, timings: &Value, kind: &str) {
    let all = timings["took_us"][kind].as_array().cloned().unwrap_or_default();
    let mut sorted: Vec<u64> = all.iter().filter_map(Value::as_u64).collect();
    sorted.sort_unstable();
    println!(
        "{what:<44} p50 {:>6.2} ms  p95 {:>6.2} ms  ({} times)",
        percentile(&sorted, 0.5),
        percentile(&sorted, 0.95),
        sorted.len()
    );
}

/// Opens a run of so many seconds and operations a second, and waits until it is shown.
fn opens_run(page: &Page, seconds: u32, rate: u32) {
    let wanted = Wanted {
        nodes: Some(5),
        seconds: Some(seconds),
        rate: Some(rate),
        faults: Some([].into_iter().collect()),
        ..Wanted::default()
    };
    let bytes = file::write(&Scenario::drawn(7, wanted)).unwrap();
    eventually(20.0, "the recorder", || {
        (!page.text(".time-panel").is_empty()).then_some(())
    });
    page.eval(&format!(
        "const transfer = new DataTransfer();
         transfer.items.add(new File([new Uint8Array({bytes:?})], 'run.ftq'));
         const field = document.querySelector('#open-run');
         field.files = transfer.files;
         field.dispatchEvent(new Event('change', {{ bubbles: true }}));"
    ));
    eventually(120.0, "the run", || {
        (page.eval("return (await ftqueue.past())?.run ?? 0").as_u64() > Some(0)).then_some(())
    });
}

/// Turns the wheel over the timeline, and waits for a picture each time.
fn wheel(page: &Page, turns: u32, dy: f64, shift: bool) {
    page.eval(&format!(
        "const canvas = document.querySelector('.timeline-view canvas');
         const box = canvas.getBoundingClientRect();
         for (let turn = 0; turn < {turns}; turn++) {{
           const way = turn % 20 < 10 ? 1 : -1;
           canvas.dispatchEvent(new WheelEvent('wheel', {{ bubbles: true, cancelable: true, shiftKey: {shift}, deltaY: {dy} * way,
             clientX: box.left + box.width / 2, clientY: box.top + 120 }}));
           await new Promise(done => requestAnimationFrame(() => setTimeout(done, 20)));
         }}"
    ));
}

#[test]
#[ignore = "a measurement: cargo xtask bench"]
fn pictures_and_looks() {
    drive("?nodes=1", |page| {
        page.leader_within(10.0);
        // The cluster of the page is not what is measured.
        page.crash(1);
        opens_run(page, 60, 80);
        page.eval("document.querySelector('[data-do=\"key f\"]').click(); await new Promise(done => setTimeout(done, 500)); await ftqueue.timings();");
        wheel(page, 100, 60.0, true);
        let timings = page.eval("return await ftqueue.timings()");
        tell(&format!("pan, {} events in view", timings["events"]), &timings, "paint");
        wheel(page, 100, 40.0, false);
        let timings = page.eval("return await ftqueue.timings()");
        tell(&format!("zoom, {} events", timings["events"]), &timings, "paint");
    });
    drive("?nodes=1", |page| {
        page.leader_within(10.0);
        page.crash(1);
        opens_run(page, 600, 20);
        page.eval("await ftqueue.timings();");
        page.eval(
            "const end = (await ftqueue.past()).end_us;
             for (let turn = 0; turn < 200; turn++) {
               ftqueue.look(Math.random() * end / 1000);
               await new Promise(done => requestAnimationFrame(() => setTimeout(done, 30)));
             }",
        );
        let timings = page.eval("return await ftqueue.timings()");
        let mb = timings["tape_bytes"].as_f64().unwrap_or(0.0) / 1e6;
        tell(
            &format!("a random instant of ten minutes, {mb:.0} MB"),
            &timings,
            "look",
        );
    });
}

/// Operations a second, of 32 clients that ask again at once, with the recorder and without, in turn.
#[test]
#[ignore = "a measurement: cargo xtask bench"]
fn recording() {
    let measure = |query: &str, hides: bool| {
        let mut rate = 0.0;
        drive(query, |page| {
            page.leader_within(10.0);
            page.value_of("create_queue 7");
            if hides {
                page.eval("document.querySelector('.timeline-view').style.display = 'none';");
            }
            // The recorder is there, and has read what came before.
            page.eval("await new Promise(done => setTimeout(done, 3000));");
            rate = page
                .eval(
                    "let done = 0; const until = performance.now() + 8000;
                     const client = async () => { while (performance.now() < until) { await ftqueue.submit('push 1 1'); await ftqueue.submit('pop 1'); done += 2; } };
                     await Promise.all(Array.from({ length: 16 }, client));
                     return done / 8;",
                )
                .as_f64()
                .unwrap_or(0.0);
        });
        rate
    };
    let (mut without, mut hidden, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..4 {
        without.push(measure("?record=no", true));
        hidden.push(measure("", true));
        seen.push(measure("", false));
    }
    let mean = |rates: &[f64]| rates.iter().sum::<f64>() / rates.len() as f64;
    let costs = |rates: &[f64]| (1.0 - mean(rates) / mean(&without)) * 100.0;
    println!("operations a second: not recorded {without:.0?}, recorded {hidden:.0?}, and drawn {seen:.0?}");
    println!(
        "recording costs {:.1} % of {:.0} operations a second",
        costs(&hidden),
        mean(&without)
    );
    println!("with the timeline drawn, too, {:.1} %", costs(&seen));
}
