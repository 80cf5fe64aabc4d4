//! What ShiViz asks for.

use std::collections::BTreeMap;

use super::{Counts, Reader};

/// ShiViz, by what its parser and its graph ask for: the expression that it proposes; each host has an entry of its own, that counts from
/// 1, one an event; every other entry names an event that there is; and a clock is what its causes make it.
#[derive(Default)]
pub(crate) struct Shiviz {
    /// The line with the host and the clock, until that with the event comes.
    first: Option<String>,
    hosts: BTreeMap<String, Clock>,
    sent: BTreeMap<String, Clock>,
    greatest: Clock,
    received: u64,
    without_cause: u64,
}

/// A count for each host: that of `Node1` is the first.
pub(crate) type Clock = [u64; 9];

/// What the expression finds in two lines.
pub(crate) fn split(first: &str) -> Option<(&str, &str)> {
    let (host, clock) = first.split_once(' ')?;
    let is_clock = clock.starts_with('{') && clock.ends_with('}');
    (is_clock && !host.contains(char::is_whitespace)).then_some((host, clock))
}

pub(crate) fn clock(text: &str) -> Clock {
    let counts: BTreeMap<&str, u64> = serde_json::from_str(text).unwrap();
    let mut clock = Clock::default();
    for (host, count) in counts {
        assert!(count > 0, "an entry of 0 is as good as none: {text}");
        clock[place(host)] = count;
    }
    clock
}

pub(crate) fn place(host: &str) -> usize {
    host.strip_prefix("Node").unwrap().parse::<usize>().unwrap() - 1
}

pub(crate) fn join(clock: &Clock, other: &Clock) -> Clock {
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
