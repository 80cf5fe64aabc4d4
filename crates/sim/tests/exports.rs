//! What other programs are given to read is what they read, and says what happened.

mod readers;

use std::collections::BTreeSet;

use raft_core::Rule;
use regex::Regex;
use serde_json::Value;
use sim::ablations::ordinary as scenario;
use sim::{FaultKinds, Scenario, Wanted, watch};
use trace::export::Format;

use readers::chrome::Chrome;
use readers::history::Processes;
use readers::json_lines::JsonLines;
use readers::shiviz::{Shiviz, split};
use readers::{ByLine, Counts, Reader};

/// A busy run with every fault, for so many seconds.
fn busy(seconds: u32) -> Scenario {
    let wanted = Wanted {
        nodes: Some(5),
        seconds: Some(seconds),
        // What is sent again long after it arrived, or waits again at the door of a node that was put back, has an arrow only once.
        faults: Some(FaultKinds::parse("all,-old-messages,-go-back").unwrap()),
        every_fault: true,
        rate: Some(100),
        ..Wanted::default()
    };
    Scenario::drawn(5, wanted)
}

/// Half a minute of that, in a format.
fn exported(format: Format) -> String {
    export(&busy(30), format)
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

/// Fifteen minutes without faults. Of five nodes they are 240,000 messages, of three 120,000.
fn long(nodes: u8) -> Scenario {
    let wanted = Wanted {
        nodes: Some(nodes),
        seconds: Some(900),
        faults: Some(FaultKinds::parse("none").unwrap()),
        rate: Some(5),
        ..Wanted::default()
    };
    Scenario::drawn(5, wanted)
}

/// Gives what a format makes of a quarter of an hour, of over 100,000 messages, and of a minute of every fault to a reader that knows
/// its rules.
fn holds_in_long_runs<R: Reader>(format: Format, nodes: u8) {
    let counts = read_by::<R>(&long(nodes), format);
    assert!(counts.received > 100_000, "{counts:?}");
    assert_eq!((counts.lost, counts.dropped), (0, 0), "{counts:?}");

    let counts = read_by::<R>(&busy(60), format);
    assert!(counts.received > 1_000 && counts.lost > 100, "{counts:?}");
    assert!(
        counts.arrivals > counts.received + counts.dropped,
        "some are not taken: {counts:?}"
    );
}

#[test]
fn shiviz_knows_the_cause_of_every_receive_of_a_long_run() {
    holds_in_long_runs::<Shiviz>(Format::Shiviz, 5);
}

#[test]
fn every_arrow_of_a_long_run_has_a_slice_at_both_ends() {
    holds_in_long_runs::<Chrome>(Format::Chrome, 3);
}

#[test]
fn the_history_of_clients_is_one_of_sequential_processes() {
    holds_in_long_runs::<Processes>(Format::History, 3);
}

#[test]
fn json_lines_have_no_number_that_javascript_rounds() {
    holds_in_long_runs::<JsonLines>(Format::JsonLines, 3);
}

/// Carries out a scenario, and gives what a format makes of it to its reader.
fn read_by<R: Reader>(scenario: &Scenario, format: Format) -> Counts {
    let mut counts = Counts::default();
    let mut reader = R::default();
    let mut exporter = format.exporter(ByLine::new(|line: &str| reader.line(line)));
    watch(
        scenario,
        |_| true,
        |happening| {
            counts.count(&happening);
            exporter.take(&happening).unwrap();
        },
    );
    exporter.finish().unwrap();
    drop(exporter);
    reader.end(&counts);
    counts
}

/// The expression that ShiViz proposes finds the same events, and leaves nothing over.
#[test]
fn shiviz_reads_all_of_it_by_its_expression() {
    let text = exported(Format::Shiviz);
    let expression = Regex::new(r"(?P<host>\S*) (?P<clock>\{.*\})\n(?P<event>.*)").unwrap();
    let mut lines = text.lines();
    let mut read = 0;
    for found in expression.captures_iter(&text) {
        let (first, event) = (lines.next().unwrap(), lines.next().unwrap());
        assert_eq!(split(first), Some((&found["host"], &found["clock"])));
        assert_eq!(&found["event"], event);
        read += found[0].len() + 1;
    }
    assert_eq!(read, text.len());
}

#[test]
fn clients_that_give_up_go_on_as_other_processes() {
    let mut history = Processes::default();
    exported(Format::History).lines().for_each(|line| history.line(line));
    let kinds = &history.kinds;
    assert!(kinds["ok"] > 300 && kinds["info"] > 0 && kinds["fail"] > 0, "{kinds:?}");
}

#[test]
fn a_broken_promise_is_the_last_that_is_told() {
    let text = export(&scenario(Rule::VoteOnce, 0), Format::JsonLines);
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["kind"], "violated");
    assert!(last["text"].as_str().unwrap().starts_with("One Vote a Term violated"));
}
