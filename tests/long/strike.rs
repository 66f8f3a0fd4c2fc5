//! Killing a program at a chosen moment of its run.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// How a run ended that may have been killed.
pub(crate) enum End {
    /// It was killed before its own end.
    Killed,
    /// It ended before its moment came.
    ByItself(Output),
}

/// Runs a command and sends it SIGKILL this long after its start, if it still runs then.
/// It is reaped when this returns: whatever it did was done before.
pub(crate) fn kill_after(mut command: Command, moment: Duration) -> End {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().expect("the program starts");
    let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).expect("our child");
    let left = moment.saturating_sub(started.elapsed());
    let timeout = Timespec::try_from(left).expect("a short time");
    let mut end = [PollFd::new(&pidfd, PollFlags::IN)];
    let ended = poll(&mut end, Some(&timeout)).expect("poll(2)") > 0;
    if !ended {
        // It may end just now; not reaped, it is still the one with this pid.
        child.kill().expect("our child");
    }
    let output = child.wait_with_output().expect("our child");
    match output.status.code() {
        Some(_) => End::ByItself(output),
        None => End::Killed,
    }
}

/// How long a command takes that nobody kills: the median of a few runs, each on what
/// `prepare` makes. Whatever it returns beside the command lives until the run's end.
pub(crate) fn usual_duration<T>(mut prepare: impl FnMut() -> (Command, T)) -> Duration {
    const RUNS: usize = 7;
    let mut times: Vec<_> = (0..RUNS)
        .map(|_| {
            let (mut command, kept) = prepare();
            let started = Instant::now();
            let output = command.output().expect("the program starts");
            let took = started.elapsed();
            assert!(output.status.success(), "{output:?}");
            drop(kept);
            took
        })
        .collect();
    times.sort();
    times[RUNS / 2]
}
