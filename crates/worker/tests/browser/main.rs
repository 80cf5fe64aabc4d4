//! The Worker's side of a node in a real browser: run by `wasm-pack test` in a dedicated Worker, where private files can be
//! opened for writing.

#![cfg(target_arch = "wasm32")]

mod node;
mod pump;
mod seat;
mod storage;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
