//! The page in a browser.

// The component macro makes what it writes `pub`, whatever the component itself says.
#![allow(unreachable_pub)]

mod announce;
mod app;
mod canvas;
mod clients;
mod command;
mod console;
mod dialogs;
mod fleet;
mod home;
mod keys;
mod load;
mod inspector;
mod logs;
mod queues;
mod ring;
mod settings;
mod theme;
mod timeline;
mod transport;
mod view;
mod wall;

use wasm_bindgen::prelude::wasm_bindgen;

/// Called once, when the page's code has loaded.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
    wasm_bindgen_futures::spawn_local(app::open());
}
