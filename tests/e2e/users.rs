//! Workers that run for another user than the one who started them, or let nobody look into
//! them.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::unistd::geteuid;

use crate::harness::{Detached, Ran, TestPool, Worker, as_worker, await_that};

/// The user `nobody`.
const NOBODY: u32 = 65534;

/// Whether this test can start processes for somebody else.
fn is_root() -> bool {
    let is_root = geteuid().is_root();
    if !is_root {
        eprintln!("only root can start a process for somebody else; nothing was tested");
    }
    is_root
}

/// A worker that root has started, and that has changed its user, as `gosu` does.
fn changed_user(pool: &TestPool) -> Detached {
    let program = [
        "--",
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "sleep",
        "600",
    ];
    let worker = Detached::of(&Ran::of(pool.run_command(&["--sid", "a"], &program)).answer(0));
    await_that("it has changed its user", || {
        worker.fact("status").contains("\nUid:\t65534\t65534\t")
    });
    worker
}

#[test]
fn root_stops_its_own_worker_that_has_changed_its_user() {
    if !is_root() {
        return;
    }
    for options in [&["stop", "a"][..], &["stop", "a", "--group", "--force"]] {
        let pool = TestPool::new();
        let worker = changed_user(&pool);
        assert_eq!(pool.ask(options)["outcomes"][0]["outcome"], "exited");
        worker.await_end();
        assert_eq!(pool.sids(), Vec::<String>::new());
    }
}

/// The ledger's row of it was learned from the registry, which may name anybody's process.
#[test]
fn root_signals_no_other_users_process_that_only_a_registry_names() {
    if !is_root() {
        return;
    }
    let stranger = Worker::obedient_with(|command| {
        command.uid(NOBODY);
    });
    let pool = TestPool::with(&[stranger.entry("a")]);
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
    for _ in 0..2 {
        let answer = pool.run(&["stop", "a", "--force"]).answer(1);
        let error = answer["errors"][0].as_str().expect("an error");
        assert!(error.contains("belongs to another user"), "{error}");
    }
    assert!(stranger.is_running());
}

/// A pool whose commands run for an ordinary user, who is not shown everything.
fn ordinary() -> (TestPool, impl Fn(&mut Command)) {
    let pool = TestPool::new();
    let is_root = geteuid().is_root();
    if is_root {
        for directory in [pool.root(), pool.directory()] {
            chown(directory, Some(NOBODY), Some(NOBODY)).expect("root may");
        }
    }
    let as_user = move |command: &mut Command| {
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
    };
    (pool, as_user)
}

#[test]
fn a_worker_that_lets_nobody_see_whether_it_listens_is_left_running() {
    let (pool, as_user) = ordinary();
    let mut command = pool.command(&["run", "--sid", "a", "--sock", "a.sock"]);
    command.args(["--wait-sock", "300ms"]);
    as_worker(&mut command, "undumpable", None);
    as_user(&mut command);
    let ran = Ran::of(command);
    let answer = ran.answer(4);
    let worker = Detached::of(&answer);
    let evidence = answer["started"]["evidence"].as_str().expect("evidence");
    assert!(evidence.contains("cannot be seen"), "{evidence}");
    let told = format!("warning: sid=a: {evidence}; it is left running\n");
    assert_eq!(ran.stderr, told);
    assert!(worker.is_running());
    let mut command = pool.command(&["status", "a"]);
    as_user(&mut command);
    assert_eq!(
        Ran::of(command).answer(0)["sessions"][0]["pid"],
        worker.pid()
    );
}

/// What is seen of one that does not listen is the same as of every other.
#[test]
fn a_worker_that_lets_nobody_look_and_makes_no_socket_is_ended() {
    let (pool, as_user) = ordinary();
    let mut command = pool.command(&["run", "--sid", "a", "--sock", "a.sock"]);
    command.args(["--wait-sock", "300ms"]);
    as_worker(&mut command, "undumpable-idle", None);
    as_user(&mut command);
    let ran = Ran::of(command);
    assert!(ran.error(1).contains("nothing is there"), "{ran:?}");
}
