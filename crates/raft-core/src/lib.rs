//! Raft consensus as a pure function: see [`Raft::step`].

mod config;
mod event;
mod ids;
mod io;
mod machine;
mod message;
mod raft;
mod view;

pub use config::*;
pub use event::*;
pub use ids::*;
pub use io::*;
pub use machine::*;
pub use message::*;
pub use raft::*;
pub use view::*;
