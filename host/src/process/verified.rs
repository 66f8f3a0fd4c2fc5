//! A process that was verified, whoever verified it: signals to it, and its end.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;

use super::kernel::has_ended;
use super::linux::Linux;
use super::subject::errno;
use super::{Forbidden, Identity, Portrait, Serving, Signal};

/// A process that was verified, and that stays that process whatever happens: when it ends
/// and its pid is given to another one, what is done through this meets nobody.
///
/// [`LinuxProcesses`](super::LinuxProcesses) holds a pidfd for each. Another implementation
/// of [`Processes`](super::Processes) hands out its own; what it leaves at the defaults is
/// refused or unknown, never guessed.
///
/// Its descriptor ([`AsFd`]) becomes readable once the process has ended and not before, as
/// a pidfd does: everything that waits for its end polls that. The reading half of a pipe
/// will do, into which a byte is written at the end and which nobody reads.
pub trait Process: AsFd + fmt::Debug + Send + Sync {
    /// Its pid, as entries and people name it. What counts is the handle: the host refuses
    /// one whose pid is not that of the entry.
    fn pid(&self) -> u32;

    /// Who it is, for the ledger.
    fn identity(&self) -> &Identity;

    /// Sends a signal to this process, and to no other whatever became of its pid.
    ///
    /// It does not ask [`forbidden`](Self::forbidden): whoever decides to send does.
    ///
    /// # Errors
    /// [`SendError::Ended`] also for a zombie, which the system would let pass.
    fn send(&self, signal: Signal) -> Result<(), SendError>;

    /// Why no signal may be sent to it, whoever asks. `None`: nothing forbids it. The host
    /// asks before it opens a way to the process for a policy.
    fn forbidden(&self) -> Option<Forbidden>;

    /// Whether it has terminated, reaped or not.
    ///
    /// # Errors
    /// When the system refuses `poll(2)`.
    fn has_ended(&self) -> io::Result<bool> {
        has_ended(&Linux, self.as_fd())
    }

    /// Sends a signal to every member of the process group that this process leads, or led
    /// before it ended: the system keeps a group's number for it as long as it has members.
    ///
    /// It does not ask [`forbidden_group`](Self::forbidden_group): whoever decides to send
    /// does, while the leader runs.
    ///
    /// # Errors
    /// [`SendError::Ended`] when the group has no member, [`SendError::NoGroups`] where there
    /// is no way to one, as before Linux 6.9.
    fn send_group(&self, _signal: Signal) -> Result<(), SendError> {
        Err(SendError::NoGroups)
    }

    /// Why no signal may be sent to the process group that it leads, whoever asks.
    fn forbidden_group(&self) -> Option<Forbidden> {
        Some(Forbidden::Unclear {
            pid: self.pid(),
            reason: "nothing is known of process groups here".into(),
        })
    }

    /// Whether this process, or a descendant of it, holds a socket listening at the path,
    /// which is absolute. It looks without connecting.
    ///
    /// The answer is about this process only if it still runs afterwards.
    fn serves(&self, _path: &Path) -> Serving {
        Serving::Hidden(io::ErrorKind::Unsupported.into())
    }

    /// Looks at the process; nothing when it has ended, because then what was read may
    /// be about the next owner of its pid.
    ///
    /// # Errors
    /// When the system refuses `poll(2)`.
    fn portrait(&self) -> io::Result<Option<Portrait>> {
        Ok((!self.has_ended()?).then(Portrait::default))
    }

    /// What it takes to find this process again when its descriptor is let go. `None` where
    /// that cannot be done; then it is held as long as it is needed.
    fn park(&self) -> Option<Arc<dyn Parked>> {
        None
    }
}

/// A verified process that is not held, because descriptors are scarce.
pub trait Parked: fmt::Debug + Send + Sync {
    /// Holds the process again.
    ///
    /// # Errors
    /// [`SendError::Ended`] when it is no more, whoever has its pid now;
    /// [`SendError::System`] when that cannot be found out.
    fn reopen(&self) -> Result<Arc<dyn Process>, SendError>;
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
