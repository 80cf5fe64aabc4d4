//! The page in a browser.

// The component macro makes what it writes `pub`, whatever the component itself says.
#![allow(unreachable_pub)]

mod announce;
mod app;
mod before;
mod builds;
mod canvas;
mod clients;
mod command;
mod console;
mod dialogs;
mod field;
mod fleet;
mod home;
mod inspector;
mod keys;
mod load;
mod logs;
mod markup;
mod past;
mod pledge;
mod queues;
mod recorder;
mod results;
mod ring;
mod room;
mod settings;
mod theme;
mod timeline;
mod timepanel;
mod transport;
mod view;
mod wall;

use wasm_bindgen::prelude::wasm_bindgen;

/// Called once by the document, when this module has loaded. A Worker loads the same module and calls
/// [`worker::start_node`] instead.
#[wasm_bindgen]
pub fn open_page() {
    console_error_panic_hook::set_once();
    wall::spawn(app::open());
}
