//! What stands above the timeline: runs, the instant that is shown, the promises. The lockstep host writes it; what is pressed and typed goes
//! back there.

use std::cell::RefCell;

use js_sys::{Array, Promise, Reflect};
use leptos::html::Div;
use leptos::prelude::*;
use raft_core::NodeId;
use trace::lockstep::{FILE_BYTES_MAX, ToLockstep};
use wasm_bindgen::prelude::*;
use web_sys::{DragEvent, Element, Event, FocusOptions, HtmlElement, HtmlInputElement, HtmlSelectElement, MouseEvent};

use super::app::app;
use super::pledge::{Pledge, refused};
use super::{view, wall};

/// A promise of an answer.
struct Asked {
    /// What was asked for.
    name: String,
    /// The node that has to speak first.
    of: Option<NodeId>,
    /// What was answered so far: lists of facts.
    parts: Array,
    pledge: Pledge,
}

thread_local! {
    /// Where the panel is.
    static PLACE: RefCell<Option<NodeRef<Div>>> = const { RefCell::new(None) };
    /// Who waits for an answer of the host, and to what, in the order in which they asked.
    static ASKED: RefCell<Vec<Asked>> = const { RefCell::new(Vec::new()) };
}

/// The panel, empty until the host has something to show.
#[component]
pub(super) fn TimePanel() -> impl IntoView {
    let place = NodeRef::<Div>::new();
    PLACE.with_borrow_mut(|known| *known = Some(place));
    let opened = view::on(|event: Event| {
        if let Some(input) = event
            .target()
            .and_then(|target| target.dyn_into::<HtmlInputElement>().ok())
        {
            open_file(&input);
        }
    });
    view! {
        <div class="time-panel" node_ref=place on:click=view::on(|event: MouseEvent| pressed(&event)) on:change=view::on(|event: Event| typed(&event))></div>
        <input type="file" id="open-run" accept=".ftqr,.ftq" aria-label="Open a run" hidden on:change=opened />
    }
}

/// Shows this. What a person is about in it (an open list, the focus) stays; while they type, it waits.
pub(super) fn show(html: &str) {
    if let Some(panel) = PLACE.with_borrow(|place| place.and_then(|place| place.get_untracked())) {
        replace(&panel, html);
    }
}

/// The same in any place that the host writes.
pub(super) fn replace(panel: &Element, html: &str) {
    let active = wall::document()
        .active_element()
        .filter(|active| panel.contains(Some(active)));
    let is_typing = |active: &Element| active.matches("[data-say]:not([type=checkbox])").unwrap_or(false);
    if active.as_ref().is_some_and(is_typing) {
        return;
    }
    let again = active.as_ref().and_then(|active| {
        let known = |name: &str| Some(format!("[{name}=\"{}\"]", active.get_attribute(name)?));
        known("data-do").or_else(|| known("data-say"))
    });
    let was_open = panel.query_selector("details[open]").ok().flatten().is_some();
    panel.set_inner_html(html);
    if was_open && let Ok(Some(details)) = panel.query_selector("details") {
        let _ = details.set_attribute("open", "");
    }
    match again.and_then(|again| panel.query_selector(&again).ok().flatten()) {
        Some(again) => drop(again.unchecked_into::<HtmlElement>().focus()),
        // What had the focus is gone: the panel keeps it, and its keys go on working.
        None if active.is_some() => focus_panel(panel),
        None => {}
    }
}

/// Gives the focus to the panel in which this is; nothing is scrolled.
fn focus_panel(place: &Element) {
    if let Ok(Some(section)) = place.closest("section") {
        focus(section);
    }
}

fn focus(section: Element) {
    let options = FocusOptions::new();
    options.set_prevent_scroll(true);
    let _ = section.unchecked_into::<HtmlElement>().focus_with_options(&options);
}

/// Leaves a field, so that it may be shown anew. Its panel has the focus then, unless the person has gone on to something else.
fn leave(input: &HtmlElement) {
    let section = input.closest("section").ok().flatten();
    let _ = input.blur();
    wall::after(0, move || {
        let document = wall::document();
        let is_nowhere = document.active_element().as_deref() == document.body().as_deref().map(|body| &**body);
        if let Some(section) = section.filter(|_| is_nowhere) {
            focus(section);
        }
    });
}

/// A promise of what the host answers to what is asked under this name. It is kept or refused, whatever becomes of the host.
pub(super) fn answer(name: &str, message: &ToLockstep) -> Promise {
    match app().ask_recorder(message) {
        Ok(()) => promise(name, None),
        Err(why) => refused(&why),
    }
}

/// A promise of what the host answers under this name once this node has spoken. If the node dies before, it is refused.
pub(super) fn promise(name: &str, of: Option<NodeId>) -> Promise {
    let (promise, pledge) = Pledge::new();
    let name = name.to_owned();
    ASKED.with_borrow_mut(|asked| {
        asked.push(Asked {
            name,
            of,
            pledge,
            parts: Array::new(),
        })
    });
    promise
}

/// The host has answered, in JSON; or says why it does not, as the only thing.
pub(super) fn answered(name: &str, json: &str) {
    let first = ASKED.with_borrow_mut(|asked| {
        let place = asked.iter().position(|asked| asked.name == name)?;
        Some(asked.remove(place))
    });
    let Some(Asked { pledge, parts, .. }) = first else {
        return;
    };
    let value = parsed(json);
    if let Some(why) = wall::get(&value, "refused").as_string() {
        return pledge.refuse(&why);
    }
    if parts.length() > 0 {
        parts.push(&wall::get(&value, "facts"));
        let _ = Reflect::set(&value, &"facts".into(), &parts.flat(1));
    }
    pledge.keep(&value);
}

/// The host has answered a part, in JSON: so that no answer is so long that the page stands still for it.
pub(super) fn answered_in_part(name: &str, json: &str) {
    ASKED.with_borrow(|asked| {
        if let Some(asked) = asked.iter().find(|asked| asked.name == name) {
            asked.parts.push(&parsed(json));
        }
    });
}

fn parsed(json: &str) -> JsValue {
    js_sys::JSON::parse(json).unwrap_or(JsValue::NULL)
}

/// Under which name the host says what the tape makes of a state that a node says it is in.
pub(super) fn check_name(request: u64) -> String {
    format!("check {request}")
}

/// The node has spoken that an answer under this name rests on.
pub(super) fn has_spoken(name: &str) {
    ASKED.with_borrow_mut(|asked| {
        let spoken = asked.iter_mut().filter(|asked| asked.name == name);
        spoken.for_each(|asked| asked.of = None);
    });
}

/// A node says nothing any more.
pub(super) fn node_gone(id: NodeId) {
    refuse(&format!("{id} has stopped before it could say what it is"), |asked| {
        asked.of == Some(id)
    });
}

/// Nobody answers any more.
pub(super) fn refuse_all(why: &str) {
    refuse(why, |_| true);
}

fn refuse(why: &str, which: impl Fn(&Asked) -> bool) {
    let refused: Vec<Asked> = ASKED.with_borrow_mut(|asked| asked.extract_if(.., |asked| which(asked)).collect());
    for asked in refused {
        asked.pledge.refuse(why);
    }
}

fn target(event: &Event) -> Option<Element> {
    event.target()?.dyn_into().ok()
}

pub(super) fn pressed(event: &Event) {
    let Some(button) = target(event).and_then(|target| target.closest("button").ok().flatten()) else {
        return;
    };
    if button.has_attribute("data-open") {
        if let Some(input) = wall::document().get_element_by_id("open-run") {
            input.unchecked_into::<HtmlElement>().click();
        }
    } else if let Some(does) = button.get_attribute("data-do") {
        app().tell_recorder(&ToLockstep::Do(does));
    }
}

pub(super) fn typed(event: &Event) {
    let Some(target) = target(event) else { return };
    if let Some(list) = target.dyn_ref::<HtmlSelectElement>() {
        let says = target.get_attribute("data-say").unwrap_or_default();
        return app().tell_recorder(&ToLockstep::Do(format!("{says} {}", list.value())));
    }
    let Ok(input) = target.dyn_into::<HtmlInputElement>() else {
        return;
    };
    if let Some(says) = input.get_attribute("data-say") {
        let value = if input.type_() == "checkbox" {
            input.checked().to_string()
        } else {
            input.value()
        };
        // Where something is ticked, the focus stays.
        if input.type_() != "checkbox" {
            leave(&input);
        }
        app().tell_recorder(&ToLockstep::Do(format!("{says} {value}")));
    }
}

/// Opens the file that was chosen.
fn open_file(input: &HtmlInputElement) {
    if let Some(file) = input.files().and_then(|files| files.get(0)) {
        read(file);
    }
    input.set_value("");
}

/// A file that is dropped anywhere on the page is opened.
pub(super) fn take_drops() {
    for name in ["dragover", "drop"] {
        let listener = Closure::<dyn FnMut(DragEvent)>::new(|event: DragEvent| {
            event.prevent_default();
            let files = event.data_transfer().and_then(|transfer| transfer.files());
            if let Some(file) = files.and_then(|files| files.get(0)) {
                read(file);
            }
        });
        let _ = wall::document().add_event_listener_with_callback(name, listener.as_ref().unchecked_ref());
        // The page lasts as long.
        listener.forget();
    }
}

/// Reads a file and gives it to the host; not one that is larger than any run.
fn read(file: web_sys::File) {
    const MEGABYTE: f64 = 1024.0 * 1024.0;
    if file.size() > FILE_BYTES_MAX as f64 {
        return app().notify(format!(
            "{} cannot be opened: it has {} MB, and no run that is opened has more than {}. Everything is as it was.",
            file.name(),
            (file.size() / MEGABYTE).ceil(),
            FILE_BYTES_MAX as f64 / MEGABYTE,
        ));
    }
    wall::spawn(async move {
        match wasm_bindgen_futures::JsFuture::from(file.array_buffer()).await {
            Ok(buffer) => {
                let opens = app().ask_recorder(&ToLockstep::OpenFile {
                    name: file.name(),
                    bytes: js_sys::Uint8Array::new(&buffer).to_vec(),
                });
                app().report(opens.map_err(|why| format!("{} cannot be opened: {why}", file.name())));
            }
            Err(error) => app().notify(format!("{} cannot be read: {}", file.name(), wall::words(&error))),
        }
    });
}
