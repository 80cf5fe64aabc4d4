//! What happened in a run: a list of [`Happening`]s, each with its instant, and the formats in which other programs read
//! such a list.
//!
//! *Architecture Invariant:* nothing here decides anything about a run. What it tells, a node, a client or the world has told.

mod act;
mod client;
mod cuts;
pub mod export;
mod faults;
mod happening;
pub mod lockstep;
pub mod tape;

pub use act::Act;
pub use client::Asked;
pub use cuts::cut_from;
pub use faults::Faults;
pub use happening::{CallNumber, Happening, What};
