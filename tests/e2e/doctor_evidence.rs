//! What counts as evidence that a process is a worker of the pool, and what outweighs what.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Detached, Entry, Ran, TestPool, Worker, await_that};

#[track_caller]
fn start(pool: &TestPool, sid: &str) -> Detached {
    let command = pool.run_command(&["--sid", sid], &["--", "sleep", "600"]);
    Detached::of(&Ran::of(command).answer(0))
}

#[track_caller]
fn register(pool: &TestPool, sid: &str, pid: u32) {
    pool.ask(&["register", "--sid", sid, "--pid", &pid.to_string()]);
}

#[track_caller]
fn forget(pool: &TestPool, sid: &str) {
    pool.ask(&["forget", sid, "--even-if-alive"]);
}

/// The workers without an entry, each with the reason why it is to have none.
#[track_caller]
fn orphans(pool: &TestPool) -> Vec<(String, u32, Option<String>)> {
    let ran = pool.run(&["doctor"]);
    let report = ran.answer(ran.code);
    let orphans = report["orphans"].as_array().expect("orphans").iter();
    orphans
        .map(|orphan| {
            let text = |field: &str| orphan[field].as_str().map(str::to_owned);
            let pid = orphan["pid"].as_u64().expect("a pid");
            (
                text("sid").expect("a sid"),
                u32::try_from(pid).expect("a pid"),
                text("kept_out"),
            )
        })
        .collect()
}

fn lose_registry(pool: &TestPool) {
    fs::remove_file(pool.registry()).expect("it is removed");
}

fn ledger(pool: &TestPool) -> Value {
    let bytes = fs::read(pool.directory().join("ledger.json")).expect("a ledger");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[test]
fn who_was_forgotten_is_not_brought_back_by_the_ledger() {
    let (pool, worker, other) = (TestPool::new(), Worker::obedient(), Worker::obedient());
    register(&pool, "other", other.pid());
    register(&pool, "oops", worker.pid());
    forget(&pool, "oops");
    assert_eq!(
        ledger(&pool)["rows"][0]["withdrawn"],
        true,
        "{:#}",
        ledger(&pool)
    );
    for lost in [&b"{\"sessions\":["[..], b""] {
        pool.write(lost);
        let found = orphans(&pool);
        assert_eq!(found, [("other".into(), other.pid(), None)]);
        pool.run(&["doctor", "--fix", "--yes"]).answer(0);
        assert_eq!(pool.sids(), ["other"]);
    }
    lose_registry(&pool);
    pool.run(&["doctor", "--fix", "--yes"]).answer(0);
    assert_eq!(pool.sids(), ["other"]);
    pool.ask(&["stop", "--all"]);
    assert!(worker.is_running());

    // Who is made known again is known as before.
    register(&pool, "oops", worker.pid());
    lose_registry(&pool);
    pool.run(&["doctor", "--fix", "--yes"]).answer(0);
    assert_eq!(pool.status("oops").expect("it is listed").0, "running");
}

/// Else the ledger would bring it back.
#[test]
fn nobody_is_forgotten_whom_the_ledger_cannot_forget() {
    let (pool, worker) = (TestPool::new(), Worker::obedient());
    register(&pool, "a", worker.pid());
    let (path, aside) = (
        pool.directory().join("ledger.json"),
        pool.root().join("aside"),
    );
    let in_the_way = pool.directory().join("ledger.json.new");
    let cannot_forget = || {
        let before = pool.bytes();
        let ran = pool.run(&["forget", "a", "--even-if-alive"]);
        assert!(
            ran.code == 1 && ran.stderr.contains("ledger.json"),
            "{ran:?}"
        );
        assert_eq!(pool.bytes(), before);
    };
    fs::create_dir(&in_the_way).expect("a directory");
    cannot_forget();
    fs::remove_dir(&in_the_way).expect("it is removed");
    // Who is in it cannot even be seen.
    fs::rename(&path, &aside).expect("it is moved");
    fs::create_dir(&path).expect("a directory");
    cannot_forget();
    fs::remove_dir(&path).expect("it is removed");
    fs::rename(&aside, &path).expect("it is moved");
    assert_eq!(ledger(&pool)["rows"][0]["withdrawn"], json!(null));
    // The dead need nobody's memory.
    fs::create_dir(&in_the_way).expect("a directory");
    drop(worker);
    pool.run(&["forget", "a", "--even-if-alive"]).answer(0);
    assert_eq!(pool.sids(), [] as [String; 0]);
}

/// For as long as the process lives, whatever else the ledger comes to say.
#[test]
fn who_was_forgotten_and_says_so_himself_is_shown_and_left_alone() {
    let pool = TestPool::new();
    let worker = start(&pool, "a");
    forget(&pool, "a");
    for lose in [|_: &TestPool| (), lose_registry] {
        lose(&pool);
        let found = orphans(&pool);
        let [(sid, pid, Some(why))] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!((sid.as_str(), *pid), ("a", worker.pid()));
        assert!(why.contains("on purpose"), "{why}");
        let ran = pool.run(&["doctor", "--fix", "--yes"]);
        assert!(
            ran.stderr.contains("nothing here that a repair can do"),
            "{ran:?}"
        );
        assert_eq!(pool.run(&["status"]).answer(0)["sessions"], json!([]));
    }
    let other = start(&pool, "other");
    let found = orphans(&pool);
    let [(sid, _, Some(_))] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(sid, "a");
    drop(other);
}

/// The ledger knows better than the environment what it was last registered as.
#[test]
fn the_ledgers_sid_outweighs_that_of_the_environment() {
    let pool = TestPool::new();
    let worker = start(&pool, "a");
    forget(&pool, "a");
    register(&pool, "b", worker.pid());
    // Nor is it said twice.
    register(&pool, "also", worker.pid());
    lose_registry(&pool);
    let (pid, expected) = (worker.pid(), ["also", "b"]);
    let found = orphans(&pool);
    assert_eq!(found, expected.map(|sid| (sid.to_owned(), pid, None)));
    pool.run(&["doctor", "--fix", "--yes"]).answer(0);
    assert_eq!(pool.sids(), expected);
    assert_eq!(pool.status("b").expect("it is listed").0, "running");
}

/// What others have from a worker is its words, and what they set themselves is less.
#[test]
fn who_has_the_words_of_a_worker_is_none() {
    let pool = TestPool::new();
    let worker = start(&pool, "a");
    let mark = worker.variable("POOLWARDEN_PROCESS").expect("a mark");
    let mut others = Vec::new();
    for mark in [Some(mark), None] {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "POOLWARDEN_PID=$$ exec sleep 600"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("POOLWARDEN_SID", "other")
            .env("POOLWARDEN_STATE_DIR", pool.directory())
            .envs(mark.map(|mark| ("POOLWARDEN_PROCESS", mark)))
            .stdout(Stdio::null());
        let other = command.spawn().expect("a shell");
        let held = Detached::with_pid(other.id()).expect("it runs");
        await_that("it is another program", || {
            held.variable("POOLWARDEN_PID") == Some(held.pid().to_string())
        });
        others.push((held, other));
    }
    assert_eq!(orphans(&pool), []);
    lose_registry(&pool);
    assert_eq!(orphans(&pool), [("a".into(), worker.pid(), None)]);
    for (held, mut other) in others {
        assert!(held.is_running());
        drop(held);
        other.wait().expect("it is ours");
    }
}

/// As where an earlier process of the pid had the session.
#[test]
fn a_row_or_an_entry_that_names_another_process_outweighs_the_environment() {
    let pool = TestPool::new();
    let worker = start(&pool, "a");
    let old = Entry::new("a", worker.pid()).created_at("2020-01-01T00:00:00Z");
    let path = pool.directory().join("ledger.json");
    let row = fs::read_to_string(&path).expect("a ledger");
    fs::remove_file(&path).expect("it is removed");
    pool.seed(&[old]);
    let why = |found: Vec<(String, u32, Option<String>)>| found[0].2.clone().expect("a reason");
    let found = why(orphans(&pool));
    assert!(found.contains("about another process"), "{found}");

    pool.ask(&["ensure"]);
    let inode = row.find("\"inode\":").expect("a number") + "\"inode\":".len();
    let mut other = row;
    other.insert(inode, '1');
    fs::write(&path, other).expect("it is written");
    let found = why(orphans(&pool));
    assert!(found.contains("knows another process"), "{found}");
    let ran = pool.run(&["doctor", "--fix", "--yes"]);
    assert!(
        ran.stderr.contains("nothing here that a repair can do"),
        "{ran:?}"
    );
    assert_eq!(pool.sids(), [] as [String; 0]);
}
