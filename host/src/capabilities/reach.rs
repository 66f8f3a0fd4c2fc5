//! Whom a signal reaches.

/// Whom a signal reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The worker's process alone.
    Process,
    /// All of the process group that it leads.
    Group,
}
