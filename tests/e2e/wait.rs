//! Waiting until a worker has ended.

use std::time::Instant;

use nix::sys::signal::Signal;

use crate::harness::{
    Entry, NO_PROCESS, PATIENCE, Ran, Stream, TestPool, Worker, await_that, redact,
};

/// Starts a wait, and returns once it waits: by then it has learned who the worker is.
fn waiting(pool: &TestPool, arguments: &[&str]) -> Stream {
    let stream = Stream::start(pool.command(arguments));
    let ledger = pool.directory().join("ledger.json");
    await_that("the worker is known", || ledger.exists());
    stream
}

#[test]
fn the_end_of_a_worker_ends_the_wait() {
    for arguments in [&["wait", "a"][..], &["wait", "a", "--timeout", "10m"]] {
        let worker = Worker::obedient();
        let pool = TestPool::with(&[worker.entry("a")]);
        let stamp = pool.stamp();
        let wait = waiting(&pool, arguments);
        // Whoever needs the lock to end gets it.
        await_that("the lock is free", || pool.lock_is_free());
        worker.become_zombie();
        let ran = wait.finish();
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(redact(&ran.stdout, &[(worker.pid(), "a")]), @r#"{"sid":"a","pid":[pid of a],"outcome":"ended","pool_version":"[version]"}"#);
        }
        assert_eq!(pool.stamp(), stamp, "collecting it is not its business");
    }
}

#[test]
fn a_worker_that_runs_on_is_told() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let ran = pool.run(&["wait", "a", "--timeout", "50ms"]);
    let answer = ran.answer(1);
    assert_eq!(answer["outcome"], "still-running");
    assert_eq!(answer["pid"], worker.pid());
    assert!(ran.stderr.starts_with("error: sid=a: "), "{ran:?}");
    assert!(worker.is_running());
}

#[test]
fn what_is_over_is_not_waited_for() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[Entry::new("gone", NO_PROCESS), worker.entry("zombie")]);
    worker.become_zombie();
    assert_eq!(pool.ask(&["wait", "nobody"])["outcome"], "absent");
    for (sid, evidence) in [("gone", "no process"), ("zombie", "terminated")] {
        let answer = pool.ask(&["wait", sid]);
        assert_eq!(answer["outcome"], "ended");
        let words = answer["evidence"].as_str().expect("evidence");
        assert!(words.contains(evidence), "{words}");
    }
    assert_eq!(pool.sids(), ["gone", "zombie"]);
}

#[test]
fn what_cannot_be_told_is_not_waited_for() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[
        worker.entry("unproven").created_at("some day"),
        worker.entry("twice"),
        worker.entry("twice"),
        Entry::new("init", 1),
    ]);
    for (sid, outcome) in [
        ("unproven", "unproven"),
        ("init", "unproven"),
        ("twice", "ambiguous"),
    ] {
        let answer = pool.run(&["wait", sid]).answer(4);
        assert_eq!(answer["outcome"], outcome, "{answer}");
        assert!(answer["evidence"].is_string(), "{answer}");
    }
}

#[test]
fn a_session_that_is_registered_anew_does_not_prolong_it() {
    let (old, new) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[old.entry("a")]);
    let wait = waiting(&pool, &["wait", "a"]);
    pool.ask(&["forget", "a", "--even-if-alive"]);
    pool.ask(&["register", "--sid", "a", "--pid", &new.pid().to_string()]);
    old.become_zombie();
    assert_eq!(wait.finish().answer(0)["pid"], old.pid());
    assert!(new.is_running());
}

#[test]
fn a_signal_ends_the_wait() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let mut command = pool.command(&["wait", "a"]);
    let mut child = command.spawn().expect("the program starts");
    let ledger = pool.directory().join("ledger.json");
    await_that("the worker is known", || ledger.exists());
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    nix::sys::signal::kill(pid, Signal::SIGINT).expect("our child");
    let begun = Instant::now();
    let status = child.wait().expect("our child");
    assert!(begun.elapsed() < PATIENCE);
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    assert_eq!(signal, Some(Signal::SIGINT as i32));
    assert!(worker.is_running());
}

/// Ten minutes are more than anybody who says 50 ms has patience for.
#[test]
fn the_lock_is_waited_for_no_longer_than_the_worker() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let _held = pool.hold_lock();
    let wait = ["wait", "a", "--timeout", "50ms", "--lock-wait", "10m"];
    let ran = Ran::within_patience(pool.command(&wait));
    assert!(ran.error(5).contains("--timeout"), "{ran:?}");
    let wait = ["wait", "a", "--timeout", "10m", "--lock-wait", "50ms"];
    let ran = Ran::within_patience(pool.command(&wait));
    assert!(ran.error(5).contains("a longer --lock-wait"), "{ran:?}");
}

#[test]
fn wrong_usage_and_broken_pools_have_their_codes() {
    let pool = TestPool::new();
    for wrong in [
        &["wait"][..],
        &["wait", "a", "--timeout", "2"],
        &["wait", "a", "b"],
    ] {
        assert_eq!(pool.run(wrong).code, 2, "{wrong:?}");
    }
    pool.write("{");
    pool.run(&["wait", "a"]).error(6);
    let _held = pool.hold_lock();
    pool.run(&["wait", "a", "--lock-wait", "10ms"]).error(5);
}
