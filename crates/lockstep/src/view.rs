//! An instant, in the words in which it is shown.

use cluster::host::LogPatch;
use cluster::node::Node;
use raft_core::{Entry, LogIndex, NodeId, Payload};
use trace::lockstep::{ENTRIES_SHOWN_MAX, ShownNode};
use trace::tape::Moment;

/// Every member at an instant.
pub(crate) fn nodes(moment: &Moment, before: Option<&[ShownNode]>) -> Vec<ShownNode> {
    let shown = |(id, node): &(NodeId, Option<Node>)| {
        let mut shown = match node {
            Some(node) => running(*id, node),
            None => ShownNode {
                id: *id,
                boot: 0,
                status: None,
                log: LogPatch {
                    from: LogIndex(1),
                    entries: Vec::new(),
                },
                queues: Default::default(),
                cut: moment.cut_from(*id, None),
                arriving: Vec::new(),
                changed: Vec::new(),
            },
        };
        let earlier = before.and_then(|nodes| nodes.iter().find(|node| node.id == *id));
        if let Some(earlier) = earlier {
            shown.changed = differences(earlier, &shown)
                .into_iter()
                .map(|(what, then, now)| format!("{what}: {then} → {now}"))
                .collect();
        }
        shown
    };
    moment.nodes.iter().map(shown).collect()
}

fn running(id: NodeId, node: &Node) -> ShownNode {
    let view = node.view();
    let from = view.log.len().saturating_sub(ENTRIES_SHOWN_MAX);
    ShownNode {
        id,
        boot: node.boot_number(),
        status: Some(node.status()),
        log: LogPatch {
            from: LogIndex(view.snapshot_index().0 + from as u64 + 1),
            entries: view.log[from..].to_vec(),
        },
        queues: node.queues_summary(),
        cut: node.cut_off(),
        arriving: node.arriving().collect(),
        changed: Vec::new(),
    }
}

/// How two runs differ in a node that only one of them has.
pub(crate) fn only_one_has(one: &str, other: &str) -> (String, String, String) {
    ("membership".to_owned(), one.to_owned(), other.to_owned())
}

/// How two looks at one member differ: what, how it was, and how it is.
pub(crate) fn differences(one: &ShownNode, other: &ShownNode) -> Vec<(String, String, String)> {
    let (one_status, other_status) = match (&one.status, &other.status) {
        (Some(one), Some(other)) => (one, other),
        (None, None) => return Vec::new(),
        (one, _) => {
            let says = |runs: bool| if runs { "runs" } else { "is down" }.to_owned();
            return vec![("power".to_owned(), says(one.is_some()), says(one.is_none()))];
        }
    };
    let nobody = |node: Option<NodeId>| node.map_or("nobody".to_owned(), |node| node.to_string());
    let votes = |votes: &[NodeId]| match votes {
        [] => "none".to_owned(),
        votes => votes
            .iter()
            .map(|vote| vote.0.to_string())
            .collect::<Vec<_>>()
            .join(", "),
    };
    let (a, b) = (one_status, other_status);
    let fields = [
        ("role", a.role.to_string(), b.role.to_string()),
        ("term", a.term.to_string(), b.term.to_string()),
        ("vote", nobody(a.voted_for), nobody(b.voted_for)),
        ("votes it has", votes(&a.votes), votes(&b.votes)),
        ("leader it knows", nobody(a.leader), nobody(b.leader)),
        ("last entry", a.last_index.to_string(), b.last_index.to_string()),
        (
            "durable up to",
            a.durable_index.to_string(),
            b.durable_index.to_string(),
        ),
        (
            "committed up to",
            a.commit_index.to_string(),
            b.commit_index.to_string(),
        ),
        ("applied up to", a.last_applied.to_string(), b.last_applied.to_string()),
        ("paused", a.paused.to_string(), b.paused.to_string()),
    ];
    let mut rows: Vec<(String, String, String)> = fields
        .into_iter()
        .filter(|(_, one, other)| one != other)
        .map(|(what, one, other)| (what.to_owned(), one, other))
        .collect();
    if let Some(index) = first_difference(one, other) {
        rows.push((format!("entry {index}"), entry(one, index), entry(other, index)));
    }
    for queue in &other.queues.queues {
        let same = one.queues.queues.iter().find(|known| known.qid == queue.qid);
        if same != Some(queue) {
            let items = |items: &[i64], size: u64| match items {
                [] => "empty".to_owned(),
                items => {
                    let shown: Vec<String> = items.iter().take(8).map(i64::to_string).collect();
                    let more = if size as usize > shown.len() { ", …" } else { "" };
                    format!("{}{more}", shown.join(", "))
                }
            };
            let was = same.map_or("is not there".to_owned(), |queue| items(&queue.items, queue.size));
            rows.push((format!("queue {}", queue.qid), was, items(&queue.items, queue.size)));
        }
    }
    rows
}

/// The first place at which two logs hold different entries, or one holds none.
fn first_difference(one: &ShownNode, other: &ShownNode) -> Option<LogIndex> {
    let end = |node: &ShownNode| node.log.from.0 + node.log.entries.len() as u64;
    let from = one.log.from.max(other.log.from).0;
    let until = end(one).max(end(other));
    (from..until)
        .map(LogIndex)
        .find(|index| at(one, *index) != at(other, *index))
}

fn at(node: &ShownNode, index: LogIndex) -> Option<&Entry<ftqueue::Command>> {
    let place = index.0.checked_sub(node.log.from.0)?;
    node.log.entries.get(usize::try_from(place).ok()?)
}

fn entry(node: &ShownNode, index: LogIndex) -> String {
    match at(node, index) {
        None => "is not there".to_owned(),
        Some(entry) => match &entry.payload {
            Payload::NoOp => format!("no-op of {}", entry.term),
            Payload::Command(ftqueue::Command::OpenSession { .. }) => format!("open a session, of {}", entry.term),
            Payload::Command(ftqueue::Command::Write { write, .. }) => format!("{write}, of {}", entry.term),
        },
    }
}
