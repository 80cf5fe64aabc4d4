//! FTQueue: queues of integers under integer labels, replicated by whoever applies its commands in order.

mod command;
mod limits;
mod machine;

pub use command::*;
pub use limits::*;
pub use machine::*;
