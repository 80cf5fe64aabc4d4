//! The space-time picture: what happened on every node and between them, on the axis of virtual time.
//!
//! What is drawn comes from the model alone, for the stretch of time that a [`Viewport`] names. An instant other than now can
//! be looked at, and everything that the picture says is filed by its time.

mod hit;
mod layout;
mod paint;

use std::cell::Cell;

use ftqueue::Operation;
use leptos::html::{Canvas, Div};
use leptos::prelude::*;
use raft_core::{Instant, NodeId, Role};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{Event, FocusEvent, HtmlCanvasElement, KeyboardEvent, PointerEvent, WheelEvent};

use self::hit::{Shapes, Subject, seconds};
use self::layout::{LEFT, Layout, RIGHT};
use self::paint::Painter;
use super::app::{App, Selection, app};
use super::canvas::{self, Palette};
use super::markup::{Markup, node_options};
use super::view;
use crate::model::{ClientOperation, Mark, MarkKind, Model, Viewport};

/// How far a key moves the picture, as part of its width.
const PAN_PART: f64 = 0.2;
/// How much closer a key or button goes.
const ZOOM_STEP: f64 = 1.6;
/// How much closer a pixel of the wheel goes.
const ZOOM_PER_WHEEL_PX: f64 = 0.0016;
/// A pointer that moves less than this between down and up has clicked.
const CLICK_PX: f64 = 4.0;

/// The picture and what a person does to it.
struct View {
    viewport: Viewport,
    /// Whether a person has chosen the scale; until then it suits the speed of time.
    scaled: bool,
    shapes: Shapes,
    palette: Option<(String, Palette)>,
    chosen: Option<Subject>,
    pointers: Vec<Pointer>,
    drawn: Option<Drawn>,
    /// When it was said last what the picture shows.
    spoken_us: u64,
}

/// A finger, or the mouse with its button down.
struct Pointer {
    id: i32,
    x: f64,
    travelled_px: f64,
}

/// What the last drawing rested on: while it is the same, there is nothing to draw.
#[derive(PartialEq)]
struct Drawn {
    viewport: Viewport,
    size: (i32, i32),
    theme: String,
    version: u64,
    now: Instant,
    chosen_at: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Handle {
    view: StoredValue<View, LocalStorage>,
    canvas: NodeRef<Canvas>,
    frame: NodeRef<Div>,
    tip: NodeRef<Div>,
}

/// The timeline.
#[component]
pub(super) fn Timeline() -> impl IntoView {
    let handle = Handle::new();
    app().on_frame(move || handle.paint());
    app().on_frame(redraw_on_resize(handle.frame));
    let members = app().members();
    let options = node_options("inspect", &members);
    let tool = |name: &'static str, title: &'static str, sign: &'static str, act: Box<dyn Fn()>| {
        view! { <button aria-label=name title=title on:click=view::act(act)>{sign}</button> }
    };
    let inspect = view::on(|event: Event| {
        if let Ok(node) = event_target_value(&event).parse() {
            app().selected.set(Selection::Node(NodeId(node)));
        }
    });
    view! {
        <div
            class="timeline-view"
            style=format!("height: {}px", Layout::new(members).height as u64)
            node_ref=handle.frame
            role="slider"
            tabindex="0"
            aria-label="Timeline"
            aria-valuemin="0"
            aria-valuemax="0"
            aria-valuenow="0"
            aria-valuetext="0 seconds"
            aria-keyshortcuts="A D W S F End Comma Period"
            on:keydown=view::on(move |event: KeyboardEvent| handle.key(&event))
            on:focus=view::on(move |_: FocusEvent| handle.speak())
        >
            <canvas
                node_ref=handle.canvas
                aria-hidden="true"
                on:pointerdown=view::on(move |event: PointerEvent| handle.press(&event))
                on:pointermove=view::on(move |event: PointerEvent| handle.drag(&event))
                on:pointerup=view::on(move |event: PointerEvent| handle.release(&event, true))
                on:pointercancel=view::on(move |event: PointerEvent| handle.release(&event, false))
                on:pointerleave=view::on(move |_: PointerEvent| handle.point_at(None))
                on:wheel=view::on(move |event: WheelEvent| handle.wheel(&event))
            ></canvas>
            <div class="tip" aria-hidden="true" hidden node_ref=handle.tip></div>
        </div>
        <div class="timeline-tools" role="group" aria-label="Timeline view">
            <select aria-label="Inspect" title="A node's state, durable and volatile" on:change=inspect
                inner_html=options prop:value=view::text(inspected)></select>
            {tool("Event before", "Event before (,)", "‹", Box::new(move || handle.neighbour(false)))}
            {tool("Next event", "Next event (.)", "›", Box::new(move || handle.neighbour(true)))}
            {tool("Zoom in", "Zoom in (W)", "+", Box::new(move || handle.zoom_middle(1.0 / ZOOM_STEP)))}
            {tool("Zoom out", "Zoom out (S)", "−", Box::new(move || handle.zoom_middle(ZOOM_STEP)))}
            {tool("Show everything", "Show everything (F)", "fit", Box::new(move || handle.fit()))}
            <button
                title="Follow now (End)"
                aria-pressed=view::text(move |_| handle.view.with_value(|view| view.viewport.follows()).to_string())
                on:click=view::act(move || handle.follow())
            >"follow"</button>
        </div>
    }
}

/// The node that is inspected, as the list of them names it.
fn inspected(app: &App) -> String {
    match app.selected.get() {
        Selection::Node(node) => node.0.to_string(),
        Selection::Leader | Selection::Event { .. } => String::new(),
    }
}

/// Asks for a drawing whenever the picture has another size: what is to be done before a frame, of which the first that
/// finds the picture does it.
fn redraw_on_resize(frame: NodeRef<Div>) -> impl Fn() {
    let observed = Cell::new(false);
    move || {
        let Some(frame) = frame.get_untracked().filter(|_| !observed.replace(true)) else {
            return;
        };
        let resized = Closure::<dyn FnMut()>::new(|| app().touch());
        if let Ok(observer) = web_sys::ResizeObserver::new(resized.as_ref().unchecked_ref()) {
            observer.observe(&frame);
        }
        // The timeline lasts as long as the page.
        resized.forget();
    }
}

/// Drawing.
impl Handle {
    fn new() -> Handle {
        let view = View {
            viewport: Viewport::new(),
            scaled: false,
            shapes: Shapes::default(),
            palette: None,
            chosen: None,
            pointers: Vec::new(),
            drawn: None,
            spoken_us: 0,
        };
        Handle {
            view: StoredValue::new_local(view),
            canvas: NodeRef::new(),
            frame: NodeRef::new(),
            tip: NodeRef::new(),
        }
    }

    fn paint(self) {
        let Some(canvas) = self.canvas.get_untracked() else {
            return;
        };
        let app = app();
        let now = app.now();
        self.view.update_value(|view| {
            view.viewport.set_width(f64::from(canvas.client_width()) - LEFT - RIGHT);
            if !view.scaled && view.viewport.follows() {
                view.viewport.suit(app.settings.get_untracked().rate);
            }
            view.viewport.come(now);
            if !matches!(app.selected.get_untracked(), Selection::Event { .. }) {
                view.chosen = None;
            }
            let next = Drawn::of(view, &canvas, &app, now);
            if view.drawn.as_ref() != Some(&next) {
                view.paint(&canvas, &app, now);
                view.drawn = Some(next);
            }
        });
        // While it follows now, those who do not see it are told now and then, not with each frame.
        const SPOKEN_EVERY_US: u64 = 5_000_000;
        if now.0
            >= self
                .view
                .with_value(|view| view.spoken_us.saturating_add(SPOKEN_EVERY_US))
        {
            self.speak();
        }
    }

    /// Changes the picture, and says what it shows now.
    fn change(self, change: impl FnOnce(&mut View, Instant)) {
        let app = app();
        let now = app.now();
        self.view.update_value(|view| {
            let before = view.viewport.us_per_px();
            change(view, now);
            view.scaled |= view.viewport.us_per_px() != before;
        });
        app.touch();
        self.speak();
    }

    fn speak(self) {
        let Some(frame) = self.frame.get_untracked() else {
            return;
        };
        let now = app().now();
        let at = self.view.try_update_value(|view| {
            view.spoken_us = now.0;
            if view.viewport.follows() {
                now
            } else {
                view.viewport.middle()
            }
        });
        let seconds = |at: Instant| (at.0 / 1_000_000).to_string();
        let told = [
            ("aria-valuemax", seconds(now)),
            ("aria-valuenow", seconds(at.unwrap_or(now))),
            ("aria-valuetext", self.words()),
        ];
        for (name, value) in told {
            let _ = frame.set_attribute(name, &value);
        }
    }

    /// The instant, and what is there, for those who do not see the picture.
    fn words(self) -> String {
        let app = app();
        let (now, model) = (app.now(), app.model.borrow());
        self.view.with_value(|view| spoken(view, &model, now))
    }
}

/// What a person does.
impl Handle {
    fn fit(self) {
        let first = app().model.borrow().history.first();
        self.change(|view, now| view.viewport.fit(first, now));
    }

    fn follow(self) {
        self.change(|view, now| view.viewport.follow(now));
    }

    fn pan_part(self, part: f64) {
        self.change(|view, now| view.viewport.pan(part * view.viewport.width_px(), now));
    }

    fn zoom_middle(self, factor: f64) {
        self.change(|view, now| view.viewport.zoom(factor, view.viewport.width_px() / 2.0, now));
    }

    fn key(self, event: &KeyboardEvent) {
        if event.ctrl_key() || event.alt_key() || event.meta_key() {
            return;
        }
        match event.key().as_str() {
            "ArrowLeft" | "a" | "A" => self.pan_part(-PAN_PART),
            "ArrowRight" | "d" | "D" => self.pan_part(PAN_PART),
            "ArrowUp" | "w" | "W" | "+" => self.zoom_middle(1.0 / ZOOM_STEP),
            "ArrowDown" | "s" | "S" | "-" => self.zoom_middle(ZOOM_STEP),
            "PageUp" => self.pan_part(-0.9),
            "PageDown" => self.pan_part(0.9),
            "f" | "F" => self.fit(),
            "End" => self.follow(),
            "Home" => {
                let first = app().model.borrow().history.first();
                self.change(|view, now| view.viewport.show(first, now));
            }
            "," => self.neighbour(false),
            "." => self.neighbour(true),
            _ => return,
        }
        event.prevent_default();
        event.stop_propagation();
    }

    /// Chooses the next event on a node, or the one before.
    fn neighbour(self, later: bool) {
        let found = {
            let app = app();
            let model = app.model.borrow();
            let at = self
                .view
                .with_value(|view| view.chosen.as_ref().map_or(view.viewport.middle(), Subject::at));
            neighbour(&model, at, later)
        };
        if let Some(mark) = found {
            self.change(|view, now| view.viewport.show(mark.at, now));
            self.choose(Some(Subject::Mark(mark)));
        }
    }

    fn choose(self, subject: Option<Subject>) {
        let app = app();
        let selection = subject.as_ref().map(|subject| {
            let model = app.model.borrow();
            Selection::Event {
                title: subject.title(),
                lines: subject.lines(&model),
            }
        });
        self.view.update_value(|view| view.chosen = subject);
        app.selected.set(selection.unwrap_or_default());
        app.touch();
        self.speak();
    }

    fn press(self, event: &PointerEvent) {
        if event.button() > 0 {
            return;
        }
        if let Some(canvas) = self.canvas.get_untracked() {
            let _ = canvas.set_pointer_capture(event.pointer_id());
        }
        let pointer = Pointer {
            id: event.pointer_id(),
            x: f64::from(event.offset_x()),
            travelled_px: 0.0,
        };
        self.view.update_value(|view| view.pointers.push(pointer));
    }

    fn drag(self, event: &PointerEvent) {
        let (x, y) = (f64::from(event.offset_x()), f64::from(event.offset_y()));
        let pressed = self
            .view
            .with_value(|view| view.pointers.iter().any(|pointer| pointer.id == event.pointer_id()));
        if !pressed {
            return self.hover(x, y);
        }
        self.point_at(None);
        let id = event.pointer_id();
        let moved = self.view.try_update_value(|view| view.move_pointer(id, x)).flatten();
        match moved {
            Some(Gesture::Pan(px)) => {
                self.show_dragging(true);
                self.change(|view, now| view.viewport.pan(-px, now));
            }
            Some(Gesture::Pinch { factor, middle }) => {
                self.change(|view, now| view.viewport.zoom(factor, middle - LEFT, now));
            }
            None => {}
        }
    }

    fn release(self, event: &PointerEvent, whole: bool) {
        let id = event.pointer_id();
        let pointer = self
            .view
            .try_update_value(|view| {
                let place = view.pointers.iter().position(|pointer| pointer.id == id)?;
                Some(view.pointers.remove(place))
            })
            .flatten();
        self.show_dragging(false);
        let clicked = whole && pointer.is_some_and(|pointer| pointer.travelled_px < CLICK_PX);
        if clicked {
            let (x, y) = (f64::from(event.offset_x()), f64::from(event.offset_y()));
            let app = app();
            let named = (x < LEFT).then(|| Layout::new(app.members()).node_at(y)).flatten();
            if let Some(node) = named {
                return app.selected.set(Selection::Node(node));
            }
            let subject = self.view.with_value(|view| view.shapes.at(x, y).cloned());
            self.choose(subject);
        }
    }

    fn hover(self, x: f64, y: f64) {
        let Some(canvas) = self.canvas.get_untracked() else {
            return;
        };
        let said = self
            .view
            .with_value(|view| view.shapes.at(x, y).map(|subject| (subject.title(), subject.when())));
        let Some((title, when)) = said else {
            return self.point_at(None);
        };
        let mut html = Markup::default();
        html.element("b", "", title);
        html.element("small", "", when);
        let width = f64::from(canvas.client_width());
        let side = if x > width * 0.6 {
            format!("right: {}px", (width - x + 12.0) as i32)
        } else {
            format!("left: {}px", (x + 12.0) as i32)
        };
        self.point_at(Some((html.finish(), format!("{side}; top: {}px", y as i32 + 12))));
    }

    /// Shows what is said of the thing under the pointer, at its place; or nothing.
    fn point_at(self, said: Option<(String, String)>) {
        let Some(tip) = self.tip.get_untracked() else { return };
        tip.set_hidden(said.is_none());
        if let Some((html, style)) = said {
            tip.set_inner_html(&html);
            let _ = tip.set_attribute("style", &style);
        }
    }

    fn show_dragging(self, dragging: bool) {
        if let Some(frame) = self.frame.get_untracked() {
            let _ = frame.class_list().toggle_with_force("dragging", dragging);
        }
    }

    fn wheel(self, event: &WheelEvent) {
        event.prevent_default();
        // Some browsers count lines, most count pixels.
        let unit = if event.delta_mode() == WheelEvent::DOM_DELTA_LINE {
            20.0
        } else {
            1.0
        };
        let (dx, dy) = (event.delta_x() * unit, event.delta_y() * unit);
        let x = f64::from(event.offset_x()) - LEFT;
        self.point_at(None);
        if event.shift_key() || dx.abs() > dy.abs() {
            let px = if dx == 0.0 { dy } else { dx };
            return self.change(|view, now| view.viewport.pan(px, now));
        }
        self.change(|view, now| view.viewport.zoom(js_sys::Math::exp(dy * ZOOM_PER_WHEEL_PX), x, now));
    }
}

/// The operations that clients wait for, as if they had come to their end just now.
fn under_way(app: &App, now: Instant) -> Vec<ClientOperation> {
    let clients = app.clients.borrow();
    let operation = |(client, operation, invoked): (u16, Operation, Instant)| ClientOperation {
        client,
        invoked,
        returned: now,
        text: format!("{operation} → no answer yet"),
        ok: true,
        tries: 0,
    };
    clients.under_way().map(operation).collect()
}

/// What fingers have done.
enum Gesture {
    Pan(f64),
    Pinch { factor: f64, middle: f64 },
}

impl View {
    fn paint(&mut self, canvas: &HtmlCanvasElement, app: &App, now: Instant) {
        let theme = canvas::theme();
        if self.palette.as_ref().is_none_or(|(of, _)| *of != theme) {
            self.palette = Some((theme, Palette::read()));
        }
        let Some((_, palette)) = &self.palette else { return };
        let Some((context, width, _)) = canvas::ready(canvas) else {
            return;
        };
        let model = app.model.borrow();
        let layout = Layout::new(app.members());
        let under_way = under_way(app, now);
        let mut painter = Painter {
            context: &context,
            palette,
            model: &model,
            under_way: &under_way,
            layout: &layout,
            viewport: &self.viewport,
            now,
            width,
            shapes: &mut self.shapes,
        };
        painter.paint(self.chosen.as_ref());
    }

    fn move_pointer(&mut self, id: i32, x: f64) -> Option<Gesture> {
        let others: Vec<f64> = self
            .pointers
            .iter()
            .filter(|pointer| pointer.id != id)
            .map(|pointer| pointer.x)
            .collect();
        let pointer = self.pointers.iter_mut().find(|pointer| pointer.id == id)?;
        let before = pointer.x;
        pointer.x = x;
        pointer.travelled_px += (x - before).abs();
        match others.first() {
            Some(&other) => {
                let factor = (before - other).abs().max(1.0) / (x - other).abs().max(1.0);
                Some(Gesture::Pinch {
                    factor,
                    middle: (x + other) / 2.0,
                })
            }
            None => (pointer.travelled_px >= CLICK_PX).then_some(Gesture::Pan(x - before)),
        }
    }
}

impl Drawn {
    fn of(view: &View, canvas: &HtmlCanvasElement, app: &App, now: Instant) -> Drawn {
        // What happened long before now stays as it was, so that a look back costs nothing.
        const SETTLED_US: u64 = 2_000_000;
        let settled = view.viewport.end().0.saturating_add(SETTLED_US) < now.0 && !view.viewport.follows();
        Drawn {
            viewport: view.viewport,
            size: (canvas.client_width(), canvas.client_height()),
            theme: canvas::theme(),
            version: if settled { 0 } else { app.version.get_untracked() },
            now: if settled { Instant(0) } else { now },
            chosen_at: view.chosen.as_ref().map(Subject::at),
        }
    }
}

/// The mark next to an instant. Commits are many, and are passed over for whatever else there is.
fn neighbour(model: &Model, at: Instant, later: bool) -> Option<Mark> {
    let telling = |mark: &&Mark| !matches!(mark.kind, MarkKind::Committed { .. });
    let history = &model.history;
    if later {
        history
            .marks_between(Instant(at.0.saturating_add(1)), Instant::NEVER)
            .find(telling)
            .cloned()
    } else {
        history
            .marks
            .iter()
            .rev()
            .filter(telling)
            .find(|mark| mark.at < at)
            .cloned()
    }
}

fn spoken(view: &View, model: &Model, now: Instant) -> String {
    let viewport = &view.viewport;
    let at = if viewport.follows() { now } else { viewport.middle() };
    let place = if viewport.follows() { ", follows now" } else { "" };
    if let Some(chosen) = &view.chosen {
        return format!("{}: {}, {}", seconds(chosen.at()), chosen.title(), chosen.when());
    }
    let mut leader = None;
    for node in model.nodes() {
        let led = model
            .history
            .spans_between(node.id, at, at)
            .find(|span| span.role == Role::Leader);
        leader = leader.max(led.map(|span| (span.term, node.id)));
    }
    let who = match leader {
        Some((term, node)) => format!("{node} leads {term}"),
        None => "no leader".to_owned(),
    };
    let count = |wanted: fn(&MarkKind) -> bool| {
        model
            .history
            .marks_between(viewport.start(), viewport.end())
            .filter(|mark| wanted(&mark.kind))
            .count()
    };
    let commits = count(|kind| matches!(kind, MarkKind::Committed { .. }));
    let elections = count(|kind| matches!(kind, MarkKind::Elected { .. }));
    let crashes = count(|kind| matches!(kind, MarkKind::Crashed));
    format!(
        "{}{place}: {who}; in view {commits} commits, {elections} elections, {crashes} crashes",
        seconds(at)
    )
}
