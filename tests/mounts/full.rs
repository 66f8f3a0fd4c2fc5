//! A full file system: nothing is changed, and the error says so.

use crate::harness::{Entry, NO_PROCESS, Ran, TestPool, Worker, processes_of};
use crate::namespace::{Namespace, names_in};

const FULL: [&str; 2] = ["make room on its file system", "No space left on device"];

/// Checks that a run failed for want of room, left nothing behind, and released the lock.
#[track_caller]
fn assert_full(pool: &TestPool, ran: &Ran, bytes: &[u8], parts: &[&str]) {
    assert_eq!(ran.code, 1, "{ran:#?}");
    let said = format!("{}{}", ran.stdout, ran.stderr);
    for part in FULL.iter().chain(parts) {
        assert!(said.contains(part), "wanted {part:?}: {ran:#?}");
    }
    assert_eq!(pool.bytes(), bytes);
    let leftovers = names_in(pool.directory());
    assert!(
        !leftovers.iter().any(|name| name.ends_with(".new")),
        "{leftovers:?}"
    );
    assert!(pool.lock_is_free());
}

#[test]
fn nothing_is_changed_and_what_is_there_is_shown() {
    let (worker, new) = (Worker::obedient(), Worker::obedient());
    let namespace = Namespace::with_tmpfs("size=128k");
    let pool = namespace.pool();
    pool.seed(&[worker.entry("a")]);
    // So that the ledger knows it.
    pool.ask(&["status"]);
    let (bytes, stamp) = (pool.bytes(), pool.stamp());
    let pid = new.pid().to_string();
    let register = ["register", "--sid", "new", "--pid", &pid];
    let filler = namespace.fill();

    for verb in [
        &["status"][..],
        &["ensure"],
        &["stop", "a", "--dry-run"],
        &["log"],
    ] {
        let ran = pool.run(verb);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:#?}");
    }
    assert_full(
        &pool,
        &pool.run(&register),
        &bytes,
        &["cannot write", "registry.json.new"],
    );
    let ran = pool.run(&["stop", "a"]);
    assert_full(&pool, &ran, &bytes, &["no signal was sent", "audit.jsonl"]);
    assert!(worker.is_running());
    let forget = pool.run(&["forget", "a", "--even-if-alive"]);
    assert_full(&pool, &forget, &bytes, &["the registry was not changed"]);
    let run = Ran::of(pool.run_command(&["--sid", "w", "--"], &["sleep", "600"]));
    assert_full(&pool, &run, &bytes, &["not started"]);
    assert_eq!(processes_of(&pool), Vec::<u32>::new());
    assert_eq!(pool.stamp(), stamp);

    filler.remove();
    pool.ask(&register);
    assert_eq!(pool.sids(), ["a", "new"]);
}

#[test]
fn the_dead_are_kept_until_their_removal_can_be_recorded() {
    let namespace = Namespace::with_tmpfs("size=128k");
    let pool = namespace.pool();
    pool.seed(&[Entry::new("dead", NO_PROCESS)]);
    drop(pool.hold_lock());
    let bytes = pool.bytes();
    let filler = namespace.fill();
    for verb in ["status", "ensure"] {
        let ran = pool.run(&[verb]);
        assert_full(
            &pool,
            &ran,
            &bytes,
            &["the registry was not changed", "audit.jsonl"],
        );
    }
    let shown = pool.ask(&["ensure", "--dry-run"]);
    assert_eq!(shown["removed"][0]["sid"], "dead");
    filler.remove();
    pool.ask(&["ensure"]);
    assert_eq!(pool.sids(), [""; 0]);
}

/// A worker that is proven for the first time is shown, though nobody can note it.
#[test]
fn what_is_learned_is_lost_and_the_answer_is_not() {
    let worker = Worker::obedient();
    let namespace = Namespace::with_tmpfs("size=128k");
    let pool = namespace.pool();
    pool.seed(&[worker.entry("a")]);
    drop(pool.hold_lock());
    let _filler = namespace.fill();
    let ran = pool.run(&["status"]);
    assert_eq!(ran.answer(0)["sessions"][0]["status"], "running");
    assert!(
        ran.stderr.contains("the ledger was not written"),
        "{ran:#?}"
    );
    assert!(ran.stderr.contains("make room"), "{ran:#?}");
    assert_eq!(
        names_in(pool.directory()),
        ["registry.json", "registry.lock"]
    );
}

/// Without an inode left there is no lock file to be made.
#[test]
fn without_a_lock_file_nothing_is_read() {
    let namespace = Namespace::with_tmpfs("size=128k,nr_inodes=4");
    let pool = namespace.pool();
    pool.seed(&[Entry::new("dead", NO_PROCESS)]);
    let bytes = pool.bytes();
    namespace.fill();
    let ran = pool.run(&["status"]);
    let error = ran.error(1);
    for part in FULL.iter().chain(&["registry.lock"]) {
        assert!(error.contains(part), "wanted {part:?}: {ran:#?}");
    }
    assert_eq!(pool.bytes(), bytes);
}
