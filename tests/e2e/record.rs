//! `--record`: what a request asked of its host, in a file.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

use crate::harness::{Entry, Mcp, Ran, TestPool, Worker};

/// A pool whose requests are recorded.
pub(crate) struct Recorded {
    pub(crate) pool: TestPool,
    pub(crate) file: PathBuf,
}

impl Recorded {
    pub(crate) fn new(pool: TestPool) -> Self {
        let file = pool.root().join("recordings.jsonl");
        Self { pool, file }
    }

    pub(crate) fn file(&self) -> &str {
        text(&self.file)
    }

    /// Runs a request and records it.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let ran = self
            .pool
            .run(&[arguments, &["--record", self.file()]].concat());
        assert!(!ran.stderr.contains("not recorded"), "{ran:#?}");
        ran
    }

    /// Tries a policy on what was recorded.
    #[track_caller]
    pub(crate) fn replay(&self, arguments: &[&str]) -> Ran {
        let replay = ["policy", "replay", arguments[0], self.file()];
        self.pool.run(&[&replay, &arguments[1..]].concat())
    }

    /// The recordings.
    #[track_caller]
    pub(crate) fn read(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.file).expect("the recordings");
        assert!(text.ends_with('\n'), "{text}");
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

/// The names of the calls in a recording.
fn names(recording: &Value) -> Vec<&str> {
    let calls = recording["calls"].as_array().expect("calls");
    calls
        .iter()
        .map(|call| match call {
            Value::String(name) => name.as_str(),
            call => call
                .as_object()
                .and_then(|call| call.keys().next())
                .expect("a call has a name"),
        })
        .collect()
}

#[test]
fn a_line_holds_the_request_each_call_and_the_answer() {
    let worker = Worker::deaf();
    let pool = Recorded::new(TestPool::with(&[worker.entry("a")]));
    let bytes = String::from_utf8(pool.pool.bytes()).expect("UTF-8");
    let ran = pool.run(&[
        "stop",
        "a",
        "--grace",
        "1ms",
        "--force",
        "--setting",
        "proof=any",
    ]);

    let recordings = pool.read();
    let [recording] = recordings.as_slice() else {
        panic!("one line for one request: {recordings:#?}");
    };
    assert_eq!(recording["version"], 1);
    assert_eq!(
        recording["request"],
        json!({"stop": {"sid": "a", "pid": null, "signal": "term", "group": false, "grace_ms": 1,
                        "force": true, "dry_run": false}})
    );
    assert_eq!(recording["asked_by"]["via"], "command-line");
    assert_eq!(recording["policy"]["name"], "default");
    assert_eq!(
        recording["policy"]["sha256"].as_str().map(str::len),
        Some(64)
    );
    assert_eq!(
        recording["grants"],
        json!(["registry-write", "signal-term", "signal-kill"])
    );
    assert_eq!(recording["settings"], json!({"proof": "any"}));
    assert_eq!(recording["answer"], ran.answer(0));
    assert_eq!(
        names(recording),
        [
            "begin", "read", "inspect", "open", "send", "send", "end", "wait", "send", "wait",
            "begin", "read", "inspect", "replace", "end"
        ]
    );
    let calls = &recording["calls"];
    assert_eq!(calls[0]["begin"]["registry"]["text"], bytes);
    assert_eq!(
        calls[2]["inspect"]["found"][0]["finding"]["standing"],
        "alive"
    );
    assert_eq!(calls[3]["open"]["pid"], worker.pid());
    assert_eq!(calls[4]["send"], json!({"target": 0, "signal": "term"}));
    assert_eq!(
        calls[7]["wait"],
        json!({"targets": [0], "timeout_ms": 1, "ended": [false]})
    );
    assert_eq!(calls[8]["send"]["signal"], "kill");
    assert_eq!(
        calls[13]["replace"]["registry"]["text"]
            .as_str()
            .map(str::as_bytes),
        Some(pool.pool.bytes().as_slice())
    );
}

#[test]
fn a_failure_is_recorded_with_the_bytes_that_caused_it() {
    let pool = Recorded::new(TestPool::new());
    pool.pool.write(b"{\"sessions\":[]\xff");
    pool.run(&["status"]).error(6);
    let recordings = pool.read();
    assert_eq!(
        recordings[0]["calls"][0]["begin"]["registry"],
        json!({"base64": "eyJzZXNzaW9ucyI6W13/"})
    );
    assert_eq!(recordings[0]["failure"]["kind"], "corrupted");
    assert_eq!(recordings[0].get("answer"), None);
}

#[test]
fn the_file_is_the_users_alone_and_is_appended_to() {
    let pool = Recorded::new(TestPool::new());
    for count in 1..=3 {
        pool.run(&["status"]);
        assert_eq!(pool.read().len(), count);
    }
    let mode = fs::metadata(&pool.file)
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn many_programs_append_to_one_file() {
    let pool = Recorded::new(TestPool::new());
    let arguments = ["status", "--record", pool.file()];
    let running: Vec<_> = (0..8).map(|_| pool.pool.start(&arguments)).collect();
    for one in running {
        assert_eq!(one.finish().code, 0);
    }
    assert_eq!(pool.read().len(), 8);
}

#[test]
fn a_file_that_is_not_safe_stops_everything_before_it_begins() {
    let worker = Worker::obedient();
    let pool = Recorded::new(TestPool::with(&[worker.entry("a")]));
    let stamp = pool.pool.stamp();
    let refused = |wrong: &str| {
        for verb in [&["stop", "a"][..], &["mcp"]] {
            let ran = pool.run(verb);
            assert!(ran.error(1).contains(wrong), "{ran:#?}");
        }
        assert!(worker.is_running());
        assert_eq!(pool.pool.stamp(), stamp);
    };

    let target = pool.pool.root().join("target");
    fs::write(&target, "untouched").expect("write");
    fs::set_permissions(&target, Permissions::from_mode(0o600)).expect("chmod");
    symlink(&target, &pool.file).expect("symlink");
    refused("is a symbolic link");
    assert_eq!(fs::read(&target).expect("the target"), b"untouched");
    fs::remove_file(&pool.file).expect("remove");

    fs::write(&pool.file, "").expect("write");
    fs::set_permissions(&pool.file, Permissions::from_mode(0o640)).expect("chmod");
    refused("can be used by others");
    fs::remove_file(&pool.file).expect("remove");

    mkfifo(&pool.file, Mode::S_IRUSR | Mode::S_IWUSR).expect("mkfifo");
    refused("is no regular file");
    fs::remove_file(&pool.file).expect("remove");

    fs::create_dir(&pool.file).expect("mkdir");
    refused("is no regular file");
    fs::remove_dir(&pool.file).expect("remove");
}

#[test]
fn a_server_records_what_its_clients_ask_and_goes_on_when_it_cannot() {
    let worker = Worker::obedient();
    let pool = Recorded::new(TestPool::with(&[worker.entry("a")]));
    let mut mcp = Mcp::open(pool.pool.command(&["mcp", "--record", pool.file()]));
    mcp.answer("pool_status", json!({}));
    assert_eq!(pool.read()[0]["asked_by"]["client"], "test");

    fs::set_permissions(&pool.file, Permissions::from_mode(0o644)).expect("chmod");
    mcp.answer("pool_status", json!({}));
    assert_eq!(pool.read().len(), 1);

    // Moved aside, as old files are.
    fs::rename(&pool.file, pool.pool.root().join("old")).expect("rename");
    mcp.answer("pool_stop", json!({"sid": "a"}));
    assert_eq!(pool.read()[0]["request"]["stop"]["sid"], "a");
    assert!(mcp.close().success());
    assert_eq!(pool.replay(&["shipped"]).code, 0);
}

#[test]
fn what_was_torn_off_does_not_damage_the_next_recording() {
    let pool = Recorded::new(TestPool::new());
    fs::write(&pool.file, "{\"version\":1,\"at\":\"2026").expect("write");
    fs::set_permissions(&pool.file, Permissions::from_mode(0o600)).expect("chmod");
    pool.run(&["status"]);
    let ran = pool.replay(&["shipped"]);
    assert_eq!(ran.answer(1)["requests"], 1);
    assert!(ran.stderr.contains("line 1 of "), "{ran:?}");
}

#[test]
fn what_calls_without_end_is_not_recorded_and_says_so() {
    let pool = Recorded::new(TestPool::new());
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/hostile.wasm");
    let ran = pool.pool.run(&[
        "--policy",
        text(&policy),
        "--setting",
        "attack=many-calls",
        "status",
        "--record",
        pool.file(),
    ]);
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(
        ran.stderr.contains(r#"{"said":"1000000 calls"}"#),
        "{ran:?}"
    );
    assert!(
        ran.stderr.contains("the request was not recorded"),
        "{ran:?}"
    );
    assert_eq!(fs::read(&pool.file).expect("the file"), b"");
}

/// The host looks for itself where the policy does not ask, and what it finds decides.
#[test]
fn a_policy_that_does_not_ask_is_replayed_by_what_the_host_found() {
    let worker = Worker::deaf();
    let pool = Recorded::new(TestPool::with(&[worker.entry("a")]));
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/hostile.wasm");
    let pid = format!("pid={}", worker.pid());
    let ran = pool.run(&[
        "--policy",
        text(&policy),
        "--grant",
        "dismiss",
        "--grant",
        "signal-term",
        "--setting",
        "attack=signal-later",
        "--setting",
        "sid=a",
        "--setting",
        &pid,
        "ensure",
    ]);
    assert_eq!(ran.reported(), json!({"said": "done"}));
    worker.await_line("TERM");
    let recordings = pool.read();
    let calls = names(&recordings[0]);
    assert!(
        calls.windows(2).any(|two| two == ["look", "open"]),
        "{calls:?}"
    );
    let ran = pool.replay(&[text(&policy)]);
    assert_eq!(ran.answer(0)["requests"], 1, "{ran:#?}");
}

/// Every way of asking, replayed by the policy that decided: nothing may differ.
#[test]
fn the_policy_that_was_recorded_does_the_same_again() {
    let (obedient, deaf) = (Worker::obedient(), Worker::deaf());
    let leader = Worker::obedient_with(|command| {
        command.process_group(0);
    });
    let newcomer = Worker::obedient();
    let dead = Worker::obedient().vanish();
    let pool = Recorded::new(TestPool::with(&[
        obedient.entry("obedient"),
        deaf.entry("deaf"),
        leader.entry("leader"),
        Entry::new("init", 1),
        Entry::new("dead", dead),
        Entry::new("zero", 0),
    ]));
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest/policy.wasm");
    let pid = newcomer.pid().to_string();
    let requests: &[&[&str]] = &[
        &["ensure", "--dry-run"],
        &["stop", "--all", "--dry-run"],
        &["--policy", text(&guest), "stop", "obedient"],
        &["--policy", text(&guest), "ensure"],
        &["ensure"],
        &["status"],
        &["status", "nobody"],
        &["register", "--sid", "new", "--pid", &pid],
        &["register", "--sid", "new", "--pid", &pid],
        &["register", "--sid", "none", "--pid", "0"],
        &["register", "--sid", "", "--pid", &pid],
        &["forget", "new"],
        &["forget", "new", "--even-if-alive"],
        &["stop", "deaf", "--grace", "1ms"],
        &["status", "deaf"],
        &["stop", "deaf", "--group"],
        &["stop", "leader", "--group", "--force"],
        &["stop", "deaf", "--grace", "1ms", "--force"],
        &["stop", "obedient", "--grace", "0s"],
        &["stop", "--all"],
        &["stop", "nobody"],
        &["forget", "init", "--even-if-alive"],
        &["ensure"],
    ];
    for request in requests {
        pool.run(request);
    }
    let lock = pool.pool.hold_lock();
    pool.run(&["--lock-wait", "1ms", "status"]).error(5);
    drop(lock);
    for damaged in [&b"{"[..], b"{\"sessions\":[\xff]}"] {
        pool.pool.write(damaged);
        for verb in ["status", "ensure"] {
            pool.run(&[verb]).error(6);
        }
    }

    for policy in ["shipped", text(&guest)] {
        let ran = pool.replay(&[policy]);
        let answer = ran.answer(0);
        assert_eq!(ran.stderr, "", "{answer:#}");
        assert_eq!(answer["requests"], requests.len() + 5);
        assert_eq!(answer["different"], 0, "{answer:#}");
    }
}
