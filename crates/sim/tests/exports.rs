//! What other programs are given to read is what they read, and says what happened.

use std::collections::{BTreeMap, BTreeSet};

use raft_core::Rule;
use regex::Regex;
use serde_json::Value;
use sim::ablations::scenario;
use sim::{FaultKinds, Scenario, Wanted, watch};
use trace::export::Format;

/// A busy run with every fault, in a format.
fn exported(format: Format) -> String {
    let wanted = Wanted {
        nodes: Some(5),
        seconds: Some(10),
        faults: Some(FaultKinds::all()),
        every_fault: true,
        rate: Some(100),
        ..Wanted::default()
    };
    export(&Scenario::drawn(5, wanted), format)
}

fn export(scenario: &Scenario, format: Format) -> String {
    let mut out = Vec::new();
    let mut exporter = format.exporter(&mut out);
    watch(scenario, |_| true, |happening| exporter.take(&happening).unwrap());
    exporter.finish().unwrap();
    drop(exporter);
    String::from_utf8(out).unwrap()
}

#[test]
fn json_lines_are_objects_in_the_order_of_time() {
    let text = exported(Format::JsonLines);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > 5_000, "{} lines", lines.len());
    let times: Vec<u64> = lines.iter().map(|line| line["at_us"].as_u64().unwrap()).collect();
    assert!(times.is_sorted());
    let kinds: BTreeSet<&str> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    for kind in [
        "told",
        "started",
        "crashed",
        "fault_began",
        "fault_ended",
        "invoked",
        "returned",
        "gave_up",
    ] {
        assert!(kinds.contains(kind), "{kind} is not among {kinds:?}");
    }
    assert!(lines.iter().all(|line| !line["text"].as_str().unwrap().is_empty()));
    // What became of a message is what the world decided, not what its sender thought.
    let fates = |fate: &str| lines.iter().filter(|line| line["fact"]["Sent"]["fate"] == fate).count();
    assert!(fates("Lost") > 0 && fates("Cut") > 0);
}

/// The expression that ShiViz proposes for a log, and what vector clocks promise.
#[test]
fn shiviz_reads_hosts_and_clocks() {
    let text = exported(Format::Shiviz);
    let event = Regex::new(r"(?P<host>\S*) (?P<clock>\{.*\})\n(?P<event>.*)\n").unwrap();
    let mut read = 0;
    let mut clocks: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let mut sent: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let mut received = 0;
    for found in event.captures_iter(&text) {
        read += found[0].len();
        let (host, event) = (found["host"].to_owned(), found["event"].to_owned());
        let clock: BTreeMap<String, u64> = serde_json::from_str(&found["clock"]).unwrap();
        let before = clocks.insert(host.clone(), clock.clone()).unwrap_or_default();
        assert_eq!(clock[&host], before.get(&host).unwrap_or(&0) + 1, "{host}: {event}");
        let knows = |other: &BTreeMap<String, u64>| other.iter().all(|(host, count)| clock.get(host) >= Some(count));
        assert!(knows(&before), "{host} forgot something: {event}");
        let name = |verb: &str| event.strip_prefix(verb).and_then(|rest| rest.split(' ').next());
        if let Some(message) = name("Sent message ") {
            sent.insert(message.to_owned(), clock);
        } else if let Some(message) = name("Received message ") {
            received += 1;
            assert!(knows(&sent[message]), "{host} does not know the cause: {event}");
        }
    }
    assert_eq!(read, text.len(), "every line is part of an event");
    assert!(received > 1_000);
}

/// The fields that the format of trace events asks for, and slices that do not overlap on a track.
#[test]
fn trace_events_have_their_fields() {
    let trace: Value = serde_json::from_str(&exported(Format::Chrome)).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let mut slices: BTreeMap<(u64, u64), Vec<(u64, u64)>> = BTreeMap::new();
    let mut begun = BTreeSet::new();
    let mut named = BTreeSet::new();
    for event in events {
        let number = |key: &str| event[key].as_u64().unwrap_or_else(|| panic!("no {key} in {event}"));
        let track = (number("pid"), number("tid"));
        assert!(event["name"].is_string() && event["args"].is_object(), "{event}");
        match event["ph"].as_str().unwrap() {
            "X" => slices.entry(track).or_default().push((number("ts"), number("dur"))),
            "i" => assert!(["t", "g"].contains(&event["s"].as_str().unwrap())),
            "M" => drop(named.insert(track)),
            "s" => assert!(begun.insert(event["id"].as_str().unwrap().to_owned())),
            "f" => assert!(begun.contains(event["id"].as_str().unwrap()), "no beginning of {event}"),
            other => panic!("an event of kind {other}"),
        }
    }
    assert!(begun.len() > 500);
    for (track, mut spans) in slices {
        assert!(named.contains(&track), "track {track:?} has a name");
        spans.sort_unstable();
        let overlap = spans.windows(2).find(|pair| pair[0].0 + pair[0].1 > pair[1].0);
        assert_eq!(overlap, None, "on track {track:?}");
    }
}

/// Each process does one thing at a time, and is not heard of after an operation whose end it does not know.
#[test]
fn the_history_of_clients_is_one_of_sequential_processes() {
    let text = exported(Format::History);
    let line = Regex::new(concat!(
        r"^\{:process (\d+), :type :(invoke|ok|fail|info), :f :(create_queue|get_qid|push|pop|top|qsize), ",
        r":value \[(-?\d+(?: -?\d+| nil)?)\](?:, :error :[a-z-]+)?, :time (\d+), :index (\d+)\}$"
    ))
    .unwrap();
    let mut doing: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut gone = BTreeSet::new();
    let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
    for (index, text) in text.lines().enumerate() {
        let found = line.captures(text).unwrap_or_else(|| panic!("{text}"));
        let (process, kind, function) = (found[1].to_owned(), &found[2], found[3].to_owned());
        assert_eq!(found[6].parse::<usize>().unwrap(), index);
        assert!(!gone.contains(&process), "{text}");
        let before = doing.entry(process.clone()).or_default();
        match (kind, before.take()) {
            ("invoke", None) => *before = Some(function),
            ("ok" | "fail", Some(asked)) => assert_eq!(asked, function, "{text}"),
            ("info", Some(_)) => drop(gone.insert(process)),
            (_, before) => panic!("{text} while doing {before:?}"),
        }
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    assert!(kinds["ok"] > 300 && kinds["info"] > 0 && kinds["fail"] > 0, "{kinds:?}");
}

#[test]
fn a_broken_promise_is_the_last_that_is_told() {
    let text = export(&scenario(Rule::VoteOnce, 0), Format::JsonLines);
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["kind"], "violated");
    assert!(last["text"].as_str().unwrap().starts_with("One Vote a Term violated"));
}
