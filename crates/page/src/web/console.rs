//! `window.ftqueue`: the cluster from the browser's console, from tests and from scripts. Every call returns a promise of plain
//! data.

use cluster::host::Storage;
use js_sys::{Error, Object, Promise, Reflect};
use leptos::prelude::GetUntracked;
use raft_core::NodeId;
use serde::Serialize;
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

use super::app::{ResultOutcome, app};
use super::wall;
use crate::model::Power;

/// Makes `window.ftqueue`.
pub(super) fn install() {
    let api = Object::new();
    put(&api, "status", Closure::<dyn Fn() -> Promise>::new(|| resolved(&status())).into_js_value());
    put(&api, "submit", Closure::<dyn Fn(JsValue) -> Promise>::new(submit).into_js_value());
    put(&api, "crash", Closure::<dyn Fn(JsValue) -> Promise>::new(crash).into_js_value());
    put(&api, "restart", Closure::<dyn Fn(JsValue) -> Promise>::new(restart).into_js_value());
    put(&api, "trace", Closure::<dyn Fn() -> Promise>::new(|| resolved(&trace())).into_js_value());
    put(&wall::window(), "ftqueue", api.into());
}

fn put(object: &JsValue, name: &str, value: JsValue) {
    let _ = Reflect::set(object, &name.into(), &value);
}

fn plain(value: &Value) -> JsValue {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    value.serialize(&serializer).unwrap_or(JsValue::NULL)
}

fn resolved(value: &Value) -> Promise {
    Promise::resolve(&plain(value))
}

fn rejected(why: &str) -> Promise {
    Promise::reject(&Error::new(why))
}

fn status() -> Value {
    let app = app();
    let now_ms = app.now().0 as f64 / 1000.0;
    let model = app.model.borrow();
    let nodes: Vec<Value> = model
        .nodes()
        .map(|node| {
            let status = node.status.as_ref();
            let index = |of: fn(&cluster::host::Status) -> raft_core::LogIndex| status.map_or(0, |status| of(status).0);
            json!({
                "id": node.id.0,
                "role": node.role_name(),
                "up": node.is_up(),
                "term": node.term().0,
                "voted_for": status.and_then(|status| status.voted_for).map(|id| id.0),
                "leader": status.and_then(|status| status.leader).map(|id| id.0),
                "commit_index": index(|status| status.commit_index),
                "last_applied": index(|status| status.last_applied),
                "last_index": index(|status| status.last_index),
                "durable_index": index(|status| status.durable_index),
                "boot": node.boot,
                "paused": app.fleet.borrow().is_paused(node.id),
                "isolated": app.is_isolated(node.id),
                "bad_frames": status.map_or(0, |status| status.bad_frames),
                "error": match &node.power { Power::Failed(why) => Some(why.clone()), _ => None },
                "queues": node.queues.queues.iter().map(|queue| json!({
                    "label": queue.label.0, "qid": queue.qid.0, "size": queue.size, "items": queue.items,
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    let in_memory = model.nodes().any(|node| matches!(node.storage, Some(Storage::Memory { .. })));
    json!({
        "cluster": app.home.cluster(nodes.len()),
        "now_ms": now_ms,
        "rate": if app.stands() { 0.0 } else { app.settings.get_untracked().rate },
        "leader": model.leader().map(|leader| leader.id.0),
        "term": model.leader().map_or(model.term(), |leader| leader.term()).0,
        "commit_index": model.commit_index().0,
        "storage": if in_memory { "memory" } else { "opfs" },
        "nodes": nodes,
    })
}

fn submit(text: JsValue) -> Promise {
    let Some(text) = text.as_string() else {
        return rejected("submit takes a command as text, as in submit(\"push 1 42\")");
    };
    Promise::new(&mut |resolve, _| {
        app().enter(&text, move |outcome| {
            let _ = resolve.call1(&JsValue::NULL, &plain(&outcome_json(&outcome)));
        });
    })
}

fn outcome_json(outcome: &ResultOutcome) -> Value {
    /// The greatest integer that a JavaScript number holds exactly.
    const SAFE_MAX: i128 = (1 << 53) - 1;
    json!({
        "ok": outcome.ok,
        "text": outcome.text,
        "value": outcome.value.map(|value| match i64::try_from(value) {
            Ok(number) if value.abs() <= SAFE_MAX => json!(number),
            _ => json!(value.to_string()),
        }),
        "error": if outcome.ok { None } else { Some(&outcome.text) },
        "tries": outcome.tries,
        "leaders": outcome.leaders,
        "wall_ms": outcome.wall_ms,
        "virtual_ms": outcome.virtual_ms,
    })
}

/// A node by its number, as a person gives it.
fn node(number: &JsValue) -> Result<NodeId, String> {
    let members = app().members();
    let found = members.iter().copied().find(|id| number.as_f64() == Some(f64::from(id.0)));
    found.ok_or_else(|| format!("name a node by its number, from 1 to {}", members.len()))
}

fn crash(number: JsValue) -> Promise {
    match node(&number).and_then(|id| app().crash(id)) {
        Ok(()) => resolved(&json!({ "id": number.as_f64(), "role": "crashed" })),
        Err(why) => rejected(&why),
    }
}

fn restart(number: JsValue) -> Promise {
    match node(&number) {
        Ok(id) => {
            let app = app();
            // A node that runs is crashed first, as a click twice would.
            let _ = app.crash(id);
            app.start_and_wait(id)
        }
        Err(why) => rejected(&why),
    }
}

fn trace() -> Value {
    let app = app();
    let model = app.model.borrow();
    let facts: Vec<Value> = model
        .history
        .facts
        .iter()
        .map(|record| {
            json!({
                "at_us": record.at.0,
                "node": record.node.0,
                "boot": record.boot,
                "kind": kind(&record.fact),
                "text": record.fact.to_string(),
            })
        })
        .collect();
    json!({ "version": 1, "cluster": app.home.cluster(app.members().len()), "facts": facts, "dropped": model.history.dropped })
}

fn kind(fact: &cluster::host::Fact) -> &'static str {
    use cluster::host::Fact;
    match fact {
        Fact::Raft(_) => "raft",
        Fact::Sent { .. } => "sent",
        Fact::Received { .. } => "received",
        Fact::Dropped { .. } => "dropped",
        Fact::Requested { .. } => "requested",
        Fact::Replied { .. } => "replied",
        Fact::Synced { .. } => "synced",
        Fact::Omitted { .. } => "omitted",
    }
}
