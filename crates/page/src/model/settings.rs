//! What a person can set: which numbers there are and what each may be, and what is taken of what the address asks for.

use std::fmt::Write;

use netem::LinkSettings;
use raft_core::{COMPACT_AFTER_ENTRIES, Duration, MEMBERS_MAX, Timing};

/// What a person has set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How many nodes.
    pub nodes: usize,
    /// Whether nodes start by themselves when the page opens.
    pub start_all: bool,
    /// The shortest and the longest election timeout, in milliseconds.
    pub election_ms: (u64, u64),
    /// The heartbeat interval, in milliseconds.
    pub heartbeat_ms: u64,
    /// After how many applied entries a node takes a snapshot; said to it when it starts.
    pub snapshot_entries: u64,
    /// The shortest time a message takes, in milliseconds.
    pub delay_ms: f64,
    /// At most this much is added, in milliseconds.
    pub jitter_ms: f64,
    /// The chance that a message is lost, in percent.
    pub loss_percent: f64,
    /// Virtual seconds in a wall second.
    pub rate: f64,
    /// Whether keys that type a single character do anything.
    pub single_keys: bool,
}

/// What a number may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// What a person calls it.
    pub label: &'static str,
    /// What it counts.
    pub unit: &'static str,
    /// The least that it may be.
    pub least: f64,
    /// The most.
    pub most: f64,
    /// Whether it has no fraction.
    pub whole: bool,
}

/// A number among the settings.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// What the address calls it.
    pub name: &'static str,
    /// What it may be.
    pub range: Range,
    /// What it is.
    pub read: fn(&Settings) -> f64,
    /// Sets it to what it may be.
    pub write: fn(&mut Settings, f64),
}

/// Every number that can be set, in the order in which the dialog shows them.
pub const NUMBERS: [Number; 9] = [
    Number {
        name: "nodes",
        range: whole("Nodes", "", 1.0, MEMBERS_MAX as f64),
        read: |settings| settings.nodes as f64,
        write: |settings, value| settings.nodes = value as usize,
    },
    Number {
        name: "election_min",
        range: whole("Shortest election timeout", "ms", 10.0, 60_000.0),
        read: |settings| settings.election_ms.0 as f64,
        write: |settings, value| settings.election_ms.0 = value as u64,
    },
    Number {
        name: "election_max",
        range: whole("Longest election timeout", "ms", 10.0, ELECTION_MAX_MS as f64),
        read: |settings| settings.election_ms.1 as f64,
        write: |settings, value| settings.election_ms.1 = value as u64,
    },
    Number {
        name: "heartbeat",
        range: whole("Heartbeat", "ms", 1.0, 60_000.0),
        read: |settings| settings.heartbeat_ms as f64,
        write: |settings, value| settings.heartbeat_ms = value as u64,
    },
    Number {
        name: "snapshot",
        // A log of so many is still read in a moment.
        range: whole("Snapshot after", "entries", 1.0, 1_000_000.0),
        read: |settings| settings.snapshot_entries as f64,
        write: |settings, value| settings.snapshot_entries = value as u64,
    },
    Number {
        name: "delay",
        range: any("Delay", "ms", 0.0, 10_000.0),
        read: |settings| settings.delay_ms,
        write: |settings, value| settings.delay_ms = value,
    },
    Number {
        name: "jitter",
        range: any("Jitter", "ms", 0.0, 10_000.0),
        read: |settings| settings.jitter_ms,
        write: |settings, value| settings.jitter_ms = value,
    },
    Number {
        name: "loss",
        range: any("Loss", "%", 0.0, 100.0),
        read: |settings| settings.loss_percent,
        write: |settings, value| settings.loss_percent = value,
    },
    Number {
        name: "speed",
        range: any("Speed", "", cluster::clock::RATE_MIN, cluster::clock::RATE_MAX),
        read: |settings| settings.rate,
        write: |settings, value| settings.rate = value,
    },
];

/// The longest election timeout that can be set, in milliseconds.
const ELECTION_MAX_MS: u64 = 120_000;

/// A choice among the settings, with the words for on and off.
struct Choice {
    name: &'static str,
    words: [&'static str; 2],
    write: fn(&mut Settings, bool),
}

const CHOICES: [Choice; 2] = [
    Choice {
        name: "start",
        words: ["all", "none"],
        write: |settings, on| settings.start_all = on,
    },
    Choice {
        name: "keys",
        words: ["on", "off"],
        write: |settings, on| settings.single_keys = on,
    },
];

/// What else the address may say, with what is taken; what is not among the settings is others' to read.
const OTHERS: [(&str, &[&str]); 4] = [
    ("record", &["no"]),
    ("theme", &["light", "dark", "auto"]),
    ("cluster", &[]),
    ("down", &[]),
];

const fn whole(label: &'static str, unit: &'static str, least: f64, most: f64) -> Range {
    Range {
        label,
        unit,
        least,
        most,
        whole: true,
    }
}

const fn any(label: &'static str, unit: &'static str, least: f64, most: f64) -> Range {
    Range {
        whole: false,
        ..whole(label, unit, least, most)
    }
}

impl Range {
    /// The number, if it may be that.
    ///
    /// # Errors
    /// Says what it may be.
    pub fn take(&self, typed: Option<f64>) -> Result<f64, String> {
        let Range { least, most, whole, .. } = *self;
        let value = typed.filter(|value| (least..=most).contains(value));
        value.filter(|value| !whole || value.fract() == 0.0).ok_or_else(|| {
            let kind = if whole { "whole number" } else { "number" };
            let unit = if self.unit.is_empty() { "" } else { " " };
            format!(
                "{} takes a {kind} from {least} to {most}{unit}{}",
                self.label, self.unit
            )
        })
    }

    /// What it may be that is nearest to this; none, where there is no such thing.
    fn nearest(&self, value: f64) -> Option<f64> {
        let value = if self.whole { value.trunc() } else { value };
        (!value.is_nan()).then(|| value.clamp(self.least, self.most))
    }
}

impl Default for Settings {
    fn default() -> Settings {
        let link = LinkSettings::default();
        Settings {
            nodes: 5,
            start_all: true,
            election_ms: (150, 300),
            heartbeat_ms: 50,
            snapshot_entries: COMPACT_AFTER_ENTRIES,
            delay_ms: link.delay_us as f64 / 1000.0,
            jitter_ms: link.jitter_us as f64 / 1000.0,
            loss_percent: 0.0,
            rate: 1.0,
            single_keys: true,
        }
    }
}

impl Settings {
    /// The same with what these fields of an address say, as far as it may be; and what of that is not so, field by field, in words.
    /// `number` reads one.
    pub fn with(self, fields: &[(String, String)], number: fn(&str) -> Option<f64>) -> (Settings, Vec<String>) {
        let mut settings = self;
        let mut refused = Vec::new();
        for (name, asked) in fields {
            if let Err(why) = settings.set(name, asked, number) {
                refused.push(format!("{}={}: {why}.", short(name), short(asked)));
            }
        }
        (settings, refused)
    }

    fn set(&mut self, name: &str, asked: &str, number: fn(&str) -> Option<f64>) -> Result<(), String> {
        if let Some(known) = NUMBERS.iter().find(|known| known.name == name) {
            let value = number(asked);
            let taken = known.range.take(value);
            if let Some(nearest) = value.and_then(|value| known.range.nearest(value)) {
                (known.write)(self, nearest);
            }
            return taken
                .map(|_| ())
                .map_err(|why| format!("{why}; {} holds", (known.read)(self)));
        }
        if let Some(choice) = CHOICES.iter().find(|choice| choice.name == name) {
            let [on, off] = choice.words;
            if asked != on && asked != off {
                return Err(format!("it is {on} or {off}"));
            }
            (choice.write)(self, asked == on);
            return Ok(());
        }
        match OTHERS.iter().find(|(known, _)| *known == name) {
            Some((_, words)) if words.is_empty() || words.contains(&asked) => Ok(()),
            Some((_, words)) => Err(format!("it is {}", words.join(" or "))),
            None => Err(format!("there is no such setting; there are {}", names())),
        }
    }

    /// The same as fields of an address.
    pub fn fields(&self) -> String {
        let mut text = format!(
            "start={}&keys={}",
            if self.start_all { "all" } else { "none" },
            if self.single_keys { "on" } else { "off" }
        );
        for known in &NUMBERS {
            let _ = write!(text, "&{}={}", known.name, (known.read)(self));
        }
        text
    }

    /// The same with timers that go together; and what had to be changed, in words, where nobody could have been elected.
    pub fn taken(self) -> (Settings, Option<String>) {
        let mut taken = self;
        for known in &NUMBERS {
            if let Some(nearest) = known.range.nearest((known.read)(&self)) {
                (known.write)(&mut taken, nearest);
            }
        }
        let (min, asked_max) = taken.election_ms;
        // The paper's timeouts are up to twice the shortest. Whoever raises the shortest means the longest to go with it.
        let max = if asked_max > min { asked_max } else { 2 * min };
        taken.election_ms = (min, max.min(ELECTION_MAX_MS));
        if taken.heartbeat_ms >= min {
            taken.heartbeat_ms = (min / 3).max(1);
        }
        let why = self.timing().check().err().filter(|_| taken.timing() != self.timing());
        let changed = why.map(|why| {
            let heartbeat = taken.heartbeat_ms;
            format!("{why} Taken in their place: {min} to {max} ms, and a heartbeat every {heartbeat} ms.")
        });
        (taken, changed)
    }

    /// How fast timers run.
    pub fn timing(&self) -> Timing {
        Timing {
            election_min: Duration::from_millis(self.election_ms.0),
            election_max: Duration::from_millis(self.election_ms.1),
            heartbeat: Duration::from_millis(self.heartbeat_ms),
        }
    }

    /// What each direction of each link does, as long as it is not cut.
    pub fn link(&self) -> LinkSettings {
        LinkSettings {
            delay_us: (self.delay_ms * 1000.0) as u64,
            jitter_us: (self.jitter_ms * 1000.0) as u64,
            loss: self.loss_percent / 100.0,
            ..LinkSettings::default()
        }
    }

    /// What is wrong with these together, in words, if anything is.
    pub fn warning(&self) -> Option<String> {
        let one_way = Duration(((self.delay_ms + self.jitter_ms) * 1000.0) as u64);
        self.timing().warning(one_way).map(|warning| warning.to_string())
    }
}

/// What an address may say, for who said something else.
fn names() -> String {
    let numbers = NUMBERS.iter().map(|known| known.name);
    let choices = CHOICES.iter().map(|choice| choice.name);
    let others = OTHERS.iter().map(|(name, _)| *name).filter(|name| *name != "down");
    numbers.chain(choices).chain(others).collect::<Vec<_>>().join(", ")
}

/// So much of what an address says as a notice has room for.
fn short(text: &str) -> String {
    const LETTERS_MAX: usize = 40;
    let mut letters = text.chars();
    let begin: String = letters.by_ref().take(LETTERS_MAX).collect();
    if letters.next().is_some() {
        return begin + "…";
    }
    begin
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What holds after an address, and what is said of it.
    fn asked(query: &str) -> (Settings, Vec<String>) {
        let fields: Vec<(String, String)> = query
            .split('&')
            .map(|field| {
                let (name, value) = field.split_once('=').unwrap_or((field, ""));
                (name.to_owned(), value.to_owned())
            })
            .collect();
        Settings::default().with(&fields, |text| text.parse().ok())
    }

    #[test]
    fn what_may_be_is_taken_without_a_word() {
        let (settings, refused) = asked(
            "nodes=3&start=none&election_min=1000&election_max=5000&heartbeat=300&snapshot=10&delay=20.5&jitter=0&loss=10&speed=0.1\
             &keys=off&theme=dark&record=no&cluster=beside-1-n7&down=1",
        );
        assert_eq!(refused, Vec::<String>::new());
        let expected = Settings {
            nodes: 3,
            start_all: false,
            election_ms: (1_000, 5_000),
            heartbeat_ms: 300,
            snapshot_entries: 10,
            delay_ms: 20.5,
            jitter_ms: 0.0,
            loss_percent: 10.0,
            rate: 0.1,
            single_keys: false,
        };
        assert_eq!(settings, expected);
        assert_eq!(settings.taken(), (expected, None));
        assert_eq!(asked(&settings.fields()), (settings, Vec::new()), "so it is kept");
    }

    #[test]
    fn what_is_out_of_range_is_named_with_what_holds_and_what_may_be() {
        for (query, holds, range) in [
            ("nodes=99", "9", "a whole number from 1 to 9"),
            ("nodes=0", "1", "a whole number from 1 to 9"),
            ("nodes=-1", "1", "a whole number from 1 to 9"),
            ("nodes=2.5", "2", "a whole number from 1 to 9"),
            ("speed=1e99", "10", "a number from 0.001 to 10"),
            ("speed=0", "0.001", "a number from 0.001 to 10"),
            ("speed=1e-9", "0.001", "a number from 0.001 to 10"),
            ("speed=inf", "10", "a number from 0.001 to 10"),
            ("snapshot=0", "1", "a whole number from 1 to 1000000 entries"),
            ("loss=150", "100", "a number from 0 to 100 %"),
            ("loss=-5", "0", "a number from 0 to 100 %"),
            ("delay=1e9", "10000", "a number from 0 to 10000 ms"),
            ("heartbeat=1e9", "60000", "a whole number from 1 to 60000 ms"),
            ("election_min=0", "10", "a whole number from 10 to 60000 ms"),
            ("election_max=1e12", "120000", "a whole number from 10 to 120000 ms"),
            // What is no number changes nothing.
            ("nodes=many", "5", "a whole number from 1 to 9"),
            ("jitter=", "4", "a number from 0 to 10000 ms"),
            ("loss=NaN", "0", "a number from 0 to 100 %"),
        ] {
            let (settings, refused) = asked(query);
            let [said] = refused.as_slice() else {
                panic!("{query}: {refused:?}")
            };
            assert!(said.starts_with(&format!("{query}: ")), "{said}");
            assert!(said.contains(range), "{said}");
            assert!(said.ends_with(&format!("; {holds} holds.")), "{said}");
            let name = query.split('=').next().unwrap_or_default();
            let known = NUMBERS.iter().find(|known| known.name == name).unwrap();
            assert_eq!((known.read)(&settings).to_string(), holds, "{query}");
        }
    }

    #[test]
    fn names_and_words_that_are_none_are_named() {
        for (query, said) in [
            (
                "elction_min=100",
                "there is no such setting; there are nodes, election_min",
            ),
            ("start=al", "it is all or none"),
            ("keys=no", "it is on or off"),
            ("record=yes", "it is no"),
            ("theme=pink", "it is light or dark or auto"),
        ] {
            let (settings, refused) = asked(query);
            assert!(refused.len() == 1 && refused[0].contains(said), "{query}: {refused:?}");
            assert_eq!(settings, Settings::default());
        }
        let long = format!("{}=1", "x".repeat(10_000));
        assert!(asked(&long).1[0].len() < 300, "an address has no room for a novel");
    }

    #[test]
    fn timers_with_which_nobody_is_elected_are_changed_and_that_is_said() {
        for (query, holds) in [
            ("election_min=500&election_max=100", (500, 1_000)),
            ("election_min=150&election_max=150", (150, 300)),
            ("election_min=60000&election_max=10", (60_000, 120_000)),
        ] {
            let (settings, refused) = asked(query);
            assert_eq!(refused, Vec::<String>::new(), "each may be that");
            let (taken, changed) = settings.taken();
            assert_eq!(taken.election_ms, holds);
            let changed = changed.unwrap_or_default();
            assert!(changed.contains(&format!("{} to {} ms", holds.0, holds.1)), "{changed}");
        }
        let (taken, changed) = asked("heartbeat=400").0.taken();
        assert_eq!(taken.heartbeat_ms, 50);
        assert!(changed.is_some_and(|changed| changed.contains("a heartbeat comes every 400 ms")));
    }

    #[test]
    fn a_field_says_what_it_takes() {
        let range = NUMBERS[1].range;
        assert_eq!(range.take(Some(250.0)), Ok(250.0));
        for typed in [None, Some(2.0), Some(250.5), Some(1e9), Some(f64::NAN)] {
            let why = "Shortest election timeout takes a whole number from 10 to 60000 ms";
            assert_eq!(range.take(typed), Err(why.to_owned()));
        }
    }
}
