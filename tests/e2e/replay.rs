//! `policy replay`: what another policy would have done, and nobody is touched.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{POOL, Ran, Terminal, TestPool, Worker, component, module, redact};
use crate::record::{Recorded, text};

/// A policy that tries what its setting `attack` names, and nothing else.
fn other_policy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/hostile.wasm")
}

#[test]
fn a_person_sees_what_would_be_different() {
    let pool = Recorded::new(TestPool::new());
    // It ends with the lock in its hands, and so not between two signals.
    let worker = Worker::orderly(pool.pool.directory());
    let deaf = Worker::deaf();
    pool.pool.seed(&[worker.entry("a"), deaf.entry("deaf")]);
    pool.run(&["stop", "--all", "--grace", "1s"]);
    pool.run(&["status"]);
    let workers = [(worker.pid(), "a"), (deaf.pid(), "deaf")];
    let show = |arguments: &[&str]| shown(&pool, &workers, arguments);
    insta::assert_snapshot!(show(&["shipped"]), @"2 requests replayed, 0 different");
    insta::assert_snapshot!(show(&["shipped", "--grant", "signal-term"]), @r#"
    [root]/recordings.jsonl:1: stop --all at [time]
      answer     errors[]: nothing → "the registry was not updated: the policy has no grant `registry-write`: the operator gives it with `--grant registry-write`, or in `grants` of poolwarden.toml,…
      removed    -a (pid [pid of a])
    2 requests replayed, 1 different
    "#);
    let policy = other_policy();
    let pid = format!("pid={}", deaf.pid());
    let term = ["attack=signal", "sid=deaf", &pid, "signal=TERM"];
    let term = term.iter().flat_map(|setting| ["--setting", setting]);
    let term: Vec<_> = [text(&policy)].into_iter().chain(term).collect();
    let term = [&term[..], &["--grant", "signal-term"]].concat();
    insta::assert_snapshot!(show(&term), @r#"
    [root]/recordings.jsonl:1: stop --all at [time]
      answer     errors: ["sid=deaf: did not exit within 1000 ms after SIGTERM; stop it again with a longer grace period or with force; its entry is kept until it is found dead"] → nothing
      answer     outcomes: [{"outcome":"exited","pid":[pid of a],"sid":"a"},{"outcome":"still-running","pid":[pid of deaf],"sid":"deaf"}] → nothing
      answer     said: nothing → "done"
      answer     stopped: ["a"] → nothing
      removed    -a (pid [pid of a])
      signalled  -a TERM (pid [pid of a])
      signalled  -a CONT (pid [pid of a])
      signalled  -deaf CONT (pid [pid of deaf])
    [root]/recordings.jsonl:2: status at [time]
      answer     said: nothing → "refused: `status` signals nobody, whatever is granted"
      answer     sessions: [{"created_at":"[time]","pid":[pid of deaf],"sid":"deaf","sock":"","status":"stopping","version":"1.0"}] → nothing
    2 requests replayed, 2 different
    "#);
    assert!(deaf.is_running());
}

/// What a person is shown of a replay.
fn shown(pool: &Recorded, workers: &[(u32, &str)], arguments: &[&str]) -> String {
    let replay = ["policy", "replay", arguments[0], pool.file()];
    let command = pool.pool.command(&[&replay, &arguments[1..]].concat());
    let shown = Terminal::open().show(command);
    let shown = shown
        .replace(text(pool.pool.root()), "[root]")
        .replace('\r', "");
    redact(&shown, workers)
}

#[test]
fn a_person_sees_the_signals_that_another_policy_adds_and_leaves_out() {
    let pool = Recorded::new(TestPool::new());
    // It ends with the lock in its hands, and so not between two signals.
    let worker = Worker::orderly(pool.pool.directory());
    pool.pool.seed(&[worker.entry("a")]);
    pool.run(&["stop", "a", "--force"]);
    let policy = other_policy();
    let pid = format!("pid={}", worker.pid());
    let kill = ["attack=signal", "sid=a", &pid, "signal=KILL"];
    let kill = kill.iter().flat_map(|setting| ["--setting", setting]);
    let kill: Vec<_> = [text(&policy)].into_iter().chain(kill).collect();
    let kill = [&kill[..], &["--grant", "signal-kill"]].concat();
    let shown = shown(&pool, &[(worker.pid(), "a")], &kill);
    insta::assert_snapshot!(shown, @r#"
    [root]/recordings.jsonl:1: stop a at [time]
      answer     errors: [] → nothing
      answer     outcomes: [{"outcome":"exited","pid":[pid of a],"sid":"a"}] → nothing
      answer     said: nothing → "done"
      answer     stopped: ["a"] → nothing
      removed    -a (pid [pid of a])
      signalled  +a KILL (pid [pid of a])
      signalled  -a TERM (pid [pid of a])
      signalled  -a CONT (pid [pid of a])
    1 request replayed, 1 different
    "#);
}

/// A policy that rejects every `ensure` with the last digit of the clock's seconds.
fn watching_the_clock() -> Vec<u8> {
    let imports = r#"(import "wasi:clocks/wall-clock@0.2.0" "now" (func $now (param i32)))"#;
    let functions = format!(
        r#"(func (export "{POOL}#ensure") (param i32) (result i32)
            (call $now (i32.const 256))
            (i32.store8 (i32.const 1024) (i32.const 1))
            (i32.store8 (i32.const 1032) (i32.const 2))
            (i32.store (i32.const 1040) (i32.add (i32.const 4096)
                (i32.wrap_i64 (i64.rem_u (i64.load (i32.const 256)) (i64.const 10)))))
            (i32.store (i32.const 1044) (i32.const 1))
            (i32.const 1024))
        (func (export "{POOL}#status") (param i32 i32 i32) (result i32) unreachable)"#
    );
    component(&module(imports, "0123456789", &functions))
}

#[test]
fn a_policy_that_looks_at_the_clock_is_seen_through_by_another_clock() {
    let pool = Recorded::new(TestPool::new());
    let policy = pool.pool.root().join("clock.wasm");
    fs::write(&policy, watching_the_clock()).expect("the policy");
    let policy = text(&policy);
    pool.run(&["--policy", policy, "ensure"]);
    assert_eq!(pool.replay(&[policy]).answer(0)["different"], 0);
    let later = pool.replay(&[policy, "--clock-ahead", "24h 3s"]);
    assert_eq!(later.answer(1)["different"], 1);
    for wrong in ["3", "-3s"] {
        let argument = format!("--clock-ahead={wrong}");
        assert_eq!(pool.replay(&[policy, &argument]).code, 2);
    }
}

#[test]
fn a_program_gets_the_difference_as_json() {
    let worker = Worker::obedient();
    let pool = Recorded::new(TestPool::with(&[worker.entry("a")]));
    pool.run(&["stop", "a"]);
    // It may not write the registry, so the entry would stay.
    let ran = pool.replay(&["shipped", "--grant", "signal-term"]);
    let report = ran.answer(1);
    assert_eq!(
        (&report["requests"], &report["different"]),
        (&json!(1), &json!(1))
    );
    let different = &report["differences"][0];
    assert_eq!(different["line"], 1);
    assert_eq!(different["request"]["stop"]["sid"], "a");
    let gone = json!({"sid": "a", "pid": worker.pid()});
    assert_eq!(
        different["difference"]["removed"],
        json!({"more": [], "fewer": [gone]})
    );
    assert_eq!(
        different["difference"]["signalled"],
        json!({"more": [], "fewer": []})
    );
    assert_eq!(different["recorded"]["done"]["removed"], json!([gone]));
    assert_eq!(different["replayed"]["done"]["removed"], json!([]));
    let error = &different["difference"]["answer"][0];
    assert_eq!(error["at"], "errors[]");
    let error = error["replayed"].as_str().expect("a text");
    assert!(error.contains("`registry-write`"), "{error}");
}

/// The recorded pids are those of living processes, and of the pool everything is as it
/// was; its lock is held all the time.
#[test]
fn no_process_and_no_pool_is_touched() {
    let (worker, deaf) = (Worker::obedient(), Worker::deaf());
    let pool = Recorded::new(TestPool::with(&[worker.entry("a"), deaf.entry("deaf")]));
    let bytes = pool.pool.bytes();
    pool.run(&["stop", "deaf", "--grace", "1ms"]);
    deaf.await_line("TERM");
    pool.run(&["stop", "--all", "--dry-run"]);
    // Whoever is stopped keeps every signal that it gets, and SIGCONT and SIGKILL show too.
    worker.suspend();
    deaf.suspend();
    let lock = pool.pool.hold_lock();
    let trail = fs::read(pool.pool.directory().join("audit.jsonl")).expect("the trail");
    let stamp = pool.pool.stamp();

    assert_eq!(pool.replay(&["shipped"]).code, 0);
    let pid = deaf.pid().to_string();
    let policy = other_policy();
    for (attack, signal) in [("signal", "TERM"), ("signal-later", "TERM")] {
        let ran = pool.replay(&[
            text(&policy),
            "--setting",
            &format!("attack={attack}"),
            "--setting",
            "sid=deaf",
            "--setting",
            &format!("pid={pid}"),
            "--setting",
            &format!("signal={signal}"),
        ]);
        let report = ran.answer(1);
        let different = &report["differences"][0];
        assert_eq!(different["replayed"]["answer"], json!({"said": "done"}));
        let signals = &different["replayed"]["done"]["signalled"];
        assert_eq!(signals[0]["pid"], deaf.pid(), "{report:#}");
        assert_eq!(signals[0]["signal"], signal.to_lowercase());
        // The dry run is one also for the policy that is tried.
        let dry = &report["differences"][1]["replayed"];
        assert_eq!(dry["done"]["signalled"], json!([]));
        let said = dry["answer"]["said"].as_str().expect("a text");
        assert!(said.starts_with("refused: "), "{said}");
    }

    for pid in [worker.pid(), deaf.pid()] {
        assert_eq!(stopped_and_pending(pid), ("T (stopped)".into(), 0));
    }
    assert_eq!(pool.pool.stamp(), stamp);
    assert_eq!(pool.pool.bytes(), bytes);
    let after = fs::read(pool.pool.directory().join("audit.jsonl")).expect("the trail");
    assert_eq!(trail, after);
    drop(lock);

    // Nor does it need a pool at all.
    fs::remove_dir_all(pool.pool.directory()).expect("remove");
    assert_eq!(pool.replay(&["shipped"]).code, 0);
    assert!(!pool.pool.directory().exists());
}

/// The state of a process, and the signals that wait for it as a whole, as a bit each
/// (proc_pid_status(5)).
fn stopped_and_pending(pid: u32) -> (String, u64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("our child");
    let field = |name: &str| {
        let mut lines = status.lines();
        let found = lines.find_map(|line| line.strip_prefix(name));
        found.expect("the kernel says it").trim().to_owned()
    };
    let pending = u64::from_str_radix(&field("ShdPnd:"), 16).expect("hexadecimal");
    (field("State:"), pending)
}

#[test]
fn the_rules_that_hold_on_a_pool_hold_in_a_replay() {
    let worker = Worker::obedient();
    let pool = Recorded::new(TestPool::with(&[worker.entry("a")]));
    pool.run(&["--grant", "dismiss", "ensure"]);
    let pid = worker.pid().to_string();
    let policy = other_policy();
    let settings = |attack: &str, more: &[&str]| {
        let mut arguments = vec![text(&policy).to_owned()];
        for setting in [&format!("attack={attack}") as &str, "sid=a"]
            .iter()
            .chain(more)
        {
            arguments.extend(["--setting".to_owned(), (*setting).to_owned()]);
        }
        arguments
    };
    let said = |attack: &str, more: &[&str]| {
        let arguments = settings(attack, more);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let report = pool.replay(&arguments).answer(1);
        let replayed = &report["differences"][0]["replayed"];
        assert_eq!(replayed["done"]["removed"], json!([]));
        replayed["answer"]["said"]
            .as_str()
            .expect("a text")
            .to_owned()
    };
    let pid = format!("pid={pid}");
    for (attack, more, starts) in [
        (
            "replace",
            &["with={\"sessions\":[]}"][..],
            "refused: the replacement loses",
        ),
        (
            "replace",
            &["with=x"],
            "refused: the replacement is not a registry",
        ),
        (
            "signal",
            &["pid=1"],
            "refused: the entry of \"a\" names pid",
        ),
        (
            "signal",
            &[&pid, "signal=USR1"],
            "denied: the policy has no grant `signal-usr1`",
        ),
        (
            "signal-group",
            &[&pid],
            "refused: the client did not ask for process groups",
        ),
        ("begin-twice", &[], "misuse: this request already holds"),
        (
            "replace-twice",
            &[],
            "misuse: the registry was already replaced",
        ),
        (
            "wait-inside",
            &[&pid],
            "misuse: waiting inside a transaction",
        ),
        (
            "inspect-outside",
            &[&pid],
            "Standing::Unknown: no transaction is open",
        ),
        (
            "inspect",
            &[&pid],
            "Standing::Unknown: the registry has no such entry",
        ),
    ] {
        let said = said(attack, more);
        assert!(said.starts_with(starts), "{attack}: {said}");
    }
    assert!(worker.is_running());
}

#[test]
fn a_policy_that_fails_is_told_apart_from_one_that_differs() {
    let pool = Recorded::new(TestPool::new());
    pool.run(&["ensure"]);
    let policy = other_policy();
    let ran = pool.replay(&[text(&policy), "--setting", "attack=trap"]);
    let report = ran.answer(7);
    assert_eq!(report["failed"], 1);
    let failure = &report["differences"][0]["replayed"]["failure"];
    assert_eq!(failure["kind"], "policy");

    for bytes in [&b""[..], b"\0asm\x01\0\0\0"] {
        let file = pool.pool.root().join("no-policy.wasm");
        fs::write(&file, bytes).expect("write");
        pool.replay(&[text(&file)]).error(7);
    }
}

#[test]
fn what_a_replay_cannot_change_is_wrong_usage() {
    let pool = Recorded::new(TestPool::new());
    pool.run(&["ensure"]);
    let ran = pool.replay(&["shipped", "--setting", "proof=strong"]);
    assert!(ran.error(2).contains("`proof`"), "{ran:?}");
}

#[test]
fn paths_that_are_no_text_are_shown_as_far_as_they_are() {
    let pool = TestPool::absent_at("pool");
    let no_text = |name: &[u8]| pool.root().join(OsStr::from_bytes(name));
    let (directory, file) = (no_text(b"pool-\xff"), no_text(b"made-\xfe.jsonl"));
    let mut status = pool.command_on(&directory, &["status", "--record"]);
    status.arg(&file);
    let ran = Ran::of(status);
    let shown = no_text("pool-\u{fffd}".as_bytes());
    let told = format!(
        "hint: there is no directory {} yet, which is an empty pool\n",
        shown.display()
    );
    assert_eq!((ran.code, &ran.stderr), (0, &told), "{ran:?}");

    let mut replay = pool.command(&["policy", "replay"]);
    replay.arg(other_policy()).arg(&file);
    let report = Ran::of(replay).answer(1);
    let shown = no_text("made-\u{fffd}.jsonl".as_bytes());
    assert_eq!(report["differences"][0]["file"], json!(shown));
    let line = fs::read_to_string(&file).expect("the recording");
    let recording: Value = serde_json::from_str(&line).expect("a line of JSON");
    assert_eq!(
        recording["pool"],
        json!(no_text("pool-\u{fffd}".as_bytes()))
    );
}
