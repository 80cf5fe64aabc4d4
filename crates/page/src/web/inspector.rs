//! One node's state, what it would remember apart from what it would forget; or one event with its reasons.

use cluster::host::{Status, Storage};
use leptos::prelude::*;
use raft_core::{Instant, LogIndex, NodeId, Progress, Role};

use super::app::{App, Selection, app};
use super::markup::Markup;
use super::view;
use crate::model::{Node, Power};

/// Shows what the person has chosen; nothing, while that is nothing in particular.
#[component]
pub(super) fn Inspector() -> impl IntoView {
    let close = view::act(|| {
        let app = app();
        app.selected.set(Selection::Leader);
        app.touch();
    });
    view! {
        <aside class="inspector" aria-label="Inspector" hidden=view::flag(|app| app.selected.get() == Selection::Leader)>
            <div class="head">
                <span>{view::text(title)}</span>
                <button aria-label="Close the inspector" title="Close" on:click=close>"×"</button>
            </div>
            <div inner_html=view::text(body)></div>
        </aside>
    }
}

fn title(app: &App) -> String {
    match app.selected.get() {
        Selection::Leader => String::new(),
        Selection::Node(id) => app.scene().node(id).map(Node::label).unwrap_or_default(),
        Selection::Event { title, .. } => title,
    }
}

fn body(app: &App) -> String {
    let mut html = Markup::default();
    match app.selected.get() {
        Selection::Leader => {}
        Selection::Node(id) => state(app, id, &mut html),
        Selection::Event { lines, .. } => lines.iter().for_each(|line| html.element("p", "", line)),
    }
    html.finish()
}

fn state(app: &App, id: NodeId, html: &mut Markup) {
    let now = app.shown_at();
    let model = app.scene();
    let Some(node) = model.node(id) else { return };
    if let Power::Failed(why) = &node.power {
        html.element("p", "bad", why);
    }
    if let Some(status) = &node.status {
        html.open("div", "halves");
        html.open("div", "");
        durable(status, node, html);
        html.close("div");
        html.open("div", "");
        volatile(node, status, now, html);
        html.close("div");
        html.close("div");
        if status.role == Role::Leader {
            followers(&status.progress, html);
        }
    }
    recovery(node, html);
}

fn heading(title: &str, note: &str, html: &mut Markup) {
    html.open("h3", "");
    html.text(format_args!("{title} "));
    html.element("small", "", note);
    html.close("h3");
}

fn durable(status: &Status, node: &Node, html: &mut Markup) {
    heading("Durable", "survives a crash (figure 2)", html);
    html.open("dl", "durable");
    html.pair("term", status.durable_hard_state.term.0);
    html.pair("voted for", someone(status.durable_hard_state.voted_for));
    if status.snapshot_index > LogIndex::ZERO {
        html.pair("snapshot", format_args!("1 to {}", status.snapshot_index));
    }
    html.pair(
        "log",
        format_args!("{} to {}", status.snapshot_index.next(), status.durable_index),
    );
    match status.last_index.0.saturating_sub(status.durable_index.0) {
        0 => html.pair("being written", "nothing"),
        behind => html.pair("being written", format_args!("{behind} entries")),
    }
    if let Some(why) = &node.lacks_room {
        html.pair("no room", why);
    }
    match &node.storage {
        Some(Storage::Opfs) => html.pair("on disk", format_args!("{} bytes, private file", status.disk_bytes)),
        Some(Storage::Memory { why }) => html.pair("in memory", format_args!("{} bytes: {why}", status.disk_bytes)),
        None => {}
    }
    html.close("dl");
}

fn volatile(node: &Node, status: &Status, now: Instant, html: &mut Markup) {
    let leads = status.role == Role::Leader;
    heading(
        "Volatile",
        if node.is_up() {
            "a crash forgets it"
        } else {
            "lost in the crash"
        },
        html,
    );
    html.open("dl", "volatile");
    html.pair("role", status.role);
    html.pair("term", status.term.0);
    html.pair("leader", someone(status.leader));
    html.pair("commit index", status.commit_index);
    html.pair("last applied", status.last_applied);
    let timer = if leads { "next heartbeat" } else { "election timer" };
    if node.is_up() && status.deadline != Instant::NEVER {
        // Tens of milliseconds: what changes faster cannot be read.
        let left_ms = status.deadline.since(now).0 / 10_000 * 10;
        html.pair(timer, format_args!("{left_ms} of {} ms", status.timeout.0 / 1_000));
    }
    if !status.votes.is_empty() {
        let votes: Vec<String> = status.votes.iter().map(|voter| voter.0.to_string()).collect();
        html.pair("votes from", votes.join(", "));
    }
    html.pair("sessions", status.sessions);
    html.pair("bad frames", status.bad_frames);
    html.close("dl");
}

fn followers(progress: &[Progress], html: &mut Markup) {
    html.open("table", "");
    html.open("tr", "");
    for name in ["follower", "next", "match", "bytes sent"] {
        html.element("th", "", name);
    }
    html.close("tr");
    for follower in progress {
        html.open("tr", "");
        html.element("th", "", follower.id);
        html.element("td", "", follower.next_index);
        html.element("td", "", follower.match_index);
        html.element("td", "", follower.inflight_bytes);
        html.close("tr");
    }
    html.close("table");
}

fn recovery(node: &Node, html: &mut Markup) {
    let Some(found) = &node.recovery else { return };
    html.open("p", "");
    html.open("small", "");
    html.text(format_args!(
        "At its last boot it read {} bytes in {} ms: {}, a log up to entry {}.",
        found.bytes, found.wall_ms as u64, found.hard_state.term, found.last_index
    ));
    if found.dropped_bytes > 0 {
        html.text(format_args!(
            " It dropped {} bytes at the end that nobody had relied on.",
            found.dropped_bytes
        ));
    }
    html.close("small");
    html.close("p");
}

fn someone(node: Option<NodeId>) -> String {
    node.map_or("nobody".to_owned(), |node| node.to_string())
}
