//! Starting a worker: what it is, what it inherits, and what is answered.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, getrlimit, pidfd_open, setrlimit};
use serde_json::{Value, json};

use crate::harness::{Detached, Ran, Terminal, TestPool, await_that, redact};

/// Runs for longer than any test.
const SLEEP: [&str; 3] = ["--", "sleep", "600"];

/// The worker of a run that succeeds and has nothing to warn about, and the answer.
#[track_caller]
fn start(command: Command) -> (Detached, Value) {
    let ran = Ran::of(command);
    let answer = ran.answer(0);
    let worker = Detached::of(&answer);
    assert_eq!(ran.stderr, "");
    (worker, answer)
}

#[test]
fn a_worker_is_registered_detached_and_knows_its_pool() {
    let pool = TestPool::absent();
    let command = pool.run_command(&["--sid", "a", "--version", "7"], &SLEEP);
    let (worker, answer) = start(command);
    let log = pool.directory().join("logs/a.log");
    let (sid, pid) = ("a", worker.pid());
    let started = &answer["started"];
    assert_eq!(
        *started,
        json!({
            "sid": sid, "pid": pid, "sock": "", "version": "7",
            "created_at": started["created_at"], "log": log,
        })
    );
    assert_eq!(answer["pool_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        pool.ask(&["status"])["sessions"],
        json!([{
            "sid": sid, "pid": pid, "sock": "", "version": "7",
            "created_at": started["created_at"], "status": "running",
        }])
    );

    assert_eq!(worker.fact("cmdline"), "sleep\x00600\x00");
    let stat = worker.fact("stat");
    let fields: Vec<_> = stat
        .rsplit(") ")
        .next()
        .expect("fields")
        .split(' ')
        .collect();
    let pid = pid.to_string();
    // Process group and session are its own, and it has no terminal.
    assert_eq!(fields[2..5], [pid.as_str(), pid.as_str(), "0"], "{stat}");
    for (name, value) in [
        ("POOLWARDEN_SID", Some("a".to_owned())),
        ("POOLWARDEN_SOCK", None),
        (
            "POOLWARDEN_STATE_DIR",
            pool.directory().to_str().map(str::to_owned),
        ),
        ("POOLWARDEN_PID", Some(pid.clone())),
        ("POOLWARDEN_PROCESS", Some(process(&worker))),
    ] {
        assert_eq!(worker.variable(name), value, "{name}");
    }
    let here = fs::read_link(format!("/proc/{pid}/cwd")).expect("its directory");
    assert_eq!(here, pool.root().canonicalize().expect("a directory"));

    pool.ask(&["stop", "a"]);
    worker.await_end();
}

/// Which process it is, as the kernel says of it now.
fn process(worker: &Detached) -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot id");
    let pid = Pid::from_raw(i32::try_from(worker.pid()).expect("a pid"));
    let pidfd = pidfd_open(pid.expect("a pid"), PidfdFlags::empty()).expect("it runs");
    let inode = File::from(pidfd).metadata().expect("its number").ino();
    let stat = worker.fact("stat");
    let ticks = stat.rsplit(") ").next().expect("fields").split(' ').nth(19);
    format!("{}:{inode}:{}", boot.trim(), ticks.expect("a start time"))
}

/// The ledger's row is about the stub, which the program replaced.
#[test]
fn the_ledger_knows_who_it_is_before_its_program_runs() {
    let pool = TestPool::new();
    let (worker, answer) = start(pool.run_command(&["--sid", "a"], &SLEEP));
    let ledger = fs::read(pool.directory().join("ledger.json")).expect("a ledger");
    let ledger: Value = serde_json::from_slice(&ledger).expect("JSON");
    let row = &ledger["rows"][0];
    assert_eq!(row["proof"], "registered");
    assert_eq!(row["pid"], worker.pid());
    assert_eq!(row["created_at"], answer["started"]["created_at"]);
    let stat = worker.fact("stat");
    let ticks = stat.rsplit(") ").next().expect("fields").split(' ').nth(19);
    assert_eq!(ticks, Some(row["start_ticks"].to_string().as_str()));
    // Without the proof by time, only the ledger can say that it is the same.
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
}

/// Whatever the caller left open, ignored, blocked or set, the worker starts afresh.
#[test]
fn nothing_is_inherited_that_does_not_concern_the_worker() {
    let pool = TestPool::new();
    let inherited = File::open("/dev/zero").expect("a file");
    fcntl_setfd(&inherited, FdFlags::empty()).expect("it is inherited");
    let few = Rlimit {
        current: Some(123),
        ..getrlimit(Resource::Nofile)
    };
    let mut command = pool.run_command(&["--sid", "a"], &SLEEP);
    command
        .env("POOLWARDEN_SOCK", "/of/an/ancestor")
        .env("POOLWARDEN_WORKER_VERSION", "of an ancestor")
        .env("POOLWARDEN_PID", "1")
        .env("POOLWARDEN_PROCESS", "of:an:ancestor");
    // SAFETY: each of these is one system call.
    unsafe {
        command.pre_exec(move || {
            for ignored in [Signal::SIGCHLD, Signal::SIGHUP, Signal::SIGPIPE] {
                signal(ignored, SigHandler::SigIgn)?;
            }
            SigSet::from(Signal::SIGTERM).thread_block()?;
            setrlimit(Resource::Nofile, few)?;
            Ok(())
        });
    }
    let (worker, _) = start(command);
    drop(inherited);

    let mut descriptors: Vec<_> = fs::read_dir(format!("/proc/{}/fd", worker.pid()))
        .expect("its descriptors")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    descriptors.sort();
    assert_eq!(descriptors, ["0", "1", "2"]);
    let leads_to =
        |number: u32| fs::read_link(format!("/proc/{}/fd/{number}", worker.pid())).expect("a link");
    let log = pool.directory().canonicalize().expect("a directory");
    let log = log.join("logs/a.log");
    assert_eq!(leads_to(0).to_str(), Some("/dev/null"));
    assert_eq!((leads_to(1), leads_to(2)), (log.clone(), log));

    let status = worker.fact("status");
    for name in ["SigBlk", "SigIgn", "SigCgt"] {
        let line = status.lines().find(|line| line.starts_with(name));
        let mask = line.and_then(|line| line.split_whitespace().nth(1));
        let mask = u64::from_str_radix(mask.expect("a mask"), 16).expect("a number");
        // Signals 32 and 33 are the C library's own; its posix_spawn(3) ignores them.
        assert_eq!(mask & !(0b11 << 31), 0, "{name}");
    }
    let limits = worker.fact("limits");
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = files.and_then(|line| line.split_whitespace().nth(3));
    assert_eq!(soft, Some("123"), "{limits}");
    assert_eq!(worker.variable("POOLWARDEN_SOCK"), None);
    assert_eq!(worker.variable("POOLWARDEN_WORKER_VERSION"), None);
    let pid = worker.pid().to_string();
    assert_eq!(worker.variable("POOLWARDEN_PID"), Some(pid));
    let own = process(&worker);
    assert_eq!(worker.variable("POOLWARDEN_PROCESS"), Some(own));

    // It would not, were it blocked or ignored.
    assert_eq!(pool.ask(&["stop", "a"])["outcomes"][0]["outcome"], "exited");
}

#[test]
fn output_goes_to_a_log_that_only_its_owner_reads() {
    let pool = TestPool::new();
    let log = pool.directory().join("logs/a.log");
    for round in 1..=2 {
        let say = ["--", "sh", "-c", "echo out; echo err >&2"];
        let ran = Ran::of(pool.run_command(&["--sid", "a"], &say));
        ran.answer(0);
        // Both streams share one offset, and what was there stays.
        let expected = "out\nerr\n".repeat(round);
        await_that("it has written", || {
            fs::read_to_string(&log).is_ok_and(|text| text == expected)
        });
        await_that("it has ended", || pool.status("a").is_none());
    }
    let mode = |path| fs::metadata(path).expect("metadata").mode() & 0o7777;
    assert_eq!(mode(log.clone()), 0o600);
    assert_eq!(mode(pool.directory().join("logs")), 0o700);
}

#[test]
fn any_sid_has_a_log_of_its_own() {
    let pool = TestPool::new();
    for (sid, name) in [
        ("../../up", "%2e.%2f..%2fup.log"),
        ("a/b", "a%2fb.log"),
        ("a%2fb", "a%252fb.log"),
        (" \"é\"\n", "%20%22%c3%a9%22%0a.log"),
        ("--", "--.log"),
    ] {
        let (worker, answer) = start(pool.run_command(&[&format!("--sid={sid}")], &SLEEP));
        let log = pool.directory().join("logs").join(name);
        assert_eq!(answer["started"]["log"], json!(log), "{sid:?}");
        assert!(log.is_file(), "{sid:?}");
        assert_eq!(worker.variable("POOLWARDEN_SID").as_deref(), Some(sid));
        assert_eq!(pool.status(sid).expect("it is listed").0, "running");
    }
    let entries = fs::read_dir(pool.root()).expect("the directory").count();
    assert_eq!(entries, 1, "something lies beside the pool");
}

#[test]
fn another_log_can_be_named() {
    let pool = TestPool::new();
    let command = pool.run_command(&["--sid", "a", "--log", "my.log"], &SLEEP);
    let (_worker, answer) = start(command);
    let log = pool.root().join("my.log");
    assert_eq!(answer["started"]["log"], json!(log));
    assert_eq!(fs::metadata(log).expect("metadata").mode() & 0o7777, 0o600);
    assert!(!pool.directory().join("logs").exists());
}

#[test]
fn a_relative_socket_is_registered_as_everybody_understands_it() {
    let pool = TestPool::new();
    let command = pool.run_command(&["--sid", "a", "--sock", "dir/a.sock"], &SLEEP);
    let (worker, answer) = start(command);
    let sock = pool.root().join("dir/a.sock");
    assert_eq!(answer["started"]["sock"], json!(sock));
    assert_eq!(pool.ask(&["status"])["sessions"][0]["sock"], json!(sock));
    let sock = sock.to_str().map(str::to_owned);
    assert_eq!(worker.variable("POOLWARDEN_SOCK"), sock);
}

#[test]
fn on_a_terminal_it_is_a_table() {
    let pool = TestPool::new();
    let shown = Terminal::open().show(pool.run_command(&["--sid", "a"], &SLEEP));
    let pid = pool.ask(&["status"])["sessions"][0]["pid"].as_u64();
    let pid = u32::try_from(pid.expect("a pid")).expect("a pid");
    let _worker = Detached::with_pid(pid);
    let shown = redact(&shown.replace("\r\n", "\n"), &[(pid, "a")]);
    assert!(shown.starts_with("started:\nSID"), "{shown}");
    assert!(
        shown.contains("LOG\n") && shown.contains("[pid of a]"),
        "{shown}"
    );
}

#[test]
fn wrong_usage_starts_nothing() {
    let pool = TestPool::absent();
    for wrong in [
        &["run", "--", "true"][..],
        &["run", "--sid", "a"],
        &["run", "--sid", "a", "--"],
        &["run", "--sid", "", "--", "true"],
        &["run", "--sid", "a", "--sock", "", "--", "true"],
        &["run", "--sid", "a", "true"],
        &["run", "--sid", "a", "--wait-sock", "1s", "--", "true"],
        &[
            "run",
            "--sid",
            "a",
            "--sock",
            "s",
            "--wait-sock",
            "1",
            "--",
            "true",
        ],
        &["run", "--sid", "a", "--force", "--", "true"],
        &["run", "--sid", "a", "--grace", "1s", "--", "true"],
    ] {
        let ran = pool.run(wrong);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{wrong:?}");
    }
    assert!(!pool.directory().exists());
}
