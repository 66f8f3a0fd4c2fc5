//! Withdrawing a request that is under way, from another thread.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::eventfd::{EfdFlags, EventFd};

type Hook = Arc<dyn Fn() + Send + Sync>;

/// A request's cancellation: set once, seen by everything that the request waits for.
///
/// Loops ask [`is_cancelled`](Self::is_cancelled), `poll` watches [`as_fd`](AsFd::as_fd),
/// and a blocking system call is interrupted by a hook.
#[derive(Clone)]
pub struct Cancel(Arc<Shared>);

struct Shared {
    cancelled: AtomicBool,
    wake: EventFd,
    hooks: Mutex<Vec<(u64, Hook)>>,
    serial: AtomicU64,
}

impl Cancel {
    /// A cancellation that has not happened.
    ///
    /// # Errors
    /// When the process has no descriptor left for the eventfd.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self(Arc::new(Shared {
            cancelled: AtomicBool::new(false),
            wake: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
            hooks: Mutex::new(Vec::new()),
            serial: AtomicU64::new(0),
        })))
    }

    /// Withdraws the request. Further calls do nothing.
    pub fn cancel(&self) {
        if self.0.cancelled.swap(true, Ordering::SeqCst) {
            return;
        }
        // It can fail only when the counter is full, and then it is readable already.
        let _ = self.0.wake.write(1);
        for (_, hook) in self.0.hooks().iter() {
            hook();
        }
    }

    /// Whether the request was withdrawn.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Runs `hook` when the request is withdrawn, at once if it already was, until the
    /// guard is dropped. After the drop the hook neither runs nor is running.
    #[must_use]
    pub fn on_cancel(&self, hook: impl Fn() + Send + Sync + 'static) -> HookGuard {
        let id = self.0.serial.fetch_add(1, Ordering::Relaxed);
        let hook: Hook = Arc::new(hook);
        let mut hooks = self.0.hooks();
        hooks.push((id, hook.clone()));
        if self.is_cancelled() {
            hook();
        }
        drop(hooks);
        HookGuard {
            shared: self.0.clone(),
            id,
        }
    }
}

impl AsFd for Cancel {
    /// Readable from the cancellation on.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.wake.as_fd()
    }
}

impl Shared {
    fn hooks(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Hook)>> {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a hook of [`Cancel::on_cancel`] in place.
pub struct HookGuard {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for HookGuard {
    fn drop(&mut self) {
        self.shared.hooks().retain(|(id, _)| *id != self.id);
    }
}
