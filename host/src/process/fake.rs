//! A kernel that refuses, races and lies on demand.
//!
//! Its pidfds are eventfds, readable once their process has ended, so that `poll` is the
//! real one.

mod system_calls;

use std::collections::HashMap;
use std::io;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::kernel::{Clocks, FileKind};
use super::{Place, Signal};
use crate::cancel::Cancel;

/// The pid of the program under test.
pub(crate) const OWN_PID: u32 = 100;
/// Its parent, whose parent is pid 1.
pub(crate) const PARENT: u32 = 50;
/// Its user.
pub(crate) const OWN_UID: u32 = 1000;
/// Where it runs.
pub(crate) const MACHINE: &str = "0123456789abcdef0123456789abcdef";
const HEADING: &str = "Num RefCount Protocol Flags Type St Inode Path\n";

/// A system call that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    OpenPidfd,
    PidfsInode,
    Poll,
    SendSignal,
}

/// Somebody who is told of a signal and its process.
type Witness = Box<dyn FnMut(u32, Signal) + Send>;

#[derive(Default)]
struct State {
    processes: HashMap<u32, Process>,
    /// Which process and inode an open pidfd is for. Numbers are used again, so each
    /// `open_pidfd` overwrites.
    opened: HashMap<RawFd, (u32, Option<u64>)>,
    files: HashMap<String, Result<Vec<u8>, Errno>>,
    links: HashMap<String, Result<PathBuf, Errno>>,
    directories: HashMap<String, Result<Vec<String>, Errno>>,
    sockets: HashMap<PathBuf, (FileKind, Result<(), Errno>)>,
    unseen: HashMap<PathBuf, Errno>,
    canonical: HashMap<PathBuf, PathBuf>,
    /// The process groups that were joined; all begin in group 1.
    groups: HashMap<u32, u32>,
    unreachable: HashMap<PathBuf, Errno>,
    refusals: HashMap<Call, Errno>,
    calls: HashMap<Call, usize>,
    /// Of all kinds, those of `Call` and the others.
    all_calls: usize,
    /// After how many more calls a request is withdrawn, which, and how many calls follow.
    withdrawal: Option<(usize, Cancel)>,
    calls_since: usize,
    /// How often each file was read.
    reads: HashMap<String, usize>,
    sent: Vec<(u32, Signal)>,
    /// Whose groups were sent which signals.
    sent_to_groups: Vec<(u32, Signal)>,
    /// Signals that end a process, and reap it.
    mortal: Vec<(u32, Signal)>,
    /// Who is told of every signal before it is sent.
    witness: Option<Witness>,
    /// Reading this file ends that process, and reaps it.
    races: HashMap<String, u32>,
    pidfs: bool,
    is_root: bool,
    clocks: Option<Clocks>,
}

struct Process {
    end: EventFd,
    inode: u64,
    reaped: bool,
}

/// See the module.
pub(crate) struct FakeKernel(Mutex<State>);

impl FakeKernel {
    /// A machine that booted at 10:00 and where it is 12:00, with pidfs, and nothing
    /// running but the program under test and its ancestors.
    pub(crate) fn new() -> Self {
        let fake = Self(Mutex::default());
        fake.state().pidfs = true;
        fake.set_clock("2026-11-23T12:00:00Z", Duration::from_secs(7200));
        fake.file("/etc/machine-id", &format!("{MACHINE}\n"));
        fake.file("/proc/sys/kernel/random/boot_id", "this-boot\n");
        fake.link("/proc/self/ns/pid", "pid:[4026531836]");
        fake.link("/proc/self", &OWN_PID.to_string());
        fake.link("/proc/self/ns/net", "net:[1]");
        fake.file("/proc/self/net/unix", HEADING);
        fake.run(1, 1, 0);
        fake.run(PARENT, 5_000, 1);
        fake.run(OWN_PID, 600_000, PARENT);
        fake.file("/proc/self/stat", &stat(OWN_PID, 'S', PARENT, 600_000));
        fake
    }

    /// Where the fake program runs.
    pub(crate) fn place() -> Place {
        Place {
            machine: MACHINE.into(),
            boot: "this-boot".into(),
            pid_namespace: 4_026_531_836,
        }
    }

    /// A process with pidfs inode `1000 + pid` that started that many ticks, a hundredth
    /// of a second each, after 10:00.
    pub(crate) fn run(&self, pid: u32, start_ticks: u64, parent: u32) {
        self.run_with_inode(pid, start_ticks, parent, 1000 + u64::from(pid));
    }

    pub(crate) fn run_with_inode(&self, pid: u32, start_ticks: u64, parent: u32, inode: u64) {
        self.file(
            &format!("/proc/{pid}/stat"),
            &stat(pid, 'S', parent, start_ticks),
        );
        self.file(&format!("/proc/{pid}/cmdline"), "worker\0--pool\0");
        self.file(&format!("/proc/{pid}/net/unix"), HEADING);
        self.user(pid, OWN_UID, OWN_UID);
        self.link(&format!("/proc/{pid}/ns/net"), "net:[1]");
        self.directory(&format!("/proc/{pid}/fd"), &["0"]);
        self.link(&format!("/proc/{pid}/fd/0"), "/dev/null");
        let end = EventFd::from_flags(EfdFlags::EFD_CLOEXEC).expect("an eventfd");
        self.state().processes.insert(
            pid,
            Process {
                end,
                inode,
                reaped: false,
            },
        );
    }

    /// Makes it a zombie.
    pub(crate) fn end(&self, pid: u32) {
        self.state().processes[&pid]
            .end
            .write(1)
            .expect("write to an eventfd");
        self.file(&format!("/proc/{pid}/stat"), &stat(pid, 'Z', 77, 0));
    }

    /// Ends it without a trace.
    pub(crate) fn reap(&self, pid: u32) {
        let mut state = self.state();
        state.reap(pid);
    }

    /// Makes it end, without a trace, when this signal is sent to it.
    pub(crate) fn end_on(&self, pid: u32, signal: Signal) {
        self.state().mortal.push((pid, signal));
    }

    /// Tells `witness` of every signal before it is sent.
    pub(crate) fn witness(&self, witness: impl FnMut(u32, Signal) + Send + 'static) {
        self.state().witness = Some(Box::new(witness));
    }

    /// Whether it is there, be it a zombie.
    pub(crate) fn is_there(&self, pid: u32) -> bool {
        self.state()
            .processes
            .get(&pid)
            .is_some_and(|process| !process.reaped)
    }

    /// Puts it into a process group; all begin in group 1.
    pub(crate) fn join(&self, pid: u32, group: u32) {
        let mut state = self.state();
        state.groups.insert(pid, group);
        let stat = state.files.get_mut(&format!("/proc/{pid}/stat"));
        let stat = stat.and_then(|file| file.as_mut().ok()).expect("it runs");
        let text = String::from_utf8(std::mem::take(stat)).expect("text");
        let mut fields: Vec<_> = text.split(' ').map(str::to_owned).collect();
        fields[4] = group.to_string();
        *stat = fields.join(" ").into_bytes();
    }

    /// Lists the children of a process that has one thread.
    pub(crate) fn children(&self, pid: u32, children: &[u32]) {
        let children: Vec<_> = children.iter().map(u32::to_string).collect();
        self.directory(&format!("/proc/{pid}/task"), &[&pid.to_string()]);
        self.file(
            &format!("/proc/{pid}/task/{pid}/children"),
            &children.join(" "),
        );
    }

    /// Hides a process, as `hidepid` does from an ordinary user.
    pub(crate) fn hide_process(&self, pid: u32, error: Errno) {
        for file in ["stat", "status", "task"] {
            self.deny(&format!("/proc/{pid}/{file}"), error);
        }
    }

    pub(crate) fn user(&self, pid: u32, real: u32, effective: u32) {
        let status = format!("Name:\tworker\nTgid:\t{pid}\nUid:\t{real}\t{effective}\t0\t0\n");
        self.file(&format!("/proc/{pid}/status"), &status);
    }

    /// Lets the process hold a socket that listens, as the tables tell it.
    pub(crate) fn listen(&self, pid: u32, path: &str) {
        let line = format!("0: 00000002 00000000 00010000 0001 01 31 {path}\n");
        self.file(
            &format!("/proc/{pid}/net/unix"),
            &format!("{HEADING}{line}"),
        );
        self.directory(&format!("/proc/{pid}/fd"), &["0", "3"]);
        self.link(&format!("/proc/{pid}/fd/3"), "socket:[31]");
    }

    /// Puts something at the path. A symlink leads to a socket that answers like this.
    pub(crate) fn socket(&self, path: &str, kind: FileKind, connect: Result<(), Errno>) {
        if kind == FileKind::Symlink {
            let target = format!("{path}.target");
            self.link(path, &target);
            self.socket(&target, FileKind::Socket, connect);
        }
        self.state().sockets.insert(path.into(), (kind, connect));
    }

    /// Makes the way to a directory one that cannot be gone.
    pub(crate) fn block(&self, directory: &str, error: Errno) {
        self.state().unreachable.insert(directory.into(), error);
    }

    /// Makes `lstat` of the path fail.
    pub(crate) fn hide(&self, path: &str, error: Errno) {
        self.state().unseen.insert(path.into(), error);
    }

    pub(crate) fn canonical_is(&self, path: &str, canonical: &str) {
        self.state().canonical.insert(path.into(), canonical.into());
    }

    pub(crate) fn file(&self, path: &str, text: &str) {
        self.state().files.insert(path.into(), Ok(text.into()));
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        self.state().links.insert(path.into(), Ok(target.into()));
    }

    pub(crate) fn directory(&self, path: &str, names: &[&str]) {
        let names = names.iter().map(|&name| name.into()).collect();
        self.state().directories.insert(path.into(), Ok(names));
    }

    /// Makes the path unreadable, whether file, link or directory.
    pub(crate) fn deny(&self, path: &str, error: Errno) {
        let mut state = self.state();
        state.files.insert(path.into(), Err(error));
        state.links.insert(path.into(), Err(error));
        state.directories.insert(path.into(), Err(error));
    }

    pub(crate) fn refuse(&self, call: Call, error: Errno) {
        self.state().refusals.insert(call, error);
    }

    /// The program under test runs for root.
    pub(crate) fn become_root(&self) {
        self.state().is_root = true;
    }

    pub(crate) fn without_pidfs(&self) {
        self.state().pidfs = false;
    }

    pub(crate) fn race(&self, path: &str, pid: u32) {
        self.state().races.insert(path.into(), pid);
    }

    pub(crate) fn set_clock(&self, wall: &str, since_boot: Duration) {
        let wall: SystemTime = wall.parse::<jiff::Timestamp>().expect("a time").into();
        self.state().clocks = Some(Clocks { wall, since_boot });
    }

    pub(crate) fn calls(&self, call: Call) -> usize {
        self.state().calls.get(&call).copied().unwrap_or(0)
    }

    /// Withdraws a request after so many calls.
    pub(crate) fn withdraw_after(&self, calls: usize, cancel: &Cancel) {
        let mut state = self.state();
        state.withdrawal = Some((calls, cancel.clone()));
        state.calls_since = 0;
    }

    /// How many calls followed on the withdrawal; none where it is still to come.
    pub(crate) fn calls_since_withdrawal(&self) -> Option<usize> {
        let state = self.state();
        state.withdrawal.is_none().then_some(state.calls_since)
    }

    /// How often a file was read.
    pub(crate) fn reads(&self, path: &str) -> usize {
        self.state().reads.get(path).copied().unwrap_or(0)
    }

    /// How many system calls were made, of whatever kind.
    pub(crate) fn all_calls(&self) -> usize {
        self.state().all_calls
    }

    pub(crate) fn sent(&self) -> Vec<(u32, Signal)> {
        self.state().sent.clone()
    }

    pub(crate) fn sent_to_groups(&self) -> Vec<(u32, Signal)> {
        self.state().sent_to_groups.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .expect("no test panics while it holds the lock")
    }
}

fn stat(pid: u32, state: char, parent: u32, start_ticks: u64) -> String {
    format!("{pid} (worker) {state} {parent} 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {start_ticks} 0\n")
}

impl State {
    fn count(&mut self) {
        self.all_calls += 1;
        match self.withdrawal.take() {
            Some((0, cancel)) => cancel.cancel(),
            Some((left, cancel)) => self.withdrawal = Some((left - 1, cancel)),
            None => self.calls_since += 1,
        }
    }

    fn call(&mut self, call: Call) -> io::Result<()> {
        self.count();
        *self.calls.entry(call).or_default() += 1;
        self.refusals
            .get(&call)
            .map_or(Ok(()), |&error| Err(error.into()))
    }

    fn reap(&mut self, pid: u32) {
        let process = self.processes.get_mut(&pid).expect("a process of the test");
        process.reaped = true;
        process.end.write(1).expect("write to an eventfd");
        let prefix = format!("/proc/{pid}/");
        self.files.retain(|path, _| !path.starts_with(&prefix));
        self.links.retain(|path, _| !path.starts_with(&prefix));
        self.directories
            .retain(|path, _| !path.starts_with(&prefix));
    }
}
