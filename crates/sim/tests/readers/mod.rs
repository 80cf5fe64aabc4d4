//! Readers of exports that share nothing with those who write them: the rules of the programs for which they are made, as those publish
//! them. For the exports of `sim` and for those of the page.

#![allow(dead_code, reason = "each test takes the readers that it needs")]

pub(crate) mod chrome;
pub(crate) mod history;
pub(crate) mod json_lines;
pub(crate) mod shiviz;

use std::collections::BTreeSet;
use std::io::{self, Write};

use cluster::host::Fact;
use netem::Fate;
use raft_core::NodeId;
use serde_json::Value;
use trace::{Happening, What};

/// Reads a format, line by line.
pub(crate) trait Reader: Default {
    fn line(&mut self, line: &str);

    /// That was all; this is what there was to be told.
    fn end(&self, counts: &Counts);
}

/// What a run came to, counted beside the exports.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    /// Copies of those that are neither lost nor cut on the way.
    pub(crate) arrivals: u64,
    pub(crate) received: u64,
    pub(crate) dropped: u64,
    pub(crate) lost: u64,
    pub(crate) invoked: u64,
    pub(crate) happenings: u64,
    pub(crate) nodes: BTreeSet<NodeId>,
}

impl Counts {
    pub(crate) fn count(&mut self, happening: &Happening) {
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

impl Counts {
    /// What the lines of JSON tell of a run.
    pub(crate) fn of_lines(lines: &str) -> Counts {
        let mut counts = Counts::default();
        for line in lines.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let fact = &line["fact"];
            counts.happenings += 1;
            counts.invoked += u64::from(line["kind"] == "invoked");
            if line["kind"] == "told" {
                let node = line["node"].as_u64().unwrap();
                counts.nodes.insert(NodeId(u8::try_from(node).unwrap()));
            }
            if let Some(sent) = fact.get("Sent") {
                counts.sent += 1;
                let arrives = sent["fate"].get("Arrives");
                counts.lost += u64::from(arrives.is_none());
                counts.arrivals += arrives.map_or(0, |at| 1 + u64::from(!at["again_at_us"].is_null()));
            }
            counts.received += u64::from(fact.get("Received").is_some());
            counts.dropped += u64::from(fact["Dropped"]["message"].is_object());
        }
        counts
    }
}

/// Has a reader read a whole export.
pub(crate) fn read<R: Reader>(text: &str, counts: &Counts) -> R {
    let mut reader = R::default();
    text.lines().for_each(|line| reader.line(line));
    reader.end(counts);
    reader
}

/// Gives what is written to a reader, line by line.
pub(crate) struct ByLine<F> {
    begun: Vec<u8>,
    read: F,
}

impl<F: FnMut(&str)> ByLine<F> {
    pub(crate) fn new(read: F) -> ByLine<F> {
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
