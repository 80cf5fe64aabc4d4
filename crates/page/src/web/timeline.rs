//! The timeline: a picture that the lockstep host draws, and everything that a person does to it, which goes there. Here is what only a page can
//! do: a slider with a spoken value, fingers, colours.

use std::cell::{Cell, RefCell};

use leptos::html::{Canvas, Div};
use leptos::prelude::*;
use raft_core::Instant;
use trace::lockstep::{COLOURS, Gesture, Tip, ToLockstep};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{Event, HtmlCanvasElement, HtmlElement, OffscreenCanvas, PointerEvent, WheelEvent};

use super::app::app;
use super::markup::Markup;
use super::{canvas, timepanel, view, wall};

thread_local! {
    static HANDLE: Cell<Option<Handle>> = const { Cell::new(None) };
    /// The colours and the size that were told last.
    static TOLD: RefCell<(String, (i32, i32))> = const { RefCell::new((String::new(), (0, 0))) };
}

#[derive(Clone, Copy)]
struct Handle {
    canvas: NodeRef<Canvas>,
    frame: NodeRef<Div>,
    tip: NodeRef<Div>,
    tools: NodeRef<Div>,
}

/// The timeline.
#[component]
pub(super) fn Timeline() -> impl IntoView {
    let handle = Handle {
        canvas: NodeRef::new(),
        frame: NodeRef::new(),
        tip: NodeRef::new(),
        tools: NodeRef::new(),
    };
    HANDLE.set(Some(handle));
    app().on_frame(move || handle.tell_looks());
    let pointer = move |gesture: fn(i32, f64, f64) -> Gesture| {
        view::on(move |event: PointerEvent| {
            if event.button() <= 0 {
                handle.touch(&event, gesture);
            }
        })
    };
    view! {
        <div
            class="timeline-view"
            node_ref=handle.frame
            role="slider"
            tabindex="0"
            aria-label="Timeline"
            aria-valuemin="0"
            aria-valuemax="0"
            aria-valuenow="0"
            aria-valuetext="0 seconds"
            aria-keyshortcuts="A D W S F E C X M V N Comma Period Home End"
        >
            <canvas
                node_ref=handle.canvas
                aria-hidden="true"
                on:pointerdown=pointer(|pointer, x, y| Gesture::Press { pointer, x, y })
                on:pointermove=pointer(|pointer, x, y| Gesture::Move { pointer, x, y })
                on:pointerup=pointer(|pointer, x, y| Gesture::Release { pointer, x, y, whole: true })
                on:pointercancel=pointer(|pointer, x, y| Gesture::Release { pointer, x, y, whole: false })
                on:pointerleave=view::on(|_: PointerEvent| tell(Gesture::Leave))
                on:wheel=view::on(turned)
            ></canvas>
            <div class="tip" aria-hidden="true" hidden node_ref=handle.tip></div>
        </div>
        <div class="timeline-tools" role="group" aria-label="Timeline view" node_ref=handle.tools
            on:click=view::on(|event: web_sys::MouseEvent| timepanel::pressed(&event))
            on:change=view::on(|event: Event| timepanel::typed(&event))></div>
    }
}

/// Tells the host what a person did to it.
pub(super) fn tell(gesture: Gesture) {
    app().tell_recorder(&ToLockstep::Timeline(gesture));
}

fn turned(event: WheelEvent) {
    event.prevent_default();
    // Some browsers count lines, most count pixels.
    let unit = if event.delta_mode() == WheelEvent::DOM_DELTA_LINE {
        20.0
    } else {
        1.0
    };
    tell(Gesture::Wheel {
        dx: event.delta_x() * unit,
        dy: event.delta_y() * unit,
        x: f64::from(event.offset_x()),
        y: f64::from(event.offset_y()),
        pans: event.shift_key(),
    });
}

/// The canvas, for the host to draw on. There is one, so it can be had once.
pub(super) fn offscreen() -> Option<OffscreenCanvas> {
    let canvas: HtmlCanvasElement = HANDLE.get()?.canvas.get_untracked()?;
    canvas.transfer_control_to_offscreen().ok()
}

/// What it shows, for those who do not see it.
pub(super) fn speak(first: Instant, last: Instant, at: Instant, text: &str) {
    let Some(frame) = HANDLE.get().and_then(|handle| handle.frame.get_untracked()) else {
        return;
    };
    let seconds = |at: Instant| format!("{:.3}", at.0 as f64 / 1e6);
    for (name, value) in [
        ("aria-valuemin", seconds(first).as_str()),
        ("aria-valuemax", &seconds(last)),
        ("aria-valuenow", &seconds(at)),
        ("aria-valuetext", text),
    ] {
        let _ = frame.set_attribute(name, value);
    }
}

/// Shows what is said of the thing under the pointer, at its place; or nothing.
pub(super) fn show_tip(tip: Option<Tip>) {
    let Some(handle) = HANDLE.get() else { return };
    let (Some(place), Some(canvas)) = (handle.tip.get_untracked(), handle.canvas.get_untracked()) else {
        return;
    };
    place.set_hidden(tip.is_none());
    let Some(Tip { title, when, x, y }) = tip else { return };
    let mut html = Markup::default();
    html.element("b", "", title);
    html.element("small", "", when);
    let width = f64::from(canvas.client_width());
    let side = if x > width * 0.6 {
        format!("right: {}px", (width - x + 12.0) as i32)
    } else {
        format!("left: {}px", (x + 12.0) as i32)
    };
    place.set_inner_html(&html.finish());
    HtmlElement::style(&place).set_css_text(&format!("{side}; top: {}px", y as i32 + 12));
}

/// How high it is, and its tools.
pub(super) fn lay_out(height: f64, tools: &str) {
    let Some(handle) = HANDLE.get() else { return };
    if let Some(frame) = handle.frame.get_untracked() {
        let _ = HtmlElement::style(&frame).set_property("height", &format!("{height}px"));
    }
    if let Some(place) = handle.tools.get_untracked() {
        timepanel::replace(&place, tools);
    }
    app().touch();
}

impl Handle {
    fn touch(self, event: &PointerEvent, gesture: fn(i32, f64, f64) -> Gesture) {
        let gesture = gesture(
            event.pointer_id(),
            f64::from(event.offset_x()),
            f64::from(event.offset_y()),
        );
        if let (Gesture::Press { .. }, Some(canvas)) = (&gesture, self.canvas.get_untracked()) {
            let _ = canvas.set_pointer_capture(event.pointer_id());
        }
        tell(gesture);
    }

    /// Tells the host the size and the colours, when they have changed.
    fn tell_looks(self) {
        let Some(canvas) = self.canvas.get_untracked() else {
            return;
        };
        let size = (canvas.client_width(), canvas.client_height());
        let theme = canvas::theme();
        TOLD.with_borrow_mut(|(told, told_size)| {
            if *told_size != size {
                *told_size = size;
                tell(Gesture::Size {
                    width: f64::from(size.0),
                    height: f64::from(size.1),
                    ratio: wall::window().device_pixel_ratio().max(1.0),
                });
            }
            if *told != theme {
                *told = theme;
                tell(Gesture::Colours(COLOURS.map(canvas::resolved).to_vec()));
            }
        });
    }
}

/// Draws again whenever the picture has another size.
pub(super) fn watch_size() {
    let Some(frame) = HANDLE.get().and_then(|handle| handle.frame.get_untracked()) else {
        return;
    };
    let resized = Closure::<dyn FnMut()>::new(|| app().touch());
    if let Ok(observer) = web_sys::ResizeObserver::new(resized.as_ref().unchecked_ref()) {
        observer.observe(&frame);
    }
    // The timeline lasts as long as the page.
    resized.forget();
}
