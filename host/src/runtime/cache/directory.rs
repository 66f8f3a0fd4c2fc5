//! The directory of a cache, opened and found safe.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open};
use nix::sys::stat::{Mode, fstat, fstatat};
use nix::unistd::geteuid;

use super::error::CacheError;
use crate::store::{Danger, Facts, FileKind, check_directory, create_with_parents};

/// A directory that only the effective user can write, reached through one descriptor, so
/// that nothing that happens to its path afterwards leads elsewhere.
pub(super) struct CacheDir {
    path: PathBuf,
    fd: OwnedFd,
    pub(super) facts: Facts,
}

impl CacheDir {
    /// Opens it; none when there is no such directory.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, CacheError> {
        // Absolute, and without a trailing slash, which would make the system follow a
        // symbolic link.
        let path: PathBuf = std::path::absolute(path)
            .map_err(|error| CacheError::step("make an absolute path of", path, error))?
            .components()
            .collect();
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = match open(&path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(not_opened(path, errno)),
        };
        let facts = fstat(&fd)
            .map(Facts::from)
            .map_err(|errno| CacheError::step("look at", &path, errno))?;
        match check_directory(&facts, geteuid().as_raw()) {
            Ok(()) => Ok(Some(Self { path, fd, facts })),
            Err(danger) => Err(CacheError::Unsafe { path, danger }),
        }
    }

    /// Opens it, and makes it and what is missing of its path first, for the user alone.
    pub(super) fn open_or_make(path: &Path) -> Result<Self, CacheError> {
        if let Some(directory) = Self::open(path)? {
            return Ok(directory);
        }
        create_with_parents(path).map_err(|error| CacheError::step("create", path, error))?;
        Self::open(path)?.ok_or_else(|| CacheError::step("open", path, Errno::ENOENT))
    }

    /// The path of a name in it, for messages.
    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Itself, under a path that leads to the descriptor (proc(5)).
    pub(super) fn by_descriptor(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.fd.as_raw_fd()).into()
    }
}

impl AsFd for CacheDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Says why it could not be opened: the system's own words do not tell a link from a file.
fn not_opened(path: PathBuf, errno: Errno) -> CacheError {
    match fstatat(AT_FDCWD, &path, AtFlags::AT_SYMLINK_NOFOLLOW).map(Facts::from) {
        Ok(facts) if facts.kind != FileKind::Directory => CacheError::Unsafe {
            path,
            danger: Danger::Kind {
                found: facts.kind,
                wanted: FileKind::Directory,
            },
        },
        _ => CacheError::step("open", &path, errno),
    }
}
