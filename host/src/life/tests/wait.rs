//! Waiting for a worker.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::support::*;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::life::Waited;
use crate::process::fake::FakeKernel;
use crate::process::{
    Identified, IdentifyError, Inquiry, Inspection, Interrupted, LinuxProcesses, Process,
    Processes, Question, Standing, WaitError,
};

fn wait(machine: &Machine, sid: &str, timeout: Duration) -> Waited {
    machine
        .pool
        .wait(sid, Some(timeout), &cancel())
        .expect("it comes out")
}

#[test]
fn a_worker_that_runs_is_waited_for_without_the_lock() {
    let machine = Machine::with(&[claim("a")]);
    let other = claim("b");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(&machine, "a", LONG));
        // The row is written under the lock, before the wait begins.
        until(|| machine.ledger().get(&claim("a")).is_some());
        machine.write(&[other]);
        machine.fake.end(PID);
        let ended = Waited::Ended {
            pid: PID,
            evidence: None,
        };
        assert_eq!(waiting.join().expect("no panic"), ended);
    });
}

#[test]
fn whoever_takes_the_sid_over_does_not_prolong_it() {
    let machine = Machine::with(&[claim("a")]);
    machine.fake.run(4712, START, 1);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(&machine, "a", LONG));
        until(|| machine.ledger().get(&claim("a")).is_some());
        machine.write(&[of("a", 4712)]);
        machine.fake.end(PID);
        let waited = waiting.join().expect("no panic");
        assert!(
            matches!(waited, Waited::Ended { pid: PID, .. }),
            "{waited:?}"
        );
    });
}

#[test]
fn the_time_ends_the_wait() {
    let machine = Machine::with(&[claim("a")]);
    for timeout in [Duration::ZERO, Duration::from_millis(20)] {
        let begun = Instant::now();
        let waited = wait(&machine, "a", timeout);
        assert_eq!(waited, Waited::StillRunning { pid: PID });
        assert!(begun.elapsed() >= timeout);
    }
}

#[test]
fn the_lock_is_waited_for_within_the_time() {
    let machine = Machine::with(&[claim("a")]);
    let held = machine.lock();
    let begun = Instant::now();
    let timeout = Some(Duration::from_millis(20));
    let waited = machine.pool.wait("a", timeout, &cancel());
    assert!(matches!(waited, Err(Error::Busy(_))), "{waited:?}");
    assert!(begun.elapsed() < LONG, "that is how long the lock may take");
    drop(held);
}

/// Processes that keep for how long they were waited for.
struct Timed {
    processes: LinuxProcesses,
    waits: Mutex<Vec<Duration>>,
}

impl Processes for Timed {
    fn inspect(
        &self,
        questions: &[Question<'_>],
        inquiry: &Inquiry<'_>,
    ) -> Result<Vec<Inspection>, Interrupted> {
        self.processes.inspect(questions, inquiry)
    }

    fn identify(&self, pid: u32) -> Result<Identified, IdentifyError> {
        self.processes.identify(pid)
    }

    fn wait(
        &self,
        processes: &[Arc<dyn Process>],
        timeout: Duration,
        cancel: &Cancel,
    ) -> Result<Vec<bool>, WaitError> {
        self.waits.lock().expect("no panic").push(timeout);
        self.processes.wait(processes, timeout, cancel)
    }
}

#[test]
fn the_first_look_is_a_part_of_the_time() {
    let fake = Arc::new(FakeKernel::new());
    fake.run(PID, START, 1);
    let timed = Arc::new(Timed {
        processes: LinuxProcesses::with_kernel(fake, 100),
        waits: Mutex::default(),
    });
    let machine = Machine::configured(&[claim("a")], |builder| builder.processes(timed.clone()));
    let timeout = Duration::from_millis(20);
    assert_eq!(
        wait(&machine, "a", timeout),
        Waited::StillRunning { pid: PID }
    );
    let waits = timed.waits.lock().expect("no panic");
    assert_eq!(waits.len(), 1);
    assert!(waits[0] < timeout, "{waits:?}");
}

#[test]
fn what_is_over_is_not_waited_for() {
    let machine = Machine::with(&[claim("a"), of("dead", 4712)]);
    assert_eq!(wait(&machine, "nobody", LONG), Waited::Absent);
    let Waited::Ended {
        pid: 4712,
        evidence: Some(evidence),
    } = wait(&machine, "dead", LONG)
    else {
        panic!("it has ended")
    };
    assert!(evidence.contains("no process has pid 4712"), "{evidence}");
    let (_, before) = machine.registry();
    machine.write(&[claim("a"), claim("a")]);
    assert_eq!(wait(&machine, "a", LONG), Waited::Ambiguous { entries: 2 });
    assert!(String::from_utf8_lossy(&before).contains("dead"));
}

#[test]
fn what_cannot_be_told_is_not_waited_for() {
    let machine = Machine::with(&[unproven("a")]);
    let Waited::Undecided {
        standing, evidence, ..
    } = wait(&machine, "a", LONG)
    else {
        panic!("nobody knows whether it runs")
    };
    assert_eq!(standing, Standing::Unproven);
    assert!(evidence.contains("no RFC 3339 time"), "{evidence}");
}

#[test]
fn a_wait_can_be_withdrawn() {
    let machine = Machine::with(&[claim("a")]);
    let withdrawn = cancel();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| machine.pool.wait("a", None, &withdrawn));
        until(|| machine.ledger().get(&claim("a")).is_some());
        withdrawn.cancel();
        let waited = waiting.join().expect("no panic");
        assert!(matches!(waited, Err(Error::Cancelled)), "{waited:?}");
    });
}

#[test]
fn a_registry_that_cannot_be_read_is_an_error() {
    let machine = Machine::with(&[]);
    std::fs::write(machine.file("registry.json"), "{\n]").expect("it is written");
    let waited = machine.pool.wait("a", None, &cancel());
    assert!(
        matches!(
            waited,
            Err(Error::Corrupted {
                line: 2,
                column: 1,
                ..
            })
        ),
        "{waited:?}"
    );
}
