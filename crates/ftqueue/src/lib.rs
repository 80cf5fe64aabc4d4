//! FTQueue: queues of integers under integer labels, replicated by whoever applies its commands in order.
//!
//! [`FtQueue`] is the machine. It takes [`Command`]s with their places in a log and gives [`Output`]s; the same commands at
//! the same places give the same outputs on every copy. [`Operation`] is what a person or program asks for, as text or as
//! a value.
//!
//! *Architecture Invariant:* nothing here knows of terms, nodes or time.

#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros)]

mod command;
mod digest;
mod limits;
mod machine;
mod parse;
mod session;
mod text;

pub use command::*;
pub use limits::*;
pub use machine::*;
pub use parse::*;
