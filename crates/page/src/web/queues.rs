//! The queues as one node has applied them.

use leptos::prelude::*;
use raft_core::NodeId;
use web_sys::Event;

use super::app::{App, Selection, app};
use super::markup::{Markup, node_options};
use super::view;
use crate::model::{Model, Node};

/// The panel.
#[component]
pub(super) fn Queues() -> impl IntoView {
    // The number of the node whose queues were asked for; 0 for the leader's.
    let chosen = StoredValue::new(0_u64);
    let choose = view::on(move |event: Event| {
        chosen.set_value(event_target_value(&event).parse().unwrap_or(0));
        app().touch();
    });
    let shown = app().shown_members;
    let whose = view::text(move |app| {
        shown.track();
        node_options("leader", &app.members_shown())
    });
    view! {
        <section class="panel queues-panel" aria-label="Queues">
            <h2>
                "Queues" <span>{view::text(move |app| of(app, chosen.get_value()))}</span>
                <span class="grow"></span>
                <select aria-label="Whose queues" on:change=choose inner_html=whose></select>
            </h2>
            <div class="queues" tabindex="0" role="group" aria-label="Items of the queues"
                inner_html=view::text(move |app| list(app, chosen.get_value()))></div>
        </section>
    }
}

/// The node whose queues are shown: the chosen one, else the leader, else whoever has applied most.
fn shown<'a>(app: &App, model: &'a Model, chosen: u64) -> Option<&'a Node> {
    let selected = match app.selected.get_untracked() {
        Selection::Node(id) => Some(id),
        Selection::Leader | Selection::Event { .. } => None,
    };
    let wanted = if chosen == 0 {
        selected
    } else {
        Some(NodeId(chosen as u8))
    };
    let applied = |node: &&Node| node.status.as_ref().map(|status| (node.is_up(), status.last_applied));
    let most_applied = || model.nodes().filter(|node| node.status.is_some()).max_by_key(applied);
    wanted
        .and_then(|id| model.node(id))
        .or_else(|| model.leader())
        .or_else(most_applied)
}

fn of(app: &App, chosen: u64) -> String {
    let model = app.scene();
    match shown(app, &model, chosen).map(|node| (node.id, node.status.as_ref())) {
        Some((id, Some(status))) => format!("as applied by {id}, up to entry {}", status.last_applied),
        Some((id, None)) => format!("{id} has not said what it has"),
        None => "no node has applied any yet".to_owned(),
    }
}

fn list(app: &App, chosen: u64) -> String {
    let model = app.scene();
    let mut html = Markup::default();
    let node = shown(app, &model, chosen);
    if node.is_some_and(|node| !node.is_up()) {
        html.element("p", "empty", "It is down; this is what it had applied.");
    }
    let Some(summary) = node.map(|node| &node.queues).filter(|queues| queues.count > 0) else {
        html.element("p", "empty", "No queue yet. Try create_queue 7.");
        return html.finish();
    };
    for queue in &summary.queues {
        html.open("div", "q");
        html.open("b", "");
        html.text(format_args!("label {} ", queue.label));
        html.element("span", "num", format_args!("id {}", queue.qid));
        html.close("b");
        for item in &queue.items {
            html.element("i", "", item);
        }
        let hidden = queue.size.saturating_sub(queue.items.len() as u64);
        if queue.size == 0 {
            html.element("span", "more", "empty");
        } else if hidden > 0 {
            html.element("span", "more", format_args!("… {hidden} more"));
        }
        html.close("div");
    }
    let more = summary.count.saturating_sub(summary.queues.len() as u64);
    if more > 0 {
        html.element("p", "empty", format_args!("and {more} more queues"));
    }
    html.finish()
}
