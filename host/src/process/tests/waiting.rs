//! Waiting for processes to end.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::support::*;
use crate::cancel::Cancel;
use crate::process::fake::{Call, FakeKernel};
use crate::process::{LinuxProcesses, Process, Processes, WaitError};

/// Long enough that a test which waits for it has failed.
const LONG: Duration = Duration::from_secs(600);

fn three() -> (Arc<FakeKernel>, LinuxProcesses, Vec<Arc<dyn Process>>) {
    let fake = machine();
    let processes = processes(&fake);
    let held = (2001..=2003).map(|pid| {
        fake.run(pid, START, 1);
        processes.identify(pid).expect("it runs").process
    });
    let held = held.collect();
    (fake, processes, held)
}

#[test]
fn all_ended_ends_the_wait() {
    let (fake, processes, held) = three();
    let cancel = Cancel::new().expect("an eventfd");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| processes.wait(&held, LONG, &cancel));
        fake.end(2002);
        fake.reap(2001);
        fake.reap(2003);
        assert_eq!(
            waiting.join().expect("no panic").expect("no error"),
            [true; 3]
        );
    });
}

#[test]
fn the_timeout_ends_the_wait() {
    let (fake, processes, held) = three();
    let cancel = Cancel::new().expect("an eventfd");
    fake.end(2002);
    for timeout in [Duration::ZERO, Duration::from_millis(5)] {
        let start = Instant::now();
        let ended = processes.wait(&held, timeout, &cancel).expect("no error");
        assert_eq!(ended, [false, true, false]);
        assert!(start.elapsed() >= timeout);
    }
}

#[test]
fn nothing_to_wait_for_does_not_wait() {
    let (_fake, processes, _) = three();
    let cancel = Cancel::new().expect("an eventfd");
    assert_eq!(
        processes.wait(&[], LONG, &cancel).expect("no error"),
        [false; 0]
    );
}

#[test]
fn a_withdrawn_request_ends_the_wait() {
    let (fake, processes, held) = three();
    let cancel = Cancel::new().expect("an eventfd");
    let ready = Barrier::new(2);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            ready.wait();
            processes.wait(&held, Duration::MAX, &cancel)
        });
        ready.wait();
        cancel.cancel();
        let waited = waiting.join().expect("no panic");
        assert!(matches!(waited, Err(WaitError::Cancelled)));
    });
    // What has happened is told all the same.
    for pid in 2001..=2003 {
        fake.end(pid);
    }
    assert_eq!(
        processes.wait(&held, LONG, &cancel).expect("all ended"),
        [true; 3]
    );
}

#[test]
fn a_refused_poll_is_an_error() {
    let (fake, processes, held) = three();
    let cancel = Cancel::new().expect("an eventfd");
    fake.refuse(Call::Poll, Errno::ENOMEM);
    assert!(matches!(
        processes.wait(&held, LONG, &cancel),
        Err(WaitError::Io(_))
    ));
}
