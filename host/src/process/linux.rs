//! The real kernel.

use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use rustix::event::{PollFd, Timespec, epoll, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use rustix::time::{ClockId, clock_gettime};

use super::Signal;
use super::kernel::{Clocks, FileKind, Kernel};
use super::reach::{self, Directory, Mounts};

/// `PID_FS_MAGIC` of `linux/magic.h`, what fstatfs(2) says of a pidfd since Linux 6.9.
const PIDFS_MAGIC: i128 = 0x5049_4446;

/// `PIDFD_SIGNAL_PROCESS_GROUP` of `linux/pidfd.h`, since Linux 6.9. rustix takes no flags.
const PIDFD_SIGNAL_PROCESS_GROUP: libc::c_uint = 1 << 2;

/// Room for what a file about one process usually holds, in bytes.
const PROC_FILE: usize = 1024;

/// Makes the system calls.
pub(super) struct Linux;

impl Kernel for Linux {
    fn open_pidfd(&self, pid: i32) -> io::Result<OwnedFd> {
        let invalid = || io::Error::from(nix::errno::Errno::EINVAL);
        // The descriptor is close-on-exec by itself.
        let pid = if pid > 0 { Pid::from_raw(pid) } else { None }.ok_or_else(invalid)?;
        Ok(pidfd_open(pid, PidfdFlags::empty())?)
    }

    fn pidfs_inode(&self, pidfd: BorrowedFd<'_>) -> io::Result<Option<u64>> {
        // All pidfds of a kernel live on the same file system: one tells for the rest.
        static ON_PIDFS: OnceLock<bool> = OnceLock::new();
        let on_pidfs = match ON_PIDFS.get() {
            Some(known) => *known,
            None => {
                // The field's type differs between architectures.
                let found = i128::from(rustix::fs::fstatfs(pidfd)?.f_type) == PIDFS_MAGIC;
                *ON_PIDFS.get_or_init(|| found)
            }
        };
        if !on_pidfs {
            return Ok(None);
        }
        Ok(Some(rustix::fs::fstat(pidfd)?.st_ino))
    }

    fn poll(&self, fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<usize> {
        // A timeout beyond what the kernel can count is no timeout.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        Ok(poll(fds, timeout.as_ref())?)
    }

    fn watch(&self, epoll: BorrowedFd<'_>, pidfd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        let flags = epoll::EventFlags::IN;
        Ok(epoll::add(
            epoll,
            pidfd,
            epoll::EventData::new_u64(token),
            flags,
        )?)
    }

    fn send_signal(&self, pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(pidfd, number(signal))?)
    }

    fn send_group_signal(&self, pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
        let no_info = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: the system call takes a descriptor, a number, a pointer that may be null
        // and flags, and writes no memory of this program.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                pidfd.as_raw_fd(),
                number(signal).as_raw(),
                no_info,
                PIDFD_SIGNAL_PROCESS_GROUP,
            )
        };
        if sent == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        // These files say that they are empty, so that `fs::read` would begin with a few
        // bytes and double them call by call.
        let mut bytes = Vec::with_capacity(PROC_FILE);
        fs::File::open(path)?
            .take(u64::MAX)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn link(&self, path: &str) -> io::Result<PathBuf> {
        fs::read_link(path)
    }

    fn names(&self, directory: &str) -> io::Result<Vec<String>> {
        fs::read_dir(directory)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn directory(&self, path: &Path, mounts: &Mounts) -> io::Result<Directory> {
        reach::directory(path, mounts)
    }

    fn kind(&self, path: &Path) -> io::Result<FileKind> {
        let kind = fs::symlink_metadata(path)?.file_type();
        Ok(match () {
            () if kind.is_socket() => FileKind::Socket,
            () if kind.is_symlink() => FileKind::Symlink,
            () => FileKind::Other,
        })
    }

    fn connect(&self, path: &Path) -> io::Result<()> {
        let address = UnixAddr::new(path)?;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        Ok(connect(socket.as_raw_fd(), &address)?)
    }

    fn clocks(&self) -> Clocks {
        let wall = SystemTime::now();
        let up = clock_gettime(ClockId::Boottime);
        // Time since boot is never negative.
        Clocks {
            wall,
            since_boot: Duration::try_from(up).unwrap_or_default(),
        }
    }

    fn process_group(&self, pid: u32) -> io::Result<u32> {
        let pid = i32::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
        let group = nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(pid)))?;
        u32::try_from(group.as_raw()).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    fn ticks_per_second(&self) -> u64 {
        rustix::param::clock_ticks_per_second()
    }

    fn own_pid(&self) -> u32 {
        std::process::id()
    }

    fn effective_uid(&self) -> u32 {
        rustix::process::geteuid().as_raw()
    }
}

/// The signal's number on this architecture.
fn number(signal: Signal) -> rustix::process::Signal {
    match signal {
        Signal::Hup => rustix::process::Signal::HUP,
        Signal::Int => rustix::process::Signal::INT,
        Signal::Quit => rustix::process::Signal::QUIT,
        Signal::Usr1 => rustix::process::Signal::USR1,
        Signal::Usr2 => rustix::process::Signal::USR2,
        Signal::Term => rustix::process::Signal::TERM,
        Signal::Cont => rustix::process::Signal::CONT,
        Signal::Stop => rustix::process::Signal::STOP,
        Signal::Kill => rustix::process::Signal::KILL,
    }
}
