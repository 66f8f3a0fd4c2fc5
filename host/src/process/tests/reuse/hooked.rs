//! The real kernel, with a deed done right before one of its calls, or during a wait.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::unistd::gettid;
use rustix::event::PollFd;

use crate::process::Signal;
use crate::process::kernel::{Clocks, FileKind, Kernel};
use crate::process::linux::Linux;
use crate::process::procfs::Stat;
use crate::process::reach::{Directory, Mounts};

/// A point of a request, told by the calls that it makes to the kernel, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// Right before this call.
    Before(usize),
    /// While this call, which waits for a process to end, is asleep in the kernel.
    During(usize),
}

/// What is done at the point.
pub(super) type Deed = Box<dyn FnOnce() + Send>;

/// The call at which the deed was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Struck {
    /// Its name in [`Kernel`].
    pub(super) call: &'static str,
    /// Whether it waits for processes to end.
    pub(super) waits: bool,
    /// Whether anything was read about the pid from then on.
    pub(super) looked: bool,
}

#[derive(Default)]
struct Plan {
    calls: usize,
    /// The pid that is given away.
    pid: i32,
    deed: Option<(Point, Deed)>,
    struck: Option<Struck>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Hooked(Mutex<Plan>);

impl Hooked {
    /// Counts the calls from 0 again, and has this done to that pid at that point.
    pub(super) fn arm(&self, pid: i32, point: Point, deed: Deed) {
        *self.plan() = Plan {
            pid,
            deed: Some((point, deed)),
            ..Plan::default()
        };
    }

    /// Where the deed was done; it is not done any more if it was not.
    pub(super) fn disarm(&self) -> Option<Struck> {
        std::mem::take(&mut *self.plan()).struck
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the deed if this is its point.
    fn before(&self, call: &'static str) {
        if let Some(deed) = self.due(call, false) {
            deed();
        }
    }

    /// The same, before something is read about the process at this path, if it is one.
    fn before_reading(&self, call: &'static str, path: &str) {
        self.before(call);
        let mut plan = self.plan();
        let about = format!("/proc/{}/", plan.pid);
        if let Some(struck) = &mut plan.struck {
            struck.looked |= path.starts_with(&about);
        }
    }

    /// Counts a call, and takes the deed out if this is its call.
    fn due(&self, call: &'static str, waits: bool) -> Option<Deed> {
        let mut plan = self.plan();
        let index = plan.calls;
        plan.calls += 1;
        let (point, deed) = plan.deed.take()?;
        let (Point::Before(at) | Point::During(at)) = point;
        if at != index {
            plan.deed = Some((point, deed));
            return None;
        }
        plan.struck = Some(Struck {
            call,
            waits,
            looked: false,
        });
        Some(deed)
    }

    fn is_for_during(&self) -> bool {
        matches!(self.plan().deed, Some((Point::During(_), _)))
    }
}

/// Does the deed on another thread once this one sleeps in the kernel.
fn while_asleep<T>(deed: Deed, sleep: impl FnOnce() -> T) -> T {
    let stat = format!("/proc/self/task/{}/stat", gettid());
    let awake = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let is_asleep = || {
                let text = std::fs::read(&stat).expect("the state of a thread");
                Stat::parse(&text).expect("its fields").state == b'S'
            };
            while !awake.load(Ordering::SeqCst) && !is_asleep() {
                thread::yield_now();
            }
            deed();
        });
        let slept = sleep();
        awake.store(true, Ordering::SeqCst);
        slept
    })
}

impl Kernel for Hooked {
    fn open_pidfd(&self, pid: i32) -> io::Result<OwnedFd> {
        self.before("open_pidfd");
        Linux.open_pidfd(pid)
    }

    fn pidfs_inode(&self, pidfd: BorrowedFd<'_>) -> io::Result<Option<u64>> {
        self.before("pidfs_inode");
        Linux.pidfs_inode(pidfd)
    }

    fn poll(&self, fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<usize> {
        let waits = timeout != Some(Duration::ZERO);
        let call = if waits { "poll, waiting" } else { "poll" };
        let during = self.is_for_during();
        match self.due(call, waits) {
            Some(deed) if during => while_asleep(deed, || Linux.poll(fds, timeout)),
            Some(deed) => {
                deed();
                Linux.poll(fds, timeout)
            }
            None => Linux.poll(fds, timeout),
        }
    }

    fn watch(&self, epoll: BorrowedFd<'_>, pidfd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        self.before("watch");
        Linux.watch(epoll, pidfd, token)
    }

    fn send_signal(&self, pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
        self.before(match signal {
            Signal::Kill => "send_signal KILL",
            Signal::Cont => "send_signal CONT",
            _ => "send_signal TERM",
        });
        Linux.send_signal(pidfd, signal)
    }

    fn send_group_signal(&self, pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
        self.before("send_group_signal");
        Linux.send_group_signal(pidfd, signal)
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        // The last part tells what it is about, whatever the pid.
        let call = match path.rsplit('/').next() {
            Some("stat") => "read stat",
            Some("status") => "read status",
            Some("unix") => "read net/unix",
            _ => "read",
        };
        self.before_reading(call, path);
        Linux.read(path)
    }

    fn link(&self, path: &str) -> io::Result<PathBuf> {
        self.before_reading("link", path);
        Linux.link(path)
    }

    fn names(&self, directory: &str) -> io::Result<Vec<String>> {
        self.before_reading("names", directory);
        Linux.names(directory)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.before("canonical");
        Linux.canonical(path)
    }

    fn directory(&self, path: &Path, mounts: &Mounts) -> io::Result<Directory> {
        self.before("directory");
        Linux.directory(path, mounts)
    }

    fn kind(&self, path: &Path) -> io::Result<FileKind> {
        self.before("kind");
        Linux.kind(path)
    }

    fn connect(&self, path: &Path) -> io::Result<()> {
        self.before("connect");
        Linux.connect(path)
    }

    fn clocks(&self) -> Clocks {
        self.before("clocks");
        Linux.clocks()
    }

    fn ticks_per_second(&self) -> u64 {
        Linux.ticks_per_second()
    }

    fn own_pid(&self) -> u32 {
        self.before("own_pid");
        Linux.own_pid()
    }

    fn effective_uid(&self) -> u32 {
        Linux.effective_uid()
    }
}
