//! `version-skew`, which is written in JavaScript: workers of another version than the wanted
//! one are stopped at `ensure`.

use std::os::unix::process::ExitStatusExt;

use poolwarden::Request;
use serde_json::json;

use crate::example::Example;
use crate::harness::{TestPool, Worker};

/// The harness's workers have version 1.0.
fn wanting(version: &'static str) -> Example {
    Example::new("version-skew").with("version", version)
}

#[test]
fn a_worker_of_another_version_is_asked_once_to_end_and_its_entry_goes_when_it_is_dead() {
    let mut worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let stamp = pool.stamp();
    let answer = wanting("2.0").ensure(&pool);
    assert_eq!(
        answer["dismissed"],
        json!([{
            "sid": "a",
            "pid": worker.pid(),
            "signal": "SIGTERM",
            "reason": "its version is not 2.0",
            "outcome": "signalled",
        }])
    );
    assert_eq!(answer["sessions"][0]["status"], "stopping");
    worker.await_line("TERM");
    let again = wanting("2.0").ensure(&pool);
    assert_eq!(again.get("dismissed"), None, "it was asked");
    assert_eq!(pool.stamp(), stamp, "the entry is kept");

    worker.signal(nix::sys::signal::Signal::SIGKILL);
    assert_eq!(worker.reap().signal(), Some(9), "SIGKILL");
    assert_eq!(wanting("2.0").ensure(&pool)["removed"][0]["sid"], "a");
    assert_eq!(pool.sids(), Vec::<String>::new());
}

#[test]
fn whoever_has_the_version_or_is_not_proven_to_be_the_worker_stays() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let unproven = TestPool::with(&[worker.entry("a").created_at("2999-01-01T00:00:00Z")]);
    for (example, pool) in [
        (Example::new("version-skew"), &pool),
        (wanting("1.0"), &pool),
        (wanting("2.0"), &unproven),
    ] {
        assert_eq!(example.ensure(pool).get("dismissed"), None);
    }
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
}

#[test]
fn a_dry_run_and_a_policy_without_the_grant_signal_nobody() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let answer = wanting("2.0").ask(&pool, Request::Ensure { dry_run: true });
    let answer = answer.expect("an answer");
    assert_eq!(answer["dismissed"][0]["outcome"], "would-signal");
    assert_eq!(answer["sessions"][0]["status"], "running");

    for (given, missing) in [("signal-term", "dismiss"), ("dismiss", "signal-term")] {
        let answer = wanting("2.0")
            .granted(&["registry-write", given])
            .ensure(&pool);
        let dismissed = &answer["dismissed"][0];
        assert_eq!(dismissed["outcome"], "refused");
        let evidence = dismissed["evidence"].as_str().expect("evidence");
        let grant = format!("--grant {missing}");
        assert!(evidence.contains(&grant), "{evidence}");
    }
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
}

#[test]
fn it_says_what_it_reads() {
    assert_eq!(Example::new("version-skew").settings(), ["version"]);
}
