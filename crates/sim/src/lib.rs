//! The deterministic world: a whole cluster, its clients, its faults and its checkers, from one seed.
//!
//! A [`Scenario`] is a run written out as data: [`Settings`], every fault and every client operation with its time. It is
//! drawn from a seed, cut down by [`shrink`](shrink::shrink), kept in a file ([`mod@file`]), and carried out by [`run()`]: the same
//! [`cluster::node::Node`]s as the Workers run, under one virtual clock. After every event the [`check`]ers look at the
//! node that it touched; they read what nodes show and send and what their disks hold, and share no logic with the core.
//!
//! *Architecture Invariant:* nothing here reads a clock, opens a file, starts a thread or asks for randomness: the same
//! scenario gives the same run, bit for bit, natively and in WebAssembly.

#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros)]

pub mod ablations;
mod agenda;
pub mod check;
pub mod chronicle;
mod clients;
mod coverage;
mod disk;
pub mod file;
pub mod future;
mod hash;
mod plan;
mod run;
mod service;
mod settings;
pub mod shrink;
mod world;

pub use coverage::Coverage;
pub use plan::{Fault, Scenario, Tail, What};
pub use run::{Outcome, Progress, run, run_up_to, tell, tell_slowly, watch, watch_slowly};
pub use service::Service;
pub use settings::{FaultKind, FaultKinds, RATE_MAX, SECONDS_MAX, Settings, Wanted};
pub use world::World;
