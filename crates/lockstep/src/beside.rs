//! Clusters that were begun beside the page's own.

/// A cluster that was begun beside the page's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// Its name: that of its directory.
    pub name: String,
    /// What a person calls it.
    pub title: String,
}

/// What the name of a cluster that was begun beside begins with.
pub(crate) const BESIDE_PREFIX: &str = "beside-";
