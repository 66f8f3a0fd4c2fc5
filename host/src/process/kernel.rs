//! The seam to the operating system: what the proofs need of it, and nothing more.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use rustix::event::{PollFd, PollFlags};

use super::Signal;
use super::reach::{Directory, Mounts};

/// The system calls under the proofs. One implementation makes them, the other is a fake
/// that refuses, races and lies on demand, so that every refusal can be tested.
pub(crate) trait Kernel: Send + Sync {
    /// `pidfd_open(2)`, since Linux 5.3. `pid` is positive.
    fn open_pidfd(&self, pid: i32) -> io::Result<OwnedFd>;
    /// The pidfd's inode number if it lives on pidfs, which Linux has since 6.9. Older
    /// kernels give all pidfds one meaningless number: those are `None`.
    fn pidfs_inode(&self, pidfd: BorrowedFd<'_>) -> io::Result<Option<u64>>;
    /// `poll(2)`; without a timeout it waits for ever. May be interrupted (`EINTR`).
    fn poll(&self, fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<usize>;
    /// Adds a pidfd to an epoll instance, which is readable when one of its pidfds is
    /// (epoll(7)) and then tells the token. A kernel that does not is asked about each pidfd.
    fn watch(&self, _epoll: BorrowedFd<'_>, _pidfd: BorrowedFd<'_>, _token: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// `pidfd_send_signal(2)`.
    fn send_signal(&self, pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()>;
    /// `pidfd_send_signal(2)` to the process group that the pidfd's process leads or led,
    /// since Linux 6.9. A kernel that cannot is told from one that will not by `EINVAL`.
    fn send_group_signal(&self, _pidfd: BorrowedFd<'_>, _signal: Signal) -> io::Result<()> {
        Err(Errno::EINVAL.into())
    }

    /// The whole of a small file in `/proc` or `/etc`.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
    /// `readlink(2)`.
    fn link(&self, path: &str) -> io::Result<PathBuf>;
    /// The names in a directory.
    fn names(&self, directory: &str) -> io::Result<Vec<String>>;
    /// The path without symlinks, `.` and `..`, wherever it leads.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;
    /// The directory at an absolute path, as far as the way to it is sure to answer.
    fn directory(&self, path: &Path, mounts: &Mounts) -> io::Result<Directory>;
    /// What `lstat(2)` sees at the path.
    fn kind(&self, path: &Path) -> io::Result<FileKind>;
    /// Connects a stream socket to the path, without waiting, and closes it again.
    fn connect(&self, path: &Path) -> io::Result<()>;

    /// Both clocks, read as closely together as can be.
    fn clocks(&self) -> Clocks;
    /// `getpgid(2)`, which the system also answers about a process that `/proc` hides.
    fn process_group(&self, _pid: u32) -> io::Result<u32> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// `sysconf(_SC_CLK_TCK)`.
    fn ticks_per_second(&self) -> u64;
    /// The pid of this program.
    fn own_pid(&self) -> u32;
    /// The effective user id of this program.
    fn effective_uid(&self) -> u32;
}

/// What is found at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A Unix socket.
    Socket,
    /// A symbolic link, wherever it leads.
    Symlink,
    /// Anything else.
    Other,
}

/// The time of day, and how long the machine has been up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    /// `CLOCK_REALTIME`: what `created_at` was read from. The administrator can step it.
    pub(crate) wall: SystemTime,
    /// `CLOCK_BOOTTIME`: what start times in `/proc` count in. Nobody can step it.
    pub(crate) since_boot: Duration,
}

/// Whether the process of a pidfd has terminated: exactly then it is readable
/// (pidfd_open(2)). The termination of the first thread alone does not count.
pub(super) fn has_ended(kernel: &dyn Kernel, pidfd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut fds = [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)];
    poll_now(kernel, &mut fds)?;
    tells_end(fds[0].revents())
}

/// Polls without waiting, again if a signal handler ran in between.
pub(super) fn poll_now(kernel: &dyn Kernel, fds: &mut [PollFd<'_>]) -> io::Result<()> {
    loop {
        match kernel.poll(fds, Some(Duration::ZERO)) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Reads the end of a process from what `poll` said about its pidfd.
pub(super) fn tells_end(events: PollFlags) -> io::Result<bool> {
    if events.intersects(PollFlags::NVAL | PollFlags::ERR) {
        return Err(Errno::EBADF.into());
    }
    // A reaped process adds HUP (Linux 6.9).
    Ok(events.intersects(PollFlags::IN | PollFlags::HUP))
}
