//! A process that was verified, and signals to it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;

use super::forbidden::{Forbidden, forbidden};
use super::group::forbidden_group;
use super::kernel::{Kernel, has_ended};
use super::serving::{Serving, serving};
use super::subject::{Subject, errno};
use super::{Identity, Signal};

/// A pidfd whose process was verified after it was opened.
///
/// It stays that process whatever happens: when the process ends and its pid is given
/// to another one, signals through this find nobody. Dropping it closes the pidfd.
pub struct Process {
    kernel: Arc<dyn Kernel>,
    pidfd: OwnedFd,
    pid: u32,
    identity: Identity,
}

/// Why a signal was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The process has terminated. Nothing was sent.
    #[error("the process has ended")]
    Ended,
    /// The kernel takes no signals for process groups through a pidfd. Nothing was sent.
    #[error(
        "this kernel cannot signal a process group through a pidfd, which Linux can since 6.9; \
         stop it without its group"
    )]
    NoGroups,
    /// The system refused `pidfd_send_signal(2)`: `EPERM` without the permission, `ENOSYS`
    /// before Linux 5.1. Nothing was sent.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl SendError {
    /// Whether this program or the system has no descriptor left (`EMFILE`, `ENFILE`).
    pub(crate) fn is_lack_of_descriptors(&self) -> bool {
        match self {
            Self::System(error) => {
                matches!(errno(error), Some(Errno::EMFILE | Errno::ENFILE))
            }
            _ => false,
        }
    }
}

impl Process {
    pub(super) fn new(kernel: &Arc<dyn Kernel>, subject: Subject, identity: Identity) -> Self {
        Self {
            kernel: kernel.clone(),
            pidfd: subject.pidfd,
            pid: subject.pid,
            identity,
        }
    }

    /// What it was verified through.
    pub(super) fn kernel(&self) -> &Arc<dyn Kernel> {
        &self.kernel
    }

    /// Its pid, for people to read: the pidfd is what counts.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Sends a signal to this process, and to no other whatever became of its pid.
    ///
    /// It does not ask [`forbidden`](Self::forbidden): whoever decides to send does.
    ///
    /// # Errors
    /// [`SendError::Ended`] also for a zombie, which the system would let pass.
    pub fn send(&self, signal: Signal) -> Result<(), SendError> {
        if self.has_ended()? {
            return Err(SendError::Ended);
        }
        match self.kernel.send_signal(self.pidfd.as_fd(), signal) {
            Err(error) if errno(&error) == Some(Errno::ESRCH) => Err(SendError::Ended),
            sent => Ok(sent?),
        }
    }

    /// Sends a signal to every member of the process group that this process leads, or led
    /// before it ended: the system keeps a group's number for it as long as it has members.
    ///
    /// It does not ask [`forbidden_group`](Self::forbidden_group): whoever decides to send
    /// does, while the leader runs.
    ///
    /// # Errors
    /// [`SendError::Ended`] when the group has no member, [`SendError::NoGroups`] before
    /// Linux 6.9.
    pub fn send_group(&self, signal: Signal) -> Result<(), SendError> {
        match self.kernel.send_group_signal(self.pidfd.as_fd(), signal) {
            Err(error) => Err(match errno(&error) {
                Some(Errno::ESRCH) => SendError::Ended,
                Some(Errno::EINVAL) => SendError::NoGroups,
                _ => SendError::System(error),
            }),
            Ok(()) => Ok(()),
        }
    }

    /// Whether it has terminated, reaped or not.
    ///
    /// # Errors
    /// When the system refuses `poll(2)`.
    pub fn has_ended(&self) -> io::Result<bool> {
        has_ended(self.kernel.as_ref(), self.pidfd.as_fd())
    }

    /// Whether this process, or a descendant of it, holds a socket listening at the path,
    /// which is absolute. It looks without connecting.
    ///
    /// The answer is about this process only if it still runs afterwards.
    pub fn serves(&self, path: &Path) -> Serving {
        serving(self.kernel.as_ref(), self.pid, path)
    }

    /// Why no signal may be sent to it, whoever asks. `None`: nothing forbids it.
    pub fn forbidden(&self) -> Option<Forbidden> {
        let kernel = self.kernel.as_ref();
        self.unless_ended(forbidden(kernel, self.pid, self.identity.start_ticks))
    }

    /// Why no signal may be sent to the process group that it leads, whoever asks.
    pub fn forbidden_group(&self) -> Option<Forbidden> {
        self.unless_ended(forbidden_group(self.kernel.as_ref(), self.pid))
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

impl AsFd for Process {
    /// The pidfd: readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process")
            .field("pid", &self.pid)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
