//! One clock in the whole picture: the page, five Workers and the recorder have a clock each, and no effect stands before its cause.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;
use tests::{Page, Site, drive_site, eventually};

use crate::time::presses;

/// The Workers' wall clocks, as if the system's had been moved before each was made: by hand, by the network, by sleep.
const NODES: &str = r#"{
  const own = Object.getOwnPropertyDescriptor(Performance.prototype, "timeOrigin").get;
  const moved = { "Node 2": 7_200_000, "Node 3": -5_400_000, "Node 4": 37, "Node 5": -61 }[self.name] ?? 0;
  Object.defineProperty(performance, "timeOrigin", { get: () => own.call(performance) + moved });
}"#;
const RECORDER: &str = r#"{
  const own = Object.getOwnPropertyDescriptor(Performance.prototype, "timeOrigin").get;
  Object.defineProperty(performance, "timeOrigin", { get: () => own.call(performance) + 480 });
}"#;

/// F11 and V3: restarted nodes voted no more, calls began after what they had caused, nodes went on after they had crashed.
#[test]
fn no_effect_stands_before_its_cause() {
    let site = Site::with_scripts(
        "moved-clocks",
        &[("worker.js", NODES), ("lockstep-worker.js", RECORDER)],
    );
    drive_site(&site, "?nodes=5", |page| {
        page.leader_within(20.0);
        page.value_of("create_queue 7");
        let ahead_before = ahead_ms(page);
        // Each item is pushed once, so that a call and what a node took and answered find each other.
        page.eval(
            "window.pushed = 0;
             const client = async () => { for (;;) { await ftqueue.submit('push 1 ' + ++window.pushed); await new Promise(next => setTimeout(next, 30)); } };
             client(); client();",
        );
        for round in 0..5 {
            let victim = round + 1;
            page.crash(victim);
            pushes_go_on(page);
            page.restart(victim);
            eventually(20.0, "the restarted one catches up", || {
                let status = page.status();
                (status.node(victim).commit_index + 3 > status.commit_index).then_some(())
            });
            if round == 2 {
                // Another cluster, in a tab that hides this one.
                page.in_another_tab(&format!("{}?nodes=3", page.address()), || {
                    std::thread::sleep(std::time::Duration::from_secs(20));
                });
            }
        }
        pushes_go_on(page);
        // Nor does time run faster than it does for the person who watches: it did, by what had passed between two readings of a clock.
        let gained = ahead_ms(page) - ahead_before;
        assert!(gained < 3_000.0, "virtual time has run {gained:.0} ms ahead");
        let text = export(page);
        let events: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line is JSON"))
            .collect();
        let wrong = effects_before_causes(&events);
        assert!(wrong.is_empty(), "{wrong}");
        let pushed = page.eval("return window.pushed").as_u64().unwrap_or(0);
        assert!(pushed > 50, "{pushed} pushes only");
    });
}

/// How far virtual time is ahead of the page's own clock, in milliseconds, since it was opened.
fn ahead_ms(page: &Page) -> f64 {
    page.eval("return (await ftqueue.status()).now_ms - performance.now()")
        .as_f64()
        .unwrap_or(f64::NAN)
}

/// The run as JSON Lines, as the page gives it to the browser to save.
fn export(page: &Page) -> String {
    page.eval(
        "const own = URL.createObjectURL;
         URL.createObjectURL = blob => { window.saved = blob; return own.call(URL, blob); };",
    );
    presses(page, "make jsonl");
    eventually(20.0, "the export", || {
        page.eval("return await window.saved?.text()")
            .as_str()
            .map(str::to_owned)
    })
}

fn pushes_go_on(page: &Page) {
    let pushed = |page: &Page| page.eval("return window.pushed").as_u64().unwrap_or(0);
    let before = pushed(page);
    eventually(20.0, "pushes go on", || (pushed(page) > before + 10).then_some(()));
}

/// What is told of a life of a node.
#[derive(Clone, Copy)]
enum Life {
    Down { since: u64 },
    Up,
}

/// Looks at every pair of a cause and an effect, and says which are the wrong way round.
fn effects_before_causes(events: &[Value]) -> String {
    let mut wrong = String::new();
    let mut note = |effect: &Value, cause: u64, which: &str| {
        let _ = writeln!(wrong, "{which} at {cause}: {effect}");
    };
    let at = |event: &Value| event["at_us"].as_u64().expect("each has its instant");
    let text = |value: &Value| value.to_string();
    let (mut sent, mut asked, mut requests, mut lives) =
        (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let (mut pairs, mut answers, mut told_to) = (0, BTreeMap::<String, u64>::new(), 0);
    // Causes first: of two that have the same instant either may stand first in the export.
    for event in events {
        let fact = &event["fact"];
        if event["kind"] == "told" {
            told_to = told_to.max(at(event));
        }
        if !fact["Sent"].is_null() {
            sent.insert(text(&fact["Sent"]["message"]), at(event));
        } else if event["kind"] == "invoked" {
            asked.insert(event["operation"].as_str().unwrap_or_default().to_owned(), at(event));
        } else if !fact["Requested"].is_null() {
            // "Took request 7: push 1 42"
            let operation = event["text"].as_str().and_then(|text| text.split_once(": "));
            let operation = operation.map_or("", |(_, operation)| operation);
            requests.insert(text(&fact["Requested"]["request"]), operation.to_owned());
        } else if !fact["Replied"]["reply"]["Answered"].is_null()
            && let Some(operation) = requests.get(&text(&fact["Replied"]["request"]))
        {
            let first = answers.entry(operation.clone()).or_insert(u64::MAX);
            *first = at(event).min(*first);
        }
    }
    let mut calls = BTreeMap::new();
    let mut in_order: Vec<&Value> = events.iter().collect();
    in_order.sort_by_key(|event| at(event));
    for event in in_order {
        let (now, node) = (at(event), event["node"].as_u64().unwrap_or(0));
        let fact = &event["fact"];
        match event["kind"].as_str() {
            Some("started") => drop(lives.insert(node, Life::Up)),
            Some("crashed") => drop(lives.insert(node, Life::Down { since: now })),
            Some("told") => {
                if let Some(Life::Down { since }) = lives.get(&node) {
                    note(event, *since, "after its crash");
                }
            }
            Some("invoked") => drop(calls.insert(
                event["call"].as_u64(),
                event["operation"].as_str().unwrap_or_default().to_owned(),
            )),
            Some("returned") if !event["result"]["Ok"].is_null() => {
                let operation = calls.get(&event["call"].as_u64()).cloned().unwrap_or_default();
                if operation.starts_with("push") {
                    pairs += 1;
                    match answers.get(&operation) {
                        Some(answered) if *answered <= now => {}
                        // What nodes did last is not told yet: the load goes on.
                        None if now > told_to => {}
                        answered => note(event, answered.copied().unwrap_or(u64::MAX), "before any node answered"),
                    }
                }
            }
            _ => {}
        }
        for arrived in ["Received", "Dropped"] {
            if let Some(sent) = sent.get(&text(&fact[arrived]["message"])) {
                pairs += 1;
                if now < *sent {
                    note(event, *sent, "before it was sent");
                }
            }
        }
        if !fact["Requested"].is_null()
            && let Some(operation) = requests.get(&text(&fact["Requested"]["request"]))
            && let Some(asked) = asked.get(operation).filter(|_| operation.starts_with("push"))
        {
            pairs += 1;
            if now < *asked {
                note(event, *asked, "before anybody asked");
            }
        }
    }
    assert!(pairs > 1_000, "{pairs} pairs only");
    wrong
}
