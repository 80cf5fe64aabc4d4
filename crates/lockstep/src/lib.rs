//! The page's lockstep host: one Worker that keeps every run, judges it while it happens, looks at any instant of it, goes on from
//! there in branches, and draws the timeline.
//!
//! [`Desk`] is all of that but for a browser: it takes what the page says and what nodes post, and tells what the page is
//! to show. In the browser the rest is a loop around it.

mod beside;
mod desk;
mod keep;
mod ledger;
mod made;
mod pace;
mod panel;
mod run;
mod story;
mod timeline;
mod view;

pub use beside::Beside;
pub use desk::{Desk, KEPT_BYTES_MAX, OPENED_BYTES_MAX, Order, Part, Repeated, carry_over};
pub use keep::{FILE_BYTES_MAX, KeepError, RUN_BYTES_MAX, body_of, with_head};

/// The build: a hash of the sources that this was built from.
pub const BUILD: &str = match option_env!("FTQUEUE_BUILD") {
    Some(build) => build,
    None => "unknown",
};

#[cfg(target_arch = "wasm32")]
mod canvas;
#[cfg(target_arch = "wasm32")]
mod clusters;
#[cfg(target_arch = "wasm32")]
mod host;
#[cfg(target_arch = "wasm32")]
mod saving;
