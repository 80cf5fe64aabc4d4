//! `window.ftqueue`: the cluster from the browser's console, from tests and from scripts. Every call returns a promise of plain
//! data.

use std::cell::Cell;
use std::rc::Rc;

use cluster::host::{QueueSummary, RequestId, Status, Storage, ToNode};
use js_sys::{Array, Object, Promise, Reflect};
use leptos::prelude::GetUntracked;
use raft_core::{Duration, Instant, LogIndex, NodeId};
use trace::lockstep::{LIVE, ToLockstep};
use wasm_bindgen::prelude::*;

use super::app::{App, app};
use super::pledge::{Pledge, refused};
use super::results::ResultOutcome;
use super::timepanel;
use super::wall::{self, wall_ms};
use crate::model::{Node, Power};

thread_local! {
    /// Counts the states that were held against the recorder's, so that each gets its own answer.
    static CHECKS: Cell<u64> = const { Cell::new(0) };
}

/// How far ahead of the present an instant may be looked at: what comes so soon is waited for.
const AHEAD_MAX: Duration = Duration::from_millis(5_000);

/// How long a script waits while no operation comes to its end, in wall milliseconds.
const ANSWER_MS_MAX: f64 = 30_000.0;
/// A timer that runs out so much late says that the page stood still, in wall milliseconds.
const LATE_MS: f64 = 5_000.0;

/// Makes `window.ftqueue`.
pub(super) fn install() {
    let api = Object::new();
    put(
        &api,
        "status",
        Closure::<dyn Fn() -> Promise>::new(|| Promise::resolve(&status())).into_js_value(),
    );
    put(
        &api,
        "submit",
        Closure::<dyn Fn(JsValue) -> Promise>::new(submit).into_js_value(),
    );
    put(
        &api,
        "crash",
        Closure::<dyn Fn(JsValue) -> Promise>::new(crash).into_js_value(),
    );
    put(
        &api,
        "restart",
        Closure::<dyn Fn(JsValue) -> Promise>::new(restart).into_js_value(),
    );
    put(
        &api,
        "trace",
        Closure::<dyn Fn() -> Promise>::new(|| ask("trace")).into_js_value(),
    );
    put(
        &api,
        "look",
        Closure::<dyn Fn(JsValue) -> Promise>::new(look).into_js_value(),
    );
    put(
        &api,
        "past",
        Closure::<dyn Fn() -> Promise>::new(|| ask("past")).into_js_value(),
    );
    put(
        &api,
        "timings",
        Closure::<dyn Fn() -> Promise>::new(|| ask("timings")).into_js_value(),
    );
    put(
        &api,
        "reconstruct",
        Closure::<dyn Fn(JsValue) -> Promise>::new(reconstruct).into_js_value(),
    );
    put(&wall::window(), "ftqueue", api.into());
}

fn put(object: &JsValue, name: &str, value: JsValue) {
    let _ = Reflect::set(object, &name.into(), &value);
}

/// A plain object of these fields.
fn object<const N: usize>(fields: [(&str, JsValue); N]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        put(&object, name, value);
    }
    object.into()
}

fn list(items: impl Iterator<Item = JsValue>) -> JsValue {
    items.collect::<Array>().into()
}

/// A count or a place: far below where a JavaScript number loses digits.
fn number(value: u64) -> JsValue {
    JsValue::from_f64(value as f64)
}

/// An item may be any 64-bit integer: a number if JavaScript has it exactly, else text.
fn integer(value: i128) -> JsValue {
    const SAFE_MAX: i128 = (1 << 53) - 1;
    if value.abs() <= SAFE_MAX {
        JsValue::from_f64(value as f64)
    } else {
        value.to_string().into()
    }
}

fn or_null<T>(value: Option<T>, plain: impl Fn(T) -> JsValue) -> JsValue {
    value.map_or(JsValue::NULL, plain)
}

fn status() -> JsValue {
    let app = app();
    let now_ms = app.now().0 as f64 / 1000.0;
    let model = app.model.borrow();
    let in_memory = model
        .nodes()
        .any(|node| matches!(node.storage, Some(Storage::Memory { .. })));
    let rate = if app.stands() {
        0.0
    } else {
        app.settings.get_untracked().rate
    };
    object([
        ("cluster", app.home.cluster(model.nodes().count()).into()),
        ("epoch", number(app.home.epoch.get().0)),
        ("now_ms", now_ms.into()),
        ("rate", rate.into()),
        ("leader", or_null(model.leader(), |leader| leader.id.0.into())),
        (
            "term",
            number(model.leader().map_or(model.term(), |leader| leader.term()).0),
        ),
        ("commit_index", number(model.commit_index().0)),
        ("storage", if in_memory { "memory" } else { "opfs" }.into()),
        ("nodes", list(model.nodes().map(|node| node_status(&app, node)))),
    ])
}

fn node_status(app: &App, node: &Node) -> JsValue {
    let status = node.status.as_ref();
    let index = |of: fn(&Status) -> LogIndex| number(status.map_or(0, |status| of(status).0));
    let error = match &node.power {
        Power::Failed(why) => Some(why.as_str()),
        _ => None,
    };
    object([
        ("id", node.id.0.into()),
        ("role", node.role_name().into()),
        ("up", node.is_up().into()),
        ("term", number(node.term().0)),
        (
            "voted_for",
            or_null(status.and_then(|status| status.voted_for), |id| id.0.into()),
        ),
        (
            "leader",
            or_null(status.and_then(|status| status.leader), |id| id.0.into()),
        ),
        ("commit_index", index(|status| status.commit_index)),
        ("last_applied", index(|status| status.last_applied)),
        ("snapshot_index", index(|status| status.snapshot_index)),
        ("last_index", index(|status| status.last_index)),
        ("durable_index", index(|status| status.durable_index)),
        ("boot", node.boot.into()),
        ("paused", app.fleet.borrow().is_paused(node.id).into()),
        ("isolated", app.is_isolated(node.id).into()),
        ("bad_frames", number(status.map_or(0, |status| status.bad_frames))),
        ("error", or_null(error, JsValue::from)),
        ("lacks_room", or_null(node.lacks_room.as_deref(), JsValue::from)),
        ("queues", list(node.queues.queues.iter().map(queue))),
    ])
}

fn queue(queue: &QueueSummary) -> JsValue {
    object([
        ("label", integer(queue.label.0.into())),
        ("qid", number(queue.qid.0)),
        ("size", number(queue.size)),
        ("items", list(queue.items.iter().map(|&item| integer(item.into())))),
    ])
}

fn submit(text: JsValue) -> Promise {
    let Some(text) = text.as_string() else {
        return refused("submit takes a command as text, as in submit(\"push 1 42\")");
    };
    let app = app();
    // What is asked in the past is asked in a branch, where nobody acknowledges it to who asks here.
    let shown = app.past.borrow().as_ref().map(|past| {
        let name = &past.shown.name;
        format!("not done in the present: {name} is shown at {}, so it was asked in a branch there; ftqueue.look() shows the present", past.shown.at)
    });
    let (promise, pledge) = Pledge::new();
    let pledge = Rc::new(Cell::new(Some(pledge)));
    wait_for(Rc::clone(&pledge), wall_ms());
    app.enter(&text, move |mut returned| {
        if let Some(why) = shown.filter(|_| returned.ok) {
            (returned.ok, returned.text) = (false, why);
        }
        if let Some(pledge) = pledge.take() {
            pledge.keep(&outcome(&returned));
        }
    });
    promise
}

/// A script does not wait for ever: where no operation at all has come to its end for a while, it is told so. The line stays among the
/// results, and its operation under way.
fn wait_for(pledge: Rc<Cell<Option<Pledge>>>, since_wall_ms: f64) {
    let quiet_ms = app().clients.borrow().quiet_ms(since_wall_ms);
    let wait_ms = (ANSWER_MS_MAX - quiet_ms).max(1.0);
    let due_wall_ms = wall::wall_ms() + wait_ms;
    wall::after(wait_ms as i32, move || {
        let Some(kept) = pledge.take() else { return };
        let app = app();
        if wall::wall_ms() > due_wall_ms + LATE_MS {
            // The page stood still: this finds it out.
            app.now();
        }
        if app.clients.borrow().quiet_ms(since_wall_ms) < ANSWER_MS_MAX {
            pledge.set(Some(kept));
            return wait_for(pledge, since_wall_ms);
        }
        let why = if app.stands() {
            "time stands"
        } else if app.model.borrow().nodes().all(|node| !node.is_up()) {
            "no node runs"
        } else {
            "the cluster answers nothing"
        };
        kept.keep(&outcome(&ResultOutcome {
            ok: false,
            text: format!(
                "no answer within {} s: {why}; it is under way yet, and may be applied",
                ANSWER_MS_MAX / 1_000.0
            ),
            value: None,
            tries: 0,
            leaders: Vec::new(),
            wall_ms: wall_ms() - since_wall_ms,
            virtual_ms: 0.0,
        }));
    });
}

fn outcome(outcome: &ResultOutcome) -> JsValue {
    object([
        ("ok", outcome.ok.into()),
        ("text", outcome.text.as_str().into()),
        ("value", or_null(outcome.value, integer)),
        (
            "error",
            if outcome.ok {
                JsValue::NULL
            } else {
                outcome.text.as_str().into()
            },
        ),
        ("tries", outcome.tries.into()),
        ("leaders", list(outcome.leaders.iter().map(|&leader| leader.into()))),
        ("wall_ms", outcome.wall_ms.into()),
        ("virtual_ms", outcome.virtual_ms.into()),
    ])
}

/// A node by its number, as a person gives it.
fn node(number: &JsValue) -> Result<NodeId, String> {
    let members = app().members();
    let found = members
        .iter()
        .copied()
        .find(|id| number.as_f64() == Some(f64::from(id.0)));
    found.ok_or_else(|| format!("name a node by its number, from 1 to {}", members.len()))
}

fn crash(number: JsValue) -> Promise {
    match node(&number).and_then(|id| app().crash(id)) {
        Ok(()) => Promise::resolve(&object([("id", number), ("role", "crashed".into())])),
        Err(why) => refused(&why),
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
        Err(why) => refused(&why),
    }
}

/// An instant as a script gives it: a number, or a text that is one; the present, if none is given.
fn instant(at_ms: &JsValue) -> Result<Option<Instant>, String> {
    if at_ms.is_undefined() || at_ms.is_null() {
        return Ok(None);
    }
    let typed = at_ms.as_string();
    let ms = match &typed {
        // Nothing but spaces would be 0 to JavaScript.
        Some(text) if text.trim().is_empty() => f64::NAN,
        Some(_) => at_ms.unchecked_into_f64(),
        None => at_ms.as_f64().unwrap_or(f64::NAN),
    };
    if !ms.is_finite() {
        return Err(
            "look takes an instant in milliseconds of virtual time, as in look(1250), or nothing for the present"
                .to_owned(),
        );
    }
    Ok(Some(Instant((ms * 1000.0).max(0.0).round() as u64)))
}

/// Shows an instant, in virtual milliseconds; the present, without one. Done when it is shown.
fn look(at_ms: JsValue) -> Promise {
    let at = match instant(&at_ms) {
        Ok(at) => at,
        Err(why) => return refused(&why),
    };
    let app = app();
    let is_live = app.past.borrow().as_ref().is_none_or(|past| past.shown.run == LIVE);
    let now = app.now();
    if let Some(at) = at.filter(|at| is_live && at.since(now) > AHEAD_MAX) {
        return refused(&format!("{at} has not come yet: it is {now}"));
    }
    timepanel::answer("look", &ToLockstep::Look(at))
}

/// What a node is by its own word, and what the recorder makes again of the same instant: fingerprints of the whole state, which are to be
/// equal.
fn reconstruct(number: JsValue) -> Promise {
    match node(&number) {
        Ok(id) => {
            let app = app();
            if !app.model.borrow().node(id).is_some_and(Node::is_up) {
                return refused(&format!("{id} does not run, so it says nothing of what it is"));
            }
            if let Err(why) = app.may_ask_recorder() {
                return refused(&why);
            }
            let request = RequestId(CHECKS.replace(CHECKS.get() + 1));
            app.fleet.borrow().send(id, ToNode::Describe { request });
            timepanel::promise(&timepanel::check_name(request.0), Some(id))
        }
        Err(why) => refused(&why),
    }
}

/// Has the recorder say something.
fn ask(what: &str) -> Promise {
    timepanel::answer(what, &ToLockstep::Do(what.to_owned()))
}
