//! How much processor time a guest has used.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::CallHook;

/// Adds up the processor time of the guest's own code, without the host calls it makes.
///
/// It counts the time of the calling thread (`CLOCK_THREAD_CPUTIME_ID`, clock_gettime(2)),
/// so neither waiting nor other work on a busy machine is charged to the guest.
pub(crate) struct CpuMeter {
    used: Duration,
    /// The thread's time when the guest was last entered; absent while the host runs.
    entered: Option<Duration>,
    limit: Duration,
}

impl CpuMeter {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { used: Duration::ZERO, entered: None, limit }
    }

    /// To be called whenever control passes between guest and host.
    pub(crate) fn passes(&mut self, hook: CallHook) {
        if hook.exiting_host() {
            self.entered = Some(thread_time());
        } else if let Some(entered) = self.entered.take() {
            self.used += thread_time().saturating_sub(entered);
        }
    }

    /// Whether the guest has used more than its limit.
    pub(crate) fn is_exceeded(&self) -> bool {
        let running = self.entered.map_or(Duration::ZERO, |at| thread_time().saturating_sub(at));
        self.used + running > self.limit
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // The kernel gives neither field below zero for this clock.
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
