//! Which processes never get a signal, whoever asks.

use std::io;

use super::hidden::{is_above_hidden, may_be_hidden};
use super::kernel::Kernel;
use super::procfs::{Stat, user_ids};

/// Why no signal may be sent to a process.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// It is pid 1.
    #[error("pid 1 is the init process")]
    Init,
    /// It is this program.
    #[error("pid {pid} is this program itself")]
    Itself {
        /// Its pid.
        pid: u32,
    },
    /// This program was started by it, directly or not.
    #[error("pid {pid} is an ancestor of this program")]
    Ancestor {
        /// Its pid.
        pid: u32,
    },
    /// It runs for another user. That counts for root as well: a registry that makes root
    /// signal other users' processes is more likely wrong than right. It does not count where
    /// the ledger proves to root that this is the very process that was registered or adopted:
    /// a worker of root's may change its user.
    #[error(
        "pid {pid} belongs to another user: its real and effective user ids are {real} and \
         {effective}, and this program's is {own}"
    )]
    OtherUser {
        /// Its pid.
        pid: u32,
        /// Its real user id.
        real: u32,
        /// Its effective user id.
        effective: u32,
        /// The effective user id of this program.
        own: u32,
    },
    /// It leads no process group, so that a signal to a group would go to others.
    #[error("pid {pid} does not lead a process group: it is in group {group}")]
    NoGroupLeader {
        /// Its pid.
        pid: u32,
        /// The group that it is in.
        group: u32,
    },
    /// This program, or a process that started it, is in the group.
    #[error(
        "pid {member}, this program or an ancestor of it, is in the process group of pid {pid}"
    )]
    InGroup {
        /// The leader's pid.
        pid: u32,
        /// Who is in it.
        member: u32,
    },
    /// It is not one of this machine's rules that forbids it, but one of whoever knows
    /// the process.
    #[error("pid {pid} is not to be signalled: {reason}")]
    Reserved {
        /// Its pid.
        pid: u32,
        /// Why.
        reason: String,
    },
    /// One of these could not be ruled out.
    #[error("whether pid {pid} may get a signal cannot be told: {reason}")]
    Unclear {
        /// Its pid.
        pid: u32,
        /// What was asked, and what went wrong.
        reason: String,
    },
}

/// How often the walk to the ancestors starts again when one of them ends meanwhile.
pub(super) const WALKS: u32 = 3;
/// Where the walk gives up. No process tree is that deep.
pub(super) const DEPTH: u32 = 4096;

/// Decides about the process that has this pid and started then. `named` says that the
/// ledger proves it to be the process that was registered or adopted for its session.
pub(super) fn forbidden(
    kernel: &dyn Kernel,
    pid: u32,
    start_ticks: u64,
    named: bool,
) -> Option<Forbidden> {
    if pid == 1 {
        return Some(Forbidden::Init);
    }
    if pid == kernel.own_pid() {
        return Some(Forbidden::Itself { pid });
    }
    // Root's worker may have changed its user since.
    let of_root = named && kernel.effective_uid() == 0;
    let other_user = if of_root {
        None
    } else {
        other_user(kernel, pid)
    };
    other_user.or_else(|| ancestor(kernel, pid, start_ticks))
}

pub(super) fn other_user(kernel: &dyn Kernel, pid: u32) -> Option<Forbidden> {
    let path = format!("/proc/{pid}/status");
    let ids = kernel.read(&path).and_then(|status| {
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "no line `Uid`");
        user_ids(&status).ok_or_else(malformed)
    });
    let own = kernel.effective_uid();
    match ids {
        Ok((real, effective)) if real == own && effective == own => None,
        Ok((real, effective)) => Some(Forbidden::OtherUser {
            pid,
            real,
            effective,
            own,
        }),
        Err(error) => Some(Forbidden::Unclear {
            pid,
            reason: format!("{path}: {error}"),
        }),
    }
}

fn ancestor(kernel: &dyn Kernel, pid: u32, start_ticks: u64) -> Option<Forbidden> {
    let mut reason = String::new();
    for _ in 0..WALKS {
        match is_ancestor(kernel, pid, start_ticks) {
            Ok(true) => return Some(Forbidden::Ancestor { pid }),
            Ok(false) => return None,
            // An ancestor ended under the walk, and its child has a new parent now; or
            // the file is hidden, and then it stays so.
            Err(unreadable) => reason = unreadable,
        }
    }
    Some(Forbidden::Unclear { pid, reason })
}

/// Walks from this program to its ancestors, as far as they can be seen.
///
/// An ancestor is never younger than its descendants, so the walk ends at the first one
/// that started before the process in question. That also spares the files of other
/// users' processes, which `hidepid` hides (proc(5)); where it meets one of them, the
/// descendants of the process in question tell whether it is above.
fn is_ancestor(kernel: &dyn Kernel, pid: u32, start_ticks: u64) -> Result<bool, String> {
    let mut child = "/proc/self/stat".to_owned();
    let mut stat = read_stat(kernel, &child)?;
    for _ in 0..DEPTH {
        if stat.parent == pid {
            return Ok(true);
        }
        // The parent of init, and of what entered this namespace from outside, is 0; and
        // nothing in this namespace is above init.
        if stat.start_ticks < start_ticks || stat.parent <= 1 {
            return Ok(false);
        }
        let parent = format!("/proc/{}/stat", stat.parent);
        stat = match kernel.read(&parent) {
            Err(error) if may_be_hidden(&error) => {
                return is_above_hidden(kernel, pid, stat.parent, &child)
                    .map_err(|reason| format!("{parent}: {error}; {reason}"));
            }
            read => parse(&parent, read)?,
        };
        child = parent;
    }
    Err(format!("more than {DEPTH} ancestors"))
}

/// What the file says; else why it says nothing.
pub(super) fn read_stat(kernel: &dyn Kernel, path: &str) -> Result<Stat, String> {
    parse(path, kernel.read(path))
}

fn parse(path: &str, read: io::Result<Vec<u8>>) -> Result<Stat, String> {
    let text = read.map_err(|error| format!("{path}: {error}"))?;
    Stat::parse(&text).ok_or_else(|| format!("{path}: not understood"))
}
