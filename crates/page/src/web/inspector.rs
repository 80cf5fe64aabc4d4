//! One node's state, what it would remember apart from what it would forget; or one event with its reasons.

use cluster::host::{Recovery, Status, Storage};
use leptos::prelude::*;
use raft_core::{Instant, NodeId, Progress, Role};

use super::app::{App, Selection, app};
use super::view::watch;
use crate::model::Power;

/// What is known of a node.
#[derive(Clone, PartialEq)]
struct Known {
    name: String,
    power: Power,
    status: Option<Status>,
    recovery: Option<Recovery>,
    storage: Option<Storage>,
    left_ms: Option<u64>,
}

/// Shows what the person has chosen; nothing, while that is nothing in particular.
#[component]
pub(super) fn Inspector() -> impl IntoView {
    let selected = app().selected;
    move || match selected.get() {
        Selection::Leader => ().into_any(),
        Selection::Node(id) => node(id).into_any(),
        Selection::Event { title, lines } => view! {
            <aside class="inspector" aria-label="Inspector">
                <div class="head"><span>{title}</span>{close()}</div>
                {lines.into_iter().map(|line| view! { <p>{line}</p> }).collect_view()}
            </aside>
        }
        .into_any(),
    }
}

fn close() -> impl IntoView {
    view! {
        <button aria-label="Close the inspector" title="Close" on:click=move |_| {
            let app = app();
            app.selected.set(Selection::Leader);
            app.touch();
        }>"×"</button>
    }
}

fn node(id: NodeId) -> impl IntoView {
    let known = watch(move |app| look(app, id));
    view! {
        <aside class="inspector" aria-label="Inspector">
            <div class="head">
                <span>{move || known.get().map_or(id.to_string(), |known| known.name)}</span>{close()}
            </div>
            {move || known.get().map(|known| state(&known))}
        </aside>
    }
}

fn look(app: &App, id: NodeId) -> Option<Known> {
    let now: Instant = app.now();
    let model = app.model.borrow();
    let node = model.node(id)?;
    let left = |status: &Status| status.deadline.since(now).as_millis_f64() as u64 / 10 * 10;
    Some(Known {
        name: node.label(),
        power: node.power.clone(),
        status: node.status.clone(),
        recovery: node.recovery.clone(),
        storage: node.storage.clone(),
        left_ms: node
            .status
            .as_ref()
            .filter(|status| status.deadline != Instant::NEVER)
            .map(left),
    })
}

fn state(known: &Known) -> impl IntoView + use<> {
    let failure = match &known.power {
        Power::Failed(why) => Some(why.clone()),
        _ => None,
    };
    let gone = known.power != Power::On;
    view! {
        {failure.map(|why| view! { <p class="bad">{why}</p> })}
        {known.status.as_ref().map(|status| view! {
            <div class="halves">
                <div>{durable(status, known.storage.as_ref())}</div>
                <div>{volatile(status, known.left_ms, gone)}</div>
            </div>
            {(status.role == Role::Leader).then(|| followers(&status.progress))}
        })}
        {known.recovery.as_ref().map(recovery)}
    }
}

fn durable(status: &Status, storage: Option<&Storage>) -> impl IntoView + use<> {
    let place = match storage {
        Some(Storage::Opfs) => "private file".to_owned(),
        Some(Storage::Memory { why }) => format!("memory only: {why}"),
        None => "not known".to_owned(),
    };
    let behind = status.last_index.0.saturating_sub(status.durable_index.0);
    view! {
        <h3>"Durable" <small>"survives a crash (figure 2)"</small></h3>
        <dl class="durable">
            <dt>"term"</dt><dd>{status.durable_hard_state.term.0}</dd>
            <dt>"voted for"</dt><dd>{someone(status.durable_hard_state.voted_for)}</dd>
            <dt>"log"</dt><dd>{format!("1 to {}", status.durable_index)}</dd>
            <dt>"being written"</dt><dd>{if behind == 0 { "nothing".to_owned() } else { format!("{behind} entries") }}</dd>
            <dt>"on disk"</dt><dd>{format!("{} bytes, {place}", status.disk_bytes)}</dd>
        </dl>
    }
}

fn volatile(status: &Status, left_ms: Option<u64>, gone: bool) -> impl IntoView + use<> {
    let votes: Vec<String> = status.votes.iter().map(|voter| voter.0.to_string()).collect();
    let timer = match left_ms {
        Some(left) => format!("{left} ms of {:.0} ms", status.timeout.as_millis_f64()),
        None => "stopped".to_owned(),
    };
    let leads = status.role == Role::Leader;
    let note = if gone {
        "lost in the crash"
    } else {
        "a crash forgets it"
    };
    view! {
        <h3>"Volatile" <small>{note}</small></h3>
        <dl class="volatile">
            <dt>"role"</dt><dd>{status.role.to_string()}</dd>
            <dt>"term"</dt><dd>{status.term.0}</dd>
            <dt>"leader"</dt><dd>{someone(status.leader)}</dd>
            <dt>"commit index"</dt><dd>{status.commit_index.0}</dd>
            <dt>"last applied"</dt><dd>{status.last_applied.0}</dd>
            <dt>{if leads { "next heartbeat" } else { "election timer" }}</dt><dd>{timer}</dd>
            {(!votes.is_empty()).then(|| view! { <dt>"votes from"</dt><dd>{votes.join(", ")}</dd> })}
            <dt>"sessions"</dt><dd>{status.sessions}</dd>
            <dt>"bad frames"</dt><dd>{status.bad_frames}</dd>
        </dl>
    }
}

fn followers(progress: &[Progress]) -> impl IntoView + use<> {
    let rows = progress.iter().map(|follower| {
        view! {
            <tr>
                <th scope="row">{follower.id.to_string()}</th>
                <td>{follower.next_index.0}</td>
                <td>{follower.match_index.0}</td>
                <td>{follower.inflight_bytes}</td>
            </tr>
        }
    });
    view! {
        <table>
            <thead><tr><th scope="col">"follower"</th><th scope="col">"next"</th><th scope="col">"match"</th><th scope="col">"bytes sent"</th></tr></thead>
            <tbody>{rows.collect_view()}</tbody>
        </table>
    }
}

fn recovery(found: &Recovery) -> impl IntoView + use<> {
    let tail = match found.dropped_bytes {
        0 => String::new(),
        bytes => format!(" It dropped {bytes} bytes at the end that had never been acknowledged."),
    };
    let text = format!(
        "At its last boot it read {} bytes in {:.1} ms: {}, {} entries.{tail}",
        found.bytes, found.wall_ms, found.hard_state.term, found.last_index
    );
    view! { <p><small>{text}</small></p> }
}

fn someone(node: Option<NodeId>) -> String {
    node.map_or("nobody".to_owned(), |node| node.to_string())
}
