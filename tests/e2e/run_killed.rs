//! Registrars that die at any moment, and the stub that outlives them.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Detached, TestPool, await_that, processes_of};

/// What the registrar says to the stub.
const WORD: &str = "registered: run\n";

/// A registrar of a worker that makes a file and stays.
fn registrar(pool: &TestPool, marker: &Path) -> Child {
    let mut command = pool.command(&["run", "--sid", "a", "--", "sh", "-c"]);
    command
        .env("PATH", "/usr/bin:/bin")
        .args(["touch \"$1\"; exec sleep 600", "sh"])
        .arg(marker)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("the program starts")
}

/// How many requests wait for the pool's lock (proc_locks(5)).
fn waiting(pool: &TestPool) -> usize {
    let lock = pool.directory().join("registry.lock");
    let inode = format!(":{} ", fs::metadata(lock).expect("a lock").ino());
    let locks = fs::read_to_string("/proc/locks").expect("/proc/locks");
    let waits = |line: &&str| line.contains("->") && line.contains(&inode);
    locks.lines().filter(waits).count()
}

/// A registrar whose stub is started and which waits for the lock to register it.
fn before_registration(pool: &TestPool, marker: &Path) -> (Child, Detached, File) {
    let held = pool.hold_lock();
    let registrar = registrar(pool, marker);
    await_that("it asks whether the sid is free", || waiting(pool) == 1);
    // The lock goes to who waited for it first. Then it is ours again.
    let held = thread::scope(|scope| {
        let next = scope.spawn(|| pool.hold_lock());
        await_that("we are next", || waiting(pool) == 2);
        held.unlock().expect("it is ours");
        next.join().expect("the lock")
    });
    await_that("it waits to register", || waiting(pool) == 1);
    let stub = processes_of(pool);
    assert_eq!(stub.len(), 1, "{stub:?}");
    (
        registrar,
        Detached::with_pid(stub[0]).expect("it waits"),
        held,
    )
}

#[test]
fn without_its_registrar_a_stub_ends_and_nothing_runs() {
    for signal in [Signal::SIGKILL, Signal::SIGINT, Signal::SIGTERM] {
        let pool = TestPool::with(&[]);
        let marker = pool.root().join("ran");
        let (mut registrar, stub, held) = before_registration(&pool, &marker);
        assert!(stub.is_running());
        let pid = i32::try_from(registrar.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("our child");
        registrar.wait().expect("our child");
        stub.await_end();
        held.unlock().expect("it is ours");
        assert!(!marker.exists(), "{signal}");
        assert_eq!(pool.sids(), Vec::<String>::new());
    }
}

/// Somebody else was quicker.
#[test]
fn a_session_id_that_is_taken_meanwhile_ends_the_stub() {
    let pool = TestPool::with(&[]);
    let marker = pool.root().join("ran");
    let (mut registrar, stub, held) = before_registration(&pool, &marker);
    let us = std::process::id();
    let entry = crate::harness::Entry::new("a", us);
    pool.seed(&[entry]);
    held.unlock().expect("it is ours");
    assert_eq!(registrar.wait().expect("our child").code(), Some(1));
    assert!(!stub.is_running());
    assert!(!marker.exists());
    assert_eq!(pool.ask(&["status"])["sessions"][0]["pid"], us);
}

/// Ended by somebody else between its registration and the word.
#[test]
fn a_stub_that_is_killed_first_leaves_no_entry() {
    let pool = TestPool::with(&[]);
    let marker = pool.root().join("ran");
    let (mut registrar, stub, held) = before_registration(&pool, &marker);
    stub.kill();
    stub.await_end();
    held.unlock().expect("it is ours");
    assert_eq!(registrar.wait().expect("our child").code(), Some(1));
    assert!(!marker.exists());
    assert_eq!(pool.sids(), Vec::<String>::new());
}

#[test]
fn only_the_exact_word_makes_a_stub_run() {
    let pool = TestPool::new();
    let run_after = |words: &str| {
        let marker = pool.root().join("ran");
        let mut stub = Command::new(env!("CARGO_BIN_EXE_poolwarden"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .args(["run-stub", "--descriptors", "100", "--", "touch"])
            .arg(&marker)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the stub starts");
        let mut pipe = stub.stdin.take().expect("a pipe");
        pipe.write_all(words.as_bytes()).expect("it listens");
        drop(pipe);
        let ended = stub.wait_with_output().expect("our child");
        assert_eq!(ended.stdout, b"", "{words:?}");
        let ran = fs::remove_file(&marker).is_ok();
        assert_eq!(ran, ended.status.success(), "{words:?}");
        ran
    };
    let too_much = [WORD, "x"].concat();
    let twice = WORD.repeat(2);
    for wrong in [
        "",
        "r",
        &WORD[..WORD.len() - 1],
        &WORD[1..],
        &too_much,
        &twice,
        "\0",
    ] {
        assert!(!run_after(wrong), "{wrong:?}");
    }
    assert!(run_after(WORD));
}

/// At every moment of a start that takes some milliseconds: as if the power went.
#[test]
fn killed_at_any_moment_a_worker_is_registered_or_never_ran() {
    let pool = TestPool::with(&[]);
    let (mut ran, mut never) = (0, 0);
    // The first one shows how long it takes.
    let mut takes = Duration::ZERO;
    for round in 0..=24 {
        let marker = pool.root().join(format!("ran-{round}"));
        let started = Instant::now();
        let mut registrar = registrar(&pool, &marker);
        if round == 0 {
            registrar.wait().expect("our child");
            takes = started.elapsed();
        } else {
            while started.elapsed() < takes * round / 20 {
                std::hint::spin_loop();
            }
            // It fails when it is through.
            let _ = registrar.kill();
            registrar.wait().expect("our child");
        }
        let stub = |pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|&byte| byte == 0)
                .any(|word| word == b"run-stub")
        };
        await_that("no stub waits", || !processes_of(&pool).iter().any(stub));
        let ensured = pool.ask(&["ensure"]);
        let sessions = ensured["sessions"].as_array().expect("sessions");
        let registered: Vec<_> = sessions
            .iter()
            .map(|session| u32::try_from(session["pid"].as_u64().expect("a pid")).expect("a pid"))
            .collect();
        let workers: Vec<_> = processes_of(&pool);
        let guards: Vec<_> = workers
            .iter()
            .filter_map(|&pid| Detached::with_pid(pid))
            .collect();
        assert_eq!(registered, outermost(&workers), "round {round}: {ensured}");
        for session in sessions {
            assert_eq!(session["status"], "running", "round {round}");
        }
        if registered.is_empty() {
            never += 1;
            assert!(
                !marker.exists(),
                "round {round}: it ran and is known to nobody"
            );
        } else {
            ran += 1;
            await_that("it runs", || PathBuf::from(&marker).exists());
        }
        pool.run(&["stop", "--all", "--force"]).answer(0);
        for guard in guards {
            guard.await_end();
        }
    }
    assert!(
        ran > 0 && never > 0,
        "ran {ran} times, did not {never} times"
    );
}

/// Those that lead a session of their own: a worker, and not what it started.
fn outermost(pids: &[u32]) -> Vec<u32> {
    let leads = |pid: &&u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let session = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.split(' ').nth(3));
        session == Some(pid.to_string().as_str())
    };
    pids.iter().filter(leads).copied().collect()
}
