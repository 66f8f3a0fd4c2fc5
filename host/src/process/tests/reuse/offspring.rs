//! What the processes of the suite do: workers that obey, and strangers that count the
//! signals they receive.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::wait;
use nix::unistd::{ForkResult, fork, getpid, gettid};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::last_pid::set_last_pid;

/// What a process does about signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manners {
    /// Any signal does to it what signals do.
    Obedient,
    /// Catches whatever can be caught, counts it, and goes on.
    Counting,
    /// The same; and one of its threads has this id, if it can be had.
    CountingWithThread(i32),
    /// Does nothing, in a pid namespace of its own, where it has this pid.
    Elsewhere(i32),
}

/// How often a pid is tried for. Only another thread of the suite could be in the way.
pub(super) const TRIES: u32 = 20;

/// Lives until the other end of `control` is closed, which is once `listener` is closed
/// too. All signals are blocked at birth, so that none is missed.
pub(super) fn live(manners: Manners, mut control: UnixStream, listener: Option<UnixListener>) -> ! {
    match manners {
        Manners::Obedient => {
            SigSet::empty().thread_set_mask().expect("a signal mask");
            // Nobody writes to it: this is the end.
            let _ = control.read(&mut [0]);
        }
        Manners::Counting => count(control),
        Manners::CountingWithThread(id) => {
            let got = (0..TRIES).any(|_| has_thread(id));
            control.write_all(&[u8::from(got)]).expect("the nursery");
            count(control);
        }
        Manners::Elsewhere(pid) => live_elsewhere(pid, &mut control, listener),
    }
    nursery_exit()
}

/// Makes a pid namespace, an init process in it, and beside that the process that is
/// wanted. All three end with it.
fn live_elsewhere(pid: i32, control: &mut UnixStream, listener: Option<UnixListener>) {
    // SAFETY: a new pid namespace concerns children that are still to be made.
    unsafe { unshare_unsafe(UnshareFlags::NEWPID) }.expect("a pid namespace");
    // SAFETY: this process has one thread.
    match unsafe { fork() }.expect("the init process") {
        ForkResult::Parent { .. } => {}
        ForkResult::Child => {
            set_last_pid(pid - 1);
            // SAFETY: this process has one thread.
            if let ForkResult::Child = unsafe { fork() }.expect("a process") {
                assert_eq!(getpid().as_raw(), pid);
                control.write_all(&[1]).expect("the nursery");
                // Nobody writes to it: this is the end.
                let _ = control.read(&mut [0]);
                nursery_exit();
            }
        }
    }
    // It alone is to serve the socket.
    drop(listener);
    wait().expect("a child");
}

/// Ends without running anything that the process it was forked from has planned.
pub(super) fn nursery_exit() -> ! {
    // SAFETY: `_exit` takes any status and does not return.
    unsafe { nix::libc::_exit(0) }
}

/// Starts a thread that lives as long as the process, and says whether its id is this.
fn has_thread(id: i32) -> bool {
    let (say, hear) = std::sync::mpsc::channel();
    let (stay, leave) = std::sync::mpsc::channel::<()>();
    set_last_pid(id - 1);
    let thread = thread::spawn(move || {
        say.send(gettid().as_raw()).expect("somebody hears");
        // Ends when the other end is dropped, or never.
        let _ = leave.recv();
    });
    let got = hear.recv() == Ok(id);
    if got {
        std::mem::forget(stay);
    } else {
        drop(stay);
        thread.join().expect("it does not panic");
    }
    got
}

/// Counts signals. To each byte that it is sent it answers with the count and the number
/// of the first one.
fn count(mut control: UnixStream) {
    let signals = SignalFd::with_flags(&SigSet::all(), SfdFlags::SFD_NONBLOCK).expect("signalfd");
    let (mut received, mut first) = (0_u32, 0_u32);
    loop {
        let mut fds = [
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(control.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut fds, PollTimeout::NONE).expect("poll");
        let asked = fds[1].any() == Some(true);
        // Before the answer, so that it includes whatever was sent before the question.
        while let Some(info) = signals.read_signal().expect("signalfd") {
            received += 1;
            if first == 0 {
                first = info.ssi_signo;
            }
        }
        if asked {
            if !matches!(control.read(&mut [0]), Ok(1)) {
                return;
            }
            let answer = [received.to_ne_bytes(), first.to_ne_bytes()].concat();
            control.write_all(&answer).expect("the nursery");
        }
    }
}
