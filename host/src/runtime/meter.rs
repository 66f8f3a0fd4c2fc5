//! How much processor time a guest has used.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Counts the processor time of a guest, without the work that the host does for it.
///
/// It counts the time of the calling thread (`CLOCK_THREAD_CPUTIME_ID`, clock_gettime(2)),
/// so neither waiting nor other work on a busy machine is charged to the guest. Host
/// calls whose work grows with the pool are paused for; small ones are charged, so that a
/// guest cannot call them without end.
pub(crate) struct CpuMeter {
    begun: Duration,
    not_charged: Duration,
    limit: Duration,
}

impl CpuMeter {
    /// Starts to count, on the thread that will run the guest.
    pub(crate) fn start(limit: Duration) -> Self {
        Self {
            begun: thread_time(),
            not_charged: Duration::ZERO,
            limit,
        }
    }

    /// Does not charge what the thread does until [`resume`](Self::resume).
    pub(crate) fn pause(&self) -> Paused {
        Paused(thread_time())
    }

    /// Charges the guest again.
    pub(crate) fn resume(&mut self, paused: Paused) {
        self.not_charged += thread_time().saturating_sub(paused.0);
    }

    /// Whether the guest has used more than its limit.
    pub(crate) fn is_exceeded(&self) -> bool {
        thread_time().saturating_sub(self.begun + self.not_charged) > self.limit
    }
}

/// When charging was paused.
#[must_use = "the guest is not charged until it is resumed"]
pub(crate) struct Paused(Duration);

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // The kernel gives neither field below zero for this clock.
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
