//! What happened, for scripts and for readers.

use cluster::ActivityLine;
use cluster::host::Fact;
use raft_core::{Instant, NodeId};
use serde::Serialize;
use trace::{Happening, What};

/// The version of the trace.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Trace {
    version: u32,
    /// Before this, something was let go; in virtual microseconds.
    kept_from_us: u64,
    facts: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    at_us: u64,
    node: u8,
    kind: &'static str,
    text: String,
}

/// What nodes told, as JSON.
pub(crate) fn trace(happenings: &[Happening], kept_from: Instant) -> Vec<u8> {
    let facts = happenings.iter().filter_map(|happening| match &happening.what {
        What::Told { node, fact } => Some(Line {
            at_us: happening.at.0,
            node: node.0,
            kind: kind(fact),
            text: fact.to_string(),
        }),
        _ => None,
    });
    let trace = Trace {
        version: VERSION,
        kept_from_us: kept_from.0,
        facts: facts.collect(),
    };
    serde_json::to_vec(&trace).unwrap_or_default()
}

/// What a node told, a line each.
pub(crate) fn activity(happenings: &[Happening], of: NodeId) -> Vec<u8> {
    let mut text = String::new();
    for happening in happenings {
        if let What::Told { node, fact } = &happening.what
            && *node == of
        {
            let at = happening.at;
            text.push_str(&format!("{}\n", ActivityLine { at, node: of, fact }));
        }
    }
    text.into_bytes()
}

fn kind(fact: &Fact) -> &'static str {
    match fact {
        Fact::Raft(_) => "raft",
        Fact::Sent { .. } => "sent",
        Fact::Received { .. } => "received",
        Fact::Dropped { .. } => "dropped",
        Fact::Requested { .. } => "requested",
        Fact::Replied { .. } => "replied",
        Fact::Altered { .. } => "altered",
        Fact::Synced { .. } => "synced",
        Fact::Omitted { .. } => "omitted",
    }
}
