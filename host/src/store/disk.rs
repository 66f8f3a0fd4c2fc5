//! The system calls of the store, behind one seam.
//!
//! Beside it go: which file system a file is on, which has a seam of its own
//! ([`Look`](super::directory::Look)); what is asked of `/proc` about the holder of a lock,
//! for a message; the list of names and the room that is left, which the doctor looks at; and
//! what is read of a worker's log, which belongs to no step of a request.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use super::facts::Facts;

/// What the store asks of the system for a pool: all of it, with one system call behind
/// each method where that is possible. Names are relative to the directory `dir`, and so are
/// paths that are not absolute.
///
/// A seam: an implementation that fails, stops or loses what was not synced shows, call by
/// call, what is left behind. Whatever may be interrupted is called through [`again`].
pub(crate) trait Disk: Send + Sync {
    /// Opens a directory that is no symbolic link.
    fn open_directory(&self, dir: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd>;
    /// Opens the directory that a path leads to through whatever symbolic links.
    fn follow_directory(&self, path: &Path) -> io::Result<OwnedFd>;
    /// Opens the directory that a directory is in.
    fn open_parent(&self, dir: BorrowedFd<'_>) -> io::Result<OwnedFd>;
    /// Makes a directory with mode 0700, less what the umask takes away.
    fn make_directory(&self, dir: BorrowedFd<'_>, path: &Path) -> io::Result<()>;
    /// Gives a directory that is no symbolic link the mode 0700.
    fn set_directory_mode(&self, dir: BorrowedFd<'_>, path: &Path) -> io::Result<()>;
    /// What is at a path, whose parents may be symbolic links.
    fn look_at_path(&self, path: &Path) -> io::Result<Facts>;
    /// What is behind a descriptor.
    fn facts(&self, fd: BorrowedFd<'_>) -> io::Result<Facts>;
    /// What is behind a name, links not followed.
    fn look(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<Facts>;

    /// Opens a file that exists and is no symbolic link, without waiting for anybody.
    fn open(&self, dir: BorrowedFd<'_>, name: &str, access: Access) -> io::Result<File>;
    /// Creates a file that must not exist, for writing, with mode 0600 less what the umask
    /// takes away.
    fn create(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<File>;
    /// Opens a file that is no symbolic link, for reading and for writing at the end, and
    /// creates it where it is missing, with mode 0600 less what the umask takes away.
    fn open_log(&self, dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<File>;
    /// Gives a file the mode 0600.
    fn set_mode(&self, file: &File) -> io::Result<()>;
    /// Reads from this offset, in bytes, and says how many bytes there were: none at the end.
    fn read(&self, file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize>;
    /// Writes from the descriptor's position on, which is the end for a file opened with
    /// [`Access::Append`], and says how many bytes were written: fewer than asked where the
    /// disk is full (write(2)).
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts a file to this size, in bytes.
    fn cut(&self, file: &File, size: u64) -> io::Result<()>;
    /// Brings a file's contents to the disk.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// Brings to the disk what reading the contents back takes (fdatasync(2)).
    fn sync_data(&self, file: &File) -> io::Result<()>;

    /// Gives a file another name, in place of whatever had that name.
    fn rename(&self, dir: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()>;
    /// Lets two files have each other's names, at once (renameat2(2), `RENAME_EXCHANGE`).
    fn exchange(&self, dir: BorrowedFd<'_>, one: &str, other: &str) -> io::Result<()>;
    /// Gives a file another name, which nothing may have (`EEXIST`).
    fn rename_to_free(&self, dir: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()>;
    /// Removes a name.
    fn remove(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<()>;
    /// Brings a directory's names to the disk.
    fn sync_directory(&self, dir: BorrowedFd<'_>) -> io::Result<()>;

    /// Locks a file for this descriptor alone; `EWOULDBLOCK` when it is locked (flock(2)).
    fn try_lock(&self, file: &File) -> io::Result<()>;
    /// The same, and waits for whoever holds the lock.
    fn lock(&self, file: &File) -> io::Result<()>;
    /// Releases the lock.
    fn unlock(&self, file: &File) -> io::Result<()>;

    /// Connects to the socket behind a name, without waiting, and hangs up.
    fn connect(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<()>;
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reading.
    Read,
    /// Reading, and writing anywhere. Takes a lock on network file systems, too, where
    /// that needs a descriptor for writing.
    Write,
    /// Reading, and writing at the end.
    Append,
}

/// Makes a call until no signal interrupts it. The wait for a lock is not made like this:
/// a signal is what ends it.
pub(super) fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
