//! Stopping: the signals, the wait between them, and what becomes of the entry.

use std::os::unix::process::ExitStatusExt;
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::{PATIENCE, TestPool, Worker, redact};

#[test]
fn a_worker_that_stays_keeps_its_entry_and_is_stopping() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let bytes = pool.bytes();
    let ran = pool.run(&["stop", "a", "--grace", "50ms"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(redact(&ran.stdout, &[(worker.pid(), "a")]), @r#"{"stopped":[],"errors":["sid=a: did not exit within 50 ms after SIGTERM; stop it again with a longer grace period or with force; its entry is kept until it is found dead"],"outcomes":[{"sid":"a","pid":[pid of a],"outcome":"still-running"}]}"#);
    worker.await_line("TERM");
    assert!(worker.is_running());
    assert_eq!(pool.bytes(), bytes);
    assert_eq!(pool.status("a").expect("it is listed").0, "stopping");
    // It still runs, which is what was asked.
    assert_eq!(
        pool.ask(&["status", "a"])["sessions"][0]["status"],
        "stopping"
    );

    worker.become_zombie();
    assert_eq!(pool.ask(&["ensure"])["removed"][0]["sid"], "a");
}

#[test]
fn force_kills_what_stays_and_confirms_it() {
    let (mut deaf, mut obedient) = (Worker::deaf(), Worker::obedient());
    let pool = TestPool::with(&[deaf.entry("deaf"), obedient.entry("obedient")]);
    let answer = pool.ask(&["stop", "--all", "--grace", "50ms", "--force"]);
    assert_eq!(answer["stopped"], json!(["deaf", "obedient"]));
    assert_eq!(answer["outcomes"][0]["outcome"], "killed");
    assert_eq!(answer["outcomes"][1]["outcome"], "exited");
    deaf.await_line("TERM");
    assert_eq!(deaf.reap().signal(), Some(Signal::SIGKILL as i32));
    assert_eq!(obedient.reap().signal(), Some(Signal::SIGTERM as i32));
    assert_eq!(pool.sids(), Vec::<String>::new());
}

#[test]
fn without_a_grace_period_nobody_is_waited_for() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let answer = pool.ask(&["stop", "a", "--grace", "0s"]);
    assert_eq!(answer["stopped"], json!(["a"]));
    assert_eq!(answer["outcomes"][0]["outcome"], "signalled");
    worker.await_line("TERM");
    assert_eq!(pool.status("a").expect("it is listed").0, "stopping");
    worker.become_zombie();
    assert_eq!(pool.ask(&["ensure"])["sessions"], json!([]));
}

#[test]
fn force_without_a_grace_period_kills_at_once() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let answer = pool.ask(&["stop", "a", "--grace", "0s", "--force"]);
    assert_eq!(answer["outcomes"][0]["outcome"], "killed");
    assert!(!worker.is_running());
    assert_eq!(pool.sids(), Vec::<String>::new());
}

#[test]
fn a_suspended_worker_can_act_on_the_signal() {
    let (mut obedient, mut orderly) = (Worker::obedient(), None);
    let pool = TestPool::with(&[]);
    let orderly = orderly.insert(Worker::orderly(pool.directory()));
    pool.seed(&[obedient.entry("obedient"), orderly.entry("orderly")]);
    pool.ask(&["ensure"]);
    obedient.suspend();
    orderly.suspend();
    let answer = pool.ask(&["stop", "--all", "--grace", "50s"]);
    assert_eq!(answer["stopped"], json!(["obedient", "orderly"]));
    assert_eq!(obedient.reap().signal(), Some(Signal::SIGTERM as i32));
    assert_eq!(
        orderly.reap().code(),
        Some(0),
        "it ended by its own handler"
    );
}

/// Workers of algocline take the lock to remove themselves before they exit.
#[test]
fn a_worker_can_have_the_lock_while_it_is_waited_for() {
    let pool = TestPool::with(&[]);
    // It opens the lock file, which has to be there.
    pool.ask(&["ensure"]);
    let mut worker = Worker::orderly(pool.directory());
    pool.seed(&[worker.entry("a")]);
    let started = Instant::now();
    let answer = pool.ask(&["stop", "a", "--grace", "50s"]);
    assert!(
        started.elapsed() < PATIENCE / 2,
        "it waited for a worker that waited for the lock"
    );
    assert_eq!(answer["outcomes"][0]["outcome"], "exited");
    assert_eq!(worker.reap().code(), Some(0));
}

#[test]
fn others_are_answered_while_a_stop_waits() {
    let worker = Worker::deaf();
    let other = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a"), other.entry("b")]);
    let mut stop = pool.start(&["stop", "a", "--grace", "50s"]);
    worker.await_line("TERM");
    // It was signalled under the lock; whoever asks now gets the lock once it is waited for.
    assert_eq!(pool.status("a").expect("it is listed").0, "stopping");
    assert_eq!(pool.ask(&["stop", "b"])["outcomes"][0]["outcome"], "exited");
    assert!(stop.is_running());

    worker.become_zombie();
    let answer = stop.finish().answer(0);
    assert_eq!(answer["outcomes"][0]["outcome"], "exited");
    assert_eq!(pool.sids(), Vec::<String>::new());
}

#[test]
fn an_entry_that_goes_while_it_is_waited_for_is_no_error() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let stop = pool.start(&["stop", "a", "--grace", "50s"]);
    worker.await_line("TERM");
    pool.ask(&["forget", "a", "--even-if-alive"]);
    worker.become_zombie();
    let answer = stop.finish().answer(0);
    assert_eq!(answer["stopped"], json!(["a"]));
    assert_eq!(answer["errors"], json!([]));
    assert_eq!(pool.sids(), Vec::<String>::new());
}

#[test]
fn a_session_that_is_registered_anew_meanwhile_is_left_alone() {
    let (old, new) = (Worker::deaf(), Worker::obedient());
    let pool = TestPool::with(&[old.entry("a")]);
    let stop = pool.start(&["stop", "a", "--grace", "50s"]);
    old.await_line("TERM");
    pool.ask(&["forget", "a", "--even-if-alive"]);
    pool.ask(&["register", "--sid", "a", "--pid", &new.pid().to_string()]);
    old.become_zombie();
    stop.finish().answer(0);
    assert!(new.is_running());
    assert_eq!(pool.ask(&["status", "a"])["sessions"][0]["pid"], new.pid());
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let (worker, dead) = (Worker::deaf(), Worker::obedient());
    let pool = TestPool::with(&[worker.entry("a"), dead.entry("dead")]);
    dead.become_zombie();
    let stamp = pool.stamp();
    let ran = pool.run(&["stop", "--all", "--dry-run", "--force"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let answer = ran.answer(0);
    assert_eq!(answer["dry_run"], true);
    assert_eq!(answer["outcomes"][0]["outcome"], "would-signal");
    assert_eq!(answer["outcomes"][1]["outcome"], "already-dead");
    assert!(worker.is_running());
    assert_eq!(pool.stamp(), stamp);
    // Had it been signalled, it would be stopping now.
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
}

#[test]
fn a_worker_that_is_stopping_can_be_stopped_again() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    pool.run(&["stop", "a", "--grace", "1ms"]).answer(1);
    let answer = pool.ask(&["stop", "a", "--grace", "1ms", "--force"]);
    assert_eq!(answer["outcomes"][0]["outcome"], "killed");
    assert!(!worker.is_running());
}
