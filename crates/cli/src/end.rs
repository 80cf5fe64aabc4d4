//! How a command ends.

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All is as it should be.
    Clean,
    /// A promise was broken, or a check did not do its work.
    Violation,
    /// A signal ended it before it had found anything. Its exit code, as a shell says it.
    Interrupted(u8),
}
