//! What a process may not have: large files, memory, signals that wait, somewhere to answer.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sys::signal::{SigHandler, Signal, signal};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::json;

use crate::harness::{Detached, Entry, NO_PROCESS, Ran, Rude, TestPool, Worker};

/// Gives a command this limit of a resource, and the usual end of who exceeds one.
fn limited(mut command: Command, resource: Resource, limit: u64) -> Command {
    let limit = Rlimit {
        current: Some(limit),
        maximum: Some(limit),
    };
    // SAFETY: both are one system call each, which may be made between fork and exec, and the
    // disposition is no handler.
    unsafe {
        command.pre_exec(move || {
            signal(Signal::SIGXFSZ, SigHandler::SigDfl)?;
            Ok(setrlimit(resource, limit)?)
        });
    }
    command
}

/// A file of this many bytes, for the user alone.
fn file_of(path: &std::path::Path, size: u64) -> File {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600);
    let file = file.open(path).expect("a file");
    file.set_len(size).expect("its size");
    file
}

/// Less than the trail may have, and more than all else takes: the memory of a policy is a
/// file to the kernel.
const FILES: u64 = 2 << 20;

#[test]
fn a_limit_of_file_sizes_ends_neither_a_request_nor_a_server() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a"), Entry::new("dead", NO_PROCESS)]);
    let bytes = pool.bytes();
    // So large that not a byte more is written, and not so large that it is put aside.
    let trail = pool.directory().join("audit.jsonl");
    file_of(&trail, FILES);

    let ran = Ran::of(limited(
        pool.command(&["forget", "a", "--even-if-alive"]),
        Resource::Fsize,
        FILES,
    ));
    let error = ran.error(1);
    assert!(error.contains("ulimit -f"), "{error}");
    assert_eq!(pool.bytes(), bytes);

    let mut client = Rude::open(limited(pool.command(&["mcp"]), Resource::Fsize, FILES));
    for id in [1, 2] {
        client.call(&json!(id), "pool_stop", &json!({"sid": "a"}));
        let answer = client.await_answer(&json!(id)).to_string();
        assert!(answer.contains("ulimit -f"), "{answer}");
    }
    client.leave();
    assert!(client.await_end().success());
    assert!(worker.is_running());
    assert_eq!(pool.bytes(), bytes);
}

#[test]
fn what_cannot_be_recorded_fails_no_request() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a"), Entry::new("dead", NO_PROCESS)]);
    let recording = pool.root().join("recording.jsonl");
    let line = "x".repeat(usize::try_from(FILES).expect("a size") - 1) + "\n";
    fs::write(&recording, line).expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&recording, mode).expect("chmod");
    let recording = recording.to_str().expect("text");
    let arguments = ["--record", recording, "forget", "dead"];
    let ran = Ran::of(limited(pool.command(&arguments), Resource::Fsize, FILES));
    ran.answer(0);
    assert!(
        ran.stderr.contains("the request was not recorded"),
        "{ran:#?}"
    );
    assert_eq!(pool.sids(), ["a"]);
}

#[test]
fn memory_that_the_system_refuses_is_no_mistake_of_the_policy() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    for (resource, limit, way_out) in [
        (Resource::As, 2 << 30, "raise their limit, ulimit -v"),
        (
            Resource::Fsize,
            1024,
            "raise the limit of file sizes: ulimit -f",
        ),
    ] {
        let ran = Ran::of(limited(pool.command(&["status"]), resource, limit));
        let error = ran.error(1);
        for part in ["the policy cannot be started", way_out] {
            assert!(error.contains(part), "wanted {part:?}: {error}");
        }
        assert!(!error.contains("mistake"), "{error}");
    }
}

#[test]
fn a_wait_that_cannot_be_bounded_is_none() {
    let pool = TestPool::with(&[]);
    let held = pool.hold_lock();
    let command = pool.command(&["status", "--lock-wait", "1h"]);
    let ran = Ran::within_patience(limited(command, Resource::Sigpending, 0));
    let error = ran.error(1);
    for part in ["cannot bound the wait for", "ulimit -i"] {
        assert!(error.contains(part), "wanted {part:?}: {error}");
    }
    drop(held);
    let free = limited(pool.command(&["status"]), Resource::Sigpending, 0);
    Ran::of(free).answer(0);
}

#[test]
fn an_answer_that_is_lost_is_told_from_a_request_that_failed() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[]);
    let pid = worker.pid().to_string();
    let nowhere = || {
        File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full")
    };
    let lost = |mut command: Command| {
        let ran = command.stdin(Stdio::null()).stdout(nowhere()).output();
        let ran = Ran::from(ran.expect("the program starts"));
        let error = ran.error(1);
        for part in ["the request was carried out", "No space left on device"] {
            assert!(error.contains(part), "wanted {part:?}: {error}");
        }
    };
    lost(pool.command(&["register", "--sid", "a", "--pid", &pid]));
    assert_eq!(pool.sids(), ["a"]);
    lost(pool.run_command(&["--sid", "w", "--"], &["sleep", "600"]));
    let pid = pool.ask(&["status", "w"])["sessions"][0]["pid"].as_u64();
    let pid = pid.and_then(|pid| u32::try_from(pid).ok()).expect("a pid");
    let _started = Detached::with_pid(pid).expect("it runs");
    assert_eq!(pool.sids(), ["a", "w"]);
    lost(pool.command(&["stop", "a"]));
    assert_eq!(pool.sids(), ["w"]);
    lost(pool.command(&["status"]));
}
