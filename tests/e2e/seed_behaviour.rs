//! What the pool service of algocline 0.44.4 does, and poolwarden has to do as well.

use serde_json::json;

use crate::harness::{Entry, NO_PROCESS, TestPool, Worker, redact};

#[test]
fn ensure_drops_the_dead_and_keeps_the_others() {
    let (first, last) = (Worker::obedient(), Worker::obedient());
    let dead = Worker::obedient().vanish();
    let pool = TestPool::with(&[
        first.entry("first"),
        Entry::new("dead", dead),
        last.entry("last"),
    ]);

    let answer = pool.run(&["ensure"]);
    assert_eq!(answer.answer(0)["removed"][0]["standing"], "gone");
    let pids = [(first.pid(), "first"), (dead, "dead"), (last.pid(), "last")];
    insta::assert_snapshot!(redact(&answer.stdout, &pids), @r#"{"sessions":[{"sid":"first","pid":[pid of first],"sock":"","version":"1.0","status":"running"},{"sid":"last","pid":[pid of last],"sock":"","version":"1.0","status":"running"}],"pool_version":"[version]","removed":[{"sid":"dead","pid":[pid of dead],"standing":"gone","evidence":"no process has pid [pid of dead]"}]}"#);
    assert_eq!(pool.sids(), ["first", "last"]);
}

#[test]
fn ensure_is_idempotent() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a"), Entry::new("dead", NO_PROCESS)]);
    let first = pool.ask(&["ensure"]);
    let bytes = pool.bytes();
    let second = pool.ask(&["ensure"]);
    assert_eq!(second["sessions"], first["sessions"]);
    assert_eq!(second["removed"], json!([]));
    assert_eq!(pool.bytes(), bytes);
}

#[test]
fn status_lists_live_entries_as_running() {
    let (one, two) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[one.entry("one"), two.entry("two")]);
    let answer = pool.run(&["status"]);
    assert_eq!(answer.code, 0);
    let pids = [(one.pid(), "one"), (two.pid(), "two")];
    insta::assert_snapshot!(redact(&answer.stdout, &pids), @r#"{"sessions":[{"sid":"one","pid":[pid of one],"sock":"","version":"1.0","created_at":"[time]","status":"running"},{"sid":"two","pid":[pid of two],"sock":"","version":"1.0","created_at":"[time]","status":"running"}],"pool_version":"[version]"}"#);
}

#[test]
fn status_filters_by_sid_and_an_unknown_one_gives_an_empty_list() {
    let (one, two) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[one.entry("one"), two.entry("two")]);
    let answer = pool.ask(&["status", "two"]);
    assert_eq!(answer["sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["sessions"][0]["pid"], two.pid());
    assert_eq!(
        pool.run(&["status", "three"]).answer(3)["sessions"],
        json!([])
    );
    assert_eq!(pool.sids(), ["one", "two"]);
}

#[test]
fn status_collects_the_dead_whichever_session_was_asked_for() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[Entry::new("dead", NO_PROCESS), worker.entry("a")]);
    pool.ask(&["status", "a"]);
    assert_eq!(pool.sids(), ["a"]);
}

#[test]
fn stop_ends_the_named_worker_alone() {
    let (mut one, two) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[one.entry("one"), two.entry("two")]);
    let answer = pool.run(&["stop", "one"]);
    assert_eq!(answer.code, 0);
    insta::assert_snapshot!(redact(&answer.stdout, &[(one.pid(), "one")]), @r#"{"stopped":["one"],"errors":[],"outcomes":[{"sid":"one","pid":[pid of one],"outcome":"exited"}]}"#);
    assert!(!one.is_running() && two.is_running());
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&one.reap()),
        Some(15),
        "SIGTERM"
    );
    assert_eq!(pool.sids(), ["two"]);
}

#[test]
fn stop_all_ends_every_worker() {
    let workers = [Worker::obedient(), Worker::obedient(), Worker::obedient()];
    let pool = TestPool::with(&[
        workers[0].entry("a"),
        workers[1].entry("b"),
        workers[2].entry("c"),
    ]);
    let answer = pool.ask(&["stop", "--all"]);
    assert_eq!(answer["stopped"], json!(["a", "b", "c"]));
    assert_eq!(answer["errors"], json!([]));
    assert!(workers.iter().all(|worker| !worker.is_running()));
    assert_eq!(pool.sids(), Vec::<String>::new());
}

#[test]
fn stop_counts_a_worker_that_is_already_dead_as_stopped() {
    let dead = Worker::obedient().vanish();
    let pool = TestPool::with(&[Entry::new("dead", dead)]);
    let answer = pool.run(&["stop", "dead"]);
    assert_eq!(answer.code, 0);
    insta::assert_snapshot!(redact(&answer.stdout, &[(dead, "dead")]), @r#"{"stopped":["dead"],"errors":[],"outcomes":[{"sid":"dead","pid":[pid of dead],"outcome":"already-dead","evidence":"no process has pid [pid of dead]"}]}"#);
    assert_eq!(pool.sids(), Vec::<String>::new());
}

/// Taken for a pid, 0 is the program's process group, which this test is in; and the
/// largest number is -1 to a system that does not look, which is everybody.
#[test]
fn stop_rejects_impossible_pids_in_the_words_of_algocline() {
    let beyond = 1 << 31;
    let bystander = Worker::obedient();
    let pool = TestPool::with(&[
        Entry::new("zero", 0),
        Entry::new("beyond", beyond),
        Entry::new("all", u32::MAX),
        bystander.entry("bystander"),
    ]);
    let errors = [
        "sid=zero: pid=0 is not a valid POSIX target pid (must be > 0); skipping SIGTERM",
        "sid=beyond: pid=2147483648 exceeds i32::MAX, cannot send SIGTERM (K-52)",
        "sid=all: pid=4294967295 exceeds i32::MAX, cannot send SIGTERM (K-52)",
    ];
    for (sid, error) in ["zero", "beyond", "all"].into_iter().zip(errors) {
        let answer = pool.run(&["stop", sid]).answer(1);
        assert_eq!(answer["stopped"], json!([]));
        assert_eq!(answer["errors"], json!([error]));
        assert_eq!(answer["outcomes"][0]["outcome"], "invalid-pid");
        assert!(!pool.sids().contains(&sid.to_owned()), "{sid} is removed");
    }
    assert!(bystander.is_running());
    assert_eq!(pool.sids(), ["bystander"]);
}

#[test]
fn stop_all_removes_impossible_pids_and_stops_the_others() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[Entry::new("zero", 0), worker.entry("a")]);
    let answer = pool.run(&["stop", "--all"]).answer(1);
    assert_eq!(answer["stopped"], json!(["a"]));
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(1));
    assert_eq!(pool.sids(), Vec::<String>::new());
}

#[test]
fn a_refused_signal_is_among_the_errors() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[Entry::new("init", 1), worker.entry("a")]);
    let answer = pool.run(&["stop", "--all"]).answer(1);
    assert_eq!(answer["stopped"], json!(["a"]));
    let error = answer["errors"][0].as_str().expect("an error");
    assert!(error.starts_with("sid=init: not signalled"), "{error}");
    assert_eq!(pool.sids(), ["init"]);
}

#[test]
fn stop_of_an_unknown_sid_stops_nobody() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let ran = pool.run(&["stop", "b"]);
    let answer = ran.answer(0);
    assert_eq!(answer, json!({"stopped": [], "errors": [], "outcomes": []}));
    assert!(worker.is_running());
    assert_eq!(pool.sids(), ["a"]);
}
