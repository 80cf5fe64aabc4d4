//! What Perfetto asks for of trace events.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Counts, Reader};

/// Perfetto's reader of trace events, by its published rules. Events are taken by their instants; at one instant whole slices before all
/// else, the longest first. A slice that overlaps another of its thread in part is dropped; an arrow's end belongs to the slice that its
/// thread entered last; an arrow is known by category, name and number, and its number is a whole one.
#[derive(Default)]
pub(crate) struct Chrome {
    events: Vec<Read>,
    /// What slices are about, by their places in `events`: a message's name, and what became of it.
    about: BTreeMap<usize, (String, Option<String>)>,
    /// The names of threads.
    pub(crate) named: BTreeMap<(u64, u64), String>,
    processes: BTreeSet<u64>,
}

/// What of an event its reader decides by.
#[derive(Clone, Copy)]
pub(crate) struct Read {
    ph: char,
    ts: u64,
    dur: u64,
    thread: (u64, u64),
    id: u64,
}

/// An event, with nothing in it that this reader does not know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TraceEvent<'a> {
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
