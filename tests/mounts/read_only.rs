//! A read-only file system: what changes nothing works, under the lock, and what would change
//! something says what it takes.

use std::fs::File;

use serde_json::json;

use crate::harness::{Entry, NO_PROCESS, Ran, TestPool, Worker, processes_of};
use crate::namespace::Namespace;

const READ_ONLY: [&str; 2] = [
    "mount its file system for writing, or name a pool elsewhere with --state-dir",
    "Read-only file system",
];

#[track_caller]
fn assert_refused(ran: &Ran, parts: &[&str]) {
    assert_eq!(ran.code, 1, "{ran:#?}");
    let said = format!("{}{}", ran.stdout, ran.stderr);
    for part in READ_ONLY.iter().chain(parts) {
        assert!(said.contains(part), "wanted {part:?}: {ran:#?}");
    }
}

#[test]
fn what_changes_nothing_works() {
    let worker = Worker::obedient();
    let mut namespace = Namespace::with_tmpfs("size=1m");
    let pool = namespace.pool();
    pool.seed(&[worker.entry("a"), Entry::new("init", 1)]);
    pool.ask(&["status"]);
    namespace.make_read_only();
    for verb in [
        &["status"][..],
        &["ensure"],
        &["stop", "a", "--dry-run"],
        &["wait", "nobody"],
        &["log"],
    ] {
        let ran = pool.run(verb);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:#?}");
    }
}

#[test]
fn what_would_change_something_says_what_it_takes() {
    let (worker, new) = (Worker::obedient(), Worker::obedient());
    let mut namespace = Namespace::with_tmpfs("size=1m");
    let pool = namespace.pool();
    pool.seed(&[worker.entry("a")]);
    pool.ask(&["status"]);
    pool.seed(&[worker.entry("a"), Entry::new("dead", NO_PROCESS)]);
    let bytes = pool.bytes();
    namespace.make_read_only();
    assert_refused(&pool.run(&["ensure"]), &["the registry was not changed"]);
    assert_refused(&pool.run(&["status"]), &["the registry was not changed"]);
    assert_refused(&pool.run(&["stop", "a"]), &["no signal was sent"]);
    let pid = new.pid().to_string();
    let register = pool.run(&["register", "--sid", "new", "--pid", &pid]);
    assert_refused(&register, &["registry.json.new"]);
    let run = Ran::of(pool.run_command(&["--sid", "w", "--"], &["sleep", "600"]));
    assert_refused(&run, &[]);
    assert_eq!(processes_of(&pool), Vec::<u32>::new());
    assert_eq!(pool.bytes(), bytes);
    assert!(worker.is_running());
    // What would be removed can be seen without.
    let shown = pool.run(&["ensure", "--dry-run"]).answer(0);
    assert_eq!(shown["removed"][0]["sid"], "dead");
}

/// Others may write the pool through another mount of the same file system.
#[test]
fn the_lock_counts_as_anywhere() {
    let mut namespace = Namespace::with_tmpfs("size=1m");
    let pool = namespace.pool();
    pool.seed(&[]);
    drop(pool.hold_lock());
    namespace.make_read_only();
    let lock = File::open(pool.directory().join("registry.lock")).expect("the lock file");
    lock.lock().expect("the lock");
    let ran = pool.run(&["--lock-wait", "50ms", "status"]);
    assert!(ran.error(5).contains("the pool is busy"), "{ran:#?}");
    drop(lock);
    pool.ask(&["status"]);
}

#[test]
fn a_pool_that_nobody_has_used_cannot_be_locked() {
    let mut namespace = Namespace::with_tmpfs("size=1m");
    let pool = namespace.pool();
    namespace.make_read_only();
    assert_refused(&pool.run(&["status"]), &["registry.lock"]);
    let place = namespace.directory().join("another");
    let absent = TestPool::absent_at(place.to_str().expect("text"));
    // Nothing has to be made to see that nothing is there.
    assert_eq!(absent.run(&["status"]).answer(0)["sessions"], json!([]));
    let pid = std::process::id().to_string();
    assert_refused(
        &absent.run(&["register", "--sid", "a", "--pid", &pid]),
        &["cannot create the pool directory"],
    );
}
