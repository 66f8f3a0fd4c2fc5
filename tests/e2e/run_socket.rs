//! Waiting for a started worker's socket.

use std::fs::{self, OpenOptions};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::harness::{
    Detached, PATIENCE, Ran, Running, TestPool, Worker, as_worker, await_that, processes_of,
};

/// A wait that nothing needs.
const LONG: &str = "50s";

/// A command of `run` for a session with a socket.
fn run(pool: &TestPool, sock: &str, wait: &str) -> Command {
    let mut command = pool.command(&["run", "--sid", "a", "--sock", sock, "--wait-sock", wait]);
    command.env("PATH", "/usr/bin:/bin");
    command
}

/// The same with a shell's command as the worker.
fn shell(pool: &TestPool, wait: &str, text: &str) -> Command {
    let mut command = run(pool, "a.sock", wait);
    command.args(["--", "sh", "-c", text]);
    command
}

fn log_of(pool: &TestPool) -> PathBuf {
    pool.directory().join("logs/a.log")
}

/// Nothing is left of a worker that failed: no process and no entry.
#[track_caller]
fn assert_nothing_left(pool: &TestPool) {
    assert_eq!(processes_of(pool), Vec::<u32>::new());
    assert_eq!(pool.sids(), Vec::<String>::new());
}

#[test]
fn it_returns_once_the_worker_listens_and_does_not_connect() {
    let pool = TestPool::new();
    let started = Instant::now();
    let mut command = run(&pool, "a.sock", LONG);
    as_worker(&mut command, "serve", None);
    let _worker = Detached::of(&Ran::of(command).answer(0));
    assert!(started.elapsed() < PATIENCE / 2, "it waited for more");
    UnixStream::connect(pool.root().join("a.sock")).expect("it listens");
    let connections = || {
        let log = fs::read_to_string(log_of(&pool)).expect("a log");
        log.lines()
            .filter(|line| line.ends_with("connected"))
            .count()
    };
    // They are accepted in order: had there been another one, it would be told before.
    await_that("it accepts", || connections() > 0);
    assert_eq!(connections(), 1);
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
}

#[test]
fn a_child_of_the_worker_may_be_who_listens() {
    let pool = TestPool::new();
    let mut command = run(&pool, "a.sock", LONG);
    as_worker(&mut command, "child", None);
    let _worker = Detached::of(&Ran::of(command).answer(0));
    UnixStream::connect(pool.root().join("a.sock")).expect("it listens");
}

#[test]
fn the_directory_may_be_the_workers_to_make() {
    let pool = TestPool::new();
    let mut command = run(&pool, "one/two/three/a.sock", LONG);
    as_worker(&mut command, "deep", None);
    let _worker = Detached::of(&Ran::of(command).answer(0));
    UnixStream::connect(pool.root().join("one/two/three/a.sock")).expect("it listens");
}

#[test]
fn a_socket_that_is_bound_is_not_enough() {
    let pool = TestPool::new();
    let cue = pool.root().join("cue");
    mkfifo(&cue, Mode::S_IRWXU).expect("a FIFO");
    let sock = pool.root().join("a.sock");
    let mut command = run(&pool, "a.sock", LONG);
    as_worker(&mut command, "bind", Some(&cue));
    let mut running = Running::start(command);
    await_that("it is bound", || sock.exists());
    let status = pool.status("a").expect("it is listed");
    assert!(running.is_running(), "{status:?}");
    drop(OpenOptions::new().write(true).open(&cue).expect("the cue"));
    let _worker = Detached::of(&running.finish().answer(0));
    UnixStream::connect(&sock).expect("it listens");

    // Without the cue, it is too late some time.
    pool.ask(&["stop", "a"]);
    fs::remove_file(&sock).expect("it is removed");
    let mut command = run(&pool, "a.sock", "300ms");
    as_worker(&mut command, "bind", Some(&cue));
    let ran = Ran::of(command);
    let error = ran.error(1);
    assert!(error.contains("nobody is seen to listen on it"), "{error}");
    // The socket is the worker's own, and not an obstacle that it met.
    assert!(!error.contains("hint"), "{error}");
    assert_nothing_left(&pool);
}

#[test]
fn a_worker_that_ends_first_is_told_with_its_last_words() {
    let pool = TestPool::new();
    fs::create_dir(pool.directory().join("logs")).expect("a directory");
    fs::write(log_of(&pool), "of a predecessor\n").expect("a log");
    let text = r"printf 'one\ntwo \033[2J\n' >&2; exit 3";
    let started = Instant::now();
    let ran = Ran::of(shell(&pool, LONG, text));
    assert!(started.elapsed() < PATIENCE / 2, "it waited on");
    let sock = pool.root().join("a.sock").display().to_string();
    let log = log_of(&pool).display().to_string();
    assert_eq!(
        ran.error(1).lines().collect::<Vec<_>>(),
        [
            format!("error: sid=a: it ended before it listened on {sock}: exit status: 3"),
            format!("its last words, from {log}:"),
            "  one".into(),
            "  two \\u{1b}[2J".into(),
        ]
    );
    assert_nothing_left(&pool);

    let ran = Ran::of(shell(&pool, LONG, "kill -9 $$"));
    assert!(ran.error(1).contains("signal: 9 (SIGKILL)"), "{ran:?}");
    assert_nothing_left(&pool);
}

/// What a failed worker started would be known to nobody.
#[test]
fn what_a_failed_worker_started_ends_with_it() {
    let pool = TestPool::new();
    let ran = Ran::of(shell(&pool, LONG, "sleep 600 & exit 3"));
    ran.error(1);
    await_that("it is gone", || processes_of(&pool).is_empty());
    let ran = Ran::of(shell(&pool, "100ms", "sleep 600 & wait"));
    ran.error(1);
    await_that("it is gone", || processes_of(&pool).is_empty());
    assert_nothing_left(&pool);
}

#[test]
fn a_worker_that_takes_too_long_is_ended() {
    let pool = TestPool::new();
    for (text, end) in [
        ("exec sleep 600", "signal: 15 (SIGTERM)"),
        ("trap '' TERM; exec sleep 600", "signal: 9 (SIGKILL)"),
        ("kill -STOP $$", "signal: 15 (SIGTERM)"),
    ] {
        let ran = Ran::of(shell(&pool, "300ms", text));
        let error = ran.error(1);
        assert!(error.contains("does not listen on"), "{error}");
        assert!(error.contains("after 300ms: nothing is there"), "{error}");
        assert!(error.contains(end), "{text}: {error}");
        assert_nothing_left(&pool);
    }
    // What was sent to a registered worker stands in the trail, whoever asked for it.
    let trail = pool.run(&["log", "--sid", "a"]);
    let sent = |signal: &str| trail.stdout.contains(&format!("\"signal\":\"{signal}\""));
    assert!(sent("term") && sent("kill"), "{trail:?}");
}

/// Checks that the hint is this one, whether the worker gives up or waits.
#[track_caller]
fn assert_hint(pool: &TestPool, hint: &str) {
    for (wait, text) in [(LONG, "exit 1"), ("100ms", "exec sleep 600")] {
        let ran = Ran::of(shell(pool, wait, text));
        let error = ran.error(1);
        let mut hints = error.lines().filter(|line| line.starts_with("hint: "));
        let found = hints.next().expect("a hint");
        assert!(found.contains(hint) && hints.next().is_none(), "{error}");
        assert_nothing_left(pool);
    }
}

#[test]
fn what_is_in_the_way_is_named_and_left() {
    let pool = TestPool::new();
    let sock = pool.root().join("a.sock");
    let listener = UnixListener::bind(&sock).expect("it is free");
    assert_hint(&pool, "another process listens on");
    drop(listener);
    assert_hint(&pool, &format!("remove it: `rm {}`", sock.display()));
    assert!(sock.exists());

    fs::remove_file(&sock).expect("it is removed");
    fs::write(&sock, "a file").expect("a file");
    let ran = Ran::of(shell(&pool, "50ms", "exec sleep 600"));
    assert!(ran.error(1).contains("is no socket"), "{ran:?}");
    assert_nothing_left(&pool);
}

/// Somebody else drops the entry, or has the sid by now: that is theirs.
#[test]
fn only_its_own_entry_is_dropped() {
    let pool = TestPool::new();
    let mut running = Running::start(shell(&pool, LONG, "exec sleep 600"));
    await_that("it is listed", || {
        pool.registry().exists() && pool.status("a").is_some()
    });
    let pid = pool.ask(&["status"])["sessions"][0]["pid"].as_u64();
    let worker = Detached::with_pid(u32::try_from(pid.expect("a pid")).expect("a pid"));
    pool.ask(&["forget", "a", "--even-if-alive"]);
    let us = std::process::id().to_string();
    pool.ask(&["register", "--sid", "a", "--pid", &us]);
    assert!(running.is_running());
    worker.expect("it runs").kill();
    let ran = running.finish();
    assert!(ran.error(1).contains("signal: 9 (SIGKILL)"), "{ran:?}");
    assert_eq!(pool.sids(), ["a"]);
}

/// Its worker may be about to listen again, where this program cannot see it.
#[test]
fn a_socket_that_the_entry_of_a_worker_elsewhere_names_stays() {
    let pool = TestPool::new();
    let sock = pool.directory().join("w.sock");
    let worker = Worker::obedient();
    let pid = worker.pid().to_string();
    let path = sock.to_str().expect("text");
    pool.ask(&["register", "--sid", "w", "--pid", &pid, "--sock", path]);
    drop(UnixListener::bind(&sock).expect("it is free"));
    let ledger = pool.directory().join("ledger.json");
    let text = fs::read_to_string(&ledger).expect("a ledger");
    let (before, after) = text.split_once("\"pid_namespace\":").expect("a row");
    let end = after.find([',', '}']).expect("more fields");
    let elsewhere = format!("{before}\"pid_namespace\":1{}", &after[end..]);
    fs::write(&ledger, elsewhere).expect("the ledger");
    assert_eq!(pool.status("w").expect("it is listed").0, "foreign");

    let ran = Ran::of(pool.run_command(&["--sid", "b", "--sock", path], &["--", "sleep", "600"]));
    let _worker = Detached::of(&ran.answer(0));
    assert!(sock.exists(), "{ran:?}");
    assert!(ran.stderr.contains("the entry of sid=w names"), "{ran:?}");
    assert!(ran.stderr.contains("forget --even-if-alive w"), "{ran:?}");

    let mut command = pool.command(&["run", "--sid", "c", "--sock", path, "--wait-sock", "50s"]);
    command.env("PATH", "/usr/bin:/bin");
    as_worker(&mut command, "serve", None);
    let failed = Ran::of(command);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(!failed.stderr.contains("`rm "), "{failed:?}");
    assert!(sock.exists());
}
