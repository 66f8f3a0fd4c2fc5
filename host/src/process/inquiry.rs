//! How claims are to be looked at: which proofs count, and when to give up.

use std::cell::Cell;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::Strength;
use crate::cancel::Cancel;

/// What is the same for all questions of one call of
/// [`Processes::inspect`](super::Processes::inspect).
///
/// A call can be about tens of thousands of entries while others wait for the pool's lock.
/// So whoever answers asks [`check`](Self::check) again and again, and gives up when it fails.
pub struct Inquiry<'a> {
    strength: Strength,
    cancel: Option<&'a Cancel>,
    /// What the thread's processor time may come to.
    until: Option<Duration>,
    checks: Cell<u32>,
    interrupted: Cell<Option<Interrupted>>,
    pool: Option<PoolPlace<'a>>,
}

/// The pool's own directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolPlace<'a> {
    pub(super) path: &'a Path,
    pub(super) directory: BorrowedFd<'a>,
}

/// Why a look at processes was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Interrupted {
    /// The request was withdrawn.
    #[error("the request was withdrawn while processes were looked at")]
    Cancelled,
    /// It used more processor time than it may.
    #[error("the look at processes took more processor time than it may")]
    Overdue,
}

/// Reading the processor time takes longer than most of what happens between two checks.
const CHECKS_PER_CLOCK: u32 = 32;

impl<'a> Inquiry<'a> {
    /// Accepts these proofs, and never gives up.
    pub fn new(strength: Strength) -> Self {
        Self {
            strength,
            cancel: None,
            until: None,
            checks: Cell::new(0),
            interrupted: Cell::new(None),
            pool: None,
        }
    }

    /// Looks at sockets in the pool's own directory, open and at this path, whatever file
    /// system it lies on. Elsewhere only file systems are looked at that are sure to answer.
    #[must_use]
    pub fn in_pool(mut self, path: &'a Path, directory: BorrowedFd<'a>) -> Self {
        self.pool = Some(PoolPlace { path, directory });
        self
    }

    /// Gives up when the request is withdrawn.
    #[must_use]
    pub fn until_cancelled(mut self, cancel: &'a Cancel) -> Self {
        self.cancel = Some(cancel);
        self
    }

    /// Gives up once the calling thread has used this much more processor time.
    #[must_use]
    pub fn within(mut self, processor_time: Duration) -> Self {
        self.until = thread_time().checked_add(processor_time);
        self
    }

    /// Which proofs the operator accepts.
    pub fn strength(&self) -> Strength {
        self.strength
    }

    pub(super) fn pool(&self) -> Option<PoolPlace<'a>> {
        self.pool
    }

    /// Whether to go on. It costs next to nothing.
    ///
    /// # Errors
    /// When the work is to be given up, from then on each time.
    pub fn check(&self) -> Result<(), Interrupted> {
        match self.interrupted.get().map_or_else(|| self.look(), Err) {
            Err(interrupted) => {
                self.interrupted.set(Some(interrupted));
                Err(interrupted)
            }
            Ok(()) => Ok(()),
        }
    }

    fn look(&self) -> Result<(), Interrupted> {
        if self.cancel.is_some_and(Cancel::is_cancelled) {
            return Err(Interrupted::Cancelled);
        }
        let Some(until) = self.until else {
            return Ok(());
        };
        let checks = self.checks.get();
        self.checks.set(checks.wrapping_add(1));
        if checks % CHECKS_PER_CLOCK == 0 && thread_time() > until {
            return Err(Interrupted::Overdue);
        }
        Ok(())
    }
}

/// `CLOCK_THREAD_CPUTIME_ID` (clock_gettime(2)), which other work on the machine does not
/// advance.
fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inquiry_goes_on_until_it_is_cancelled_or_overdue() {
        let cancel = Cancel::new().expect("an eventfd");
        let inquiry = Inquiry::new(Strength::Any).until_cancelled(&cancel);
        assert_eq!(inquiry.check(), Ok(()));
        cancel.cancel();
        assert_eq!(inquiry.check(), Err(Interrupted::Cancelled));

        let inquiry = Inquiry::new(Strength::Any).within(Duration::from_millis(5));
        while inquiry.check().is_ok() {}
        assert_eq!(inquiry.check(), Err(Interrupted::Overdue));
    }
}
