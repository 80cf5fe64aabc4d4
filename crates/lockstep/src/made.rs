//! What happened, for scripts and for readers.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};

use cluster::ActivityLine;
use cluster::host::Fact;
use cluster::node::Node;
use raft_core::{Instant, NodeId};
use serde::Serialize;
use serde_json::json;
use trace::lockstep::{Shown, ShownNode};
use trace::{Happening, What};

/// The version of the trace.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Line {
    at_us: u64,
    node: u8,
    kind: &'static str,
    text: String,
}

/// How the answer to who asks what happened begins: the facts follow, with commas between them, and `]}`. `kept_from` is the instant before
/// which something was let go.
pub(crate) fn trace_head(kept_from: Instant) -> String {
    format!("{{\"version\":{VERSION},\"kept_from_us\":{},\"facts\":[", kept_from.0)
}

/// What a node told, as JSON; nothing, if no node told it.
pub(crate) fn fact(happening: &Happening) -> Option<Vec<u8>> {
    let What::Told { node, fact } = &happening.what else {
        return None;
    };
    let line = Line {
        at_us: happening.at.0,
        node: node.0,
        kind: kind(fact),
        text: fact.to_string(),
    };
    serde_json::to_vec(&line).ok()
}

/// What a node said of its state, and what the tape makes of it.
pub(crate) fn check(steps: u64, said: u32, again: Option<u32>) -> Vec<u8> {
    json!({ "steps": steps, "said": said, "again": again })
        .to_string()
        .into_bytes()
}

/// Why there is no answer.
pub(crate) fn refused(why: &str) -> Vec<u8> {
    json!({ "refused": why }).to_string().into_bytes()
}

/// What is kept of the run that is shown.
#[derive(Serialize)]
pub(crate) struct Kept {
    /// The first instant that can be looked at, in virtual microseconds.
    pub(crate) from_us: u64,
    /// Whether something was before that, and was let go.
    pub(crate) let_go: bool,
    /// How many bytes, and how many they may be.
    pub(crate) bytes: usize,
    pub(crate) bytes_max: usize,
    /// Of which the tape takes so many, and the timeline.
    pub(crate) tape_bytes: usize,
    pub(crate) timeline_bytes: usize,
}

/// How long things took, in microseconds; how many events the timeline has; how many bytes the tapes hold; what is kept of the run that is shown.
pub(crate) fn timings(
    took: &BTreeMap<&'static str, VecDeque<u64>>,
    events: usize,
    bytes: usize,
    kept: Option<&Kept>,
) -> Vec<u8> {
    json!({ "took_us": took, "events": events, "tape_bytes": bytes, "kept": kept })
        .to_string()
        .into_bytes()
}

/// The instant that is shown; null, while it is the present.
pub(crate) fn past(shown: Option<&Shown>) -> Vec<u8> {
    let Some(shown) = shown else { return b"null".to_vec() };
    let node = |node: &ShownNode| {
        let arriving = node.arriving.iter().map(|arriving| {
            json!({
                "from": arriving.message.from.0,
                "boot": arriving.message.boot,
                "number": arriving.message.number,
                "text": arriving.summary.to_string(),
                "held": arriving.arrives == Instant::NEVER,
            })
        });
        json!({
            "id": node.id.0,
            "up": node.status.is_some(),
            "role": node.status.as_ref().map_or("crashed".to_owned(), |status| status.role.to_string()),
            "term": node.status.as_ref().map(|status| status.term.0),
            "voted_for": node.status.as_ref().and_then(|status| status.voted_for).map(|vote| vote.0),
            "votes": node.status.as_ref().map(|status| status.votes.iter().map(|vote| vote.0).collect::<Vec<_>>()),
            "leader": node.status.as_ref().and_then(|status| status.leader).map(|leader| leader.0),
            "commit_index": node.status.as_ref().map(|status| status.commit_index.0),
            "last_index": node.status.as_ref().map(|status| status.last_index.0),
            "paused": node.status.as_ref().is_some_and(|status| status.paused),
            "queues": node.queues.queues.iter().map(|queue| json!({
                "qid": queue.qid.0,
                "size": queue.size,
                "items": queue.items.iter().map(i64::to_string).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "arriving": arriving.collect::<Vec<_>>(),
            "changed": node.changed,
        })
    };
    let past = json!({
        "run": shown.run.0,
        "name": shown.name,
        "at_us": shown.at.0,
        "end_us": shown.end.0,
        "hash": format!("{:016x}", shown.hash),
        "note": shown.note,
        "nodes": shown.nodes.iter().map(node).collect::<Vec<_>>(),
    });
    past.to_string().into_bytes()
}

/// A node's state, as JSON.
pub(crate) fn state(node: &Node, at: Instant) -> Vec<u8> {
    serde_json::to_vec_pretty(&node.describe(at)).unwrap_or_default()
}

/// Writes what a node told, a line each.
///
/// # Errors
/// The output's.
pub(crate) fn activity(happening: &Happening, of: NodeId, out: &mut impl Write) -> io::Result<()> {
    match &happening.what {
        What::Told { node, fact } if *node == of => {
            let at = happening.at;
            writeln!(out, "{}", ActivityLine { at, node: of, fact })
        }
        _ => Ok(()),
    }
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
