//! `log`: reading the audit trail.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Entry, Mcp, NO_PROCESS, Ran, Terminal, TestPool, Worker, redact};

#[test]
fn the_trail_is_read_oldest_first_without_the_lock() {
    let pool = TestPool::new();
    for sid in ["first", "second", "third"] {
        pool.seed(&[Entry::new(sid, NO_PROCESS)]);
        pool.ask(&["ensure"]);
        if sid == "first" {
            let name = |name| pool.directory().join(name);
            fs::rename(name("audit.jsonl"), name("audit.jsonl.1")).expect("renamed");
        }
    }
    let _held = pool.hold_lock();
    let sids = |arguments: &[&str]| {
        let ran = pool.run(arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        let sid = |line: &str| {
            let action: Value = serde_json::from_str(line).expect("a JSON object");
            assert_eq!(action["result"], "removed");
            action["sid"].as_str().expect("a sid").to_owned()
        };
        ran.stdout.lines().map(sid).collect::<Vec<_>>()
    };
    assert_eq!(sids(&["log"]), ["first", "second", "third"]);
    assert_eq!(sids(&["log", "-n", "2"]), ["second", "third"]);
    assert_eq!(sids(&["log", "-n", "0"]), [""; 0]);
    assert_eq!(sids(&["log", "second"]), ["second"]);
    // As it was named before.
    assert_eq!(sids(&["log", "--sid", "second"]), ["second"]);
    assert_eq!(pool.run(&["log", "first", "--sid", "second"]).code, 2);
    assert_eq!(sids(&["log", "--sid", "first", "-n", "5"]), ["first"]);
}

#[test]
fn what_cannot_be_read_of_the_trail_is_passed_over() {
    let pool = TestPool::with(&[Entry::new("dead", NO_PROCESS)]);
    let path = pool.directory().join("audit.jsonl");
    // As a loss of power leaves it.
    fs::write(&path, "{\"at\":\"2026-\u{1b}[2J").expect("a trail");
    pool.ask(&["ensure"]);
    let ran = pool.run(&["log"]);
    let action = ran.answer(0);
    assert_eq!(action["sid"], "dead");
    let place = format!("warning: line 1 of {} cannot be read", path.display());
    assert!(ran.stderr.starts_with(&place), "{ran:?}");
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
}

#[test]
fn a_log_makes_no_pool() {
    let pool = TestPool::absent();
    let ran = Ran::of(pool.command(&["log"]));
    let told = format!(
        "hint: there is no directory {} yet, which is an empty pool\n",
        pool.directory().display()
    );
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr), (0, "", told));
    assert!(!pool.directory().exists());
}

#[test]
fn a_person_is_shown_a_table() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let shown = || Terminal::open().show(pool.command(&["log"]));
    assert_eq!(shown(), "nothing was done\r\n");
    pool.run(&["stop", "a", "--grace", "10ms", "--force"]);
    let ours = [(worker.pid(), "a"), (std::process::id(), "the test")];
    let user = format!("uid {}", nix::unistd::geteuid());
    let lines = shown();
    let words = lines.lines().map(|line| {
        // Their number of digits makes the columns' widths; the time comes first.
        let words: Vec<_> = line.split_whitespace().skip(1).collect();
        redact(&words.join(" "), &ours).replace(&user, "uid [us]")
    });
    insta::assert_snapshot!(words.collect::<Vec<_>>().join("\n"), @r"
    EVENT SID PID SIGNAL STANDING RESULT WHO EVIDENCE
    signal a [pid of a] TERM alive sent stop by command line, uid [us] time: the process had started when the entry was made
    signal a [pid of a] CONT alive sent stop by command line, uid [us] time: the process had started when the entry was made
    signal a [pid of a] KILL alive sent stop by command line, uid [us] time: the process had started when the entry was made
    removal a [pid of a] exited removed stop by command line, uid [us] pid [pid of a] has terminated and waits for its parent, pid [pid of the test], to reap it
    ");
}

/// Whoever names a session or calls itself a client could otherwise act on the terminal.
#[test]
fn the_trail_cannot_act_on_the_terminal() {
    let pool = TestPool::with(&[Entry::new("clear\u{1b}[2J\u{202e}", NO_PROCESS)]);
    let mut mcp = Mcp::start(pool.command(&["mcp"]));
    let client = json!({"name": "bell\u{7}\r\nfake  signal", "version": "\u{9b}31m"});
    mcp.request(
        "initialize",
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}),
    );
    mcp.notify("notifications/initialized", json!({}));
    mcp.answer("pool_ensure", json!({}));
    assert!(mcp.close().success());
    let shown = Terminal::open().show(pool.command(&["log"]));
    assert_eq!(shown.lines().count(), 2, "{shown:?}");
    let harmful = |c: char| (c.is_control() && !matches!(c, '\r' | '\n')) || c == '\u{202e}';
    assert!(!shown.contains(harmful), "{shown:?}");
    assert!(
        shown.contains("clear\\u{1b}[2J") && shown.contains("bell\\u{7}"),
        "{shown:?}"
    );
}
