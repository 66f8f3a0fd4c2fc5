//! In the place of the program's module of this name: a check says nothing.

use std::time::Duration;

/// How long nobody waits.
pub(crate) const PATIENCE: Duration = Duration::ZERO;

/// Waits for nothing.
pub(crate) fn flush(_: Duration) {}

macro_rules! say {
    ($($text:tt)*) => {
        drop(format!($($text)*))
    };
}
pub(crate) use say;
