//! One FTQueue node, whole but for a clock, a network and a disk; and what its hosts and clients say to it.

pub mod client;
pub mod clock;
pub mod codec;
pub mod host;
pub mod node;
pub mod wal;
