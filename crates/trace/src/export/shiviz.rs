//! Vector clocks.

use std::collections::BTreeMap;
use std::io::{self, Write};

use cluster::host::{Fact, MessageId};
use raft_core::NodeId;

use super::Exporter;
use crate::{Happening, What};

/// Writes what ShiViz reads by its usual expression, `(?<host>\S*) (?<clock>{.*})\n(?<event>.*)`: two lines for each event, the node
/// with its vector clock and then what happened. A node's clock counts what it did; a message carries its sender's clock, and who
/// takes it has seen all that its sender had.
#[derive(Debug)]
pub struct Shiviz<W> {
    out: W,
    clocks: BTreeMap<NodeId, Clock>,
    /// The clocks that messages carry. The same message may arrive twice.
    carried: BTreeMap<MessageId, Clock>,
}

/// How much of what each node did is known.
type Clock = BTreeMap<NodeId, u64>;

/// How many messages on their way are remembered; who is slower than so many others has lost its cause.
const CARRIED_MAX: usize = 100_000;

impl<W: Write> Shiviz<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Shiviz<W> {
        Shiviz {
            out,
            clocks: BTreeMap::new(),
            carried: BTreeMap::new(),
        }
    }

    fn event(&mut self, node: NodeId, text: &str) -> io::Result<()> {
        let clock = self.clocks.entry(node).or_default();
        *clock.entry(node).or_default() += 1;
        let known: Vec<String> = clock
            .iter()
            .map(|(id, count)| format!("\"{}\": {count}", host(*id)))
            .collect();
        // One event is one line.
        let text = text.replace(['\n', '\r'], " ");
        writeln!(self.out, "{} {{{}}}\n{text}", host(node), known.join(", "))
    }
}

impl<W: Write> Exporter for Shiviz<W> {
    fn take(&mut self, happening: &Happening) -> io::Result<()> {
        let what = &happening.what;
        match what {
            What::Told { node, fact } => {
                if let Fact::Received { message } = fact
                    && let Some(seen) = self.carried.get(message)
                {
                    let clock = self.clocks.entry(*node).or_default();
                    for (id, count) in seen {
                        let known = clock.entry(*id).or_default();
                        *known = (*known).max(*count);
                    }
                }
                self.event(*node, &fact.to_string())?;
                if let Fact::Sent { message, .. } = fact {
                    if self.carried.len() >= CARRIED_MAX {
                        self.carried.pop_first();
                    }
                    let clock = self.clocks.get(node).cloned().unwrap_or_default();
                    self.carried.insert(*message, clock);
                }
                Ok(())
            }
            What::Started { node, .. } | What::Crashed { node } | What::Lost { node } => {
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

fn host(id: NodeId) -> String {
    format!("Node{}", id.0)
}
