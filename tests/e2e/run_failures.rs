//! Starts that fail, and workers that are replaced.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;

use nix::sys::signal::{SigHandler, Signal, signal};
use serde_json::json;

use crate::harness::{Detached, Entry, NO_PROCESS, Ran, TestPool, await_that, processes_of};

/// Takes no notice of SIGTERM, and says when it does not.
const DEAF: [&str; 4] = ["--", "sh", "-c", "trap '' TERM; echo deaf; exec sleep 600"];
const SLEEP: [&str; 3] = ["--", "sleep", "600"];

/// A deaf worker that does not hear any more.
#[track_caller]
fn deaf(pool: &TestPool, sid: &str) -> Detached {
    let worker = Detached::of(&Ran::of(pool.run_command(&["--sid", sid], &DEAF)).answer(0));
    let log = pool.directory().join(format!("logs/{sid}.log"));
    await_that("it is deaf", || {
        fs::read_to_string(&log).is_ok_and(|text| text.ends_with("deaf\n"))
    });
    worker
}

#[test]
fn a_program_that_cannot_run_leaves_no_entry_and_says_why() {
    let pool = TestPool::with(&[Entry::new("init", 1)]);
    let script = pool.root().join("script");
    fs::write(&script, "#!/no/such/interpreter\n").expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("its mode");
    for (program, because) in [
        ("no-such-program", "No such file or directory"),
        ("/no/such", "No such file or directory"),
        ("/etc/passwd", "Permission denied"),
        ("./script", "No such file or directory"),
        ("a\nb", "No such file or directory"),
    ] {
        let ran = Ran::of(pool.run_command(&["--sid", "a"], &["--", program]));
        let program = program.replace('\n', "\\u{a}");
        let wanted = format!("error: sid=a: not started: cannot run {program}: {because}");
        assert!(ran.error(1).starts_with(&wanted), "{wanted}: {ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        assert_eq!(pool.sids(), ["init"]);
    }
    assert_eq!(processes_of(&pool), Vec::<u32>::new());
}

/// Whoever starts the program can have it ignore the end of its children (wait(2)).
#[test]
fn a_failed_start_is_told_also_where_children_are_not_waited_for() {
    let pool = TestPool::with(&[]);
    for options in [
        &["--sid", "a"][..],
        &["--sid", "a", "--sock", "s", "--wait-sock", "50s"],
    ] {
        let program = if options.len() == 2 {
            "/no/such"
        } else {
            "false"
        };
        let mut command = pool.run_command(options, &["--", program]);
        // SAFETY: it is one system call.
        unsafe {
            command.pre_exec(|| {
                signal(Signal::SIGCHLD, SigHandler::SigIgn)?;
                Ok(())
            });
        }
        let ran = Ran::of(command);
        let error = ran.error(1);
        let wanted = ["No such file or directory", "exit status: 1"];
        assert!(wanted.iter().any(|text| error.contains(text)), "{error}");
        assert_eq!(pool.sids(), Vec::<String>::new());
    }
}

/// Nobody can tell such an entry from one of a worker in another pid namespace. This program
/// can: it saw the process end.
#[test]
fn the_entry_goes_also_when_others_serve_its_socket() {
    let pool = TestPool::with(&[]);
    let sock = pool.root().join("a.sock");
    let _others = UnixListener::bind(&sock).expect("it is free");
    let options = ["--sid", "a", "--sock", "a.sock"];
    let ran = Ran::of(pool.run_command(&options, &["--", "/no/such"]));
    assert_eq!(ran.error(1).lines().count(), 1, "{ran:?}");
    assert_eq!(pool.sids(), Vec::<String>::new());
    assert!(sock.exists());
}

#[test]
fn a_session_id_that_is_taken_starts_nothing() {
    let pool = TestPool::with(&[Entry::new("init", 1), Entry::new("dead", NO_PROCESS)]);
    let marker = pool.root().join("ran");
    let touch = ["--", "touch", marker.to_str().expect("a path")];
    let worker = Detached::of(&Ran::of(pool.run_command(&["--sid", "a"], &SLEEP)).answer(0));
    for (sid, status) in [("a", "running"), ("init", "unproven")] {
        let ran = Ran::of(pool.run_command(&["--sid", sid], &touch));
        let error = ran.error(1);
        assert!(error.contains("taken") && error.contains(status), "{error}");
    }
    assert!(!marker.exists());
    assert!(worker.is_running());
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
    // What is dead is in nobody's way.
    Ran::of(pool.run_command(&["--sid", "dead"], &touch)).answer(0);
    await_that("the program runs", || marker.exists());
}

#[test]
fn a_worker_can_be_replaced() {
    let pool = TestPool::new();
    let old = Detached::of(&Ran::of(pool.run_command(&["--sid", "a"], &SLEEP)).answer(0));
    let answer = Ran::of(pool.run_command(&["--sid", "a", "--replace"], &SLEEP)).answer(0);
    let new = Detached::of(&answer);
    assert!(!old.is_running());
    assert_eq!(
        answer["replaced"],
        json!([{"sid": "a", "pid": old.pid(), "outcome": "exited"}])
    );
    assert_eq!(pool.ask(&["status", "a"])["sessions"][0]["pid"], new.pid());

    // Nobody to replace is no mistake.
    let answer = Ran::of(pool.run_command(&["--sid", "b", "--replace"], &SLEEP)).answer(0);
    let _other = Detached::of(&answer);
    assert!(answer.get("replaced").is_none(), "{answer}");
    assert!(new.is_running());
}

#[test]
fn a_worker_that_does_not_end_is_replaced_by_force_only() {
    let pool = TestPool::new();
    let old = deaf(&pool, "a");
    let marker = pool.root().join("ran");
    let touch = ["--", "touch", marker.to_str().expect("a path")];
    for grace in ["50ms", "0s"] {
        let options = ["--sid", "a", "--replace", "--grace", grace];
        let ran = Ran::of(pool.run_command(&options, &touch));
        let error = ran.error(1);
        assert!(error.contains("nothing was started"), "{error}");
        assert!(old.is_running());
        assert_eq!(pool.status("a").expect("it is listed").0, "stopping");
    }
    assert!(!marker.exists());

    let options = ["--sid", "a", "--replace", "--grace", "50ms", "--force"];
    let answer = Ran::of(pool.run_command(&options, &SLEEP)).answer(0);
    let _new = Detached::of(&answer);
    assert_eq!(answer["replaced"][0]["outcome"], "killed");
    assert!(!old.is_running());
}

#[test]
fn what_cannot_be_proven_is_not_replaced() {
    let pool = TestPool::with(&[Entry::new("init", 1)]);
    let options = ["--sid", "init", "--replace", "--force"];
    let ran = Ran::of(pool.run_command(&options, &SLEEP));
    assert!(ran.error(1).contains("nothing was started"), "{ran:?}");
    assert_eq!(pool.sids(), ["init"]);
    assert_eq!(processes_of(&pool), Vec::<u32>::new());
}

#[test]
fn a_worker_is_not_stopped_for_a_misspelled_successor() {
    let pool = TestPool::new();
    let old = Detached::of(&Ran::of(pool.run_command(&["--sid", "a"], &SLEEP)).answer(0));
    let ran = Ran::of(pool.run_command(&["--sid", "a", "--replace"], &["--", "slep"]));
    let error = ran.error(1);
    assert!(error.contains("slep cannot be run: "), "{error}");
    assert!(old.is_running());
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
}

#[test]
fn a_log_that_leads_elsewhere_is_refused() {
    let pool = TestPool::new();
    let target = pool.root().join("target");
    fs::write(&target, "untouched").expect("a file");
    let logs = pool.directory().join("logs");
    let refused = |options: &[&str], link: &Path| {
        let ran = Ran::of(pool.run_command(options, &SLEEP));
        let error = ran.error(1);
        let link = link.display().to_string();
        assert!(
            error.contains(&link) && error.contains("symbolic link"),
            "{error}"
        );
        assert!(!pool.registry().exists() || pool.sids().is_empty());
    };
    symlink(pool.root(), &logs).expect("a link");
    refused(&["--sid", "a"], &logs);
    fs::remove_file(&logs).expect("it is removed");
    fs::create_dir(&logs).expect("a directory");
    symlink(&target, logs.join("a.log")).expect("a link");
    refused(&["--sid", "a"], &logs.join("a.log"));
    let link = pool.root().join("link");
    symlink(&target, &link).expect("a link");
    refused(&["--sid", "a", "--log", "link"], &link);
    assert_eq!(fs::read(&target).expect("a file"), b"untouched");
    assert_eq!(processes_of(&pool), Vec::<u32>::new());
}

#[test]
fn exit_codes_are_those_of_the_pool() {
    let pool = TestPool::with(&[]);
    let held = pool.hold_lock();
    let mut command = pool.run_command(&["--sid", "a"], &SLEEP);
    command.env("POOLWARDEN_LOCK_WAIT", "50ms");
    let ran = Ran::of(command);
    assert!(ran.error(5).contains("\nhint: "), "{ran:?}");
    drop(held);
    pool.write("{");
    let ran = Ran::of(pool.run_command(&["--sid", "a"], &SLEEP));
    assert!(ran.error(6).contains("registry.json"), "{ran:?}");
    assert_eq!(pool.bytes(), b"{");
}
