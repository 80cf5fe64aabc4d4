//! How much a machine holds. Every copy has the same limits, so that every copy answers the same.

/// How many queues there may be.
pub const QUEUES_MAX: usize = 1_000;
/// How many items one queue holds.
pub const QUEUE_ITEMS_MAX: usize = 100_000;
/// How many items all queues hold together.
pub const ITEMS_MAX: usize = 1_000_000;
/// How many sessions are open at once; opening another expires the one that was used least recently.
pub const SESSIONS_MAX: usize = 1_024;
/// The smallest label.
pub const LABEL_MIN: i64 = 0;
/// The greatest label.
pub const LABEL_MAX: i64 = u32::MAX as i64;
/// The longest command line, in bytes.
pub const COMMAND_BYTES_MAX: usize = 256;
