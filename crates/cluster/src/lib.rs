//! One FTQueue node, whole but for a clock, a network and a disk; and what its hosts and clients say to it.
//!
//! *Architecture Invariant:* nothing here reads a clock, opens a file, starts a thread or asks for randomness. A host
//! tells a [`node::Node`] what happened and when, and carries out what it asks for; so a Web Worker and a simulator
//! host the same node.

#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros)]

mod arrivals;
pub mod batch;
pub mod client;
pub mod clock;
pub mod codec;
pub mod command_line;
pub mod disk;
mod epoch;
pub mod host;
mod journal;
mod links;
pub mod metered;
pub mod node;
pub mod record;
mod replica;
mod requests;
pub mod slow_disks;
pub mod standing;
mod state;
mod text;
pub mod wal;

pub use arrivals::WAITING_BYTES_MAX;
pub use epoch::Epoch;
pub use journal::FACTS_BETWEEN_REPORTS_MAX;
pub use replica::Replica;
pub use text::ActivityLine;
