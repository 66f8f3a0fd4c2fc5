//! `max-age`, which is written in Python: workers that have run for long enough are stopped
//! at `ensure`.

use std::os::unix::process::ExitStatusExt;

use poolwarden::{Error, Request};
use serde_json::json;

use crate::example::Example;
use crate::harness::{TestPool, Worker};

/// Every worker is old enough.
fn old() -> Example {
    Example::new("max-age").with("max-age", "0s")
}

#[test]
fn an_old_worker_is_asked_once_to_end_and_its_entry_goes_when_it_is_dead() {
    let mut worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let stamp = pool.stamp();
    let answer = old().ensure(&pool);
    assert_eq!(
        answer["dismissed"],
        json!([{
            "sid": "a",
            "pid": worker.pid(),
            "signal": "SIGTERM",
            "reason": "it has run for max-age or longer",
            "outcome": "signalled",
        }])
    );
    assert_eq!(answer["sessions"][0]["status"], "stopping");
    worker.await_line("TERM");
    assert_eq!(old().ensure(&pool).get("dismissed"), None, "it was asked");
    assert_eq!(pool.stamp(), stamp, "the entry is kept");

    worker.signal(nix::sys::signal::Signal::SIGKILL);
    assert_eq!(worker.reap().signal(), Some(9), "SIGKILL");
    assert_eq!(old().ensure(&pool)["removed"][0]["sid"], "a");
    assert_eq!(pool.sids(), Vec::<String>::new());
}

#[test]
fn whoever_is_young_or_not_proven_to_be_the_worker_stays() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let unproven = TestPool::with(&[worker.entry("a").created_at("2999-01-01T00:00:00Z")]);
    for (example, pool) in [
        (Example::new("max-age"), &pool),
        (Example::new("max-age").with("max-age", "8h"), &pool),
        (old(), &unproven),
    ] {
        assert_eq!(example.ensure(pool).get("dismissed"), None);
    }
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
}

#[test]
fn a_dry_run_and_a_policy_without_the_grant_signal_nobody() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let answer = old().ask(&pool, Request::Ensure { dry_run: true });
    let answer = answer.expect("an answer");
    assert_eq!(answer["dismissed"][0]["outcome"], "would-signal");
    assert_eq!(answer["sessions"][0]["status"], "running");

    for (given, missing) in [("signal-term", "dismiss"), ("dismiss", "signal-term")] {
        let answer = old().granted(&["registry-write", given]).ensure(&pool);
        let dismissed = &answer["dismissed"][0];
        assert_eq!(dismissed["outcome"], "refused");
        let evidence = dismissed["evidence"].as_str().expect("evidence");
        let grant = format!("--grant {missing}");
        assert!(evidence.contains(&grant), "{evidence}");
    }
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
}

#[test]
fn a_setting_that_is_not_understood_is_an_error_that_says_so() {
    let pool = TestPool::new();
    let odd = Example::new("max-age").with("max-age", "eight hours");
    match odd.ask(&pool, Request::Ensure { dry_run: false }) {
        Err(Error::Rejected(why)) => assert!(why.contains("max-age"), "{why}"),
        other => panic!("not rejected: {other:?}"),
    }
}

#[test]
fn it_says_what_it_reads() {
    assert_eq!(Example::new("max-age").settings(), ["max-age"]);
}
