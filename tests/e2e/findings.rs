//! What is proven about a process decides what happens to its entry, whatever else the
//! entry says.

use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::sync::mpsc::channel;

use jiff::{SignedDuration, Timestamp};
use nix::unistd::{geteuid, gettid};
use serde_json::json;

use crate::harness::{Entry, NO_PROCESS, TestPool, Worker, ago};

/// A minute, in which no process of a test starts twice.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// When this machine booted, with that much added.
fn after_boot(distance: SignedDuration) -> String {
    let stat = std::fs::read_to_string("/proc/stat").expect("kernel statistics");
    let boot = stat
        .lines()
        .find_map(|line| line.strip_prefix("btime "))
        .expect("boot time");
    let boot = Timestamp::from_second(boot.parse().expect("seconds")).expect("a time");
    (boot + distance).to_string()
}

/// Checks that an entry is collected, with this standing.
#[track_caller]
fn collected(entry: Entry, standing: &str, evidence: &str) {
    let pool = TestPool::with(&[entry]);
    let answer = pool.ask(&["ensure"]);
    assert_eq!(answer["sessions"], json!([]));
    assert_eq!(answer["removed"][0]["standing"], standing, "{answer}");
    let words = answer["removed"][0]["evidence"].as_str().expect("evidence");
    assert!(words.contains(evidence), "wanted {evidence}: {words}");
    assert_eq!(pool.sids(), Vec::<String>::new());
}

/// Checks that a session is listed with this status, kept, and never signalled, not even
/// with force.
#[track_caller]
fn kept_and_refused(entry: Entry, status: &str, evidence: &str) {
    let pool = TestPool::with(&[entry]);
    let bytes = pool.bytes();
    let sid = pool.sids().remove(0);
    let (found, words) = pool.status(&sid).expect("it is listed");
    assert_eq!(found, status, "{words}");
    assert!(words.contains(evidence), "wanted {evidence}: {words}");
    // Whether it runs is not decidable, and the exit code says so.
    pool.run(&["status", &sid]).answer(4);
    let answer = pool.run(&["stop", &sid, "--force"]).answer(1);
    assert_eq!(answer["outcomes"][0]["outcome"], "refused", "{answer}");
    assert_eq!(answer["stopped"], json!([]));
    assert_eq!(pool.bytes(), bytes);
}

/// Checks that a session runs for all to see, and that a stop of it is refused.
#[track_caller]
fn running_and_refused(entry: Entry, reason: &str) {
    let pool = TestPool::with(&[entry]);
    let sid = pool.sids().remove(0);
    assert_eq!(pool.status(&sid).expect("it is listed").0, "running");
    for force in [
        &["stop", &sid][..],
        &["stop", &sid, "--force"],
        &["stop", "--all", "--force"],
    ] {
        let answer = pool.run(force).answer(1);
        assert_eq!(answer["outcomes"][0]["outcome"], "refused", "{answer}");
        let error = answer["errors"][0].as_str().expect("an error");
        assert!(error.contains(reason), "wanted {reason}: {error}");
    }
    assert_eq!(pool.sids(), [sid]);
}

#[test]
fn a_zombie_has_exited() {
    let worker = Worker::obedient();
    let entry = worker.entry("a");
    worker.become_zombie();
    collected(entry, "exited", "");
}

#[test]
fn a_pid_without_a_process_is_gone() {
    collected(Entry::new("a", NO_PROCESS), "gone", &NO_PROCESS.to_string());
}

#[test]
fn impossible_pids_are_gone() {
    collected(Entry::new("a", 0), "gone", "");
    collected(Entry::new("a", u32::MAX), "gone", "");
}

/// A signal to a thread id would be a signal to its process.
#[test]
fn a_thread_is_no_process() {
    let (say, hear) = channel();
    let (end, ended) = channel::<()>();
    let thread = std::thread::spawn(move || {
        say.send(gettid()).expect("the test listens");
        // Lives until the other end is dropped.
        let _ = ended.recv();
    });
    let id = u32::try_from(hear.recv().expect("the thread runs").as_raw()).expect("an id");
    assert_ne!(id, std::process::id());
    collected(Entry::new("a", id), "gone", "thread");
    drop(end);
    thread.join().expect("the thread ends");
}

#[test]
fn the_init_process_is_never_a_worker() {
    kept_and_refused(Entry::new("a", 1), "unproven", "");
}

#[test]
fn the_one_who_asks_is_never_signalled() {
    running_and_refused(Entry::new("a", std::process::id()), "ancestor");
}

#[test]
fn other_users_processes_are_never_signalled() {
    if !geteuid().is_root() {
        eprintln!("only root can start a process for somebody else; nothing was tested");
        return;
    }
    // Root may leave its user behind; what the worker runs it has read before.
    let worker = Worker::obedient_with(|command| {
        command.uid(65534);
    });
    running_and_refused(worker.entry("a"), "another user");
    assert!(worker.is_running());
}

#[test]
fn a_process_born_after_its_entry_is_another_one() {
    let worker = Worker::obedient();
    let entry = worker.entry("a").created_at(ago(MINUTE));
    collected(entry.clone(), "reused", "");
    let pool = TestPool::with(&[entry]);
    let answer = pool.ask(&["stop", "a", "--force"]);
    assert_eq!(answer["stopped"], json!(["a"]));
    assert_eq!(answer["outcomes"][0]["outcome"], "already-dead");
    assert!(worker.is_running(), "a stranger was signalled");
}

/// Its author may have cut the time to the second.
#[test]
fn a_process_may_be_a_little_younger_than_its_entry() {
    let worker = Worker::obedient();
    let entry = worker
        .entry("a")
        .created_at(ago(SignedDuration::from_secs(1)));
    let pool = TestPool::with(&[entry]);
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
}

#[test]
fn an_entry_from_before_the_boot_is_gone() {
    let worker = Worker::obedient();
    let entry = worker.entry("a").created_at(after_boot(-MINUTE));
    collected(entry, "gone", "boot");
    collected(
        worker.entry("a").created_at("2001-01-01T00:00:00Z"),
        "gone",
        "boot",
    );
    assert!(worker.is_running());
}

#[test]
fn an_entry_from_the_future_proves_nothing() {
    let worker = Worker::obedient();
    kept_and_refused(worker.entry("a").created_at(ago(-MINUTE)), "unproven", "");
    assert!(worker.is_running());
}

#[test]
fn an_unreadable_time_proves_nothing() {
    let worker = Worker::obedient();
    for text in ["", "yesterday", "2026-01-01"] {
        kept_and_refused(worker.entry("a").created_at(text), "unproven", "");
    }
    assert!(worker.is_running());
}

#[test]
fn holding_the_socket_proves_more_than_any_time() {
    let pool = TestPool::new();
    let socket = pool.root().join("worker.sock");
    let worker = Worker::serving(&socket);
    for time in [
        ago(-MINUTE),
        ago(MINUTE),
        "2001-01-01T00:00:00Z".into(),
        String::new(),
    ] {
        let pool = TestPool::with(&[worker.entry("a").sock(&socket).created_at(&*time)]);
        let (status, evidence) = pool.status("a").expect("it is listed");
        assert_eq!(status, "running", "created {time:?}: {evidence}");
    }
    pool.seed(&[worker.entry("a").sock(&socket).created_at("")]);
    assert_eq!(pool.ask(&["stop", "a"])["outcomes"][0]["outcome"], "exited");
    assert!(!worker.is_running());
}

#[test]
fn a_socket_that_somebody_else_serves_is_foreign() {
    let root = TestPool::new();
    let socket = root.root().join("theirs.sock");
    let _theirs = UnixListener::bind(&socket).expect("a socket");
    let worker = Worker::obedient();
    kept_and_refused(worker.entry("a").sock(&socket), "foreign", "sock");
    assert!(worker.is_running());
    // Nothing whose socket still answers is collected, whatever became of the pid.
    let pool = TestPool::with(&[worker.entry("a").sock(&socket).created_at(ago(MINUTE))]);
    assert_eq!(pool.status("a").expect("it is listed").0, "foreign");
}

#[test]
fn a_dead_pid_whose_socket_answers_is_not_collected() {
    let root = TestPool::new();
    let socket = root.root().join("theirs.sock");
    let _theirs = UnixListener::bind(&socket).expect("a socket");
    let pool = TestPool::with(&[Entry::new("a", NO_PROCESS).sock(&socket)]);
    let answer = pool.ask(&["ensure"]);
    assert_eq!(answer["removed"], json!([]), "{answer}");
    assert_eq!(pool.sids(), ["a"]);
}

#[test]
fn a_socket_that_nobody_serves_proves_nothing() {
    let root = TestPool::new();
    let socket = root.root().join("stale.sock");
    drop(UnixListener::bind(&socket).expect("a socket"));
    let worker = Worker::obedient();
    kept_and_refused(worker.entry("a").sock(&socket), "unproven", "");
    collected(
        worker.entry("a").sock(&socket).created_at(ago(MINUTE)),
        "reused",
        "",
    );
    collected(Entry::new("a", NO_PROCESS).sock(&socket), "gone", "");
    assert!(worker.is_running());
}

/// What was proven once is remembered, so that a clock that is set later changes nothing.
#[test]
fn a_registered_process_needs_no_other_proof() {
    let worker = Worker::obedient();
    let pool = TestPool::new();
    pool.ask(&["register", "--sid", "a", "--pid", &worker.pid().to_string()]);
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
    // Another claim is another matter, even by the same sid and pid.
    pool.seed(&[worker.entry("a").created_at(ago(-MINUTE))]);
    assert_eq!(pool.status("a").expect("it is listed").0, "unproven");
}

#[test]
fn only_a_running_process_is_registered() {
    let dead = Worker::obedient().vanish();
    let zombie = Worker::obedient();
    zombie.become_zombie();
    let pool = TestPool::new();
    for (pid, standing) in [
        (0, "gone"),
        // As in an entry that somebody else made of it.
        (1, "unproven"),
        (dead, "gone"),
        (zombie.pid(), "exited"),
        (NO_PROCESS, "gone"),
        (u32::MAX, "gone"),
    ] {
        let ran = pool.run(&["register", "--sid", "a", "--pid", &pid.to_string()]);
        assert!(ran.error(1).contains(&format!("pid {pid}")), "{ran:?}");
        assert!(
            ran.stderr.contains(&format!("because it is {standing} ")),
            "{ran:?}"
        );
    }
    assert!(!pool.registry().exists());
}

#[test]
fn forget_wants_to_be_told_twice_about_a_living_one() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a"), Entry::new("dead", NO_PROCESS)]);
    let ran = pool.run(&["forget", "a"]);
    assert!(ran.error(1).contains("--even-if-alive"), "{ran:?}");
    assert_eq!(pool.sids(), ["a", "dead"]);

    let answer = pool.ask(&["forget", "dead"]);
    assert_eq!(answer["forgotten"][0]["standing"], "gone");
    let answer = pool.ask(&["forget", "a", "--even-if-alive"]);
    assert_eq!(answer["forgotten"][0]["standing"], "alive");
    assert_eq!(pool.sids(), Vec::<String>::new());
    assert!(worker.is_running(), "forgetting touches no process");
}
