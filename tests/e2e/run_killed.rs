//! Registrars that die at any moment, and the stub that outlives them.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;

use crate::harness::{Detached, PATIENCE, TestPool, await_that, processes_of};

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
    loop {
        let held = pool.hold_lock();
        let mut registrar = registrar(pool, marker);
        await_that("it asks whether the sid is free", || waiting(pool) == 1);
        let held = thread::scope(|scope| {
            let next = scope.spawn(|| pool.hold_lock());
            await_that("we wait behind it", || waiting(pool) == 2);
            held.unlock().expect("it is ours");
            next.join().expect("the lock")
        });
        // A lock is not handed over: the registrar can have taken it twice before us, or not
        // at all. Then it was another moment, and the right one has to be tried again.
        if pool.sids().is_empty() {
            await_that("it waits for the lock", || waiting(pool) == 1);
            if let [stub] = processes_of(pool)[..] {
                let stub = Detached::with_pid(stub).expect("it waits");
                return (registrar, stub, held);
            }
        }
        held.unlock().expect("it is ours");
        registrar.wait().expect("our child");
        await_that("it runs", || marker.exists());
        pool.ask(&["stop", "--all", "--force"]);
        fs::remove_file(marker).expect("it made it");
    }
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

/// At every moment of a start that takes some milliseconds.
#[test]
fn killed_at_any_moment_a_worker_is_registered_or_never_ran() {
    let pool = TestPool::with(&[]);
    let marker = pool.root().join("ran");
    // The first one shows how long it takes.
    let started = Instant::now();
    registrar(&pool, &marker).wait().expect("our child");
    let takes = started.elapsed();
    assert!(settle(&pool, &marker), "nobody killed it");
    let mut never = 0;
    for round in 1..=24 {
        let started = Instant::now();
        let mut registrar = registrar(&pool, &marker);
        while started.elapsed() < takes * round / 20 {
            std::hint::spin_loop();
        }
        // It fails when it is through.
        let _ = registrar.kill();
        registrar.wait().expect("our child");
        never += u32::from(!settle(&pool, &marker));
    }
    assert!(never > 0, "each of them was through");
}

/// The moment between the entry and the word, as nearly as it can be hit from outside.
#[test]
fn killed_as_soon_as_the_entry_is_there_too() {
    let pool = TestPool::with(&[]);
    let marker = pool.root().join("ran");
    for _ in 0..10 {
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC).expect("a watch");
        let renamed = inotify::WatchFlags::MOVED_TO;
        inotify::add_watch(&watch, pool.directory(), renamed).expect("a watch");
        let mut registrar = registrar(&pool, &marker);
        await_event(&watch, b"registry.json");
        let _ = registrar.kill();
        registrar.wait().expect("our child");
        settle(&pool, &marker);
    }
}

/// Returns at once when a file of this name was put in place.
#[track_caller]
fn await_event(watch: &OwnedFd, name: &[u8]) {
    let patience = Timespec::try_from(PATIENCE).expect("a time");
    let mut events = [0; 4096];
    loop {
        let mut fds = [PollFd::new(watch, PollFlags::IN)];
        let ready = poll(&mut fds, Some(&patience)).expect("poll(2)");
        assert!(ready > 0, "no event came within {PATIENCE:?}");
        let read = rustix::io::read(watch, &mut events).expect("an event");
        let names = |event: &[u8]| event == name;
        if events[..read].windows(name.len()).any(names) {
            return;
        }
    }
}

/// Checks that, after one `ensure`, processes and registry agree: a worker that runs is
/// registered, one that is registered runs. Returns whether there was one, and ends it.
#[track_caller]
fn settle(pool: &TestPool, marker: &Path) -> bool {
    let is_stub = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|&byte| byte == 0)
            .any(|word| word == b"run-stub")
    };
    await_that("no stub waits", || !processes_of(pool).iter().any(is_stub));
    let ensured = pool.ask(&["ensure"]);
    let sessions = ensured["sessions"].as_array().expect("sessions");
    let mut running = processes_of(pool);
    // One that was started by who was killed at that very moment.
    running.retain(|pid| !is_stub(pid));
    let held = |&pid| Detached::with_pid(pid);
    let workers: Vec<_> = running.iter().filter_map(held).collect();
    let registered: Vec<_> = sessions
        .iter()
        .map(|session| {
            assert_eq!(session["status"], "running");
            u32::try_from(session["pid"].as_u64().expect("a pid")).expect("a pid")
        })
        .collect();
    assert_eq!(registered, leaders(&running), "{ensured}");
    if workers.is_empty() {
        assert!(!marker.exists(), "it ran and is known to nobody");
        return false;
    }
    await_that("it runs", || marker.exists());
    pool.ask(&["stop", "--all", "--force"]);
    workers.iter().for_each(Detached::await_end);
    fs::remove_file(marker).expect("it made it");
    true
}

/// Those that lead a session of their own: a worker, and not what it started.
fn leaders(pids: &[u32]) -> Vec<u32> {
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
