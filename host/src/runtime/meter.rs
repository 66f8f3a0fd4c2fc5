//! How much processor time a request has used.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Counts the processor time of a guest and, apart from it, that of the work which the
/// host does for it.
///
/// It counts the time of the calling thread (`CLOCK_THREAD_CPUTIME_ID`, clock_gettime(2)),
/// so neither waiting nor other work on a busy machine is charged to the guest. Host
/// calls whose work grows with the pool have a limit of their own; small ones are charged
/// to the guest. So it can call neither without end.
pub(crate) struct CpuMeter {
    begun: Duration,
    host: Duration,
    guest_limit: Duration,
    host_limit: Duration,
}

/// Which of the two has used more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exceeded {
    Guest,
    Host,
}

impl CpuMeter {
    /// Starts to count, on the thread that will run the guest.
    pub(crate) fn start(guest_limit: Duration, host_limit: Duration) -> Self {
        Self {
            begun: thread_time(),
            host: Duration::ZERO,
            guest_limit,
            host_limit,
        }
    }

    /// Charges to the host what the thread does until [`resume`](Self::resume).
    pub(crate) fn pause(&self) -> Paused {
        Paused(thread_time())
    }

    /// Charges the guest again.
    pub(crate) fn resume(&mut self, paused: Paused) {
        self.host += thread_time().saturating_sub(paused.0);
    }

    /// What is left of the host's time before a host call that is under way.
    pub(crate) fn host_left(&self) -> Duration {
        self.host_limit.saturating_sub(self.host)
    }

    /// The limit that is exceeded, if one is.
    pub(crate) fn exceeded(&self) -> Option<Exceeded> {
        if self.host > self.host_limit {
            return Some(Exceeded::Host);
        }
        let guest = thread_time().saturating_sub(self.begun + self.host);
        (guest > self.guest_limit).then_some(Exceeded::Guest)
    }
}

/// When the host took over.
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
