//! Which history of a cluster something belongs to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which history of the cluster this is. Going back in time begins a new one: what nodes promised in an earlier epoch binds nobody in
/// a later one, so a log file or a frame of another epoch is refused. The first is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch that begins when a cluster of this one goes back in time.
    #[must_use]
    pub fn next(self) -> Epoch {
        Epoch(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}", self.0)
    }
}
