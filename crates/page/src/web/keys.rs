//! Keys that work wherever the focus is, unless it is where text is typed.

use raft_core::NodeId;
use wasm_bindgen::prelude::*;
use web_sys::{Element, HtmlElement, KeyboardEvent};

use super::app::app;
use super::{dialogs, wall};

/// Every key with what it does, for the help dialog.
pub(super) const KEYS: &[(&str, &[(&str, &str)])] = &[
    (
        "Anywhere",
        &[
            ("1 – 9", "crash or restart that node"),
            ("Shift + 1 – 9", "focus that node"),
            ("Space", "stop time, or let it run"),
            (".", "a single step of time"),
            ("− +", "slower, faster"),
            ("0", "real time"),
            ("/", "to the command line"),
            ("L", "open the load generator"),
            ("E", "settings"),
            ("T", "light, dark, as the system has it"),
            ("?", "this list"),
            ("Esc", "close what is open"),
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
        "On the timeline",
        &[
            ("drag, ← →", "the instant that is shown"),
            ("A D", "back and on in time"),
            ("W S, wheel", "closer, wider"),
            ("F", "the whole run"),
            (", .", "the event before, the event after"),
            (
                "E C X M V",
                "next election, commit, crash, message, violation; with Shift before",
            ),
            ("N", "what was searched for, again"),
            ("Home, End", "the beginning, the present"),
        ],
    ),
];

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

/// Does what a key is for. Says whether it was for anything.
fn pressed(event: &KeyboardEvent) -> bool {
    if event.ctrl_key() || event.meta_key() || event.alt_key() || dialogs::is_open() {
        return false;
    }
    let focused = wall::document().active_element();
    if focused.as_ref().is_some_and(takes_text) {
        return false;
    }
    if let Some(node) = focused.as_ref().and_then(focused_node)
        && pressed_on_node(node, &event.key())
    {
        return true;
    }
    if let Some(digit) = event
        .code()
        .strip_prefix("Digit")
        .and_then(|digit| digit.parse::<u8>().ok())
        && digit > 0
    {
        return pressed_digit(NodeId(digit), event.shift_key());
    }
    // A button that has the focus is pressed by the space bar.
    let on_control = focused
        .as_ref()
        .is_some_and(|element| element.matches("button, a, summary, [role=slider]").unwrap_or(false));
    match event.key().as_str() {
        " " if !on_control => {
            let stopped = leptos::prelude::GetUntracked::get_untracked(&app().stopped);
            app().set_stopped(!stopped);
        }
        "." => app().step_time(),
        "-" | "−" => change_speed(1.0 / SPEED_STEP),
        "+" | "=" => change_speed(SPEED_STEP),
        "0" => app().set_rate(1.0),
        "/" => focus("[aria-label=Command]"),
        "l" => open_load(),
        "e" => dialogs::open_settings(),
        "t" => click("#theme-button"),
        "?" => dialogs::open_help(),
        _ => return false,
    }
    true
}

fn pressed_on_node(id: NodeId, key: &str) -> bool {
    let app = app();
    match key {
        "p" if app.runs(id) => {
            let paused = app.is_paused(id);
            app.set_paused(id, !paused);
        }
        "i" => {
            let isolated = app.is_isolated(id);
            app.set_isolated(id, !isolated);
        }
        "m" => super::view::open_menu(&format!("menu-{}", id.0)),
        "ArrowRight" | "ArrowDown" => focus_neighbour(id, 1),
        "ArrowLeft" | "ArrowUp" => focus_neighbour(id, -1),
        _ => return false,
    }
    true
}

fn pressed_digit(id: NodeId, only_focus: bool) -> bool {
    let known = app().members_shown().contains(&id);
    if known {
        focus(&format!("[data-node=\"{}\"]", id.0));
        if !only_focus {
            app().toggle(id);
        }
    }
    known
}

fn focus_neighbour(id: NodeId, by: i32) {
    let members = app().members_shown();
    let count = members.len() as i32;
    let place = members.iter().position(|&member| member == id).unwrap_or(0) as i32;
    let next = members[(place + by).rem_euclid(count) as usize];
    focus(&format!("[data-node=\"{}\"]", next.0));
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

fn takes_text(element: &Element) -> bool {
    element
        .matches("input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]")
        .unwrap_or(false)
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
