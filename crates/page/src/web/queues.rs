//! The queues as one node has applied them.

use cluster::host::{QueueSummary, QueuesSummary};
use leptos::prelude::*;
use raft_core::{LogIndex, NodeId};

use super::app::{App, Selection};
use super::view::watch;

/// How many items of a queue are shown.
const ITEMS_MAX: usize = 13;

/// What is shown.
#[derive(Clone, PartialEq)]
struct Shown {
    node: Option<NodeId>,
    up: bool,
    applied: LogIndex,
    queues: QueuesSummary,
}

/// The panel.
#[component]
pub(super) fn Queues() -> impl IntoView {
    let chosen = RwSignal::new(None::<NodeId>);
    let shown = watch(move |app| look(app, chosen.get()));
    let members = watch(App::members);
    let of = move || match shown.get() {
        Shown {
            node: Some(node),
            applied,
            ..
        } => format!("as applied by {node}, up to entry {applied}"),
        _ => "no node has applied any yet".to_owned(),
    };
    view! {
        <section class="panel queues-panel" aria-label="Queues">
            <h2>
                "Queues" <span>{of}</span>
                <span class="grow"></span>
                <select aria-label="Whose queues" on:change=move |event| {
                    chosen.set(event_target_value(&event).parse().ok().map(NodeId));
                }>
                    <option value="">"leader"</option>
                    <For each=move || members.get() key=|id| *id let:id>
                        <option value=id.0.to_string()>{id.to_string()}</option>
                    </For>
                </select>
            </h2>
            <div class="queues" tabindex="0" role="group" aria-label="Items of the queues">
                {move || list(&shown.get())}
            </div>
        </section>
    }
}

fn look(app: &App, chosen: Option<NodeId>) -> Shown {
    let model = app.model.borrow();
    let selected = match app.selected.get_untracked() {
        Selection::Node(id) => Some(id),
        _ => None,
    };
    let wanted = chosen.or(selected).and_then(|id| model.node(id));
    let most_applied = || {
        let applied =
            |node: &&crate::model::Node| node.status.as_ref().map(|status| (node.is_up(), status.last_applied));
        model.nodes().filter(|node| node.status.is_some()).max_by_key(applied)
    };
    let node = wanted.or_else(|| model.leader()).or_else(most_applied);
    Shown {
        node: node.map(|node| node.id),
        up: node.is_some_and(|node| node.is_up()),
        applied: node
            .and_then(|node| node.status.as_ref())
            .map_or(LogIndex::ZERO, |status| status.last_applied),
        queues: node.map(|node| node.queues.clone()).unwrap_or_default(),
    }
}

fn list(shown: &Shown) -> impl IntoView + use<> {
    let more = shown.queues.count.saturating_sub(shown.queues.queues.len() as u64);
    let empty = shown.queues.queues.is_empty();
    let down = shown.node.is_some() && !shown.up;
    view! {
        {down.then(|| view! { <p class="empty">"It is down; this is what it had applied."</p> })}
        {empty.then(|| view! { <p class="empty">"No queue yet. Try "<code>"create_queue 7"</code>"."</p> })}
        {shown.queues.queues.iter().map(queue).collect_view()}
        {(more > 0).then(|| view! { <p class="empty">{format!("and {more} more queues")}</p> })}
    }
}

fn queue(queue: &QueueSummary) -> impl IntoView + use<> {
    let shown = queue.items.len().min(ITEMS_MAX);
    let hidden = queue.size.saturating_sub(shown as u64);
    view! {
        <div class="q">
            <b>{format!("label {} ", queue.label)}<span class="num">{format!("id {}", queue.qid)}</span></b>
            {queue.items.iter().take(shown).map(|item| view! { <i>{item.to_string()}</i> }).collect_view()}
            {(queue.size == 0).then(|| view! { <span class="more">"empty"</span> })}
            {(hidden > 0).then(|| view! { <span class="more">{format!("… {hidden} more")}</span> })}
        </div>
    }
}
