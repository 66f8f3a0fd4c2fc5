//! Processes whose parent is gone. The kernel gives them to this process, so that none
//! is overlooked: neither one that has only just been made, nor one that waits for ever.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::prctl::set_child_subreaper;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, pidfd_open, pidfd_send_signal, waitid,
};

use crate::harness::await_that;

/// Makes every orphan among our descendants our child from now on
/// (`PR_SET_CHILD_SUBREAPER(2const)`).
pub(crate) fn adopt() {
    set_child_subreaper(true).expect("prctl(2)");
}

/// The pids of all of our children, in order.
pub(crate) fn children() -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut children: Vec<_> = pids.filter(|&pid| parent(pid) == Some(getpid())).collect();
    children.sort_unstable();
    children
}

/// All of our children but these, each of them held.
pub(crate) fn orphans(known: &[u32]) -> Vec<Orphan> {
    let unknown = children().into_iter().filter(|pid| !known.contains(pid));
    unknown.map(Orphan::hold).collect()
}

/// The parent of a process; none when there is no such process any more.
fn parent(pid: u32) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before may hold anything; behind it stand the state and the parent
    // (proc_pid_stat(5)).
    let (_, rest) = stat.rsplit_once(')')?;
    Pid::from_raw(rest.split_whitespace().nth(1)?.parse().ok()?)
}

/// A child that somebody else has started. It is killed when this goes.
pub(crate) struct Orphan {
    pid: u32,
    pidfd: OwnedFd,
}

impl Orphan {
    /// Holds a child of ours by its pid, which stays its own as long as we do not reap it.
    pub(crate) fn hold(pid: u32) -> Self {
        let pidfd = pidfd_open(raw(pid), PidfdFlags::empty()).expect("our child");
        Self { pid, pidfd }
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        let mut end = [PollFd::new(&self.pidfd, PollFlags::IN)];
        poll(&mut end, Some(&Timespec::default())).expect("poll(2)") > 0
    }

    /// Waits for its end.
    pub(crate) fn await_end(&self) {
        await_that("an orphan ends", || self.has_ended());
    }

    /// Whether SIGTERM does nothing to it.
    pub(crate) fn ignores_term(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid));
        let status = status.expect("our child");
        let mut lines = status.lines();
        let ignored = lines.find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = u64::from_str_radix(ignored.expect("a mask").trim(), 16);
        // Bit 0 is signal 1 (proc_pid_status(5)).
        ignored.expect("a mask") >> (nix::libc::SIGTERM - 1) & 1 == 1
    }

    /// Waits until it runs this program or has ended; whether it runs.
    #[track_caller]
    pub(crate) fn becomes(&self, program: &str) -> bool {
        let comm = format!("/proc/{}/comm", self.pid);
        let mut ended = false;
        await_that("an orphan ends or is what it is to be", || {
            ended = self.has_ended();
            let name = fs::read_to_string(&comm).expect("our child");
            ended || name.trim_end() == program
        });
        !ended
    }

    /// The session that its environment names.
    #[track_caller]
    pub(crate) fn sid(&self) -> String {
        let environment = fs::read(format!("/proc/{}/environ", self.pid)).expect("our child");
        let mut variables = environment.split(|&byte| byte == 0);
        let sid = variables.find_map(|variable| variable.strip_prefix(b"POOLWARDEN_SID="));
        String::from_utf8(sid.expect("a sid").to_vec()).expect("a text")
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        // Both fail when it was reaped before, and then there is nothing to do.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let _ = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
    }
}

fn raw(pid: u32) -> Pid {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.expect("a pid")
}
