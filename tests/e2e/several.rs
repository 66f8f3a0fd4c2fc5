//! Several sessions in one command.

use serde_json::{Value, json};

use crate::harness::{Entry, NO_PROCESS, Terminal, TestPool, Worker};

fn sids(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list");
    list.iter()
        .map(|one| one["sid"].as_str().expect("a sid"))
        .collect()
}

#[test]
fn several_workers_are_stopped_in_the_order_in_which_they_are_named() {
    let (a, b, c) = (Worker::obedient(), Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[a.entry("a"), b.entry("b"), c.entry("c")]);
    let answer = pool.ask(&["stop", "c", "a", "c"]);
    assert_eq!(answer["stopped"], json!(["c", "a"]));
    assert_eq!(sids(&answer["outcomes"]), ["c", "a"]);
    assert_eq!(answer["errors"], json!([]));
    assert_eq!(pool.sids(), ["b"]);
    assert!(b.is_running());
}

#[test]
fn one_that_is_not_stopped_does_not_keep_the_others_running() {
    let (deaf, a) = (Worker::deaf(), Worker::obedient());
    let pool = TestPool::with(&[Entry::new("init", 1), deaf.entry("deaf"), a.entry("a")]);
    let stop = ["stop", "init", "deaf", "nosuch", "a", "--grace", "10ms"];
    let ran = pool.run(&stop);
    let answer = ran.answer(1);
    assert_eq!(sids(&answer["outcomes"]), ["init", "deaf", "a"]);
    assert_eq!(
        answer["errors"].as_array().map(Vec::len),
        Some(2),
        "{answer}"
    );
    assert!(
        ran.stderr.contains("no session has the sid \"nosuch\""),
        "{ran:?}"
    );
    assert!(deaf.is_running() && !a.is_running());
    assert_eq!(pool.sids(), ["init", "deaf"]);
}

#[test]
fn the_exit_code_for_several_is_the_highest_of_theirs() {
    let worker = Worker::obedient();
    let dead = || Entry::new("dead", NO_PROCESS);
    let pool = TestPool::with(&[worker.entry("a"), worker.entry("b"), Entry::new("init", 1)]);
    for (arguments, code, listed) in [
        (&["status", "a", "b"][..], 0, &["a", "b"][..]),
        (&["ls", "b", "nosuch"], 3, &["b"]),
        (&["ps", "init", "nosuch", "a"], 4, &["init", "a"]),
    ] {
        let answer = pool.run(arguments).answer(code);
        assert_eq!(sids(&answer["sessions"]), listed);
    }
    pool.seed(&[dead(), worker.entry("a")]);
    let answer = pool.run(&["status", "dead", "a"]).answer(3);
    assert_eq!(sids(&answer["removed"]), ["dead"]);
}

#[test]
fn a_person_is_shown_one_table_of_several() {
    let (a, b) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[a.entry("a"), b.entry("b")]);
    let shown = Terminal::open().show(pool.command(&["stop", "a", "none", "b"]));
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 4, "{shown}");
    assert!(lines[0].starts_with("SID"), "{shown}");
    assert!(
        lines[1].starts_with("a ") && lines[2].starts_with("b "),
        "{shown}"
    );
    assert_eq!(lines[3], "no session has the sid \"none\"");
    let shown = Terminal::open().show(pool.command(&["status", "a", "b"]));
    let none = "no session has the sid \"a\"\r\nno session has the sid \"b\"\r\n";
    assert_eq!(shown, none);
}

/// Whoever holds the lock would be waited for once more for each of them.
#[test]
fn what_stands_behind_a_request_that_failed_is_not_asked_and_named() {
    let (a, b) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[a.entry("a"), b.entry("b")]);
    let held = pool.hold_lock();
    let ran = pool.run(&["stop", "a", "b", "--lock-wait", "10ms"]);
    let told = "hint: it failed at a; nothing was done about b\n";
    assert!(ran.error(5).ends_with(told), "{ran:?}");
    drop(held);
    assert!(a.is_running() && b.is_running());
}
