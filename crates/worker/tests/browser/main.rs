//! The Worker's side of a node in a real browser: run by `wasm-pack test` in a dedicated Worker, where private files can be
//! opened for writing. What needs no browser runs natively as well.

#[cfg(target_arch = "wasm32")]
mod node;
#[cfg(target_arch = "wasm32")]
mod pump;
mod same_bits;
#[cfg(target_arch = "wasm32")]
mod seat;
mod simulation;
#[cfg(target_arch = "wasm32")]
mod speed;
#[cfg(target_arch = "wasm32")]
mod storage;
#[path = "../../../cluster/tests/world/mod.rs"]
mod world;

#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
