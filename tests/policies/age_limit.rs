//! `age-limit`: workers that have run for long enough are stopped at `ensure`.

use std::os::unix::process::ExitStatusExt;

use poolwarden::{Error, Request};
use serde_json::{Value, json};

use crate::example::Example;
use crate::harness::{TestPool, Worker};

/// Every worker is old enough.
fn old() -> Example {
    Example::new("age-limit").with("max-age", "0s")
}

fn with(worker: &Worker) -> TestPool {
    TestPool::with(&[worker.entry("a")])
}

fn status(answer: &Value) -> &str {
    answer["sessions"][0]["status"].as_str().expect("a status")
}

#[test]
fn an_old_worker_is_asked_to_end_and_its_entry_goes_when_it_is_dead() {
    let mut worker = Worker::obedient();
    let pool = with(&worker);
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
    assert_eq!(status(&answer), "stopping");
    assert_eq!(pool.stamp(), stamp, "the entry is kept");

    assert_eq!(worker.reap().signal(), Some(15), "SIGTERM");
    let answer = old().ensure(&pool);
    assert_eq!(answer["removed"][0]["sid"], "a");
    assert_eq!(answer.get("dismissed"), None);
    assert_eq!(pool.sids(), Vec::<String>::new());
}

#[test]
fn one_that_takes_no_notice_is_asked_once_and_killed_later() {
    let mut worker = Worker::deaf();
    let pool = with(&worker);
    old().ensure(&pool);
    worker.await_line("TERM");
    let answer = old().ensure(&pool);
    assert_eq!(status(&answer), "stopping");
    assert_eq!(answer.get("dismissed"), None, "it was asked before");
    let patient = old().with("kill-after", "8h");
    assert_eq!(patient.ensure(&pool).get("dismissed"), None);

    let answer = old().with("kill-after", "0s").ensure(&pool);
    assert_eq!(answer["dismissed"][0]["signal"], "SIGKILL", "{answer}");
    assert_eq!(worker.reap().signal(), Some(9), "SIGKILL");
    assert_eq!(old().ensure(&pool)["removed"][0]["sid"], "a");
}

#[test]
fn whoever_is_young_enough_stays() {
    let worker = Worker::obedient();
    let pool = with(&worker);
    for example in [
        Example::new("age-limit"),
        Example::new("age-limit").with("max-age", "8h"),
    ] {
        let answer = example.ensure(&pool);
        assert_eq!(status(&answer), "running");
        assert_eq!(answer.get("dismissed"), None);
    }
    assert!(worker.is_running());
}

#[test]
fn whoever_is_not_proven_to_be_the_worker_is_left_alone() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a").created_at("2999-01-01T00:00:00Z")]);
    let answer = old().with("kill-after", "0s").ensure(&pool);
    assert_eq!(status(&answer), "unproven");
    assert_eq!(answer.get("dismissed"), None);
    assert!(worker.is_running());
}

#[test]
fn a_dry_run_signals_nobody() {
    let worker = Worker::obedient();
    let pool = with(&worker);
    let answer = old().ask(&pool, Request::Ensure { dry_run: true });
    let answer = answer.expect("an answer");
    assert_eq!(answer["dismissed"][0]["outcome"], "would-signal");
    assert_eq!(status(&answer), "running");
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
}

#[test]
fn without_the_grant_nobody_is_signalled_and_the_answer_names_it() {
    let worker = Worker::obedient();
    let pool = with(&worker);
    for (given, missing) in [("signal-term", "dismiss"), ("dismiss", "signal-term")] {
        let answer = old().granted(&["registry-write", given]).ensure(&pool);
        let dismissed = &answer["dismissed"][0];
        assert_eq!(dismissed["outcome"], "refused");
        let evidence = dismissed["evidence"].as_str().expect("evidence");
        let grant = format!("--grant {missing}");
        assert!(evidence.contains(&grant), "{evidence}");
        assert_eq!(status(&answer), "running");
    }
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
    assert_eq!(pool.sids(), ["a"]);
}

#[test]
fn a_setting_that_is_not_understood_is_an_error_that_says_so() {
    let pool = TestPool::new();
    let odd = Example::new("age-limit").with("max-age", "eight hours");
    let result = odd.ask(&pool, Request::Ensure { dry_run: false });
    match result {
        Err(Error::Rejected(why)) => assert!(why.contains("max-age"), "{why}"),
        other => panic!("not rejected: {other:?}"),
    }
}

#[test]
fn it_says_what_it_reads() {
    let settings = Example::new("age-limit").settings();
    assert_eq!(settings, ["max-age", "kill-after"]);
}
