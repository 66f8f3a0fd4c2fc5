//! Which process groups never get a signal, whoever asks.

use super::Forbidden;
use super::forbidden::{DEPTH, WALKS, other_user, read_stat};
use super::hidden::{is_above_hidden, may_be_hidden};
use super::kernel::Kernel;
use super::procfs::{Stat, user_ids};

/// Decides about the process group that the process with this pid leads. `named` is as for
/// the process itself: root's worker may have changed its user, and its group with it.
///
/// Nobody else's group can be hit: a pidfd stands for the group whose number is its
/// process's pid (`PIDFD_SIGNAL_PROCESS_GROUP`, Linux 6.9). What is ruled out here is that
/// there is none, and that it has a member who must not be hit.
pub(super) fn forbidden_group(kernel: &dyn Kernel, pid: u32, named: bool) -> Option<Forbidden> {
    leads_none(kernel, pid)
        .or_else(|| has_us(kernel, pid))
        .or_else(|| has_strangers(kernel, pid, named))
}

fn leads_none(kernel: &dyn Kernel, pid: u32) -> Option<Forbidden> {
    match read_stat(kernel, &format!("/proc/{pid}/stat")) {
        Ok(stat) if stat.group == pid => None,
        Ok(stat) => Some(Forbidden::NoGroupLeader {
            pid,
            group: stat.group,
        }),
        Err(reason) => Some(Forbidden::Unclear { pid, reason }),
    }
}

fn has_us(kernel: &dyn Kernel, pid: u32) -> Option<Forbidden> {
    let mut reason = String::new();
    for _ in 0..WALKS {
        match our_member(kernel, pid) {
            Ok(member) => return member.map(|member| Forbidden::InGroup { pid, member }),
            // An ancestor ended under the walk; or it is hidden, and then it stays so.
            Err(unreadable) => reason = unreadable,
        }
    }
    Some(Forbidden::Unclear { pid, reason })
}

/// Which of this program and its ancestors is in the group. Any of them can have joined a
/// group that is younger than itself (setpgid(2)).
fn our_member(kernel: &dyn Kernel, pid: u32) -> Result<Option<u32>, String> {
    let mut member = kernel.own_pid();
    let mut path = format!("/proc/{member}/stat");
    let mut stat = read_stat(kernel, &path)?;
    for _ in 0..DEPTH {
        if stat.group == pid {
            return Ok(Some(member));
        }
        // The parent of init, and of what entered this namespace from outside, is 0.
        if stat.parent == 0 {
            return Ok(None);
        }
        member = stat.parent;
        let above = format!("/proc/{member}/stat");
        stat = match kernel.read(&above) {
            Err(error) if may_be_hidden(&error) => {
                return behind_hidden(kernel, pid, member, &path)
                    .map_err(|reason| format!("{above}: {error}; {reason}"));
            }
            read => {
                let text = read.map_err(|error| format!("{above}: {error}"))?;
                Stat::parse(&text).ok_or_else(|| format!("{above}: not understood"))?
            }
        };
        path = above;
    }
    Err(format!("more than {DEPTH} ancestors"))
}

/// Which of a hidden ancestor, the parent of the process whose `stat` is at `child`, and those
/// above it is in the group. The system tells the group of a hidden process (getpgid(2)), and
/// not its parent.
///
/// Members that can be seen are ruled out one by one. One that is hidden as well runs for
/// another user, whom an ordinary user's signal does not reach (kill(2)), or lets nobody look
/// into it (PR_SET_DUMPABLE).
fn behind_hidden(
    kernel: &dyn Kernel,
    pid: u32,
    hidden: u32,
    child: &str,
) -> Result<Option<u32>, String> {
    let group = kernel
        .process_group(hidden)
        .map_err(|error| format!("getpgid(2) of pid {hidden}: {error}"))?;
    if group == pid {
        return Ok(Some(hidden));
    }
    // Nothing is above init.
    if hidden == 1 {
        return Ok(None);
    }
    for member in members(kernel, pid)? {
        if is_above_hidden(kernel, member, hidden, child)? {
            return Ok(Some(member));
        }
    }
    Ok(None)
}

/// The members of a group that can be seen. One that cannot be read any more has ended, or
/// is hidden.
fn members(kernel: &dyn Kernel, group: u32) -> Result<Vec<u32>, String> {
    let names = kernel
        .names("/proc")
        .map_err(|error| format!("/proc: {error}"))?;
    let in_group = |member: &u32| {
        read_stat(kernel, &format!("/proc/{member}/stat")).is_ok_and(|stat| stat.group == group)
    };
    let pids = names.iter().filter_map(|name| name.parse().ok());
    Ok(pids.filter(in_group).collect())
}

/// Looks for members that run for another user. The system refuses to signal those, but
/// not to root, from whom nothing is hidden.
fn has_strangers(kernel: &dyn Kernel, pid: u32, named: bool) -> Option<Forbidden> {
    if kernel.effective_uid() != 0 {
        return None;
    }
    let members = match members(kernel, pid) {
        Ok(members) => members,
        Err(reason) => return Some(Forbidden::Unclear { pid, reason }),
    };
    let users = |pid| {
        let status = kernel.read(&format!("/proc/{pid}/status")).ok()?;
        user_ids(&status)
    };
    let leader = users(pid).filter(|_| named);
    members
        .into_iter()
        .filter(|&member| leader.is_none() || users(member) != leader)
        .find_map(|member| match other_user(kernel, member) {
            Some(Forbidden::Unclear { .. }) => None,
            found => found,
        })
}
