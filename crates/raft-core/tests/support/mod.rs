//! What the tests share: a small world of nodes, disks and a network under the test's hand, and the checkers.

// Each test binary uses its own part of this.
#![allow(dead_code, unreachable_pub)]

pub mod checker;
pub mod schedule;
pub mod world;
