//! What can go wrong with a pool where it is kept.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;

use super::danger::{Danger, move_away};
use super::file_system::UntrustedLocks;
use super::holder::Holder;
use super::ledger_cache::LEDGER;
use crate::command::quoted_path as quoted;

/// Why a pool could not be used. Other stores than files on disk say [`Own`](Self::Own).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Somebody else held the lock during the whole wait.
    #[error(
        "the pool is busy: after {waited:.1?}, {} was still locked by {holder}; \
         try again, or end that process",
        .lock.display()
    )]
    Busy {
        /// The lock file.
        lock: PathBuf,
        /// How long this request waited.
        waited: Duration,
        /// Who held the lock when the wait was over.
        holder: Holder,
    },
    /// The request was withdrawn before it had the lock.
    #[error("cancelled before {} could be locked; nothing was done", .lock.display())]
    Cancelled {
        /// The lock file.
        lock: PathBuf,
    },
    /// A file, or what was to become one, is larger than is accepted.
    #[error(
        "{}: {size} bytes are more than the limit of {limit} bytes; nothing was changed: \
         look at what fills the file",
        .path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes; at least that, when it grew while being read.
        size: u64,
        /// The largest size in bytes that is accepted.
        limit: u64,
    },
    /// The directory or a file in it can be changed by others, or is no plain file.
    #[error("{} is not safe to use: {danger}; {}", .path.display(), .danger.remedy(.path))]
    Unsafe {
        /// The directory or the file.
        path: PathBuf,
        /// What is wrong with it.
        danger: Danger,
    },
    /// The directory or a file that is to be locked is where locks may exclude nobody.
    #[error(
        "{} is not safe to use: {untrusted}; move the pool to a file system of this machine, \
         and name it with --state-dir",
        .path.display()
    )]
    UntrustedLocks {
        /// The directory or the file.
        path: PathBuf,
        /// The file system, and what is wrong with its locks.
        untrusted: UntrustedLocks,
    },
    /// A file, or the directory that it is in, cannot take what a worker writes.
    #[error("{} cannot be a worker's log: {}; {}", .path.display(), .danger.finding(), .danger.remedy_for_log(.path, *.named))]
    UnsafeLog {
        /// The file or the directory.
        path: PathBuf,
        /// What is wrong with it.
        danger: Danger,
        /// Whether the operator named it: else it is the pool's own.
        named: bool,
    },
    /// A file is not the one that was looked at.
    #[error(
        "{} was changed since it was looked at, so it was left as it is: look again",
        .path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The path of the pool leads elsewhere than when the pool was opened.
    #[error(
        "the pool directory {} was moved, removed or replaced since it was opened; \
         open the pool again",
        .path.display()
    )]
    Moved {
        /// The path under which the pool was opened.
        path: PathBuf,
    },
    /// The lock file was removed or replaced while it was held, so that the lock
    /// protects nothing any more.
    #[error(
        "{} was removed or replaced while it was locked, so others may be changing the \
         pool; nothing was written: try again, and leave the lock file alone",
        .lock.display()
    )]
    LockLost {
        /// The lock file.
        lock: PathBuf,
    },
    /// The new file is in place, but it may not survive a loss of power.
    #[error(
        "{} was replaced, but its directory could not be synced, so the change may not \
         survive a loss of power; check the disk",
        .path.display()
    )]
    NotDurable {
        /// The file.
        path: PathBuf,
        /// Why the directory could not be synced.
        source: io::Error,
    },
    /// There is no registry, and the ledger beside it has workers that may live: somebody
    /// removed the file, as those do who clear out temporary files.
    #[error("{} is gone: {}", .path.display(), lost(*.workers, .named))]
    RegistryLost {
        /// The registry.
        path: PathBuf,
        /// How many workers of the ledger are not proven to have ended.
        workers: usize,
        /// Some of them.
        named: String,
    },
    /// A new file is in place, and the old one did not get the name that it was to have.
    #[error(
        "{} was replaced, and the file that was there is now {}: it could not be put aside under \
         its own name, nor put back",
        .path.display(), .old.display()
    )]
    Exchanged {
        /// The file that was replaced.
        path: PathBuf,
        /// Where the old one is.
        old: PathBuf,
        /// Why the exchange could not be taken back.
        source: io::Error,
    },
    /// One step on a file failed. Nothing was changed.
    #[error("cannot {step} {}{}", .path.display(), advice(.source, .path))]
    Step {
        /// What was to be done, as in "cannot …".
        step: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What another store than files on disk says; see [`own`](Self::own).
    #[error(transparent)]
    Own(OwnError),
}

/// What a store of somebody else's making says went wrong.
#[derive(Debug)]
pub struct OwnError {
    kind: StoreErrorKind,
    error: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for OwnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for OwnError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// The kinds of [`StoreError`] that callers answer differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// The lock was not free in time.
    Busy,
    /// The request was withdrawn.
    Cancelled,
    /// Something is larger than is accepted.
    TooLarge,
    /// The directory or a file in it is not safe to use.
    Unsafe,
    /// The system refused a call, or the files were moved under our feet.
    System,
}

/// What is known of a registry that is gone.
fn lost(workers: usize, named: &str) -> String {
    let (workers, live) = match workers {
        1 => ("1 worker".into(), "lives or may live"),
        several => (format!("{several} workers"), "live or may live"),
    };
    format!("there is no such file, and {LEDGER} beside it has {workers} that {live}: {named}")
}

/// What the operator can do about a call that the system refused, where it can be told.
pub(crate) fn advice(source: &io::Error, path: &Path) -> String {
    match source.kind() {
        io::ErrorKind::StorageFull => "; make room on its file system".into(),
        io::ErrorKind::QuotaExceeded => "; make room within the user's quota".into(),
        io::ErrorKind::ReadOnlyFilesystem => {
            "; mount its file system for writing, or name a pool elsewhere with --state-dir".into()
        }
        io::ErrorKind::PermissionDenied => format!(
            "; see which permission user {} lacks: namei -l {}",
            geteuid(),
            quoted(path)
        ),
        io::ErrorKind::IsADirectory => format!("; {}", move_away(path)),
        io::ErrorKind::FileTooLarge => "; raise the limit of file sizes: ulimit -f".into(),
        io::ErrorKind::OutOfMemory => {
            "; end something that uses memory, or raise its limit: ulimit -v".into()
        }
        // Of all that is asked for here, only a timer has that error (timer_create(2)).
        io::ErrorKind::WouldBlock => "; raise the limit of pending signals: ulimit -i".into(),
        io::ErrorKind::ResourceBusy => {
            "; a file of its own is mounted there: mount the directory instead".into()
        }
        _ if matches!(source.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
            "; raise the limit of open files: ulimit -n".into()
        }
        _ if source.raw_os_error() == Some(libc::EIO) => "; check the disk".into(),
        _ => String::new(),
    }
}

impl StoreError {
    /// The error of one failed step.
    pub(super) fn step(step: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Step {
            step,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// A file of the pool could not be read.
    pub(crate) fn reading(path: &Path, source: io::Error) -> Self {
        Self::step("read", path, source)
    }

    /// The error of a store that is not files on disk: a text, or an error with its sources.
    /// It says what happened and what to do next; the kind is what a request's
    /// [`Error`](crate::Error) and a program's exit code go by.
    pub fn own(kind: StoreErrorKind, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Own(OwnError {
            kind,
            error: error.into(),
        })
    }

    /// What is wrong with a registry that cannot be read before something else is put in
    /// its place: it is gone, too large, or of another kind than a file. What a symbolic link
    /// leads to may be what somebody wants, so that is said with it.
    pub(crate) fn no_registry(&self) -> Option<String> {
        match self {
            Self::RegistryLost { workers, named, .. } => Some(lost(*workers, named)),
            Self::TooLarge { size, limit, .. } => {
                Some(format!("it has {size} bytes, and {limit} is the limit"))
            }
            Self::Unsafe {
                path,
                danger: danger @ Danger::Kind { .. },
            } => Some(match danger.put_in_place(path) {
                Some(remedy) => format!("{}; {remedy}", danger.finding()),
                None => danger.finding(),
            }),
            _ => None,
        }
    }

    /// What kind of error this is.
    pub fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Busy { .. } => StoreErrorKind::Busy,
            Self::Cancelled { .. } => StoreErrorKind::Cancelled,
            Self::TooLarge { .. } => StoreErrorKind::TooLarge,
            Self::Unsafe { .. } | Self::UnsafeLog { .. } | Self::UntrustedLocks { .. } => {
                StoreErrorKind::Unsafe
            }
            Self::Changed { .. }
            | Self::Moved { .. }
            | Self::LockLost { .. }
            | Self::NotDurable { .. }
            | Self::RegistryLost { .. }
            | Self::Exchanged { .. }
            | Self::Step { .. } => StoreErrorKind::System,
            Self::Own(OwnError { kind, .. }) => *kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_errno_has_its_advice() {
        let path = Path::new("/pool/it's");
        for (errno, expected) in [
            (libc::ENOSPC, "make room on its file system"),
            (libc::EDQUOT, "make room within the user's quota"),
            (libc::EROFS, "mount its file system for writing"),
            (libc::EACCES, r"namei -l '/pool/it'\''s'"),
            (libc::EPERM, r"namei -l '/pool/it'\''s'"),
            (libc::EISDIR, r"mv '/pool/it'\''s' '/pool/it'\''s'.aside"),
            (libc::EBUSY, "mount the directory instead"),
            (libc::EMFILE, "raise the limit of open files"),
            (libc::ENFILE, "raise the limit of open files"),
            (libc::EIO, "check the disk"),
            (libc::EFBIG, "ulimit -f"),
            (libc::ENOMEM, "ulimit -v"),
            (libc::EAGAIN, "ulimit -i"),
        ] {
            let source = io::Error::from_raw_os_error(errno);
            let text = StoreError::step("write", path, source).to_string();
            assert!(text.starts_with("cannot write /pool/it's; "), "{text}");
            assert!(text.contains(expected), "wanted {expected:?}: {text}");
        }
        let source = io::Error::from_raw_os_error(libc::EINVAL);
        let text = StoreError::step("write", path, source).to_string();
        assert_eq!(text, "cannot write /pool/it's");
    }
}
