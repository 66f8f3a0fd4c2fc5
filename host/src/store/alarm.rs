//! Interrupting a blocking system call of this thread at a deadline or on cancellation.
//!
//! flock(2) has no timeout. What ends its wait early is a signal whose handler was
//! installed without `SA_RESTART`: the call then fails with EINTR (signal(7)). A timer of
//! the kernel sends that signal to the waiting thread alone (timer_create(2),
//! `SIGEV_THREAD_ID`), so nothing polls and no thread is spent on waiting.
//!
//! The signal is SIGURG: ignored by default, sent by the kernel for out-of-band data
//! only, and so without meaning for this program and without effect on its children.

use std::io;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::c_int;
use nix::sys::signal::{
    SaFlags, SigAction, SigEvent, SigHandler, SigSet, SigevNotify, SigmaskHow, Signal, sigaction,
};
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;
use nix::unistd::gettid;

use crate::cancel::{Cancel, HookGuard};

const SIGNAL: Signal = Signal::SIGURG;

/// How often the signal is repeated once it is due. It can arrive just before the system
/// call that it is meant to interrupt; the next one does not.
const REPEAT: Duration = Duration::from_millis(10);

/// While it lives, blocking system calls of the thread that set it fail with EINTR from
/// the deadline or the cancellation on. They can do so before, too: ask the clock.
// Fields are dropped in order: the hook uses the timer, which needs the signal unblocked.
pub(super) struct Alarm {
    _hook: Option<HookGuard>,
    _timer: Arc<Mutex<ThreadTimer>>,
    _unblocked: Unblocked,
}

impl Alarm {
    /// Sets the alarm for this thread, without a cancellation for the deadline alone.
    ///
    /// # Errors
    /// EBUSY when something else in this process handles SIGURG; what timer_create(2)
    /// and timer_settime(2) give.
    pub(super) fn set(deadline: Instant, cancel: Option<&Cancel>) -> io::Result<Self> {
        install_handler()?;
        let unblocked = Unblocked::new()?;
        let mut timer = ThreadTimer::new()?;
        timer.start(deadline.saturating_duration_since(Instant::now()))?;
        let timer = Arc::new(Mutex::new(timer));
        let hook = cancel.map(|cancel| {
            let timer = timer.clone();
            cancel.on_cancel(move || {
                let mut timer = timer.lock().unwrap_or_else(PoisonError::into_inner);
                if let Err(error) = timer.start(Duration::ZERO) {
                    // The wait then ends at its deadline.
                    tracing::warn!(%error, "cannot interrupt the wait for a pool's lock");
                }
            })
        });
        Ok(Self {
            _hook: hook,
            _timer: timer,
            _unblocked: unblocked,
        })
    }
}

/// A timer that signals the thread that made it.
struct ThreadTimer(Timer);

// SAFETY: a `Timer` is only a handle that the kernel gave out for the whole process:
// POSIX lets any thread use it, and nix keeps nothing else in it. It is not `Send` merely
// because libc spells the handle's type as a pointer.
unsafe impl Send for ThreadTimer {}

impl ThreadTimer {
    fn new() -> Result<Self, Errno> {
        let event = SigEvent::new(SigevNotify::SigevThreadId {
            signal: SIGNAL,
            thread_id: gettid().as_raw(),
            si_value: 0,
        });
        Timer::new(ClockId::CLOCK_MONOTONIC, event).map(Self)
    }

    /// Sends the signal after `delay` and then again and again.
    fn start(&mut self, delay: Duration) -> Result<(), Errno> {
        // A delay of zero would stop the timer.
        let delay = delay.max(Duration::from_nanos(1));
        self.0.set(
            Expiration::IntervalDelayed(TimeSpec::from(delay), TimeSpec::from(REPEAT)),
            TimerSetTimeFlags::empty(),
        )
    }
}

/// While it lives, the thread that made it receives the signal.
struct Unblocked {
    before: SigSet,
    /// The mask is the thread's own: not `Send`.
    _thread: PhantomData<*const ()>,
}

impl Unblocked {
    fn new() -> Result<Self, Errno> {
        let before = SigSet::from(SIGNAL).thread_swap_mask(SigmaskHow::SIG_UNBLOCK)?;
        Ok(Self {
            before,
            _thread: PhantomData,
        })
    }
}

impl Drop for Unblocked {
    fn drop(&mut self) {
        // It fails for invalid arguments only (pthread_sigmask(3)), and these are valid.
        let _ = self.before.thread_set_mask();
    }
}

extern "C" fn do_nothing(_: c_int) {}

/// Installs the handler that makes the signal interrupt, once for the process.
fn install_handler() -> Result<(), Errno> {
    static INSTALLED: OnceLock<Result<(), Errno>> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        let ours = SigAction::new(
            SigHandler::Handler(do_nothing),
            SaFlags::empty(), // above all not SA_RESTART
            SigSet::empty(),
        );
        // SAFETY: the handler does nothing, so it is safe at any point of any code.
        let before = unsafe { sigaction(SIGNAL, &ours) }?;
        if matches!(before.handler(), SigHandler::SigDfl | SigHandler::SigIgn) {
            return Ok(());
        }
        // SAFETY: this is the handler that was in place, with its flags and its mask.
        unsafe { sigaction(SIGNAL, &before) }?;
        Err(Errno::EBUSY)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    /// A call that blocks for ever, unless it is interrupted.
    fn blocking_call() -> io::ErrorKind {
        let (socket, _other_end) = UnixDatagram::pair().expect("socket pair");
        nix::sys::socket::recv(
            std::os::fd::AsRawFd::as_raw_fd(&socket),
            &mut [0],
            nix::sys::socket::MsgFlags::empty(),
        )
        .map_err(|errno| io::Error::from(errno).kind())
        .expect_err("nothing to receive")
    }

    #[test]
    fn interrupts_again_and_again_from_the_deadline_on() {
        let cancel = Cancel::new().expect("eventfd");
        let deadline = Instant::now() + Duration::from_millis(50);
        let _alarm = Alarm::set(deadline, Some(&cancel)).expect("alarm");
        assert_eq!(blocking_call(), io::ErrorKind::Interrupted);
        assert!(Instant::now() >= deadline);
        assert_eq!(blocking_call(), io::ErrorKind::Interrupted);
    }

    #[test]
    fn interrupts_when_cancelled_before_or_meanwhile() {
        let far = Instant::now() + Duration::from_secs(600);
        let cancel = Cancel::new().expect("eventfd");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _alarm = Alarm::set(far, Some(&cancel)).expect("alarm");
                assert_eq!(blocking_call(), io::ErrorKind::Interrupted);
                assert!(cancel.is_cancelled());
            });
            cancel.cancel();
        });
        let _alarm = Alarm::set(far, Some(&cancel)).expect("alarm");
        assert_eq!(blocking_call(), io::ErrorKind::Interrupted);
    }

    #[test]
    fn works_where_the_signal_is_blocked_and_leaves_it_blocked() {
        SigSet::from(SIGNAL).thread_block().expect("mask");
        let cancel = Cancel::new().expect("eventfd");
        let alarm = Alarm::set(Instant::now(), Some(&cancel)).expect("alarm");
        assert_eq!(blocking_call(), io::ErrorKind::Interrupted);
        drop(alarm);
        assert!(SigSet::thread_get_mask().expect("mask").contains(SIGNAL));
    }
}
