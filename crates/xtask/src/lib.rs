//! What a person or a machine runs in this repository, as a library: building the page and the node for
//! WebAssembly, laying the site out, serving it, weighing it, and running every check. The binary is `cargo xtask`.
//!
//! The package `tests` uses [`server`] to put the built site in front of a browser.

pub mod bench;
pub mod browser;
pub mod build;
pub mod checks;
pub mod deep;
pub mod engines;
pub mod kept;
pub mod policy;
pub mod server;
pub mod site;
pub mod speed;
pub mod stage;
pub mod tools;
pub mod weight;
pub mod workspace;
