//! A request that changes nothing leaves the registry's inode and times alone.

use crate::harness::{Entry, TestPool, Worker};

/// A pool whose entries all stay, a live one, one that proves nothing and one that runs.
fn pool_that_stays(worker: &Worker) -> TestPool {
    TestPool::with(&[worker.entry("a"), Entry::new("init", 1)])
}

#[test]
fn by_ensure_and_status() {
    let worker = Worker::obedient();
    let pool = pool_that_stays(&worker);
    let (stamp, bytes) = (pool.stamp(), pool.bytes());
    for verb in [
        &["ensure"][..],
        &["status"],
        &["status", "a"],
        &["status"],
        &["ensure"],
    ] {
        pool.ask(verb);
        assert_eq!(pool.stamp(), stamp, "{verb:?}");
    }
    assert_eq!(pool.bytes(), bytes);
}

#[test]
fn by_requests_that_are_turned_down() {
    let worker = Worker::obedient();
    let pid = worker.pid().to_string();
    let pool = pool_that_stays(&worker);
    let stamp = pool.stamp();
    for verb in [
        &["stop", "nobody"][..],
        &["stop", "init"],
        &["forget", "a"],
        &["forget", "nobody"],
        &["register", "--sid", "a", "--pid", &pid],
        &["register", "--sid", "new", "--pid", "0"],
    ] {
        pool.run(verb);
        assert_eq!(pool.stamp(), stamp, "{verb:?}");
    }
    assert!(worker.is_running());
}

#[test]
fn by_dry_runs() {
    let worker = Worker::obedient();
    let dead = Worker::obedient().vanish();
    let pool = TestPool::with(&[
        worker.entry("a"),
        Entry::new("dead", dead),
        Entry::new("z", 0),
    ]);
    let stamp = pool.stamp();
    let answer = pool.ask(&["ensure", "--dry-run"]);
    assert_eq!(answer["dry_run"], true);
    assert_eq!(answer["removed"][0]["sid"], "dead");
    assert_eq!(pool.stamp(), stamp);
    pool.run(&["stop", "--all", "--dry-run", "--force"]);
    assert_eq!(pool.stamp(), stamp);
    assert!(worker.is_running());
}
