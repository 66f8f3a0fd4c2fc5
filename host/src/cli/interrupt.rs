//! SIGINT and SIGTERM, which cancel the requests under way before they end the program.
//!
//! A stop with force may have asked a worker to end, and the kill that was to follow does not come
//! then: a cancelled request records that, which a program that just dies does not.

use std::io;
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use poolwarden::Cancel;

use crate::stderr;

/// How long cancelled requests may take before the signal ends the program all the same. They
/// record a withdrawn kill at once, unless somebody else holds the pool's lock or its trail.
const BOUND: Duration = Duration::from_secs(3);

/// What SIGINT and SIGTERM do. As long as nobody listens, that is what they do by default.
#[derive(Clone, Default)]
pub(super) struct Interrupt(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Cancels the requests that are under way, where there are any.
    cancel: Option<Cancel>,
    /// The signal that cancelled them, and is still to end the program.
    signal: Option<Signal>,
}

impl Interrupt {
    /// Listens from now on. Called before any other thread exists, since a thread inherits what
    /// it blocks. A signal that whoever started this program had it ignore stays ignored.
    ///
    /// # Errors
    /// When the system has no descriptor or no thread left.
    pub(super) fn listen(&self) -> io::Result<()> {
        let mut heeded = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            if !is_ignored(signal)? {
                heeded.add(signal);
            }
        }
        heeded.thread_block()?;
        let signals = SignalFd::with_flags(&heeded, SfdFlags::SFD_CLOEXEC)?;
        let interrupt = self.clone();
        thread::Builder::new()
            .name("interrupt".into())
            .spawn(move || interrupt.obey_one_of(heeded, &signals))?;
        Ok(())
    }

    /// Makes requests, which a signal cancels.
    ///
    /// # Errors
    /// When the system has no descriptor left for the cancellation.
    pub(super) fn cancelling<T>(&self, requests: impl FnOnce(&Cancel) -> T) -> io::Result<T> {
        let cancel = Cancel::new()?;
        self.state().cancel = Some(cancel.clone());
        let done = requests(&cancel);
        self.state().cancel = None;
        Ok(done)
    }

    /// Whether a signal has cancelled requests. It stays as it is while none is under way.
    pub(super) fn has_come(&self) -> bool {
        self.state().signal.is_some()
    }

    /// Ends the program by the signal that cancelled its requests, if one did. Called when all
    /// is said about them.
    pub(super) fn end(&self) {
        let signal = self.state().signal;
        if let Some(signal) = signal {
            stderr::flush(stderr::PATIENCE);
            end_by(signal);
        }
    }

    /// Waits for one of these signals and does what it asks for. Another one that follows ends
    /// the program at once, by default.
    fn obey_one_of(&self, heeded: SigSet, signals: &SignalFd) {
        let signal = loop {
            match signals.read_signal() {
                Ok(Some(info)) => break info.ssi_signo,
                Ok(None) | Err(Errno::EINTR) => {}
                Err(errno) => {
                    tracing::warn!("SIGINT and SIGTERM cancel no request: {errno}");
                    let _ = heeded.thread_unblock();
                    // A thread that does not block them has to be there.
                    loop {
                        thread::park();
                    }
                }
            }
        };
        let signal = i32::try_from(signal).map(Signal::try_from);
        let Ok(Ok(signal)) = signal else {
            return;
        };
        let under_way = {
            let mut state = self.state();
            if state.cancel.is_some() {
                state.signal = Some(signal);
            }
            state.cancel.clone()
        };
        if let Some(cancel) = under_way {
            let _ = heeded.thread_unblock();
            cancel.cancel();
            thread::sleep(BOUND);
        }
        end_by(signal);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this process ignores a signal, as a shell has its background processes ignore SIGINT.
fn is_ignored(signal: Signal) -> io::Result<bool> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action nothing is changed (sigaction(2)), and the present one is
    // written to where there is room for it.
    let asked = unsafe { libc::sigaction(signal as i32, std::ptr::null(), action.as_mut_ptr()) };
    Errno::result(asked)?;
    // SAFETY: the call succeeded, and so has written it.
    let action = unsafe { action.assume_init() };
    Ok(action.sa_sigaction == libc::SIG_IGN)
}

/// Ends the program by the signal's default action, so that a shell sees which signal it was.
fn end_by(signal: Signal) -> ! {
    let _ = SigSet::from(signal).thread_unblock();
    let _ = raise(signal);
    // The first process of a pid namespace, as a container has it, survives it
    // (pid_namespaces(7)). A shell's status for the signal says the same.
    std::process::exit(128 + signal as i32)
}
