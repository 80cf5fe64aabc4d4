//! The page's layout: header, panels, notices; and what its parts share.

use cluster::host::Storage;
use leptos::mount::mount_to;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::app::{App, app};
use super::builds;
use super::canvas;
use super::command::Commands;
use super::dialogs::{self, Dialogs};
use super::inspector::Inspector;
use super::logs::Logs;
use super::queues::Queues;
use super::ring::Ring;
use super::room::StorageNotice;
use super::theme::ThemeButton;
use super::timeline::Timeline;
use super::timepanel::TimePanel;
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

/// A text that follows what is known. Boxed, as all below: with one type for all of them, what the framework makes of each type is
/// fetched once.
pub(super) type Text = Box<dyn FnMut() -> String + Send>;

/// A text that follows what is known, and any signal that it reads.
pub(super) fn text(look: impl Fn(&App) -> String + Send + 'static) -> Text {
    let version = app().version;
    Box::new(move || {
        version.track();
        look(&app())
    })
}

/// A condition that follows what is known, and any signal that it reads.
pub(super) fn flag(look: impl Fn(&App) -> bool + Send + 'static) -> Box<dyn FnMut() -> bool + Send> {
    let version = app().version;
    Box::new(move || {
        version.track();
        look(&app())
    })
}

/// What a click does.
pub(super) fn act(act: impl Fn() + 'static) -> Box<dyn FnMut(web_sys::MouseEvent)> {
    Box::new(move |_| act())
}

/// What becomes of an event.
pub(super) fn on<E: 'static>(then: impl Fn(E) + 'static) -> Box<dyn FnMut(E)> {
    Box::new(then)
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
        <section class="panel timeline" aria-label="What happened" tabindex="-1">
            <div class="bar"><Transport /><TimePanel /></div>
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
    let slot = app().home.slot;
    let leader = |app: &App| {
        app.scene()
            .leader()
            .map_or("none".to_owned(), |leader| leader.id.to_string())
    };
    let in_memory = |app: &App| {
        app.scene().nodes().find_map(|node| match &node.storage {
            Some(Storage::Memory { why }) => Some(why.clone()),
            _ => None,
        })
    };
    let up = |app: &App| {
        let model = app.scene();
        (model.nodes().filter(|node| node.is_up()).count(), model.nodes().count())
    };
    view! {
        <header class="top">
            <h1>"FT" <b>"Queue"</b></h1>
            <span class="stat">"leader " <b>{text(leader)}</b></span>
            <span class="stat">"term " <b class="num" style:color=text(|app| canvas::term_variable(app.scene().term()))>
                {text(|app| app.scene().term().0.to_string())}
            </b></span>
            <span class="stat">"committed " <b class="num">{text(|app| app.scene().commit_index().to_string())}</b></span>
            <span class="stat">"up " <b class="num">{text(move |app| { let (up, all) = up(app); format!("{up} of {all}") })}</b></span>
            <span class="pill warn storage" hidden=flag(move |app| in_memory(app).is_none())
                title=text(move |app| in_memory(app).unwrap_or_default())>"logs in memory: a crash forgets them"</span>
            <span class="pill" hidden={slot == 0} title="Another tab has the first cluster. This one is its own.">
                {format!("cluster {}", slot + 1)}
            </span>
            <button class="pill warn" title="Timers and links do not go together" hidden=flag(|app| app.settings.get().warning().is_none())
                on:click=act(dialogs::open_settings)>"timers too short"</button>
            <span class="pill warn busy" role="status" hidden=flag(|app| app.too_busy().is_none())>
                {text(|app| app.too_busy().map(|busy| format!("{busy} ")).unwrap_or_default())}
                <button on:click=act(|| if let Some(busy) = app().too_busy() { app().set_rate(busy.speed) })>
                    {text(|app| app.too_busy().map(|busy| format!("Slow time to {} ×", busy.speed)).unwrap_or_default())}
                </button>
            </span>
            <span class="grow"></span>
            <button on:click=act(|| app().start_all()) disabled=flag(move |app| { let (up, all) = up(app); up == all })>"Start all"</button>
            <button on:click=act(dialogs::open_settings)>"Settings"</button>
            <ThemeButton />
            <button aria-label="Help" title="Every key (?)" on:click=act(dialogs::open_help)>"?"</button>
        </header>
    }
}

#[component]
fn Notices() -> impl IntoView {
    let notices = app().notices;
    view! {
        <div class="notices" role="alert">
            <StorageNotice />
            {move || notices.get().into_iter().map(|notice| view! {
                <div class="notice">
                    <span>{notice.clone()}</span>
                    <button hidden={!notice.to_ascii_lowercase().contains("reload the page")} on:click=act(builds::reload)>"Reload"</button>
                    <button aria-label="Dismiss" on:click=act(move || {
                        notices.update(|notices| notices.retain(|kept| *kept != notice));
                    })>"✕"</button>
                </div>
            }).collect_view()}
        </div>
    }
}
