//! Which process groups never get a signal, whoever asks.

use super::Forbidden;
use super::forbidden::{DEPTH, other_user};
use super::kernel::Kernel;
use super::procfs::Stat;

/// Decides about the process group that the process with this pid leads.
///
/// Nobody else's group can be hit: a pidfd stands for the group whose number is its
/// process's pid (`PIDFD_SIGNAL_PROCESS_GROUP`, Linux 6.9). What is ruled out here is that
/// there is none, and that it has a member who must not be hit.
pub(super) fn forbidden_group(kernel: &dyn Kernel, pid: u32) -> Option<Forbidden> {
    leads_none(kernel, pid)
        .or_else(|| has_us(kernel, pid))
        .or_else(|| has_strangers(kernel, pid))
}

fn leads_none(kernel: &dyn Kernel, pid: u32) -> Option<Forbidden> {
    match stat(kernel, &format!("/proc/{pid}/stat")) {
        Ok(stat) if stat.group == pid => None,
        Ok(stat) => Some(Forbidden::NoGroupLeader {
            pid,
            group: stat.group,
        }),
        Err(reason) => Some(Forbidden::Unclear { pid, reason }),
    }
}

/// Walks from this program to its first ancestor. Any of them can have joined a group
/// that is younger than itself (setpgid(2)).
fn has_us(kernel: &dyn Kernel, pid: u32) -> Option<Forbidden> {
    let mut member = kernel.own_pid();
    for _ in 0..DEPTH {
        let stat = match stat(kernel, &format!("/proc/{member}/stat")) {
            Ok(stat) => stat,
            Err(reason) => return Some(Forbidden::Unclear { pid, reason }),
        };
        if stat.group == pid {
            return Some(Forbidden::InGroup { pid, member });
        }
        // The parent of init, and of what entered this namespace from outside, is 0.
        if stat.parent == 0 {
            return None;
        }
        member = stat.parent;
    }
    let reason = format!("more than {DEPTH} ancestors");
    Some(Forbidden::Unclear { pid, reason })
}

/// Looks for members that run for another user. The system refuses to signal those, but
/// not to root.
fn has_strangers(kernel: &dyn Kernel, pid: u32) -> Option<Forbidden> {
    if kernel.effective_uid() != 0 {
        return None;
    }
    let names = match kernel.names("/proc") {
        Ok(names) => names,
        Err(error) => {
            let reason = format!("/proc: {error}");
            return Some(Forbidden::Unclear { pid, reason });
        }
    };
    names
        .iter()
        .filter_map(|name| name.parse().ok())
        // One that cannot be read any more has ended: nothing is hidden from root.
        .filter(|member| {
            stat(kernel, &format!("/proc/{member}/stat")).is_ok_and(|stat| stat.group == pid)
        })
        .find_map(|member: u32| match other_user(kernel, member) {
            Some(Forbidden::Unclear { .. }) => None,
            found => found,
        })
}

fn stat(kernel: &dyn Kernel, path: &str) -> Result<Stat, String> {
    let text = kernel
        .read(path)
        .map_err(|error| format!("{path}: {error}"))?;
    Stat::parse(&text).ok_or_else(|| format!("{path}: not understood"))
}
