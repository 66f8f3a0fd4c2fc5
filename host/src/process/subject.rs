//! The process that runs under a pid now, held by a pidfd while its facts are read.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use super::kernel::{Kernel, has_ended};
use super::procfs::{Stat, thread_group};

/// Whether a number can be the pid of a worker: 0 addresses groups in kill(2), 1 is the
/// init process, and `pid_t` ends at `i32::MAX`.
pub(super) fn possible(pid: u32) -> Option<i32> {
    i32::try_from(pid).ok().filter(|&pid| pid > 1)
}

/// A process held by its pidfd. Nothing is proven about it yet.
///
/// What is read from `/proc` under its pid is about this process only if
/// [`state`](Self::state), asked afterwards, still finds it running.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) pid: u32,
    pub(super) pidfd: OwnedFd,
    /// Its inode number on pidfs, where the kernel has one.
    pub(super) inode: Option<u64>,
}

/// Why no process could be held.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("no process has pid {pid}")]
    NoSuchProcess { pid: u32 },
    #[error("pid {pid} is a thread of process {process}")]
    Thread { pid: u32, process: u32 },
    #[error(
        "pidfd_open(2) is refused, which Linux has since 5.3 and which a seccomp filter (seccomp(2)) \
         can refuse, as an old container runtime's does; so nothing can be proven about pid {pid} \
         and no signal can be sent"
    )]
    Unsupported { pid: u32 },
    #[error("pid {pid} cannot be held: {call}: {error}")]
    Refused {
        pid: u32,
        call: &'static str,
        error: io::Error,
    },
}

/// Whether a held process goes on.
pub(super) enum State {
    Running,
    /// It terminated; its parent has not reaped it yet.
    Zombie {
        parent: u32,
    },
    /// It is no more.
    Ended,
}

impl Subject {
    /// Holds the process that has this pid now. `proc_usable` says whether `/proc` may
    /// be asked about threads.
    pub(super) fn open(
        kernel: &dyn Kernel,
        pid: u32,
        proc_usable: bool,
    ) -> Result<Self, OpenError> {
        let raw = possible(pid).ok_or(OpenError::NoSuchProcess { pid })?;
        let mut opened = kernel.open_pidfd(raw);
        if let Err(error) = &opened {
            // The errors for a thread that leads no process: EINVAL at first, and in
            // newer kernels ENOENT. A process that starts or ends at this moment can
            // meet them too, hence the second try.
            if matches!(errno(error), Some(Errno::EINVAL | Errno::ENOENT)) {
                if let Some(process) = process_of_thread(kernel, pid, proc_usable) {
                    return Err(OpenError::Thread { pid, process });
                }
                opened = kernel.open_pidfd(raw);
            }
        }
        let pidfd = opened.map_err(|error| match errno(&error) {
            Some(Errno::ESRCH) => OpenError::NoSuchProcess { pid },
            Some(Errno::ENOSYS) => OpenError::Unsupported { pid },
            _ => OpenError::Refused {
                pid,
                call: "pidfd_open(2)",
                error,
            },
        })?;
        let inode = kernel
            .pidfs_inode(pidfd.as_fd())
            .map_err(|error| OpenError::Refused {
                pid,
                call: "fstat(2) of its pidfd",
                error,
            })?;
        Ok(Self { pid, pidfd, inode })
    }

    /// What `/proc/PID/stat` says, about this process or, if it ended, about any.
    pub(super) fn stat(&self, kernel: &dyn Kernel) -> io::Result<Stat> {
        let text = kernel.read(&format!("/proc/{}/stat", self.pid))?;
        Stat::parse(&text)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not understood"))
    }

    /// Whether it still goes on.
    pub(super) fn state(&self, kernel: &dyn Kernel) -> io::Result<State> {
        if !has_ended(kernel, self.pidfd.as_fd())? {
            return Ok(State::Running);
        }
        // If the pid was given away already, the new owner is no zombie, or dead too.
        Ok(match self.stat(kernel) {
            Ok(stat) if stat.is_zombie() => State::Zombie {
                parent: stat.parent,
            },
            _ => State::Ended,
        })
    }
}

fn process_of_thread(kernel: &dyn Kernel, pid: u32, proc_usable: bool) -> Option<u32> {
    if !proc_usable {
        return None;
    }
    let status = kernel.read(&format!("/proc/{pid}/status")).ok()?;
    thread_group(&status).filter(|&process| process != pid)
}

/// The error number of a failed system call.
pub(super) fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw)
}
