//! The page's layout: header, panels, notices; and what its parts share.

use cluster::host::Storage;
use leptos::mount::mount_to;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::app::{App, app};
use super::canvas;
use super::command::Commands;
use super::dialogs::{self, Dialogs};
use super::inspector::Inspector;
use super::logs::Logs;
use super::queues::Queues;
use super::ring::Ring;
use super::theme::ThemeButton;
use super::timeline::Timeline;
use super::transport::Transport;
use super::wall;

/// Shows the page in place of what the document says while it loads.
pub(super) fn mount() {
    let Some(place) = wall::document().get_element_by_id("page") else {
        return;
    };
    place.set_inner_html("");
    mount_to(place.unchecked_into::<HtmlElement>(), || view! { <Page /> }).forget();
}

/// Says that the page could not open, and why, where the page would be.
pub(super) fn show_failure(why: &str) {
    if let Some(place) = wall::document().get_element_by_id("page") {
        place.set_inner_html(
            "<section class=\"failure\" role=\"alert\"><h1>The cluster did not start</h1><p></p></section>",
        );
        if let Ok(Some(text)) = place.query_selector("p") {
            text.set_text_content(Some(why));
        }
    }
}

/// A value of what is known that is computed anew when something has changed, and is told on only when it differs.
pub(super) fn watch<T>(look: impl Fn(&App) -> T + Send + Sync + 'static) -> Memo<T>
where
    T: Clone + PartialEq + Send + Sync + 'static,
{
    let version = app().version;
    Memo::new(move |_| {
        version.track();
        look(&app())
    })
}

/// Opens a menu.
pub(super) fn open_menu(id: &str) {
    place_menu(id);
    if let Some(menu) = popover(id) {
        let _ = menu.show_popover();
    }
}

/// Puts a menu that is about to open beside the element that it belongs to, but inside the window.
pub(super) fn place_menu(id: &str) {
    /// About as large as a menu is; it has no size before it is shown.
    const SIZE: (f64, f64) = (180.0, 190.0);
    const MARGIN: f64 = 8.0;
    let Some(menu) = popover(id) else { return };
    let Some(parent) = menu.parent_element() else { return };
    let around = parent.get_bounding_client_rect();
    let size =
        |value: Result<wasm_bindgen::JsValue, _>| value.ok().and_then(|value| value.as_f64()).unwrap_or(f64::MAX);
    let window = wall::window();
    let left = (around.left() + 30.0)
        .min(size(window.inner_width()) - SIZE.0 - MARGIN)
        .max(MARGIN);
    let top = (around.top() - 10.0)
        .min(size(window.inner_height()) - SIZE.1 - MARGIN)
        .max(MARGIN);
    let _ = menu.style().set_property("left", &format!("{left}px"));
    let _ = menu.style().set_property("top", &format!("{top}px"));
}

/// A menu has opened or closed: in an open one, the first item has the focus.
pub(super) fn focus_menu(event: &web_sys::Event) {
    let Some(menu) = event
        .current_target()
        .and_then(|target| target.dyn_into::<HtmlElement>().ok())
    else {
        return;
    };
    if menu.matches(":popover-open").unwrap_or(false)
        && let Ok(Some(item)) = menu.query_selector("[role=menuitem]:not([disabled])")
    {
        let _ = item.unchecked_into::<HtmlElement>().focus();
    }
}

/// Closes a popover.
pub(super) fn hide_popover(id: &str) {
    if let Some(popover) = popover(id) {
        let _ = popover.hide_popover();
    }
}

/// Arrow keys, Home and End in a menu.
pub(super) fn move_in_menu(event: &web_sys::KeyboardEvent) {
    let Some(menu) = event
        .current_target()
        .and_then(|target| target.dyn_into::<HtmlElement>().ok())
    else {
        return;
    };
    let Ok(items) = menu.query_selector_all("[role=menuitem]:not([disabled])") else {
        return;
    };
    let focused = wall::document().active_element();
    let count = items.length();
    let place = (0..count).find(|&place| items.item(place).as_ref() == focused.as_deref());
    let next = match (event.key().as_str(), place) {
        ("ArrowDown", Some(place)) => (place + 1) % count.max(1),
        ("ArrowUp", Some(place)) => (place + count - 1) % count.max(1),
        ("Home", _) | ("ArrowDown", None) => 0,
        ("End", _) | ("ArrowUp", None) => count.saturating_sub(1),
        _ => return,
    };
    event.prevent_default();
    if let Some(item) = items.item(next) {
        let _ = item.unchecked_into::<HtmlElement>().focus();
    }
}

fn popover(id: &str) -> Option<HtmlElement> {
    wall::document().get_element_by_id(id)?.dyn_into().ok()
}

#[component]
fn Page() -> impl IntoView {
    view! {
        <Header />
        <Notices />
        <main class="grid">
            <Ring />
            <Logs />
            <div class="side">
                <Queues />
                <section class="panel commands" aria-label="Commands"><Commands /></section>
            </div>
        </main>
        <section class="panel timeline" aria-label="What happened">
            <div class="bar"><Transport /></div>
            <div class="timeline-body">
                <Timeline />
                <Inspector />
            </div>
        </section>
        <Dialogs />
    }
}

#[component]
fn Header() -> impl IntoView {
    let leader = watch(|app| app.model.borrow().leader().map(|leader| (leader.id, leader.term())));
    let term = watch(|app| app.model.borrow().term());
    let committed = watch(|app| app.model.borrow().commit_index());
    let up = watch(|app| {
        let model = app.model.borrow();
        (model.nodes().filter(|node| node.is_up()).count(), model.nodes().count())
    });
    let memory = watch(|app| {
        let model = app.model.borrow();
        model.nodes().find_map(|node| match &node.storage {
            Some(Storage::Memory { why }) => Some(why.clone()),
            _ => None,
        })
    });
    let slot = app().home.slot;
    let settings = app().settings;
    let warned = Memo::new(move |_| settings.with(|settings| settings.warning().is_some()));
    view! {
        <header class="top">
            <h1>"FT" <b>"Queue"</b></h1>
            <span class="stat">"leader " <b>{move || leader.get().map_or("none".to_owned(), |(id, _)| id.to_string())}</b></span>
            <span class="stat">"term " <b class="num" style:color=move || canvas::term_variable(term.get())>{move || term.get().0}</b></span>
            <span class="stat">"committed " <b class="num">{move || committed.get().0}</b></span>
            <span class="stat">"up " <b class="num">{move || { let (up, all) = up.get(); format!("{up} of {all}") }}</b></span>
            <Show when=move || memory.with(Option::is_some)>
                <span class="pill warn storage" title=move || memory.get().unwrap_or_default()>"logs in memory: a crash forgets them"</span>
            </Show>
            <Show when=move || { slot > 0 }>
                <span class="pill" title="Another tab has the first cluster. This one is its own.">{format!("cluster {}", slot + 1)}</span>
            </Show>
            <Show when=move || warned.get()>
                <button class="pill warn" title="Timers and links do not go together" on:click=|_| dialogs::open_settings()>"timers too short"</button>
            </Show>
            <span class="grow"></span>
            <button on:click=|_| app().start_all() disabled=move || { let (up, all) = up.get(); up == all }>"Start all"</button>
            <button on:click=|_| dialogs::open_settings()>"Settings"</button>
            <ThemeButton />
            <button aria-label="Help" title="Every key (?)" on:click=|_| dialogs::open_help()>"?"</button>
        </header>
    }
}

#[component]
fn Notices() -> impl IntoView {
    let notices = app().notices;
    view! {
        <div class="notices" role="alert">
            <For each=move || notices.get() key=String::clone let:text>
                <div class="notice">
                    <span>{text.clone()}</span>
                    <button aria-label="Dismiss" on:click=move |_| {
                        notices.update(|notices| notices.retain(|notice| *notice != text));
                    }>"✕"</button>
                </div>
            </For>
        </div>
    }
}
