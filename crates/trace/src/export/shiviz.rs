//! Vector clocks.

use std::collections::BTreeMap;
use std::io::{self, Write};

use cluster::host::Fact;
use raft_core::{Instant, NodeId};

use super::Exporter;
use super::on_the_way::{OnTheWay, arrived};
use crate::{Happening, What};

/// Writes what ShiViz reads by its usual expression, `(?<host>\S*) (?<clock>{.*})\n(?<event>.*)`: two lines for each event, the node
/// with its vector clock and then what happened. A node's clock counts what it did; a message carries its sender's clock, and who
/// takes it has seen all that its sender had.
#[derive(Debug)]
pub struct Shiviz<W> {
    out: W,
    clocks: BTreeMap<NodeId, Clock>,
    /// The clocks that messages carry.
    carried: OnTheWay<Clock>,
}

/// How much of what each node did is known.
type Clock = BTreeMap<NodeId, u64>;

impl<W: Write> Shiviz<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Shiviz<W> {
        Shiviz {
            out,
            clocks: BTreeMap::new(),
            carried: OnTheWay::new(),
        }
    }

    fn event(&mut self, node: NodeId, text: &str) -> io::Result<()> {
        let clock = self.clocks.entry(node).or_default();
        *clock.entry(node).or_default() += 1;
        let known: Vec<String> = clock
            .iter()
            .map(|(id, count)| format!("\"{}\": {count}", host(*id)))
            .collect();
        // One event is one line, in every reader's opinion of what ends a line.
        let text = text.replace(ends_a_line, " ");
        writeln!(self.out, "{} {{{}}}\n{text}", host(node), known.join(", "))
    }

    fn told(&mut self, at: Instant, node: NodeId, fact: &Fact) -> io::Result<()> {
        if let Some(message) = arrived(fact)
            && let Some(seen) = self.carried.arrive(message)
        {
            let clock = self.clocks.entry(node).or_default();
            for (id, count) in seen {
                let known = clock.entry(id).or_default();
                *known = (*known).max(count);
            }
        }
        if let Fact::Altered { message, surgery } = fact {
            self.carried.alter(*message, *surgery, at);
        }
        self.event(node, &fact.to_string())?;
        if let Fact::Sent { message, to, fate, .. } = fact {
            let clock = self.clocks.get(&node).cloned().unwrap_or_default();
            self.carried.send(*message, *to, *fate, clock);
            while self.carried.trim(at).is_some() {}
        }
        Ok(())
    }
}

impl<W: Write> Exporter for Shiviz<W> {
    fn take(&mut self, happening: &Happening) -> io::Result<()> {
        let what = &happening.what;
        match what {
            What::Told { node, fact } => self.told(happening.at, *node, fact),
            What::Started { node, .. } | What::Crashed { node } | What::Lost { node } => {
                if !matches!(what, What::Started { .. }) {
                    self.carried.crash(*node, happening.at);
                }
                let text = what.to_string();
                let words = text.split_once("  ").map_or(&text[..], |(_, words)| words);
                self.event(*node, words)
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn ends_a_line(letter: char) -> bool {
    matches!(letter, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

fn host(id: NodeId) -> String {
    format!("Node{}", id.0)
}
