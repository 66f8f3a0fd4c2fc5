//! What a verb needs, and what it refuses.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Ran, Stream, TestPool, Worker, await_that};

/// Names a policy that is not there, in the pool's configuration and in the environment.
fn without_a_policy(pool: &TestPool, arguments: &[&str]) -> std::process::Command {
    let file = pool.directory().join("poolwarden.toml");
    let text = "[policy]\npath = \"none.wasm\"\n[settings]\nmax-age = \"8h\"\n";
    fs::write(&file, text).expect("the configuration");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its mode");
    let mut command = pool.command(arguments);
    command.env("POOLWARDEN_POLICY", "none.wasm");
    command
}

#[test]
fn verbs_that_ask_no_policy_need_none_that_loads() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a"), worker.entry("b").created_at("some day")]);
    for (arguments, code) in [
        (&["status"][..], 7),
        (&["wait", "a", "--timeout", "0s"], 1),
        (&["wait", "nobody"], 0),
        (&["adopt", "b"], 4),
        (&["adopt", "b", "--yes"], 0),
        (&["log"], 0),
    ] {
        let ran = Ran::of(without_a_policy(&pool, arguments));
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
    }
    let watching = Stream::start(without_a_policy(&pool, &["watch"]));
    assert_eq!(watching.next()["sid"], "a");
}

#[test]
fn what_the_host_reads_of_the_settings_counts_without_a_policy() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let strong = ["--setting", "proof=strong", "wait", "a", "--timeout", "0s"];
    let answer = Ran::of(without_a_policy(&pool, &strong)).answer(4);
    assert_eq!(answer["outcome"], "unproven");
}

#[test]
fn an_option_that_a_verb_does_not_use_is_wrong_usage() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    for wrong in [
        &["--policy", "none.wasm", "log"][..],
        &["--policy", "none.wasm", "doctor"],
        &["--policy", "none.wasm", "watch"],
        &["wait", "a", "--policy", "none.wasm"],
        &["adopt", "a", "--grant", "registry-write"],
        &["log", "--setting", "proof=strong"],
        &[
            "policy",
            "compile",
            "none.wasm",
            "--grant",
            "registry-write",
        ],
        &["--record", "recordings.jsonl", "wait", "a"],
    ] {
        let ran = pool.run(wrong);
        let error = ran.error(2);
        assert!(error.contains("does not use"), "{wrong:?}: {error}");
    }
    // What is said for all verbs at once, as by an alias of a shell.
    assert_eq!(pool.run(&["--json", "--lock-wait", "1s", "log"]).code, 0);
}

#[test]
fn a_level_of_the_log_that_there_is_not_is_refused_with_those_that_there_are() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let with = |level: &str| {
        let mut command = pool.command(&["stop", "a"]);
        command.env("POOLWARDEN_LOG", level);
        Ran::of(command)
    };
    for wrong in ["verbose", "5", "warn,rmcp=off"] {
        let ran = with(wrong);
        let error = ran.error(2);
        assert!(error.contains("POOLWARDEN_LOG"), "{error}");
        assert!(
            error.contains("off, error, warn, info, debug, trace"),
            "{error}"
        );
    }
    assert!(worker.is_running());
    for right in ["DEBUG", "", "off"] {
        assert_eq!(with(right).code, 0, "{right:?}");
    }
    await_that("it ends", || !worker.is_running());
}

/// The error names it: the command line has no such word.
#[test]
fn a_variable_that_means_nothing_is_wrong_usage() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    for (variable, value) in [
        ("POOLWARDEN_LOCK_WAIT", "soon"),
        ("POOLWARDEN_LOCK_WAIT", "5"),
        ("POOLWARDEN_POLICY", ""),
    ] {
        let mut command = pool.command(&["stop", "a"]);
        command.env(variable, value);
        let ran = Ran::of(command);
        assert!(ran.error(2).contains(variable), "{ran:?}");
    }
    let mut command = pool.command(&["stop", "a", "--lock-wait", "soon"]);
    command.env("POOLWARDEN_LOCK_WAIT", "5s");
    let ran = Ran::of(command);
    assert!(!ran.error(2).contains("variable"), "{ran:?}");
    assert!(worker.is_running());
}

#[test]
fn the_socket_of_a_registration_is_stored_as_an_absolute_path() {
    let worker = Worker::obedient();
    let pool = TestPool::new();
    let pid = worker.pid().to_string();
    let register = [
        "register", "--sid", "a", "--pid", &pid, "--sock", "./x.sock",
    ];
    let answer = pool.ask(&register);
    let expected = pool.root().join("x.sock");
    assert_eq!(
        answer["registered"]["sock"],
        expected.to_str().expect("text")
    );
    assert_eq!(
        pool.ask(&["ps"])["sessions"][0]["sock"],
        expected.to_str().expect("text")
    );
}
