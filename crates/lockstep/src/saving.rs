//! Files that the page is to save, put together from their parts. A part is given to the browser as it comes: none of it is in the
//! recorder's memory for long.

use std::cell::{Cell, RefCell};

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{Blob, BlobPropertyBag};

/// What there is of a file.
#[derive(Default)]
pub(crate) struct Saving {
    parts: RefCell<Array>,
    /// Whether the browser has no room for it.
    failed: Cell<bool>,
}

impl Saving {
    /// This comes next.
    pub(crate) fn put(&self, bytes: &[u8]) {
        match blob(bytes) {
            Ok(blob) => drop(self.parts.borrow().push(&blob)),
            Err(_) => self.failed.set(true),
        }
    }

    /// The whole file, of this kind. The next one begins with nothing.
    ///
    /// # Errors
    /// The browser refused a part of it.
    pub(crate) fn end(&self, mime: &str) -> Result<Blob, JsValue> {
        let parts = self.parts.take();
        if self.failed.take() {
            return Err(JsValue::NULL);
        }
        let kind = BlobPropertyBag::new();
        kind.set_type(mime);
        Blob::new_with_blob_sequence_and_options(&parts, &kind)
    }

    /// Nothing comes of it.
    pub(crate) fn let_go(&self) {
        self.parts.take();
        self.failed.set(false);
    }
}

fn blob(bytes: &[u8]) -> Result<Blob, JsValue> {
    Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(bytes)))
}
