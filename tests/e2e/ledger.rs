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
    let sids = |pool: &TestPool| -> Vec<Value> {
        let rows = rows(pool).into_iter();
        rows.map(|mut row| row["sid"].take()).collect()
    };
    assert_eq!(sids(&pool), ["two"]);
    pool.ask(&["forget", "two", "--even-if-alive"]);
    register(&pool, "three", &two);
    assert_eq!(sids(&pool), ["three", "two"]);
    drop(two);
    pool.ask(&["ensure"]);
    assert_eq!(sids(&pool), [""; 0]);
}

#[track_caller]
fn register(pool: &TestPool, sid: &str, worker: &Worker) {
    pool.ask(&["register", "--sid", sid, "--pid", &worker.pid().to_string()]);
}

/// The sids that a repair of a registry without a readable entry brings back.
#[track_caller]
fn brought_back(pool: &TestPool) -> Vec<String> {
    pool.write("{");
    pool.run(&["doctor", "--fix", "--yes"]).answer(0);
    pool.sids()
}

#[test]
fn who_was_forgotten_stays_forgotten_whatever_is_written_afterwards() {
    let pool = TestPool::new();
    let [forgotten, stopped, kept] = std::array::from_fn(|_| Worker::obedient());
    register(&pool, "forgotten", &forgotten);
    register(&pool, "stopped", &stopped);
    pool.ask(&["forget", "forgotten", "--even-if-alive"]);
    pool.ask(&["stop", "stopped"]);
    register(&pool, "kept", &kept);
    pool.seed(&[kept.entry("learned")]);
    pool.ask(&["ensure"]);
    assert_eq!(brought_back(&pool), ["kept", "learned"]);
    pool.ask(&["stop", "--all"]);
    assert!(forgotten.is_running());
}

#[test]
fn nobody_is_forgotten_where_a_newer_ledger_would_remember() {
    let (pool, worker) = (TestPool::new(), Worker::obedient());
    let unproven = Worker::obedient();
    pool.seed(&[
        worker.entry("a"),
        unproven.entry("unproven").created_at("some day"),
    ]);
    let newer = "{\"version\":99,\"anything\":[]}";
    fs::write(ledger(&pool), newer).expect("the ledger is written");
    let stamp = pool.stamp();
    for sid in ["a", "unproven"] {
        let ran = pool.run(&["forget", sid, "--even-if-alive"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        let error = ran.stderr;
        assert!(error.contains("nothing was changed"), "{error}");
        assert_eq!(pool.stamp(), stamp);
    }
    // The dead need nobody's memory.
    drop(worker);
    pool.run(&["forget", "a"]).answer(0);
    assert_eq!(pool.sids(), ["unproven"]);
    assert_eq!(
        fs::read(ledger(&pool)).expect("the ledger"),
        newer.as_bytes()
    );
}

#[test]
fn the_rows_of_the_dead_go_with_their_entries() {
    let (pool, living) = (TestPool::new(), Worker::obedient());
    register(&pool, "living", &living);
    let dead: Vec<Worker> = (0..20).map(|_| Worker::obedient()).collect();
    for (number, worker) in dead.iter().enumerate() {
        register(&pool, &format!("dead-{number}"), worker);
    }
    assert_eq!(rows(&pool).len(), 21);
    drop(dead);
    for verb in [&["ensure"][..], &["status"]] {
        pool.ask(verb);
        assert_eq!(rows(&pool).len(), 1, "{verb:?}");
        assert_eq!(rows(&pool)[0]["sid"], "living");
        let worker = Worker::obedient();
        register(&pool, "next", &worker);
    }
}

#[test]
fn a_stray_comma_costs_neither_the_proofs_nor_what_was_forgotten_nor_the_file() {
    let pool = TestPool::new();
    let [adopted, forgotten, other] = std::array::from_fn(|_| Worker::obedient());
    pool.seed(&[adopted.entry("adopted").created_at("some day")]);
    pool.ask(&["adopt", "adopted", "--yes"]);
    register(&pool, "forgotten", &forgotten);
    pool.ask(&["forget", "forgotten", "--even-if-alive"]);
    let text = fs::read_to_string(ledger(&pool)).expect("the ledger");
    let damaged = text.replacen("},{", "},,{", 1);
    assert_ne!(damaged, text);
    fs::write(ledger(&pool), &damaged).expect("the ledger is written");

    // Whoever writes first keeps what is in it.
    let ran = pool.run(&["register", "--sid", "b", "--pid", &other.pid().to_string()]);
    ran.answer(0);
    assert!(ran.stderr.contains("ledger.json.damaged-"), "{ran:?}");
    let names = fs::read_dir(pool.directory()).expect("the pool");
    let names = names.map(|entry| entry.expect("an entry").file_name());
    let aside: Vec<_> = names
        .map(|name| name.into_string().expect("text"))
        .filter(|name| name.starts_with("ledger.json.damaged-"))
        .collect();
    let [aside] = aside.as_slice() else {
        panic!("{aside:?}")
    };
    let kept = fs::read_to_string(pool.directory().join(aside));
    assert_eq!(kept.expect("the damaged one"), damaged);
    let report = pool.run(&["doctor"]).answer(0);
    let told = report.to_string();
    assert!(told.contains(aside), "{report:#}");
    assert_eq!(pool.status("adopted").expect("it is listed").0, "running");
    assert_eq!(brought_back(&pool), ["adopted", "b"]);
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
