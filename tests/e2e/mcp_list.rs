//! The list that changes nothing, parts of a status, and sids that no session has.

use serde_json::{Value, json};

use crate::harness::{Entry, Mcp, NO_PROCESS, TestPool, Worker};

fn sids(answer: &Value, field: &str) -> Vec<String> {
    let sessions = answer[field].as_array().expect("a list").iter();
    sessions
        .map(|session| session["sid"].as_str().expect("a sid").to_owned())
        .collect()
}

#[test]
fn the_list_shows_exceptions_first_and_collects_nothing() {
    let (one, two) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[
        one.entry("one"),
        Entry::new("dead", NO_PROCESS),
        two.entry("two"),
        Entry::new("init", 1),
    ]);
    let stamp = pool.stamp();
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    let list = mcp.answer("pool_list", json!({}));
    assert_eq!(sids(&list, "dead"), ["dead"]);
    assert_eq!(sids(&list, "sessions"), ["init", "one", "two"]);
    assert_eq!(list["left_out"], 0);
    let short = mcp.answer("pool_list", json!({"limit": 2}));
    assert_eq!(sids(&short, "dead"), ["dead"]);
    assert_eq!(sids(&short, "sessions"), ["init"]);
    assert_eq!(short["left_out"], 2);
    assert_eq!(pool.stamp(), stamp);
    assert!(!pool.directory().join("audit.jsonl").exists());
    assert!(mcp.close().success());
}

#[test]
fn the_list_shows_a_hundred_unless_more_are_asked_for() {
    let entries: Vec<_> = (0..130)
        .map(|number| Entry::new(&format!("s{number:03}"), NO_PROCESS))
        .collect();
    let pool = TestPool::with(&entries);
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    let list = mcp.answer("pool_list", json!({}));
    assert_eq!(sids(&list, "dead").len(), 100);
    assert_eq!(list["left_out"], 30);
    let list = mcp.answer("pool_list", json!({"limit": 200.0}));
    assert_eq!(
        (sids(&list, "dead").len(), &list["left_out"]),
        (130, &json!(0))
    );
    assert_eq!(pool.sids().len(), 130);
}

#[test]
fn a_status_shows_a_part_where_the_caller_asks_for_one() {
    let (one, two) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[one.entry("a-1"), two.entry("b-1"), Entry::new("a-2", 1)]);
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    for (arguments, shown, left_out) in [
        (json!({"limit": 1}), &["a-2"][..], 2),
        (json!({"status": "running"}), &["a-1", "b-1"], 1),
        (json!({"prefix": "a-"}), &["a-2", "a-1"], 1),
        (json!({"prefix": "a-", "status": "running"}), &["a-1"], 2),
    ] {
        let status = mcp.answer("pool_status", arguments.clone());
        assert_eq!(sids(&status, "sessions"), shown, "{arguments}");
        assert_eq!(status["left_out"], left_out, "{arguments}");
    }
    let all = mcp.answer("pool_status", json!({}));
    assert_eq!(sids(&all, "sessions"), ["a-1", "b-1", "a-2"]);
    assert_eq!(all.get("left_out"), None);
    let wrong = mcp.call("pool_status", json!({"status": "idle"}));
    assert_eq!(wrong["isError"], true, "{wrong}");
}

#[test]
fn a_sid_that_no_session_has_is_told_with_close_ones() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("search")]);
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    let status = mcp.answer("pool_status", json!({"sid": "serch"}));
    assert_eq!(status["sessions"], json!([]));
    assert_eq!(
        status["note"],
        "no session has the sid \"serch\"; close to it: \"search\""
    );
    let stop = mcp.answer("pool_stop", json!({"sid": "serch"}));
    for list in ["stopped", "errors", "outcomes"] {
        assert_eq!(stop[list], json!([]), "{stop}");
    }
    let note = stop["note"].as_str().expect("a note");
    assert!(note.contains("\"search\"; nobody was stopped"), "{stop}");
    assert!(worker.is_running());
}

#[test]
fn a_stop_says_who_was_signalled_only_and_fails_where_nobody_ends() {
    let deaf = Worker::deaf();
    let pool = TestPool::with(&[deaf.entry("deaf"), Entry::new("init", 1)]);
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    let result = mcp.call("pool_stop", json!({"sid": "deaf", "grace_ms": 0}));
    assert_eq!(result["isError"], false, "{result}");
    let answer = &result["structuredContent"];
    assert_eq!(answer["stopped"], json!(["deaf"]));
    assert_eq!(answer["outcomes"][0]["outcome"], "signalled");
    let note = answer["note"].as_str().expect("a note");
    assert!(
        note.starts_with("signalled only, and not waited for: \"deaf\""),
        "{note}"
    );

    let result = mcp.call("pool_stop", json!({"sid": "deaf", "grace_ms": 20.0}));
    assert_eq!(result["isError"], true, "{result}");
    assert_eq!(
        result["structuredContent"]["outcomes"][0]["outcome"],
        "still-running"
    );

    let result = mcp.call("pool_stop", json!({"sid": "init"}));
    assert_eq!(result["isError"], true, "{result}");
    let note = result["structuredContent"]["note"]
        .as_str()
        .expect("a note");
    let command = format!(
        "poolwarden --state-dir {} forget",
        pool.directory().display()
    );
    assert!(note.contains(&command), "{note}");
    assert!(mcp.close().success());
}
