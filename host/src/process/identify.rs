//! Who runs under a pid now, for an operator who names it.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use super::handle::LinuxProcess;
use super::here::{self, HereError};
use super::kernel::Kernel;
use super::procfs::words;
use super::subject::{OpenError, State, Subject, possible};
use super::time::Calendar;
use super::{Identity, Process};

/// A process that runs, held so that it stays this one.
#[derive(Clone, Debug)]
pub struct Identified {
    /// The process.
    pub process: Arc<dyn Process>,
    /// When it started.
    pub started: SystemTime,
    /// Its command line, word by word; empty for a kernel thread. A process can rewrite
    /// its own, and bytes that are no UTF-8 are replaced.
    pub command: Vec<String>,
}

/// Why no process could be identified.
#[derive(Debug, thiserror::Error)]
pub enum IdentifyError {
    /// No worker can have this pid.
    #[error("pid {pid} can be no worker's: give a pid from 2 to 2147483647")]
    Impossible {
        /// The number.
        pid: u32,
    },
    /// No process has it.
    #[error("no process has pid {pid}: give the pid of a running process")]
    NoSuchProcess {
        /// The number.
        pid: u32,
    },
    /// It is a thread's id.
    #[error("pid {pid} is a thread of process {process}: give the pid of the process")]
    Thread {
        /// The number.
        pid: u32,
        /// The process that the thread belongs to.
        process: u32,
    },
    /// It has terminated already.
    #[error("the process with pid {pid} has already exited: give the pid of a running process")]
    Exited {
        /// The number.
        pid: u32,
    },
    /// The kernel has no pidfds, or a filter keeps them from this program.
    #[error(
        "pid {pid} cannot be held: pidfd_open(2) is refused, which Linux has since 5.3 and which a \
         seccomp filter (seccomp(2)) can refuse, as an old container runtime's does"
    )]
    Unsupported {
        /// The number.
        pid: u32,
    },
    /// What makes it this process could not be read.
    #[error("the process with pid {pid} cannot be observed: {reason}")]
    Unobservable {
        /// The number.
        pid: u32,
        /// What was tried.
        reason: String,
        /// How it failed, where the system said so.
        source: Option<io::Error>,
    },
}

pub(super) fn identify(kernel: &Arc<dyn Kernel>, pid: u32) -> Result<Identified, IdentifyError> {
    if possible(pid).is_none() {
        return Err(IdentifyError::Impossible { pid });
    }
    let system = kernel.as_ref();
    let elsewhere = |error: HereError| unobservable(pid, error.to_string(), None);
    here::check_proc(system).map_err(elsewhere)?;
    let place = here::place(system).map_err(elsewhere)?;

    let subject = Subject::open(system, pid, true)?;
    // Read first, checked below: until then it may be about another process.
    let stat = subject.stat(system);
    let command = system.read(&format!("/proc/{pid}/cmdline"));
    match subject.state(system) {
        Ok(State::Running) => {}
        Ok(State::Zombie { .. } | State::Ended) => return Err(IdentifyError::Exited { pid }),
        Err(error) => {
            return Err(unobservable(
                pid,
                "poll(2) of its pidfd".into(),
                Some(error),
            ));
        }
    }
    let unreadable =
        |file| move |error| unobservable(pid, format!("/proc/{pid}/{file}"), Some(error));
    let stat = stat.map_err(unreadable("stat"))?;
    let command = command.map_err(unreadable("cmdline"))?;

    let identity = Identity {
        place,
        inode: subject.inode,
        start_ticks: stat.start_ticks,
    };
    Ok(Identified {
        process: Arc::new(LinuxProcess::new(kernel, subject, identity)),
        started: Calendar::new(system).at(stat.start_ticks),
        command: words(&command),
    })
}

fn unobservable(pid: u32, reason: String, source: Option<io::Error>) -> IdentifyError {
    IdentifyError::Unobservable {
        pid,
        reason,
        source,
    }
}

impl From<OpenError> for IdentifyError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NoSuchProcess { pid } => Self::NoSuchProcess { pid },
            OpenError::Thread { pid, process } => Self::Thread { pid, process },
            OpenError::Unsupported { pid } => Self::Unsupported { pid },
            OpenError::Refused { pid, call, error } => {
                unobservable(pid, call.to_owned(), Some(error))
            }
        }
    }
}
