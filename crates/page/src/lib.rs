//! The page: it starts the Workers, tells them what the person does, and draws what they report. It decides nothing about
//! Raft. [`model`] is what the page knows, in plain Rust; the rest needs a browser.

pub mod model;
#[cfg(target_arch = "wasm32")]
mod web;
