//! The host's own record of who each process is: it helps, and never stands in the way.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{Entry, NO_PROCESS, Ran, TestPool, Worker};

fn ledger(pool: &TestPool) -> PathBuf {
    pool.directory().join("ledger.json")
}

fn rows(pool: &TestPool) -> Vec<Value> {
    let text = fs::read(ledger(pool)).expect("the ledger");
    let ledger: Value = serde_json::from_slice(&text).expect("the ledger is JSON");
    ledger["rows"].as_array().expect("rows").clone()
}

#[test]
fn what_was_proven_gets_a_row_and_keeps_it_while_there_is_an_entry() {
    let (one, two) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[one.entry("one"), Entry::new("dead", NO_PROCESS)]);
    pool.ask(&["register", "--sid", "two", "--pid", &two.pid().to_string()]);
    pool.ask(&["ensure"]);
    let proofs: Vec<_> = rows(&pool)
        .iter()
        .map(|row| format!("{}: {}", row["sid"], row["proof"]))
        .collect();
    assert_eq!(proofs, ["\"one\": \"time\"", "\"two\": \"registered\""]);
    pool.ask(&["stop", "one"]);
    pool.ask(&["forget", "two", "--even-if-alive"]);
    pool.ask(&[
        "register",
        "--sid",
        "three",
        "--pid",
        &two.pid().to_string(),
    ]);
    assert_eq!(rows(&pool).len(), 1);
}

#[test]
fn a_damaged_one_never_blocks_a_request() {
    for text in [
        &b""[..],
        b"{",
        b"\xff",
        b"[]",
        b"{\"version\":1,\"rows\":[{}]}",
        b"\0\0\0\0",
    ] {
        let worker = Worker::obedient();
        let pool = TestPool::with(&[worker.entry("a")]);
        let stamp = pool.stamp();
        fs::write(ledger(&pool), text).expect("the ledger is written");
        let ran = pool.run(&["status", "a"]);
        assert_eq!(ran.answer(0)["sessions"][0]["status"], "running", "{ran:?}");
        assert!(ran.stderr.contains("ledger.json"), "it says so: {ran:?}");
        assert_eq!(pool.stamp(), stamp);
        // It was rebuilt.
        assert_eq!(pool.run(&["status"]).stderr, "");
        assert_eq!(rows(&pool).len(), 1);
        assert_eq!(pool.ask(&["stop", "a"])["outcomes"][0]["outcome"], "exited");
    }
}

#[test]
fn a_lost_one_is_rebuilt_from_the_weaker_proofs() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    pool.ask(&["ensure"]);
    fs::remove_file(ledger(&pool)).expect("there is a ledger");
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
    assert_eq!(rows(&pool).len(), 1);
}

#[test]
fn one_of_a_newer_program_is_left_alone() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let newer = "{\"version\":99,\"anything\":[]}";
    fs::write(ledger(&pool), newer).expect("the ledger is written");
    let ran = pool.run(&["status", "a"]);
    assert_eq!(ran.answer(0)["sessions"][0]["status"], "running");
    pool.run(&["stop", "a"]).answer(0);
    assert_eq!(
        fs::read_to_string(ledger(&pool)).expect("the ledger"),
        newer
    );
}

#[test]
fn warnings_are_logged_on_standard_error_at_the_level_asked_for() {
    let pool = TestPool::with(&[]);
    let status = |level: Option<&str>| {
        fs::write(ledger(&pool), "damaged").expect("the ledger is written");
        let mut command = pool.command(&["status"]);
        command.envs(level.map(|level| ("POOLWARDEN_LOG", level)));
        let ran = Ran::of(command);
        ran.answer(0);
        ran.stderr
    };
    assert!(
        status(None).contains("WARN"),
        "warnings are shown by default"
    );
    assert_eq!(status(Some("off")), "");
    assert_eq!(status(Some("error")), "");
}
