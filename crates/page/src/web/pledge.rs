//! A promise that a script was given. It settles, whatever becomes of who was to keep it.

use js_sys::{Error, Function, Promise};
use wasm_bindgen::prelude::*;

/// What keeps a promise. Where it is let go of, the promise is refused: none is ever left open.
pub(super) struct Pledge {
    settle: Option<(Function, Function)>,
}

impl Pledge {
    /// A promise, and what keeps it.
    pub(super) fn new() -> (Promise, Pledge) {
        let mut settle = None;
        let promise = Promise::new(&mut |resolve, reject| settle = Some((resolve, reject)));
        (promise, Pledge { settle })
    }

    /// Keeps it.
    pub(super) fn keep(mut self, value: &JsValue) {
        if let Some((resolve, _)) = self.settle.take() {
            let _ = resolve.call1(&JsValue::NULL, value);
        }
    }

    /// Says why it is not kept.
    pub(super) fn refuse(mut self, why: &str) {
        self.break_off(why);
    }

    fn break_off(&mut self, why: &str) {
        if let Some((_, reject)) = self.settle.take() {
            let _ = reject.call1(&JsValue::NULL, &Error::new(why));
        }
    }
}

impl Drop for Pledge {
    fn drop(&mut self) {
        self.break_off("nobody is left who could answer");
    }
}

/// A promise that is refused at once.
pub(super) fn refused(why: &str) -> Promise {
    Promise::reject(&Error::new(why))
}
