//! A registry that somebody removes, as those do who clear out temporary files, while its
//! workers live.

use std::fs;
use std::os::unix::fs::DirBuilderExt;

use serde_json::{Value, json};

use crate::harness::{Detached, Mcp, Ran, Stream, TestPool, Worker, processes_of};

#[track_caller]
fn register(pool: &TestPool, sid: &str, worker: &Worker) {
    pool.ask(&["register", "--sid", sid, "--pid", &worker.pid().to_string()]);
}

fn remove_registry(pool: &TestPool) {
    fs::remove_file(pool.registry()).expect("it is removed");
}

fn ledger(pool: &TestPool) -> Vec<u8> {
    fs::read(pool.directory().join("ledger.json")).expect("a ledger")
}

fn rows(pool: &TestPool) -> Vec<(String, u64)> {
    let ledger: Value = serde_json::from_slice(&ledger(pool)).expect("JSON");
    let rows = ledger["rows"].as_array().expect("rows").iter();
    rows.map(|row| {
        let sid = row["sid"].as_str().expect("a sid");
        (sid.to_owned(), row["pid"].as_u64().expect("a pid"))
    })
    .collect()
}

fn command_of(pool: &TestPool) -> String {
    let path = pool.directory().to_str().expect("text");
    format!("poolwarden --state-dir {path} doctor")
}

#[track_caller]
fn repair(pool: &TestPool) -> Value {
    let ran = pool.run(&["doctor", "--fix", "--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.answer(0)
}

#[test]
fn every_verb_refuses_the_pool_names_the_file_and_starts_nobody() {
    let (pool, worker, other) = (TestPool::new(), Worker::obedient(), Worker::obedient());
    register(&pool, "a", &worker);
    remove_registry(&pool);
    let before = ledger(&pool);
    let refused = |ran: &Ran| {
        let error = ran.error(6);
        let registry = pool.registry();
        for part in [
            registry.to_str().expect("text"),
            &command_of(&pool),
            "--fix",
        ] {
            assert!(error.contains(part), "wanted {part}: {error}");
        }
        assert!(
            error.contains(&format!("a (pid {})", worker.pid())),
            "{error}"
        );
    };
    let pid = other.pid().to_string();
    for verb in [
        &["status"][..],
        &["status", "a"],
        &["ensure"],
        &["ensure", "--dry-run"],
        &["stop", "--all"],
        &["stop", "a"],
        &["register", "--sid", "b", "--pid", &pid],
        &["forget", "a", "--even-if-alive"],
        &["wait", "a"],
        &["adopt", "a", "--yes"],
    ] {
        refused(&pool.run(verb));
    }
    for sid in ["a", "b"] {
        let command = pool.run_command(&["--sid", sid], &["--", "sleep", "600"]);
        refused(&Ran::of(command));
    }
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    for tool in ["pool_status", "pool_ensure", "pool_stop"] {
        let result = mcp.call(tool, json!({}));
        assert_eq!(result["isError"], true, "{tool}: {result}");
        let text = result["content"][0]["text"].as_str().expect("a text");
        assert!(text.contains(&command_of(&pool)), "{tool}: {text}");
    }
    assert!(worker.is_running());
    assert_eq!(processes_of(&pool), [] as [u32; 0]);
    assert!(!pool.registry().exists());
    assert_eq!(ledger(&pool), before);

    // The server that was there all the time answers once the doctor was.
    repair(&pool);
    assert_eq!(
        mcp.answer("pool_status", json!({}))["sessions"][0]["sid"],
        "a"
    );
}

#[test]
fn the_doctor_restores_it_and_nobody_is_started_twice() {
    let pool = TestPool::new();
    let command = pool.run_command(&["--sid", "run"], &["--", "sleep", "600"]);
    let run = Detached::of(&Ran::of(command).answer(0));
    let worker = Worker::obedient();
    register(&pool, "registered", &worker);
    let entries = pool.bytes();
    remove_registry(&pool);
    let report = pool.run(&["doctor"]).answer(6);
    assert_eq!(report["healthy"], false, "{report:#}");
    let repaired = repair(&pool);
    assert_eq!(repaired["healthy"], true, "{repaired:#}");

    let parsed = |bytes: &[u8]| -> Vec<Value> {
        let registry: Value = serde_json::from_slice(bytes).expect("JSON");
        let mut entries = registry["sessions"].as_array().expect("sessions").clone();
        entries.sort_by_key(|entry| entry["sid"].to_string());
        for entry in &mut entries {
            // No version stands in the ledger.
            entry["version"] = json!("");
        }
        entries
    };
    assert_eq!(parsed(&pool.bytes()), parsed(&entries));
    let again = Ran::of(pool.run_command(&["--sid", "run"], &["--", "sleep", "600"]));
    assert_eq!(again.code, 1, "{again:?}");
    assert_eq!(processes_of(&pool), [run.pid()]);
    let stopped = pool.ask(&["stop", "--all"]);
    assert_eq!(stopped["errors"], json!([]), "{stopped}");
    assert!(!run.is_running() && !worker.is_running());
}

#[test]
fn a_watch_says_that_it_is_gone_and_of_no_worker_that_it_was_removed() {
    let (pool, worker) = (TestPool::new(), Worker::obedient());
    register(&pool, "a", &worker);
    let stream = Stream::start(pool.command(&["watch"]));
    assert_eq!(stream.next()["event"], "present");
    remove_registry(&pool);
    let warning = stream.next_error();
    assert!(warning.contains("there is no such file"), "{warning}");
    repair(&pool);
    worker.signal(nix::sys::signal::Signal::SIGKILL);
    let line = stream.next();
    assert_eq!(
        (&line["event"], &line["sid"]),
        (&json!("exited"), &json!("a"))
    );
}

#[test]
fn a_pool_of_the_dead_and_of_the_forgotten_is_an_empty_one() {
    let (pool, dead, forgotten) = (TestPool::new(), Worker::obedient(), Worker::obedient());
    register(&pool, "dead", &dead);
    register(&pool, "forgotten", &forgotten);
    pool.ask(&["forget", "forgotten", "--even-if-alive"]);
    drop(dead);
    remove_registry(&pool);
    assert_eq!(pool.ask(&["status"])["sessions"], json!([]));
    assert_eq!(pool.run(&["doctor"]).code, 0);
    register(&pool, "new", &forgotten);
    assert_eq!(pool.sids(), ["new"]);
}

/// As algocline does it, which collects whom it does not see.
#[test]
fn a_worker_whose_entry_alone_is_gone_is_no_error_and_keeps_its_row() {
    let (pool, worker, other) = (TestPool::new(), Worker::obedient(), Worker::obedient());
    register(&pool, "a", &worker);
    pool.seed(&[]);
    assert_eq!(pool.ask(&["status"])["sessions"], json!([]));
    register(&pool, "b", &other);
    let of = |sid: &str, worker: &Worker| (sid.to_owned(), u64::from(worker.pid()));
    assert_eq!(rows(&pool), [of("a", &worker), of("b", &other)]);
    drop(worker);
    register(&pool, "c", &other);
    assert_eq!(rows(&pool), [of("b", &other), of("c", &other)]);
}

/// Which of two living workers of one session is to have its entry nobody can tell.
#[test]
fn two_workers_of_one_session_do_not_keep_the_pool_shut() {
    let (pool, one, two) = (TestPool::new(), Worker::obedient(), Worker::obedient());
    register(&pool, "a", &one);
    pool.seed(&[]);
    register(&pool, "a", &two);
    remove_registry(&pool);
    pool.run(&["status"]).error(6);
    let ran = pool.run(&["doctor", "--fix", "--yes"]);
    assert!(pool.registry().exists(), "{ran:?}");
    assert_eq!(pool.ask(&["status"])["sessions"], json!([]));
    register(&pool, "a", &two);
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
}

#[test]
fn a_directory_that_is_made_again_under_a_server_is_its_pool_at_once() {
    let pool = TestPool::with(&[]);
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    for _ in 0..2 {
        assert_eq!(mcp.answer("pool_status", json!({}))["sessions"], json!([]));
        fs::remove_dir_all(pool.directory()).expect("it is removed");
        let made = fs::DirBuilder::new().mode(0o700).create(pool.directory());
        made.expect("it is made again");
    }
}

#[test]
fn a_registry_that_was_never_there_is_an_empty_pool() {
    let pool = TestPool::new();
    assert_eq!(pool.ask(&["status"])["sessions"], json!([]));
    assert!(!pool.registry().exists());
}
