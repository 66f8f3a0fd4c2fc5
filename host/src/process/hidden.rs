//! Ancestry across a process that `/proc` hides (`hidepid`, proc(5)): an ordinary user sees
//! his own processes there, and not the parents of his session.

use std::collections::BTreeSet;
use std::io;

use super::kernel::Kernel;
use super::procfs::Stat;

/// Whether an error of a file below `/proc/PID` can mean that the process is hidden:
/// `hidepid=invisible` gives `ENOENT`, as for a process that has ended, and
/// `hidepid=noaccess` gives `EPERM` or `EACCES`.
pub(super) fn may_be_hidden(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
    )
}

/// Whether `pid`, a process that can be seen, is an ancestor of `hidden`, which is the parent
/// of the process whose `stat` is at `child`.
///
/// What is above a hidden process cannot be read. What is below one that can be seen is:
/// `/proc/PID/task/TID/children` (Linux 4.2) lists hidden processes too. So it is no ancestor
/// when all its descendants can be seen, and the hidden one is none of them.
///
/// # Errors
/// What could not be read, or changed meanwhile. To try again helps against the latter.
pub(super) fn is_above_hidden(
    kernel: &dyn Kernel,
    pid: u32,
    hidden: u32,
    child: &str,
) -> Result<bool, String> {
    let found = descendants(kernel, pid, hidden)?;
    // A child that ends in between hands its own children on, to an ancestor perhaps
    // (PR_SET_CHILD_SUBREAPER), which a second look shows.
    if descendants(kernel, pid, hidden)? != found {
        return Err(format!("the children of pid {pid} change"));
    }
    // The same holds for the hidden process itself: as long as it has its child, it runs.
    let stat = kernel.read(child).ok();
    if stat
        .and_then(|text| Stat::parse(&text))
        .map(|stat| stat.parent)
        != Some(hidden)
    {
        return Err(format!("pid {hidden}, an ancestor of this program, ended"));
    }
    Ok(found.contains(&hidden))
}

/// The descendants of a process. Those below `hidden` are of no interest.
fn descendants(kernel: &dyn Kernel, pid: u32, hidden: u32) -> Result<BTreeSet<u32>, String> {
    let mut found = BTreeSet::new();
    let mut unread = vec![pid];
    while let Some(parent) = unread.pop() {
        for child in children(kernel, parent)? {
            if found.insert(child) && child != hidden {
                unread.push(child);
            }
        }
    }
    Ok(found)
}

/// The children of all threads of a process.
fn children(kernel: &dyn Kernel, pid: u32) -> Result<Vec<u32>, String> {
    let tasks = format!("/proc/{pid}/task");
    let threads = kernel
        .names(&tasks)
        .map_err(|error| format!("the children of pid {pid} are hidden: {tasks}: {error}"))?;
    let mut children = Vec::new();
    for thread in threads {
        let path = format!("{tasks}/{thread}/children");
        let text = kernel.read(&path).map_err(|error| {
            format!("the children of pid {pid} are not listed: {path}: {error}")
        })?;
        let text = String::from_utf8_lossy(&text);
        children.extend(text.split_ascii_whitespace().flat_map(str::parse::<u32>));
    }
    Ok(children)
}
