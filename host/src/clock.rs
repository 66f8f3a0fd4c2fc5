//! What time it is.

use std::time::SystemTime;

/// Tells the time of day.
///
/// It is the time that a policy is told and writes into `created_at`, the time that the host
/// measures a new entry's `created_at` against, and the one that stands in the trail, in
/// recordings, and in the ledger with the last signal. What is only measured, as waits and
/// a policy's processor time, goes by the machine's own clocks. When processes started is
/// told by [`Processes`](crate::process::Processes).
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> SystemTime;
}

/// This machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
