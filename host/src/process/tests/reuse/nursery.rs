//! A process that makes processes, with the pids that are asked for.
//!
//! It is forked while the suite is small, so that its own forks take little time, and
//! none of its children inherits the pool's lock or a pidfd. It has one thread.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use super::last_pid::set_last_pid;
use super::offspring::{Manners, TRIES, live, nursery_exit};
use super::scenario::Taker;

/// The suite's end of the nursery.
pub(super) struct Nursery {
    orders: UnixStream,
    answers: BufReader<UnixStream>,
}

/// What became of a process that was there to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// It runs and has received so many signals, the first of them this one.
    Runs { signals: u32, first: u32 },
    /// It ended, stopped or was continued.
    Hit(String),
}

impl Report {
    /// Nothing was sent to it.
    pub(super) const UNTOUCHED: Self = Self::Runs {
        signals: 0,
        first: 0,
    };
}

impl Nursery {
    /// Starts the process. It goes with the thread that starts it.
    pub(super) fn open() -> Self {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        // SAFETY: the child is a copy of this thread alone. Of what the others may have
        // held it uses nothing but the allocator, which glibc makes usable after a fork.
        match unsafe { fork() }.expect("a process") {
            ForkResult::Child => {
                drop(ours);
                // It must not unwind into the copy of the test runner.
                let _ = catch_unwind(AssertUnwindSafe(|| Children::serve(theirs)));
                nursery_exit()
            }
            ForkResult::Parent { .. } => Self {
                answers: BufReader::new(ours.try_clone().expect("a descriptor")),
                orders: ours,
            },
        }
    }

    /// A new worker, listening at `sock` where that is given.
    pub(super) fn worker(&mut self, manners: Manners, sock: Option<&Path>) -> i32 {
        let word = match manners {
            Manners::Obedient => "obedient",
            _ => "counting",
        };
        let answer = self.order(&format!("work {word} {}", text(sock)));
        answer.parse().expect("a pid")
    }

    /// Ends a worker, and lets another process have its pid. Gives the pid of the
    /// process that has it now, or whose thread has; nothing if that did not succeed.
    pub(super) fn replace(&mut self, pid: i32, taker: Taker, sock: Option<&Path>) -> Option<i32> {
        let word = match taker {
            Taker::Process => "process",
            Taker::Thread => "thread",
            Taker::Nobody => {
                self.end(pid);
                return Some(pid);
            }
        };
        let answer = self.order(&format!("replace {pid} {word} {}", text(sock)));
        Some(answer.parse().expect("a pid")).filter(|&taken| taken != 0)
    }

    /// A worker that serves the socket from another pid namespace, where it has this pid.
    /// Gives the pid that its keeper has here.
    pub(super) fn worker_elsewhere(&mut self, pid: i32, sock: &Path) -> i32 {
        let answer = self.order(&format!("elsewhere {pid} {}", text(Some(sock))));
        answer.parse().expect("a pid")
    }

    /// Lets a process end by itself, with its namespace, and reaps it.
    pub(super) fn release(&mut self, pid: i32) {
        self.order(&format!("release {pid}"));
    }

    /// Ends a process and reaps it.
    pub(super) fn end(&mut self, pid: i32) {
        self.order(&format!("end {pid}"));
    }

    /// Asks a counting process what it has received.
    pub(super) fn report(&mut self, pid: i32) -> Report {
        let answer = self.order(&format!("report {pid}"));
        match answer.split_once(' ') {
            Some(("runs", counts)) => {
                let (signals, first) = counts.split_once(' ').expect("two numbers");
                Report::Runs {
                    signals: signals.parse().expect("a number"),
                    first: first.parse().expect("a number"),
                }
            }
            _ => Report::Hit(answer),
        }
    }

    fn order(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").expect("the nursery listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        assert!(answer.ends_with('\n'), "the nursery ended at: {order}");
        answer.trim_end().to_owned()
    }
}

fn text(sock: Option<&Path>) -> &str {
    sock.map_or("", |path| path.to_str().expect("UTF-8"))
}

/// The nursery's own end: each child by its pid, with the socket to talk to it; and what
/// tells that something has become of one.
struct Children(HashMap<i32, UnixStream>, SignalFd);

impl Children {
    /// Carries out orders until there are no more.
    fn serve(stream: UnixStream) {
        set_pdeathsig(Signal::SIGKILL).expect("it goes with the suite");
        // The children inherit this.
        SigSet::all().thread_set_mask().expect("a signal mask");
        let mut answers = stream.try_clone().expect("a descriptor");
        let changes = SignalFd::with_flags(&Signal::SIGCHLD.into(), SfdFlags::SFD_NONBLOCK);
        let mut children = Self(HashMap::new(), changes.expect("signalfd"));
        for order in BufReader::new(stream).lines() {
            let order = order.expect("an order");
            let words: Vec<_> = order.splitn(4, ' ').collect();
            let answer = match words[..] {
                ["work", manners, sock] => {
                    let manners = match manners {
                        "obedient" => Manners::Obedient,
                        _ => Manners::Counting,
                    };
                    children.birth(manners, sock).to_string()
                }
                ["replace", pid, "process", sock] => children.take(number(pid), sock).to_string(),
                ["replace", pid, _, _] => children.take_by_thread(number(pid)).to_string(),
                ["elsewhere", pid, sock] => {
                    let keeper = children.birth(Manners::Elsewhere(number(pid)), sock);
                    let mut ready = [0];
                    let mut control = &children.0[&keeper];
                    control.read_exact(&mut ready).expect("it is there");
                    keeper.to_string()
                }
                ["release", pid] => {
                    children.0.remove(&number(pid));
                    waitpid(Pid::from_raw(number(pid)), None).expect("a child");
                    "released".to_owned()
                }
                ["end", pid] => {
                    children.end(number(pid));
                    "ended".to_owned()
                }
                ["report", pid] => children.report(number(pid)),
                _ => panic!("no such order: {order}"),
            };
            writeln!(answers, "{answer}").expect("the suite listens");
        }
    }

    fn birth(&mut self, manners: Manners, sock: &str) -> i32 {
        let listener = Some(sock).filter(|sock| !sock.is_empty()).map(|sock| {
            // What an earlier process left there.
            let _ = fs::remove_file(sock);
            UnixListener::bind(PathBuf::from(sock)).expect("a socket")
        });
        let (control, theirs) = UnixStream::pair().expect("a pair of sockets");
        // SAFETY: this process has one thread.
        match unsafe { fork() }.expect("a process") {
            ForkResult::Child => {
                set_pdeathsig(Signal::SIGKILL).expect("it goes with the nursery");
                // Holding the others' would keep them from hearing of the end.
                self.0.clear();
                drop(control);
                live(manners, theirs, listener)
            }
            ForkResult::Parent { child } => {
                self.0.insert(child.as_raw(), control);
                child.as_raw()
            }
        }
    }

    fn end(&mut self, pid: i32) {
        if self.0.remove(&pid).is_some() {
            // It is a child and not reaped, so that the pid is its own.
            kill(Pid::from_raw(pid), Signal::SIGKILL).expect("a child");
            waitpid(Pid::from_raw(pid), None).expect("a child");
        }
    }

    /// Ends the process with this pid and gives the pid to another one: 0 if somebody
    /// was faster.
    fn take(&mut self, pid: i32, sock: &str) -> i32 {
        self.end(pid);
        for _ in 0..TRIES {
            set_last_pid(pid - 1);
            let born = self.birth(Manners::Counting, sock);
            if born == pid {
                return born;
            }
            self.end(born);
        }
        0
    }

    /// Ends the process with this pid and gives the number to a thread of another one.
    fn take_by_thread(&mut self, pid: i32) -> i32 {
        self.end(pid);
        // The process itself is to have another pid.
        set_last_pid(pid);
        let born = self.birth(Manners::CountingWithThread(pid), "");
        let mut got = [0];
        let mut control = &self.0[&born];
        control.read_exact(&mut got).expect("its word");
        if got == [1] {
            return born;
        }
        self.end(born);
        0
    }

    /// Asks it, and waits until it has answered or something has become of it: what was
    /// sent before the question, it meets before the answer.
    fn report(&self, pid: i32) -> String {
        let mut control = &self.0[&pid];
        // Fails when it is dead.
        let _ = control.write_all(&[1]);
        loop {
            let mut fds = [
                PollFd::new(control.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.1.as_fd(), PollFlags::POLLIN),
            ];
            poll(&mut fds, PollTimeout::NONE).expect("poll");
            let (mut signals, mut first) = ([0; 4], [0; 4]);
            if fds[0].any() == Some(true)
                && control.read_exact(&mut signals).is_ok()
                && control.read_exact(&mut first).is_ok()
            {
                let (signals, first) = (u32::from_ne_bytes(signals), u32::from_ne_bytes(first));
                return format!("runs {signals} {first}");
            }
            // Of any child, and before the look at this one.
            while self.1.read_signal().expect("signalfd").is_some() {}
            let flags = WaitPidFlag::WEXITED
                | WaitPidFlag::WSTOPPED
                | WaitPidFlag::WCONTINUED
                | WaitPidFlag::WNOHANG
                | WaitPidFlag::WNOWAIT;
            let status = waitid(Id::Pid(Pid::from_raw(pid)), flags).expect("a child");
            if status != WaitStatus::StillAlive {
                return format!("{status:?}");
            }
        }
    }
}

fn number(text: &str) -> i32 {
    text.parse().expect("a pid")
}
