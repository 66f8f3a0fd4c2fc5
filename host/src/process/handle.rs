//! A pidfd whose process was verified, and signals through it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;

use super::forbidden::forbidden;
use super::group::forbidden_group;
use super::kernel::{Kernel, has_ended};
use super::parked::LinuxParked;
use super::portrait::portrait;
use super::serving::serving;
use super::subject::{Subject, errno};
use super::{Forbidden, Identity, Parked, Portrait, Process, SendError, Serving, Signal};

/// A pidfd whose process was verified after it was opened. Dropping it closes the pidfd.
pub(super) struct LinuxProcess {
    kernel: Arc<dyn Kernel>,
    pidfd: OwnedFd,
    pid: u32,
    identity: Identity,
    named: bool,
}

impl LinuxProcess {
    pub(super) fn new(kernel: &Arc<dyn Kernel>, subject: Subject, identity: Identity) -> Self {
        Self {
            kernel: kernel.clone(),
            pidfd: subject.pidfd,
            pid: subject.pid,
            identity,
            named: false,
        }
    }

    /// The same, where the ledger proves by its pidfs inode that it is the process that was
    /// registered or adopted for its session.
    pub(super) fn named(self, named: bool) -> Self {
        Self { named, ..self }
    }

    /// Whether that is proven.
    pub(super) fn is_named(&self) -> bool {
        self.named
    }

    /// What it was verified through.
    pub(super) fn kernel(&self) -> &Arc<dyn Kernel> {
        &self.kernel
    }

    fn unless_ended(&self, reason: Option<Forbidden>) -> Option<Forbidden> {
        let reason = reason?;
        // What was read is about this process only if it still runs. If not, its pid may
        // be somebody else's, and a signal through the pidfd meets nobody.
        match self.has_ended() {
            Ok(true) => None,
            _ => Some(reason),
        }
    }
}

impl Process for LinuxProcess {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn send(&self, signal: Signal) -> Result<(), SendError> {
        if self.has_ended()? {
            return Err(SendError::Ended);
        }
        match self.kernel.send_signal(self.pidfd.as_fd(), signal) {
            Err(error) if errno(&error) == Some(Errno::ESRCH) => Err(SendError::Ended),
            sent => Ok(sent?),
        }
    }

    fn send_group(&self, signal: Signal) -> Result<(), SendError> {
        match self.kernel.send_group_signal(self.pidfd.as_fd(), signal) {
            Err(error) => Err(match errno(&error) {
                Some(Errno::ESRCH) => SendError::Ended,
                Some(Errno::EINVAL) => SendError::NoGroups,
                _ => SendError::System(error),
            }),
            Ok(()) => Ok(()),
        }
    }

    fn has_ended(&self) -> io::Result<bool> {
        has_ended(self.kernel.as_ref(), self.pidfd.as_fd())
    }

    fn serves(&self, path: &Path) -> Serving {
        serving(self.kernel.as_ref(), self.pid, path)
    }

    fn forbidden(&self) -> Option<Forbidden> {
        let kernel = self.kernel.as_ref();
        self.unless_ended(forbidden(
            kernel,
            self.pid,
            self.identity.start_ticks,
            self.named,
        ))
    }

    fn forbidden_group(&self) -> Option<Forbidden> {
        let kernel = self.kernel.as_ref();
        self.unless_ended(forbidden_group(kernel, self.pid, self.named))
    }

    fn portrait(&self) -> io::Result<Option<Portrait>> {
        portrait(self)
    }

    fn park(&self) -> Option<Arc<dyn Parked>> {
        Some(Arc::new(LinuxParked::of(self)?))
    }
}

impl AsFd for LinuxProcess {
    /// The pidfd: readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl std::fmt::Debug for LinuxProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinuxProcess")
            .field("pid", &self.pid)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
