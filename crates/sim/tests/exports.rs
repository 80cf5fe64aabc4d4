//! What other programs are given to read is what they read, and says what happened.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use cluster::host::Fact;
use netem::Fate;
use raft_core::{NodeId, Rule};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use sim::ablations::scenario;
use sim::{FaultKinds, Scenario, Wanted, watch};
use trace::export::Format;
use trace::{Happening, What};

/// A busy run with every fault, for so many seconds.
fn busy(seconds: u32) -> Scenario {
    let wanted = Wanted {
        nodes: Some(5),
        seconds: Some(seconds),
        faults: Some(FaultKinds::all()),
        every_fault: true,
        rate: Some(100),
        ..Wanted::default()
    };
    Scenario::drawn(5, wanted)
}

/// Ten seconds of that, in a format.
fn exported(format: Format) -> String {
    export(&busy(10), format)
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

/// Fifteen minutes without faults.
fn long() -> Scenario {
    let wanted = Wanted {
        nodes: Some(5),
        seconds: Some(900),
        faults: Some(FaultKinds::parse("none").unwrap()),
        rate: Some(5),
        ..Wanted::default()
    };
    Scenario::drawn(5, wanted)
}

/// Gives what a format makes of a quarter of an hour, of over 100,000 messages, and of a minute of every fault to a reader that knows
/// its rules.
fn holds_in_long_runs<R: Reader>(format: Format) {
    let counts = read_by::<R>(&long(), format);
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
    holds_in_long_runs::<Shiviz>(Format::Shiviz);
}

#[test]
fn every_arrow_of_a_long_run_has_a_slice_at_both_ends() {
    holds_in_long_runs::<Chrome>(Format::Chrome);
}

#[test]
fn the_history_of_clients_is_one_of_sequential_processes() {
    holds_in_long_runs::<Processes>(Format::History);
}

#[test]
fn json_lines_have_no_number_that_javascript_rounds() {
    holds_in_long_runs::<JsonLines>(Format::JsonLines);
}

/// What a run came to, counted beside the exports.
#[derive(Debug, Default)]
struct Counts {
    sent: u64,
    /// Sent, and neither lost nor cut on the way.
    carried: u64,
    /// Copies of those.
    arrivals: u64,
    received: u64,
    dropped: u64,
    lost: u64,
    invoked: u64,
    happenings: u64,
    nodes: BTreeSet<NodeId>,
}

impl Counts {
    fn count(&mut self, happening: &Happening) {
        self.happenings += 1;
        match &happening.what {
            What::Invoked { .. } => self.invoked += 1,
            What::Told { node, fact } => {
                self.nodes.insert(*node);
                match fact {
                    Fact::Sent {
                        fate: Fate::Arrives { again_at_us, .. },
                        ..
                    } => {
                        self.sent += 1;
                        self.carried += 1;
                        self.arrivals += 1 + u64::from(again_at_us.is_some());
                    }
                    Fact::Sent { .. } => {
                        self.sent += 1;
                        self.lost += 1;
                    }
                    Fact::Received { .. } => self.received += 1,
                    Fact::Dropped { message: Some(_), .. } => self.dropped += 1,
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

/// Reads a format, line by line.
trait Reader: Default {
    fn line(&mut self, line: &str);

    /// That was all; this is what there was to be told.
    fn end(&self, counts: &Counts);
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

/// Gives what is written to a reader, line by line.
struct ByLine<F> {
    begun: Vec<u8>,
    read: F,
}

impl<F: FnMut(&str)> ByLine<F> {
    fn new(read: F) -> ByLine<F> {
        ByLine {
            begun: Vec::new(),
            read,
        }
    }
}

impl<F: FnMut(&str)> Write for ByLine<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(part);
            if let Some(line) = self.begun.strip_suffix(b"\n") {
                (self.read)(str::from_utf8(line).unwrap());
                self.begun.clear();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        assert!(self.begun.is_empty(), "the last line ends");
        Ok(())
    }
}

/// ShiViz, by what its parser and its graph ask for: the expression that it proposes; each host has an entry of its own, that counts from
/// 1, one an event; every other entry names an event that there is; and a clock is what its causes make it.
#[derive(Default)]
struct Shiviz {
    /// The line with the host and the clock, until that with the event comes.
    first: Option<String>,
    hosts: BTreeMap<String, Clock>,
    sent: BTreeMap<String, Clock>,
    greatest: Clock,
    received: u64,
    without_cause: u64,
}

/// A count for each host: that of `Node1` is the first.
type Clock = [u64; 9];

/// What the expression finds in two lines.
fn split(first: &str) -> Option<(&str, &str)> {
    let (host, clock) = first.split_once(' ')?;
    let is_clock = clock.starts_with('{') && clock.ends_with('}');
    (is_clock && !host.contains(char::is_whitespace)).then_some((host, clock))
}

fn clock(text: &str) -> Clock {
    let counts: BTreeMap<&str, u64> = serde_json::from_str(text).unwrap();
    let mut clock = Clock::default();
    for (host, count) in counts {
        assert!(count > 0, "an entry of 0 is as good as none: {text}");
        clock[place(host)] = count;
    }
    clock
}

fn place(host: &str) -> usize {
    host.strip_prefix("Node").unwrap().parse::<usize>().unwrap() - 1
}

fn join(clock: &Clock, other: &Clock) -> Clock {
    std::array::from_fn(|place| clock[place].max(other[place]))
}

impl Reader for Shiviz {
    fn line(&mut self, line: &str) {
        let Some(first) = self.first.take() else {
            self.first = Some(line.to_owned());
            return;
        };
        let (host, text) = split(&first).unwrap_or_else(|| panic!("not read: {first}"));
        let clock = clock(text);
        self.greatest = join(&self.greatest, &clock);

        let mut expected = self.hosts.get(host).copied().unwrap_or_default();
        expected[place(host)] += 1;
        let message = |verb: &str| {
            let rest = line.strip_prefix(verb)?;
            rest.split(' ').next().map(str::to_owned)
        };
        if let Some(message) = message("Received message ").or_else(|| message("Dropped message ")) {
            self.received += 1;
            let cause = &self.sent[&message];
            self.without_cause += u64::from(join(cause, &clock) != clock);
            expected = join(&expected, cause);
        }
        assert_eq!(clock, expected, "{host}: {line}");
        if let Some(message) = message("Sent message ") {
            self.sent.insert(message, clock);
        }
        self.hosts.insert(host.to_owned(), clock);
    }

    fn end(&self, counts: &Counts) {
        assert_eq!(self.first, None);
        let mut events = Clock::default();
        for (host, clock) in &self.hosts {
            events[place(host)] = clock[place(host)];
        }
        assert_eq!(self.greatest, events, "no clock tells of an event that there is not");
        assert_eq!(self.hosts.len(), counts.nodes.len());
        assert_eq!(self.sent.len() as u64, counts.sent);
        assert_eq!(self.received, counts.received + counts.dropped);
        assert_eq!(self.without_cause, 0, "of {} receives", self.received);
    }
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

/// Perfetto's reader of trace events, by its published rules. Events are taken by their instants; at one instant whole slices before all
/// else, the longest first. A slice that overlaps another of its thread in part is dropped; an arrow's end belongs to the slice that its
/// thread entered last; an arrow is known by category, name and number, and its number is a whole one.
#[derive(Default)]
struct Chrome {
    events: Vec<Read>,
    /// What slices are about, by their places in `events`: a message's name, and what became of it.
    about: BTreeMap<usize, (String, Option<String>)>,
    named: BTreeMap<(u64, u64), String>,
    processes: BTreeSet<u64>,
}

/// What of an event its reader decides by.
#[derive(Clone, Copy)]
struct Read {
    ph: char,
    ts: u64,
    dur: u64,
    thread: (u64, u64),
    id: u64,
}

/// An event, with nothing in it that this reader does not know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TraceEvent<'a> {
    ph: char,
    ts: u64,
    pid: u64,
    tid: u64,
    dur: Option<u64>,
    s: Option<&'a str>,
    id: Option<u64>,
    bp: Option<&'a str>,
    cat: &'a str,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    args: BTreeMap<&'a str, Cow<'a, str>>,
}

impl Reader for Chrome {
    fn line(&mut self, line: &str) {
        if line.starts_with("{\"displayTimeUnit\"") || line == "]}" {
            return;
        }
        let event: TraceEvent<'_> =
            serde_json::from_str(line.trim_end_matches(',')).unwrap_or_else(|error| panic!("{error}: {line}"));
        let read = Read {
            ph: event.ph,
            ts: event.ts,
            dur: event.dur.unwrap_or(0),
            thread: (event.pid, event.tid),
            id: event.id.unwrap_or(0),
        };
        assert!(!event.name.is_empty(), "{line}");
        match read.ph {
            'X' => {
                assert!(read.dur > 0, "{line}");
                if let Some(message) = event.args.get("message") {
                    let fate = event.args.get("fate").map(|fate| fate.to_string());
                    self.about.insert(self.events.len(), (message.to_string(), fate));
                }
            }
            'i' => assert!(["t", "g"].contains(&event.s.unwrap()), "{line}"),
            's' | 'f' => {
                assert!((1..1 << 53).contains(&read.id), "{line}");
                assert_eq!((event.cat, &*event.name), ("message", "message"), "{line}");
                assert_eq!(event.bp, (read.ph == 'f').then_some("e"), "{line}");
            }
            'M' => {
                if event.name == "thread_name" {
                    let name = event.args["name"].to_string();
                    assert_eq!(self.named.insert(read.thread, name), None, "{line}");
                } else {
                    assert!(self.processes.insert(read.thread.0), "{line}");
                }
                return;
            }
            other => panic!("an event of kind {other}"),
        }
        self.events.push(read);
    }

    fn end(&self, counts: &Counts) {
        let mut threads = BTreeSet::new();
        for (process, thread) in self.named.keys() {
            assert!(self.processes.contains(process));
            assert!(
                !self.processes.contains(thread) && threads.insert(thread),
                "{thread} is one thread"
            );
        }
        let mut order: Vec<usize> = (0..self.events.len()).collect();
        order.sort_by_key(|place| {
            let event = &self.events[*place];
            let key = if event.ph == 'X' {
                u64::MAX - event.dur
            } else {
                u64::MAX
            };
            (event.ts, key)
        });
        // The slices that each thread is in, and the slice from which each arrow comes.
        let mut inside: BTreeMap<(u64, u64), Vec<usize>> = BTreeMap::new();
        let mut begun: BTreeMap<u64, usize> = BTreeMap::new();
        let (mut arrows, mut taken) = (0, 0);
        for place in order {
            let event = self.events[place];
            assert!(self.named.contains_key(&event.thread) || event.ph == 'i');
            let stack = inside.entry(event.thread).or_default();
            match event.ph {
                'X' => {
                    let until = |place: usize| self.events[place].ts + self.events[place].dur;
                    while stack.pop_if(|top| until(*top) <= event.ts).is_some() {}
                    let fits = stack.last().is_none_or(|top| until(place) <= until(*top));
                    assert!(fits, "{} overlaps another at {}", self.named[&event.thread], event.ts);
                    stack.push(place);
                }
                's' | 'f' => {
                    let slice = *stack.last().expect("an arrow's end lies in a slice");
                    let Read { ts, dur, .. } = self.events[slice];
                    assert!((ts..ts + dur).contains(&event.ts), "an arrow's end lies in its slice");
                    if event.ph == 's' {
                        arrows += 1;
                        assert_eq!(begun.insert(event.id, slice), None, "arrow {} begins once", event.id);
                    } else {
                        let from = begun.remove(&event.id).expect("an arrow begins, and then ends once");
                        assert!(self.events[from].ts < ts, "an arrow points ahead in time");
                        assert_ne!(self.events[from].thread, event.thread);
                        assert_eq!(self.about[&from].0, self.about[&slice].0, "one message at both ends");
                        taken += u64::from(self.about[&slice].1.is_none());
                    }
                }
                _ => {}
            }
        }
        assert_eq!(begun.len(), 0, "every arrow ends");
        assert_eq!(arrows, counts.arrivals);
        assert_eq!(taken, counts.received + counts.dropped);
        let lost = self.about.values().filter(|(_, fate)| {
            let fate = fate.as_deref();
            fate == Some("lost") || fate == Some("cut")
        });
        assert_eq!(
            lost.count() as u64,
            counts.lost,
            "what is lost has a slice, and is marked"
        );
        let nodes = self.named.values().filter(|name| name.ends_with(", messages"));
        assert_eq!(nodes.count(), counts.nodes.len());
    }
}

/// Jepsen's history, by its published rules: indices are 0, 1, 2, …; a process invokes and then completes, one thing at a time; one that
/// ends with `:info` is not heard of again; a completion names the invocation's function and, but for the answer, its value.
#[derive(Default)]
struct Processes {
    expression: Option<Regex>,
    lines: usize,
    time: u64,
    doing: BTreeMap<String, Option<(String, String, String)>>,
    gone: BTreeSet<String>,
    kinds: BTreeMap<String, u64>,
}

impl Reader for Processes {
    fn line(&mut self, line: &str) {
        let expression = self.expression.get_or_insert_with(|| {
            let pattern = concat!(
                r"^\{:index (?P<index>\d+), :time (?P<time>\d+), :type :(?P<type>invoke|ok|fail|info), :process (?P<process>\d+), ",
                r":f :(?P<f>create_queue|get_qid|push|pop|top|qsize), :value \[(?P<of>\d+) (?P<told>-?\d+|nil)\]",
                r"(?:, :error :(?P<error>[a-z-]+))?\}$"
            );
            Regex::new(pattern).unwrap()
        });
        let found = expression.captures(line).unwrap_or_else(|| panic!("not read: {line}"));
        assert_eq!(found["index"].parse::<usize>().unwrap(), self.lines);
        let time: u64 = found["time"].parse().unwrap();
        assert!(time >= self.time, "{line}");
        (self.lines, self.time) = (self.lines + 1, time);

        let (process, kind) = (found["process"].to_owned(), &found["type"]);
        let (f, of, told) = (found["f"].to_owned(), found["of"].to_owned(), found["told"].to_owned());
        assert!(!self.gone.contains(&process), "{line}");
        let doing = self.doing.entry(process.clone()).or_default();
        assert_eq!(
            found.name("error").is_some(),
            kind == "fail" || kind == "info",
            "{line}"
        );
        match (kind, doing.take()) {
            ("invoke", None) => {
                assert_eq!(f == "push", told != "nil", "what is not answered yet is nil: {line}");
                *doing = Some((f, of, told));
            }
            ("ok", Some((asked, of_asked, pushed))) => {
                assert_eq!((&f, &of), (&asked, &of_asked), "{line}");
                let nothing = ["pop", "top"].contains(&f.as_str());
                assert!(
                    f == "push" && told == pushed || f != "push" && (told != "nil" || nothing),
                    "{line}"
                );
            }
            ("fail" | "info", Some(asked)) => {
                assert_eq!((f, of, told), asked, "{line}");
                if kind == "info" {
                    self.gone.insert(process);
                }
            }
            (_, doing) => panic!("{line} while doing {doing:?}"),
        }
        *self.kinds.entry(kind.to_owned()).or_default() += 1;
    }

    fn end(&self, counts: &Counts) {
        assert_eq!(self.kinds["invoke"], counts.invoked);
    }
}

/// A reader in JavaScript: it takes every number for a double.
#[derive(Default)]
struct JsonLines {
    lines: u64,
}

impl Reader for JsonLines {
    fn line(&mut self, line: &str) {
        self.lines += 1;
        let (mut in_text, mut escaped, mut digits) = (false, false, 0);
        for byte in line.bytes() {
            match byte {
                b'"' if !escaped => in_text = !in_text,
                b'0'..=b'9' if !in_text => digits += 1,
                _ => digits = 0,
            }
            escaped = in_text && byte == b'\\' && !escaped;
            assert!(digits <= 15, "a number is rounded: {line}");
        }
        assert!(!in_text && line.starts_with('{') && line.ends_with('}'), "{line}");
    }

    fn end(&self, counts: &Counts) {
        assert_eq!(self.lines, counts.happenings);
    }
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
