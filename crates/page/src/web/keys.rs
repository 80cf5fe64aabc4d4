//! Keys: where the focus is, and what is done. What a key is for is in [`crate::model::keys`].

use std::cell::Cell;

use raft_core::NodeId;
use trace::lockstep::Gesture;
use wasm_bindgen::prelude::*;
use web_sys::{Element, HtmlElement, KeyboardEvent};

use super::app::app;
use super::{dialogs, timeline, wall};
use crate::model::keys::{Action, Focus, Press, action};

/// Every key with what it does, for the help dialog.
pub(super) const KEYS: &[(&str, &[(&str, &str)])] = &[
    (
        "Anywhere but in a text",
        &[
            ("/", "to the command line"),
            ("?", "this list"),
            ("Esc", "close what is open"),
        ],
    ),
    (
        "In the cluster and on the timeline",
        &[
            ("1 – 9", "crash or restart that node"),
            ("Space", "stop time, or let it run"),
            ("G", "go on by a single step of time"),
            ("− +", "slower, faster"),
            ("0", "real time"),
            (", .", "the event before, the event after"),
            (
                "E C X M V",
                "next election, commit, crash, message, violation; with Shift before",
            ),
            ("N", "what was searched for, again"),
            ("A D", "back and on in time"),
            ("W S", "closer, wider"),
            ("F", "the whole run"),
            ("L", "the load generator"),
            ("O", "settings"),
            ("T", "light, dark, as the system has it"),
        ],
    ),
    (
        "On a node",
        &[
            ("Enter, Space", "crash it, or restart it"),
            ("P", "pause it, or let it go on"),
            ("I", "isolate it, or let it rejoin"),
            ("M", "its menu; a click with the second button opens it, too"),
            ("← →", "the node before, the node after"),
        ],
    ),
    (
        "On a link",
        &[("Enter, Space", "cut it both ways, one way, the other way, mend it")],
    ),
    (
        "On the command line",
        &[
            ("Enter", "run"),
            ("Tab", "complete"),
            ("↑ ↓", "earlier lines, later lines"),
            ("Esc", "empty it"),
        ],
    ),
    (
        "On the timeline's picture",
        &[
            ("drag, ← →", "the instant that is shown"),
            ("wheel, ↑ ↓", "closer, wider"),
            ("Page ↑ ↓", "a screen back, a screen on"),
            ("Home, End", "the beginning, the present"),
            ("Esc", "let go of what is chosen; then to the present"),
        ],
    ),
];

thread_local! {
    /// Whether something was done when a key went down last.
    static DONE: Cell<bool> = const { Cell::new(false) };
}

/// One step faster or slower is this factor.
const SPEED_STEP: f64 = 1.5;

/// Listens from now on, for as long as the page lives.
pub(super) fn install() {
    let listener = Closure::<dyn FnMut(KeyboardEvent)>::new(|event: KeyboardEvent| {
        if !event.default_prevented() && pressed(&event) {
            event.prevent_default();
        }
    });
    let _ = wall::document().add_event_listener_with_callback("keydown", listener.as_ref().unchecked_ref());
    listener.forget();
}

/// Whether an input method is composing, or has just ended it: then a key is its own. Some browsers tell so by 229 only.
pub(super) fn composes(event: &KeyboardEvent) -> bool {
    event.is_composing() || event.key() == "Process" || event.key_code() == 229
}

/// Does what a key is for. Says whether it was for anything.
fn pressed(event: &KeyboardEvent) -> bool {
    let is_done = does(event);
    if !event.repeat() {
        DONE.set(is_done);
    }
    is_done
}

fn does(event: &KeyboardEvent) -> bool {
    // What is held acts no more, in a dialog that it has opened as little as elsewhere.
    if dialogs::is_open() && !event.repeat() {
        return false;
    }
    let focused = wall::document().active_element();
    let key = event.key();
    if key == "Escape" && !composes(event) && focused.as_ref().is_some_and(close_around) {
        return true;
    }
    let settings = leptos::prelude::GetUntracked::get_untracked(&app().settings);
    let found = action(Press {
        key: &key,
        shift: event.shift_key(),
        modified: event.ctrl_key() || event.meta_key() || event.alt_key(),
        repeat: event.repeat(),
        was_done: DONE.get(),
        composing: composes(event),
        focus: focused.as_ref().map_or(Focus::Elsewhere, focus_on),
        on_control: focused
            .as_ref()
            .is_some_and(|element| is(element, "button, a, summary, input")),
        single: settings.single_keys,
    });
    found.is_some_and(done)
}

/// Does it. Says whether it could be done.
fn done(action: Action) -> bool {
    let app = app();
    match action {
        Action::Toggle(id) => return toggle(id),
        Action::Pause(id) => {
            if !app.runs(id) {
                return false;
            }
            let paused = app.is_paused(id);
            app.set_paused(id, !paused);
        }
        Action::Isolate(id) => {
            let isolated = app.is_isolated(id);
            app.set_isolated(id, !isolated);
        }
        Action::Menu(id) => super::view::open_menu(&format!("menu-{}", id.0)),
        Action::Neighbour(id, by) => focus_neighbour(id, by),
        Action::Time => {
            let stopped = leptos::prelude::GetUntracked::get_untracked(&app.stopped);
            app.set_stopped(!stopped);
        }
        Action::Step => app.step_time(),
        Action::Faster => change_speed(SPEED_STEP),
        Action::Slower => change_speed(1.0 / SPEED_STEP),
        Action::RealTime => app.set_rate(1.0),
        Action::CommandLine => focus("[aria-label=Command]"),
        Action::Load => open_load(),
        Action::Settings => dialogs::open_settings(),
        Action::Theme => click("#theme-button"),
        Action::Help => dialogs::open_help(),
        Action::Timeline(key) => timeline::tell(Gesture::Key(key)),
        Action::Done => {}
    }
    true
}

/// Where the focus is. In a menu letters and digits are nobody's.
fn focus_on(element: &Element) -> Focus {
    let within = |selector: &str| element.closest(selector).is_ok_and(|found| found.is_some());
    if is(
        element,
        "input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]",
    ) {
        Focus::Text
    } else if within("[role=menu]") {
        Focus::Elsewhere
    } else if let Some(id) = focused_node(element) {
        Focus::Node(id)
    } else if is(element, "[role=slider]") {
        Focus::Slider
    } else if within(".cluster") {
        Focus::Cluster
    } else if within(".timeline") {
        Focus::Timeline
    } else {
        Focus::Elsewhere
    }
}

/// Closes the list in which the focus is, if it is in one that is open.
fn close_around(element: &Element) -> bool {
    let Ok(Some(details)) = element.closest("details[open]") else {
        return false;
    };
    let _ = details.remove_attribute("open");
    if let Ok(Some(summary)) = details.query_selector("summary") {
        let _ = summary.unchecked_into::<HtmlElement>().focus();
    }
    true
}

/// Crashes a node or starts it. In the cluster the focus goes with it; on the timeline it stays there.
fn toggle(id: NodeId) -> bool {
    let known = app().members_shown().contains(&id);
    if known {
        if wall::document()
            .query_selector(".cluster:focus-within")
            .is_ok_and(|found| found.is_some())
        {
            focus(&format!("[data-node=\"{}\"]", id.0));
        }
        app().toggle(id);
    }
    known
}

fn focus_neighbour(id: Option<NodeId>, by: i32) {
    let members = app().members_shown();
    let count = members.len() as i32;
    let place = id.and_then(|id| members.iter().position(|&member| member == id));
    let next = match place {
        Some(place) => place as i32 + by,
        // From none, it goes to the first, or to the last.
        None => by.min(0),
    };
    if count > 0 {
        focus(&format!(
            "[data-node=\"{}\"]",
            members[next.rem_euclid(count) as usize].0
        ));
    }
}

fn change_speed(factor: f64) {
    let rate = leptos::prelude::GetUntracked::get_untracked(&app().settings).rate;
    app().set_rate(rate * factor);
}

fn open_load() {
    if let Some(details) = find("details.load") {
        let _ = details.toggle_attribute("open");
        if details.has_attribute("open") {
            focus("details.load input");
        }
    }
}

fn is(element: &Element, selector: &str) -> bool {
    element.matches(selector).unwrap_or(false)
}

fn focused_node(element: &Element) -> Option<NodeId> {
    element.get_attribute("data-node")?.parse().ok().map(NodeId)
}

fn find(selector: &str) -> Option<HtmlElement> {
    wall::document().query_selector(selector).ok()??.dyn_into().ok()
}

fn focus(selector: &str) {
    if let Some(element) = find(selector) {
        let _ = element.focus();
    }
}

fn click(selector: &str) {
    if let Some(element) = find(selector) {
        element.click();
    }
}
