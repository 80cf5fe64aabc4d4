//! The cluster as a ring: nodes to crash, links to cut, messages on their way.

use std::cell::{Cell, RefCell};
use std::f64::consts::{PI, TAU};

use js_sys::Math;
use leptos::html::Canvas;
use leptos::prelude::*;
use raft_core::{Duration, Instant, NodeId, Role, Term};

use super::app::{App, Selection, app};
use super::canvas::{self, Palette};
use super::view::{act, flag, text};
use super::{dialogs, view};
use crate::model::{Flight, Node, Power};

/// The stage's height as part of its width.
const ASPECT: f64 = 400.0 / 430.0;
/// The ring's radius as part of the stage's width.
const RADIUS: f64 = 0.335;
/// With more nodes than this they are drawn smaller, and their roles are told by letters only.
const LARGE_MAX: usize = 6;
/// The most messages that are drawn at once.
const FLIGHTS_SHOWN_MAX: usize = 300;
/// With more messages than this on the way, they carry no label.
const LABELS_MAX: usize = 14;

/// Pictures further apart than this in virtual time show only what flies at the later one, and what flew this long before.
const GAP_MAX: Duration = Duration::from_millis(60);
/// Messages are drawn this much later than they fly, in wall milliseconds: word of them must have come from their senders.
const LAG_MS: f64 = 40.0;

thread_local! {
    /// The colours, with the theme that they belong to.
    static PALETTE: RefCell<(String, Option<Palette>)> = const { RefCell::new((String::new(), None)) };
    /// The instant that the last picture showed.
    static SHOWN: Cell<Instant> = const { Cell::new(Instant(0)) };
}

/// What is drawn of one node.
struct NodeLook {
    name: String,
    role: &'static str,
    shape: &'static str,
    sign: String,
    letter: String,
    term: Term,
    up: bool,
    paused: bool,
    failure: Option<String>,
}

/// The panel.
#[component]
pub(super) fn Ring() -> impl IntoView {
    let canvas = NodeRef::<Canvas>::new();
    app().on_frame(move || {
        if let Some(canvas) = canvas.get_untracked() {
            paint(&canvas);
        }
    });
    let shown = app().shown_members;
    view! {
        <section class="panel cluster" aria-label="Cluster" tabindex="-1">
            <h2>"Cluster" <span>"click a node to crash it; a link to cut it"</span></h2>
            <div class="ring-space"><div class="ring-stage" style:--node=text(move |_| (2.0 * node_radius(shown.get())).to_string())>
                <canvas node_ref=canvas aria-hidden="true"></canvas>
                {move || seats(shown.get())}
            </div></div>
        </section>
    }
}

/// What a ring of so many nodes has to be clicked: its links, then its nodes, which lie above them.
fn seats(count: usize) -> impl IntoView {
    let members = || (1..=count as u8).map(NodeId);
    let links = members().flat_map(|one| {
        members()
            .filter(move |other| *other > one)
            .map(move |other| (one, other))
    });
    let links: Vec<_> = links
        .map(|(one, other)| view! { <LinkHandle one other count /> })
        .collect();
    let nodes: Vec<_> = members().map(|id| view! { <NodeButton id count /> }).collect();
    (links, nodes)
}

#[component]
fn NodeButton(id: NodeId, count: usize) -> impl IntoView {
    let (x, y) = place(id, count);
    // Each as a property: the page's policy takes no attribute of style.
    let percent = |part: f64| format!("{:.3}%", part * 100.0);
    let (left, top) = (percent(x), percent(y / ASPECT));
    let seen = move |show: fn(NodeLook) -> String| text(move |app| show(look(app, id)));
    let class = seen(|look| {
        let paused = if look.paused { " paused" } else { "" };
        let failed = if look.failure.is_some() { " failed" } else { "" };
        format!("node {}{paused}{failed}", look.shape)
    });
    let title = seen(|look| match look {
        NodeLook { failure: Some(why), .. } => format!("It failed: {why}. Click to try again."),
        NodeLook { up: true, .. } => "Click to crash it: its Worker is terminated.".to_owned(),
        _ => "Click to start it: it recovers from its disk.".to_owned(),
    });
    let description = seen(if count > LARGE_MAX {
        |look| if look.paused { "paused · " } else { "" }.to_owned()
    } else {
        |look| {
            let star = if look.role == "leader" { "★ " } else { "" };
            let paused = if look.paused { " (paused)" } else { "" };
            format!("{star}{}{paused} · ", look.role)
        }
    });
    let menu_id = format!("menu-{}", id.0);
    view! {
        <div class="seat" style:left=left style:top=top style:--c=seen(|look| canvas::term_variable(look.term))>
            <button class=class aria-label=seen(|look| look.name) title=title
                data-node=id.0.to_string() on:click=act(move || app().toggle(id))
                on:focus=view::on(move |_| app().selected.set(Selection::Node(id)))
                on:contextmenu=view::on(move |event: web_sys::MouseEvent| {
                    event.prevent_default();
                    view::open_menu(&format!("menu-{}", id.0));
                })>
                <span aria-hidden="true">{seen(|look| look.sign)}</span>
                <span class="letter" aria-hidden="true">{seen(|look| look.letter)}</span>
            </button>
            <div class="node-text" aria-hidden="true">
                {description}
                <span class="term">{seen(|look| look.term.to_string())}</span>
            </div>
            <button class="menu-button" aria-label=format!("Menu of {id}") aria-haspopup="menu" popovertarget=menu_id.clone()
                on:click=act(move || view::place_menu(&format!("menu-{}", id.0)))>"⋯"</button>
            <NodeMenu id menu_id />
        </div>
    }
}

#[component]
fn NodeMenu(id: NodeId, menu_id: String) -> impl IntoView {
    /// A label, what is done, and whether only a running node can do it.
    type Item = (fn(&App, NodeId) -> &'static str, fn(NodeId), bool);
    let items: [Item; 6] = [
        (
            |app, id| {
                if app.runs(id) { "Crash" } else { "Restart" }
            },
            |id| app().toggle(id),
            false,
        ),
        (
            |app, id| {
                if app.is_paused(id) { "Resume" } else { "Pause" }
            },
            |id| {
                let paused = app().is_paused(id);
                app().set_paused(id, !paused);
            },
            true,
        ),
        (
            |app, id| if app.is_isolated(id) { "Rejoin" } else { "Isolate" },
            |id| {
                let isolated = app().is_isolated(id);
                app().set_isolated(id, !isolated);
            },
            false,
        ),
        (|_, _| "Wipe disk…", dialogs::ask_to_wipe, false),
        (|_, _| "Download state", |id| app().download_state(id), true),
        (|_, _| "Download activity log", |id| app().download_activity(id), false),
    ];
    view! {
        <div id=menu_id popover="auto" role="menu" class="menu" aria-label=format!("Menu of {id}")
            on:toggle=view::on(|event| view::focus_menu(&event)) on:keydown=view::on(|event| view::move_in_menu(&event))>
            {items.into_iter().map(|(label, chosen, only_running)| view! {
                <button role="menuitem" disabled=flag(move |app| only_running && !app.runs(id))
                    on:click=act(move || { view::hide_popover(&format!("menu-{}", id.0)); chosen(id); })>
                    {text(move |app| label(app, id).to_owned())}
                </button>
            }).collect_view()}
        </div>
    }
}

#[component]
fn LinkHandle(one: NodeId, other: NodeId, count: usize) -> impl IntoView {
    let ((x0, y0), (x1, y1)) = (place(one, count), place(other, count));
    let (across, down) = (x1 - x0, y1 - y0);
    // As long as the line that can be seen between the nodes, and turned like it.
    let style = format!(
        "left:{:.3}%;top:{:.3}%;width:{:.3}%;rotate:{:.4}rad",
        (x0 + x1) * 50.0,
        (y0 + y1) * 50.0 / ASPECT,
        (Math::hypot(across, down) - 2.6 * node_radius(count)).max(0.05) * 100.0,
        Math::atan2(down, across),
    );
    let cut = move |app: &App| (app.is_cut(one, other), app.is_cut(other, one));
    let name = move |app: &App| {
        let state = match cut(app) {
            (false, false) => "open".to_owned(),
            (true, true) => "cut".to_owned(),
            (true, false) => format!("cut from {one} to {other}"),
            (false, true) => format!("cut from {other} to {one}"),
        };
        format!("Link {one} – {other}, {state}")
    };
    let class = text(move |app| if cut(app) == (false, false) { "link" } else { "link cut" }.to_owned());
    let sign = text(move |app| {
        match cut(app) {
            (false, false) => "",
            (true, true) => "//",
            (true, false) => "/ ▸",
            (false, true) => "◂ /",
        }
        .to_owned()
    });
    let title = text(move |app| {
        format!(
            "{}. Click to cut it both ways, then one way, then the other, then mend it.",
            name(app)
        )
    });
    let turn = act(move || {
        let app = app();
        let (there, back) = match cut(&app) {
            (false, false) => (true, true),
            (true, true) => (true, false),
            (true, false) => (false, true),
            (false, true) => (false, false),
        };
        app.set_cut(one, other, there);
        app.set_cut(other, one, back);
    });
    view! {
        <button class=class prop:style=style aria-label=text(name) title=title on:click=turn>
            <span aria-hidden="true">{sign}</span>
        </button>
    }
}

fn look(app: &App, id: NodeId) -> NodeLook {
    let model = app.scene();
    // Another run may be shown since, of fewer nodes; this seat is taken away in a moment.
    let nobody = Node::new(id);
    let node = model.node(id).unwrap_or(&nobody);
    let up = matches!(node.power, Power::On | Power::Starting);
    let letter = match node.role() {
        Some(Role::Leader) => "L",
        Some(Role::Candidate) => "C",
        _ => "F",
    };
    let number = id.0.to_string();
    // A node that is down has its cross in the middle, and its number where the letter of its role was.
    let (sign, letter) = if up {
        (number, letter.to_owned())
    } else {
        ("✕".to_owned(), number)
    };
    NodeLook {
        name: node.label(),
        role: node.role_name(),
        shape: if up { node.role_name() } else { "crashed" },
        sign,
        letter,
        term: node.term(),
        up,
        paused: app.is_paused(id),
        failure: match &node.power {
            Power::Failed(why) => Some(why.clone()),
            _ => None,
        },
    }
}

/// A node's radius as part of the stage's width.
fn node_radius(count: usize) -> f64 {
    if count > LARGE_MAX { 0.055 } else { 0.074 }
}

/// Where a node stands, as part of the stage's width.
fn place(id: NodeId, count: usize) -> (f64, f64) {
    if count == 1 {
        return (0.5, ASPECT / 2.0);
    }
    let angle = -PI / 2.0 + TAU * f64::from(id.0 - 1) / count as f64;
    (
        0.5 + RADIUS * Math::cos(angle),
        0.5 * ASPECT + 0.01 + RADIUS * Math::sin(angle),
    )
}

/// Draws what moves: links, timers, messages.
fn paint(canvas: &web_sys::HtmlCanvasElement) {
    let Some((context, width, _)) = canvas::ready(canvas) else {
        return;
    };
    let theme = canvas::theme();
    PALETTE.with_borrow_mut(|(of, palette)| {
        if palette.is_none() || *of != theme {
            *palette = Some(Palette::read());
            *of = theme;
        }
        if let Some(palette) = palette {
            paint_with(&context, width, palette);
        }
    });
}

fn paint_with(context: &web_sys::CanvasRenderingContext2d, width: f64, palette: &Palette) {
    let app = app();
    let now = app.shown_at();
    let members = app.members_shown();
    let at = |id: NodeId| {
        let (x, y) = place(id, members.len());
        (x * width, y * width)
    };
    for &one in &members {
        for &other in members.iter().filter(|&&other| other > one) {
            let cut = app.is_cut(one, other) || app.is_cut(other, one);
            context.set_stroke_style_str(if cut { &palette.faint } else { &palette.line });
            context.set_line_width(1.4);
            canvas::dashes(context, if cut { &[3.0, 5.0] } else { &[] });
            canvas::line(context, at(one), at(other));
        }
    }
    canvas::dashes(context, &[]);
    let model = app.scene();
    for node in model.nodes() {
        let Some(status) = node.status.as_ref().filter(|_| node.is_up()) else {
            continue;
        };
        let (x, y) = at(node.id);
        let radius = (node_radius(members.len()) + 0.016) * width;
        let arc = |colour: &str, part: f64| {
            context.set_stroke_style_str(colour);
            context.begin_path();
            let _ = context.arc(x, y, radius, -PI / 2.0, -PI / 2.0 + TAU * part);
            context.stroke();
        };
        context.set_line_width(3.0);
        arc(&palette.line, 1.0);
        let left = status.deadline.since(now).0 as f64 / status.timeout.0.max(1) as f64;
        let part = if status.role == Role::Leader {
            1.0
        } else {
            left.clamp(0.0, 1.0)
        };
        arc(palette.term(status.term), part);
    }
    paint_flights(context, palette, &app, now, width, &at);
}

fn paint_flights(
    context: &web_sys::CanvasRenderingContext2d,
    palette: &Palette,
    app: &App,
    now: Instant,
    width: f64,
    at: &impl Fn(NodeId) -> (f64, f64),
) {
    let model = app.scene();
    let rate = if app.stands() || app.past.borrow().is_some() {
        0.0
    } else {
        app.settings.get_untracked().rate
    };
    let now = Instant(now.0.saturating_sub((LAG_MS * rate * 1000.0) as u64));
    // A message that flew between two pictures is drawn in one of them all the same.
    let before = SHOWN.replace(now).clamp(Instant(now.0.saturating_sub(GAP_MAX.0)), now);
    let flying: Vec<&Flight> = model
        .flights
        .between(before, now)
        .filter(|flight| flight.ends > flight.sent)
        .take(FLIGHTS_SHOWN_MAX)
        .collect();
    context.set_font("10.5px system-ui, sans-serif");
    let radius = (width * 0.0125).clamp(3.0, 6.0);
    for flight in &flying {
        let part = now.since(flight.sent).0 as f64 / flight.ends.since(flight.sent).0 as f64;
        let stops = if flight.arrives { 1.0 } else { 0.5 };
        let part = part.min(stops);
        let ((x0, y0), (x1, y1)) = (at(flight.id.from), at(flight.to));
        let (x, y) = (x0 + (x1 - x0) * part, y0 + (y1 - y0) * part);
        let colour = palette.term(flight.term());
        context.set_stroke_style_str(colour);
        context.set_fill_style_str(if flight.is_reply() { &palette.panel } else { colour });
        context.set_line_width(2.0);
        let size = if flight.is_heartbeat() { radius * 0.6 } else { radius };
        if part >= stops && !flight.arrives {
            canvas::line(context, (x - size, y - size), (x + size, y + size));
            canvas::line(context, (x - size, y + size), (x + size, y - size));
            continue;
        }
        context.begin_path();
        let _ = context.arc(x, y, size, 0.0, TAU);
        context.fill();
        context.stroke();
        if flying.len() <= LABELS_MAX && (0.15..0.85).contains(&part) {
            context.set_fill_style_str(&palette.dim);
            let _ = context.fill_text(&flight.label(), x + radius + 4.0, y + 4.0);
        }
    }
}
