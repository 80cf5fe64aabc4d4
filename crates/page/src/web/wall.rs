//! Wall time, timers, and the small change of the web platform.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// The window. A page has one.
pub(super) fn window() -> web_sys::Window {
    web_sys::window().expect("a page has a window")
}

/// The document. A window of a page has one.
pub(super) fn document() -> web_sys::Document {
    window().document().expect("a page has a document")
}

thread_local! {
    /// The page's clock, and when it began.
    static CLOCK: (web_sys::Performance, f64) = {
        let performance = window().performance().expect("every browser that runs this has one");
        let began_ms = performance.time_origin();
        (performance, began_ms)
    };
}

/// Wall time in milliseconds, comparable with that of Workers.
pub(super) fn wall_ms() -> f64 {
    CLOCK.with(|(performance, began_ms)| began_ms + performance.now())
}

/// Waits, in wall milliseconds.
pub(super) async fn sleep(ms: i32) {
    let promise = Promise::new(&mut |resolve, _| {
        after(ms, move || drop(resolve.call0(&JsValue::NULL)));
    });
    let _ = JsFuture::from(promise).await;
}

/// Calls `then` with each such event, as long as the page lasts.
pub(super) fn on(target: &web_sys::EventTarget, event: &str, then: impl FnMut() + 'static) {
    let then = Closure::<dyn FnMut()>::new(then).into_js_value();
    let _ = target.add_event_listener_with_callback(event, then.unchecked_ref());
}

/// Runs a future to its end. Boxed, so that what drives it is fetched once and not for each future.
pub(super) fn spawn(future: impl Future<Output = ()> + 'static) {
    let future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(future);
    wasm_bindgen_futures::spawn_local(future);
}

/// Something that is to be done later.
struct Timer {
    /// Tells it from all others.
    number: u32,
    /// The browser's name for it.
    handle: i32,
    due_wall_ms: f64,
    then: Box<dyn FnOnce()>,
}

thread_local! {
    /// What is to be done yet.
    static TIMERS: RefCell<Vec<Timer>> = const { RefCell::new(Vec::new()) };
    static NUMBERS: Cell<u32> = const { Cell::new(0) };
    /// What the browser calls for each timer, with its number.
    static RUNS_OUT: Function = Closure::<dyn FnMut(u32)>::new(run_out).into_js_value().unchecked_into();
}

/// Calls `then` once, after `ms` wall milliseconds; in a hidden page with the first message after that, if the browser is later: see
/// [`catch_up`]. Gives its number.
pub(super) fn after(ms: i32, then: impl FnOnce() + 'static) -> u32 {
    let number = NUMBERS.get();
    NUMBERS.set(number.wrapping_add(1));
    let handle = RUNS_OUT
        .with(|runs_out| window().set_timeout_with_callback_and_timeout_and_arguments_1(runs_out, ms, &number.into()));
    let timer = Timer {
        number,
        handle: handle.unwrap_or_default(),
        due_wall_ms: wall_ms() + f64::from(ms),
        then: Box::new(then),
    };
    TIMERS.with_borrow_mut(|timers| timers.push(timer));
    number
}

/// Takes a timer away, if it has not run out yet.
fn take(number: u32) -> Option<Timer> {
    let timer = TIMERS.with_borrow_mut(|timers| {
        let place = timers.iter().position(|timer| timer.number == number)?;
        Some(timers.swap_remove(place))
    })?;
    window().clear_timeout_with_handle(timer.handle);
    Some(timer)
}

fn run_out(number: u32) {
    if let Some(timer) = take(number) {
        (timer.then)();
    }
}

/// Does what is overdue, in a hidden page. Browsers let the timers of such a page run once a second, and once a minute after a while. Those
/// of Workers they leave alone, and messages: so whoever hears one does what should have been done by then.
pub(super) fn catch_up() {
    if !document().hidden() {
        return;
    }
    let now = wall_ms();
    let overdue: Vec<u32> = TIMERS.with_borrow(|timers| {
        let overdue = timers.iter().filter(|timer| timer.due_wall_ms <= now);
        overdue.map(|timer| timer.number).collect()
    });
    overdue.into_iter().for_each(run_out);
}

/// A timer that can be put forward: its number and when it is due, in wall milliseconds, while it is set.
#[derive(Default)]
pub(super) struct Alarm(Rc<Cell<Option<(u32, f64)>>>);

impl Alarm {
    /// Calls `then` after `ms` wall milliseconds, unless an earlier call is due by then. The earlier one sets it anew, if it wants to: most
    /// calls only put something off, and cost nothing by that.
    pub(super) fn set(&self, ms: f64, then: impl FnOnce() + 'static) {
        let due_wall_ms = wall_ms() + ms;
        match self.0.get() {
            Some((_, due)) if due <= due_wall_ms => return,
            Some((number, _)) => drop(take(number)),
            None => {}
        }
        let rings = Rc::clone(&self.0);
        let number = after(ms.ceil() as i32 + 1, move || {
            rings.set(None);
            then();
        });
        self.0.set(Some((number, due_wall_ms)));
    }
}

/// Calls `then` as soon as the frame that is being made is drawn.
pub(super) fn after_frame(then: impl FnOnce() + 'static) {
    let Ok(channel) = web_sys::MessageChannel::new() else {
        after(0, then);
        return;
    };
    let (ear, mouth) = (channel.port1(), channel.port2());
    let closure = Closure::once_into_js(move || {
        channel.port1().close();
        then();
    });
    ear.set_onmessage(Some(closure.unchecked_ref()));
    let _ = mouth.post_message(&JsValue::NULL);
}

/// Calls `then` before the next frame is drawn.
pub(super) fn next_frame(then: impl FnOnce() + 'static) {
    let closure = Closure::once_into_js(then);
    let _ = window().request_animation_frame(closure.unchecked_ref());
}

/// The number with which a text begins, if it does and the number is finite. The browser's parser is there already; Rust's
/// would have to be fetched.
pub(super) fn number(text: &str) -> Option<f64> {
    Some(js_sys::parse_float(text)).filter(|number| number.is_finite())
}

/// A value of a plain object; undefined if it has none of that name.
pub(super) fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// Calls `reject` if what was begun fails: a failure that nobody hears would be waited for for ever.
pub(super) fn otherwise(begun: &JsValue, reject: &Function) {
    if let Ok(then) = get(begun, "then").dyn_into::<Function>() {
        let _ = then.call2(begun, &JsValue::UNDEFINED, reject);
    }
}

/// What a thrown value says.
pub(super) fn words(error: &JsValue) -> String {
    let message = get(error, "message").as_string();
    message
        .or_else(|| error.as_string())
        .unwrap_or_else(|| format!("{error:?}"))
}

/// A fresh seed.
pub(super) fn seed() -> u64 {
    let mut bytes = [0; 8];
    // A browser without random numbers still gets different nodes, for the clock differs.
    if getrandom::fill(&mut bytes).is_err() {
        return wall_ms().to_bits();
    }
    u64::from_le_bytes(bytes)
}

/// Offers a file to the person.
pub(super) fn download(name: &str, file: &JsValue) -> Result<(), JsValue> {
    let url = web_sys::Url::create_object_url_with_blob(file.unchecked_ref())?;
    let anchor: web_sys::HtmlAnchorElement = document().create_element("a")?.unchecked_into();
    anchor.set_href(&url);
    anchor.set_download(name);
    anchor.click();
    // The browser has taken the blob by then.
    after(10_000, move || {
        let _ = web_sys::Url::revoke_object_url(&url);
    });
    Ok(())
}
