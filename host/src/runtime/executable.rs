//! Whether this process may have executable memory.

use std::io;
use std::ptr;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// Bytes of whole pages, on every machine that this runs on.
const PAGE: usize = 64 << 10;

/// Tries what running a policy takes: to make memory executable that was written before.
///
/// systemd's `MemoryDenyWriteExecute=` forbids it (by `PR_SET_MDWE`, Linux 6.3, or a seccomp
/// filter), SELinux to domains without `execmem`.
///
/// # Errors
/// What the system said, `EACCES` or `EPERM`. [`LoadError::Executable`](crate::LoadError)
/// says what to do about it.
pub fn executable_memory() -> io::Result<()> {
    let writable = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: the kernel chooses where; nothing that exists is replaced.
    let page = unsafe { mmap_anonymous(ptr::null_mut(), PAGE, writable, MapFlags::PRIVATE) }?;
    // SAFETY: it was mapped above, and nothing but this function knows it. Nothing is run.
    let executable = unsafe { mprotect(page, PAGE, MprotectFlags::READ | MprotectFlags::EXEC) };
    // SAFETY: as above, and it is not used afterwards.
    unsafe { munmap(page, PAGE) }?;
    Ok(executable?)
}
