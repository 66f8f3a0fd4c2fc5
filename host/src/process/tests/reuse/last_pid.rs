//! Which pid the kernel gives out next.

use std::fs;
use std::io;

const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";

/// Lets the next process or thread of this pid namespace have the first free id above
/// this one (proc_sys_kernel(5)).
pub(super) fn set_last_pid(id: i32) {
    try_set_last_pid(id).expect("the right to choose pids, which was tried before");
}

/// The same, for trying whether it is allowed.
///
/// # Errors
/// Without `CAP_SYS_ADMIN` or `CAP_CHECKPOINT_RESTORE` in the user namespace that owns
/// this pid namespace.
pub(super) fn try_set_last_pid(id: i32) -> io::Result<()> {
    fs::write(LAST_PID, id.to_string())
}

/// The last one that was given out.
pub(super) fn last_pid() -> io::Result<i32> {
    fs::read_to_string(LAST_PID)?
        .trim()
        .parse()
        .map_err(io::Error::other)
}
