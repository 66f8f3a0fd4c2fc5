//! Many programs on one pool.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::harness::{Entry, PATIENCE, Running, TestPool, Worker, await_that};

/// Registers and forgets a session 50 times, and says which step failed.
const PAIRS: &str = r#"
program=$1 pool=$2 name=$3 pid=$4 i=0
while [ $i -lt 50 ]; do
    "$program" --state-dir "$pool" register --sid "$name-$i" --pid "$pid" >/dev/null || exit 1
    "$program" --state-dir "$pool" forget "$name-$i" --even-if-alive >/dev/null || exit 1
    i=$((i + 1))
done
"#;

#[test]
fn eight_processes_lose_nothing() {
    let workers: Vec<_> = (0..8).map(|_| Worker::obedient()).collect();
    let entries: Vec<Entry> = workers
        .iter()
        .enumerate()
        .map(|(i, worker)| worker.entry(&format!("stays-{i}")))
        .collect();
    let pool = TestPool::with(&entries);
    let before = pool.bytes();
    let running: Vec<_> = workers
        .iter()
        .enumerate()
        .map(|(i, worker)| {
            let mut shell = Command::new("/bin/sh");
            shell
                .env_clear()
                .args(["-c", PAIRS, "sh", env!("CARGO_BIN_EXE_poolwarden")])
                .arg(pool.directory())
                .arg(format!("p{i}"))
                .arg(worker.pid().to_string())
                .stdin(Stdio::null());
            Running::start(shell)
        })
        .collect();
    for (i, process) in running.into_iter().enumerate() {
        // A session that another process had dropped could not be forgotten.
        let ran = process.finish();
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "process {i}");
    }
    assert_eq!(String::from_utf8(pool.bytes()), String::from_utf8(before));
    assert_eq!(
        pool.ask(&["ensure"])["sessions"].as_array().map(Vec::len),
        Some(8)
    );
}

#[test]
fn a_lock_that_somebody_holds_is_waited_for_and_its_holder_named() {
    let pool = TestPool::with(&[]);
    let held = pool.hold_lock();
    let us = format!("process {} ", std::process::id());
    for verb in [&["status"][..], &["ensure"], &["stop", "--all"]] {
        let started = Instant::now();
        let mut command = pool.command(verb);
        command.env("POOLWARDEN_LOCK_WAIT", "300ms");
        let ran = Running::start(command).finish();
        let error = ran.error(5);
        assert!(
            started.elapsed().as_millis() >= 300,
            "{verb:?} did not wait"
        );
        assert!(error.contains(&us), "{verb:?}: wanted {us}: {error}");
        assert!(error.contains("registry.lock"), "{error}");
        assert!(error.contains("\nhint: "), "{error}");
    }
    let ran = pool.run(&["--lock-wait", "1ms", "status"]);
    assert!(ran.error(5).contains(&us), "{ran:?}");
    drop(held);
    pool.ask(&["status"]);
}

#[test]
fn a_lock_that_becomes_free_is_taken_at_once() {
    let pool = TestPool::with(&[]);
    let held = pool.hold_lock();
    let started = Instant::now();
    let waiting = pool.start(&["--lock-wait", "50s", "status"]);
    // Waiters stand in this list with an arrow before the kind of lock (proc_locks(5)).
    let inode = held.metadata().expect("the lock file").ino();
    await_that("the program waits for the lock", || {
        fs::read_to_string("/proc/locks")
            .expect("the locks")
            .lines()
            .any(|line| line.contains("-> FLOCK") && line.contains(&format!(":{inode} ")))
    });
    drop(held);
    waiting.finish().answer(0);
    assert!(
        started.elapsed() < PATIENCE / 2,
        "it went on waiting for a free lock"
    );
}

#[test]
fn the_lock_file_is_never_replaced() {
    let pool = TestPool::with(&[Entry::new("zero", 0)]);
    let lock = pool.directory().join("registry.lock");
    let inode = || fs::metadata(&lock).expect("the lock file").ino();
    pool.ask(&["ensure"]);
    let first = inode();
    let worker = Worker::obedient();
    pool.ask(&["register", "--sid", "a", "--pid", &worker.pid().to_string()]);
    pool.ask(&["stop", "a"]);
    assert_eq!(inode(), first);
    assert!(pool.lock_is_free());
}
