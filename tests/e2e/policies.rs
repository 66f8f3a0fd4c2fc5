//! Policies from files: on the command line, in the configuration, and what they may do.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::harness::{TestPool, Worker};

/// A policy that says `nothing was tried`, or tries what its setting `attack` names.
fn other_policy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/hostile.wasm")
}

fn shipped_policy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest/policy.wasm")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

fn configure(file: &Path, configuration: &str) {
    fs::create_dir_all(file.parent().expect("a directory")).expect("mkdir");
    fs::write(file, configuration).expect("the configuration");
    fs::set_permissions(file, Permissions::from_mode(0o600)).expect("its mode");
}

#[test]
fn another_policy_decides_when_it_is_named() {
    let pool = TestPool::new();
    let ran = pool.run(&[
        "--policy",
        text(&other_policy()),
        "--setting",
        "attack=describe-only",
        "status",
    ]);
    assert_eq!(ran.reported(), json!({"said": "nothing was tried"}));
}

#[test]
fn a_policy_from_a_file_reads_and_observes_and_no_more() {
    let (worker, dead) = (Worker::deaf(), Worker::obedient());
    let pool = TestPool::with(&[worker.entry("a"), dead.entry("dead")]);
    dead.become_zombie();
    let bytes = pool.bytes();
    let policy = shipped_policy();
    let policy = ["--policy", text(&policy)];

    // It lists whom it finds alive, and cannot drop the dead.
    let ran = pool.run(&[&policy[..], &["status", "a"]].concat());
    assert_eq!(ran.answer(0)["sessions"][0]["status"], "running");
    let ran = pool.run(&[&policy[..], &["ensure"]].concat());
    let error = ran.error(7);
    assert!(error.contains("--grant registry-write"), "{error}");

    let ran = pool.run(&[&policy[..], &["stop", "a"]].concat());
    let error = ran.error(7);
    assert!(error.contains("--grant signal-term"), "{error}");
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
    assert_eq!(pool.run(&["status"]).code, 0);
    assert_ne!(pool.bytes(), bytes, "the shipped policy may collect");
}

#[test]
fn grants_are_given_by_name_and_one_by_one() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let policy = shipped_policy();
    let granted = [
        "--policy",
        text(&policy),
        "--grant",
        "registry-write",
        "--grant",
        "signal-term",
    ];
    let stop = ["stop", "a", "--grace", "1ms", "--force"];
    let ran = pool.run(&[&granted[..], &stop].concat());
    worker.await_line("TERM");
    let answer = ran.answer(1);
    let error = answer["errors"][0].as_str().expect("an error");
    assert!(error.contains("signal-kill"), "{error}");
    assert!(worker.is_running());

    let ran = pool.run(&[&granted[..], &["--grant", "signal-kill"], &stop].concat());
    assert_eq!(ran.answer(0)["outcomes"][0]["outcome"], "killed");
    assert_eq!(pool.sids(), Vec::<String>::new());

    let ran = pool.run(&["--grant", "signal-segv", "status"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("signal-term"), "{ran:?}");
}

#[test]
fn the_pools_configuration_names_policy_grants_and_settings() {
    let pool = TestPool::new();
    fs::copy(other_policy(), pool.directory().join("other.wasm")).expect("copy");
    configure(
        &pool.directory().join("poolwarden.toml"),
        "[policy]\npath = \"other.wasm\"\n[settings]\nattack = \"describe-only\"\n",
    );
    let talk = json!({"said": "nothing was tried"});
    assert_eq!(pool.run(&["status"]).reported(), talk);
    // The command line counts first.
    let policy = shipped_policy();
    let answer = pool.run(&["--policy", text(&policy), "status"]).answer(0);
    assert_eq!(answer["sessions"], json!([]));
}

#[test]
fn the_users_configuration_counts_where_the_pool_has_none() {
    let pool = TestPool::new();
    let file = pool.root().join(".config/poolwarden/poolwarden.toml");
    configure(&file, &format!("[policy]\npath = {:?}\n", other_policy()));
    let settings = ["--setting", "attack=describe-only", "status"];
    let talk = json!({"said": "nothing was tried"});
    assert_eq!(pool.run(&settings).reported(), talk);
    configure(&pool.directory().join("poolwarden.toml"), "");
    assert_eq!(pool.ask(&["status"])["sessions"], json!([]));
}

#[test]
fn a_configuration_that_means_nothing_is_wrong_usage() {
    let pool = TestPool::new();
    let file = pool.directory().join("poolwarden.toml");
    configure(&file, "[policy]\npath = \"p\"\ngrant = []\n");
    let ran = pool.run(&["status"]);
    let error = ran.error(2);
    assert!(error.contains("unknown field"), "{error}");
    assert!(error.contains(text(&file)), "{error}");

    configure(&file, "");
    fs::set_permissions(&file, Permissions::from_mode(0o622)).expect("its mode");
    let ran = pool.run(&["status"]);
    assert!(ran.error(2).contains("chmod go-w"), "{ran:?}");
}

#[test]
fn the_setting_for_stronger_proofs_reaches_the_host() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let answer = pool.ask(&["--setting", "proof=strong", "status"]);
    assert_eq!(answer["sessions"][0]["status"], "unproven");
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
}

#[test]
fn a_file_that_is_no_policy_is_told_and_nothing_is_done() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let file = pool.root().join("no-policy.wasm");
    for bytes in [&b""[..], b"text", b"\0asm\x01\0\0\0"] {
        fs::write(&file, bytes).expect("write");
        let ran = pool.run(&["--policy", text(&file), "stop", "a"]);
        ran.error(7);
    }
    let ran = pool.run(&["--policy", "/nowhere/p.wasm", "stop", "a"]);
    assert!(ran.stderr.contains("/nowhere/p.wasm"), "{ran:?}");
    assert!(worker.is_running());
}
