//! What every Worker has around it: its global scope, a clock on the wall, timers.

use std::cell::Cell;

use cluster::batch::Ahead;
use js_sys::{Error, Function, JsString, Promise};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{DedicatedWorkerGlobalScope, DomException, Performance};

/// The Worker's global scope.
pub fn global() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

thread_local! {
    /// How far the Worker's own clock is taken to be ahead of the page's, in milliseconds.
    static AHEAD_MS: Cell<f64> = const { Cell::new(0.0) };
    /// The Worker's clock, and when it began. Kept: it is read a dozen times a turn.
    static CLOCK: (Performance, f64) = {
        let performance = global().performance().expect("every Worker has a performance clock");
        let began_ms = performance.time_origin();
        (performance, began_ms)
    };
}

/// The wall time in milliseconds, by the page's clock as far as it is known: see [`agree`].
pub fn wall_ms() -> f64 {
    own_wall_ms() - AHEAD_MS.get()
}

/// The wall time in milliseconds by the Worker's own clock, which was set when the Worker was made and does not leap since.
pub fn own_wall_ms() -> f64 {
    CLOCK.with(|(performance, began_ms)| began_ms + performance.now())
}

/// From now on [`wall_ms`] is the page's clock, by what was found out about the two.
pub fn agree(ahead: Ahead) {
    AHEAD_MS.set(ahead.estimate_ms());
}

/// Calls `run` once, not before `delay_ms` have passed. Gives a handle by which to call it off.
pub fn set_timeout(run: &Function, delay_ms: f64) -> i32 {
    let delay_ms = delay_ms.ceil().min(f64::from(i32::MAX)) as i32;
    global()
        .set_timeout_with_callback_and_timeout_and_arguments_0(run, delay_ms)
        .expect("a timer with a function can always be set")
}

/// Comes back after about this long.
pub async fn sleep(ms: u32) {
    let mut set = |resolve: Function, _reject: Function| {
        set_timeout(&resolve, f64::from(ms));
    };
    JsFuture::from(Promise::new(&mut set))
        .await
        .expect("a timer does not fail");
}

/// What went wrong, in words.
pub fn describe(error: &JsValue) -> String {
    if let Some(error) = error.dyn_ref::<DomException>() {
        format!("{}: {}", error.name(), error.message())
    } else if let Some(error) = error.dyn_ref::<Error>() {
        String::from(error.to_string())
    } else if let Some(text) = error.dyn_ref::<JsString>() {
        String::from(text)
    } else {
        format!("{error:?}")
    }
}
