//! The system calls that change a pool's files, behind one seam.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;

use nix::fcntl::{OFlag, RenameFlags, openat, renameat, renameat2};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{UnlinkatFlags, fsync, unlinkat};

/// What replacing a file and appending to one ask of the system. Names are relative to the directory `dir`.
///
/// A seam: an implementation that fails at a chosen step shows what is left behind.
pub(super) trait Disk: Send + Sync {
    /// Removes a name.
    fn remove(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<()>;
    /// Creates a file that must not exist, for writing, with mode 0600.
    fn create(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<File>;
    /// Writes all of `bytes`.
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()>;
    /// Writes at the end of a file that was opened with `O_APPEND`, in one call, and says
    /// how many bytes were written: fewer than asked where the disk is full (write(2)).
    fn append(&self, file: &File, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts a file to this size, in bytes.
    fn cut(&self, file: &File, size: u64) -> io::Result<()>;
    /// Brings a file's contents to the disk.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// Brings to the disk what reading the contents back takes (fdatasync(2)).
    fn sync_data(&self, file: &File) -> io::Result<()>;
    /// Gives a file another name, in place of whatever had that name.
    fn rename(&self, dir: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()>;
    /// Lets two files have each other's names, at once (renameat2(2), `RENAME_EXCHANGE`).
    fn exchange(&self, dir: BorrowedFd<'_>, one: &str, other: &str) -> io::Result<()> {
        let flags = RenameFlags::RENAME_EXCHANGE;
        Ok(renameat2(dir, one, dir, other, flags)?)
    }
    /// Brings a directory's names to the disk.
    fn sync_directory(&self, dir: BorrowedFd<'_>) -> io::Result<()>;
}

/// The system itself.
pub(super) struct SystemDisk;

impl Disk for SystemDisk {
    fn remove(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        Ok(unlinkat(dir, name, UnlinkatFlags::NoRemoveDir)?)
    }

    fn create(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<File> {
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let file = File::from(openat(dir, name, flags, mode)?);
        // The umask may have taken away permissions of our own.
        fchmod(&file, mode)?;
        Ok(file)
    }

    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn append(&self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    fn cut(&self, file: &File, size: u64) -> io::Result<()> {
        file.set_len(size)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn rename(&self, dir: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
        Ok(renameat(dir, from, dir, to)?)
    }

    fn sync_directory(&self, dir: BorrowedFd<'_>) -> io::Result<()> {
        Ok(fsync(dir)?)
    }
}
