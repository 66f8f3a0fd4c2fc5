//! What poolwarden does not know, it keeps: a rewrite leaves every byte of what stays.

use serde_json::Value;

use crate::harness::{Entry, NO_PROCESS, TestPool, Worker};

/// What others may write at the top level, before and after the sessions: a number of 40
/// digits, odd escapes, duplicate keys, text that is not ASCII, white space of any kind.
const BEFORE: &str = "{\r\n\t\"größe\" : 1234567890123456789012345678901234567890,\n  \"x\":1, \"x\":2,\n  \"sessions\" : [ ";
const AFTER: &str = " ]  ,\"\\u0078\":{\"b\":1e400,\"a\":-0.0,\"b\":[null]}\n, \"作業\":\"\\ud83d\\ude00 \\/ é\" }\n\n";

/// An entry with unknown fields among the five, which are in another order.
fn odd(sid: &str, pid: u32) -> String {
    let now = crate::harness::now();
    format!(
        "{{\"tags\":[\"ü\", \"\\u00fc\"], \"created_at\":\"{now}\",\n\t\"pid\" : {pid},\"n\":\
         9999999999999999999999999999999999999999, \"version\":\"β\",\"n\":\"again\", \
         \"sock\":\"\" ,\"sid\":\"{sid}\"}}"
    )
}

fn registry(entries: &[String]) -> String {
    format!("{BEFORE}{}{AFTER}", entries.join(" ,\n    "))
}

#[test]
fn ensure_removes_the_dead_and_no_other_byte() {
    let (one, two) = (Worker::obedient(), Worker::obedient());
    let entries = [
        odd("one", one.pid()),
        odd("dead", NO_PROCESS),
        odd("zwei", two.pid()),
        odd("d2", 0),
    ];
    let pool = TestPool::new();
    pool.write(registry(&entries));
    let answer = pool.ask(&["ensure"]);
    assert_eq!(answer["sessions"][1]["version"], "β");
    let left = registry(&[entries[0].clone(), entries[2].clone()]);
    assert_eq!(String::from_utf8(pool.bytes()), Ok(left));
}

#[test]
fn the_first_and_the_last_entry_go_as_cleanly() {
    let worker = Worker::obedient();
    let entries = [
        odd("dead", NO_PROCESS),
        odd("one", worker.pid()),
        odd("dead too", NO_PROCESS),
    ];
    let pool = TestPool::new();
    pool.write(registry(&entries));
    pool.ask(&["ensure"]);
    let left = registry(&entries[1..2]);
    assert_eq!(String::from_utf8(pool.bytes()), Ok(left));
}

#[test]
fn register_adds_an_entry_and_changes_no_other_byte() {
    let (one, new) = (Worker::obedient(), Worker::obedient());
    let entry = odd("one", one.pid());
    let pool = TestPool::new();
    pool.write(registry(std::slice::from_ref(&entry)));
    pool.ask(&[
        "register",
        "--sid",
        "neu ✓",
        "--pid",
        &new.pid().to_string(),
    ]);
    let text = String::from_utf8(pool.bytes()).expect("UTF-8");
    let added = text
        .strip_prefix(&format!("{BEFORE}{entry},"))
        .and_then(|text| text.strip_suffix(AFTER))
        .unwrap_or_else(|| panic!("other bytes changed: {text}"));
    let added: Value = serde_json::from_str(added).expect("an entry");
    assert_eq!(added["sid"], "neu ✓");
}

#[test]
fn register_and_forget_leave_the_file_as_it_was() {
    let (one, new) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::new();
    let before = registry(&[odd("one", one.pid())]);
    pool.write(&before);
    pool.ask(&["register", "--sid", "new", "--pid", &new.pid().to_string()]);
    pool.ask(&["forget", "new", "--even-if-alive"]);
    assert_eq!(String::from_utf8(pool.bytes()), Ok(before));
}

#[test]
fn a_stop_removes_its_session_and_no_other_byte() {
    let (one, two) = (Worker::obedient(), Worker::obedient());
    let entries = [odd("one", one.pid()), odd("two", two.pid())];
    let pool = TestPool::new();
    pool.write(registry(&entries));
    pool.ask(&["stop", "one"]);
    let left = registry(&entries[1..]);
    assert_eq!(String::from_utf8(pool.bytes()), Ok(left));
}

/// algocline refuses the whole file when one of the five is missing.
#[test]
fn an_entry_that_we_write_has_all_five_fields_in_their_types() {
    let worker = Worker::obedient();
    let pool = TestPool::new();
    pool.ask(&["register", "--sid", "a", "--pid", &worker.pid().to_string()]);
    let registry: Value = serde_json::from_slice(&pool.bytes()).expect("JSON");
    let entry = registry["sessions"][0].as_object().expect("an entry");
    assert_eq!(entry["sid"], "a");
    assert_eq!(entry["pid"], worker.pid());
    assert_eq!(entry["sock"], "");
    assert_eq!(entry["version"], "");
    let created_at = entry["created_at"].as_str().expect("text");
    created_at.parse::<jiff::Timestamp>().expect("RFC 3339");
    assert_eq!(entry.len(), 5);
}

#[test]
fn register_keeps_what_it_is_told() {
    let worker = Worker::obedient();
    let pool = TestPool::new();
    let pid = worker.pid().to_string();
    let sock = pool.root().join("nowhere.sock");
    let sock = sock.to_str().expect("a path");
    let answer = pool.ask(&[
        "register",
        "--sid",
        "a",
        "--pid",
        &pid,
        "--sock",
        sock,
        "--version",
        "2.0",
    ]);
    assert_eq!(answer["registered"]["sock"], sock);
    assert_eq!(answer["registered"]["version"], "2.0");
    let registry: Value = serde_json::from_slice(&pool.bytes()).expect("JSON");
    assert_eq!(registry["sessions"][0], answer["registered"]);
}

#[test]
fn register_takes_the_place_of_the_dead_and_of_nobody_else() {
    let (old, new) = (Worker::obedient(), Worker::obedient());
    let new_pid = new.pid().to_string();
    let pool = TestPool::with(&[old.entry("a"), Entry::new("b", NO_PROCESS)]);
    let bytes = pool.bytes();
    let taken = pool.run(&["register", "--sid", "a", "--pid", &new_pid]);
    assert!(taken.error(1).contains("sid=a is taken"), "{taken:?}");
    assert_eq!(pool.bytes(), bytes);

    let answer = pool.ask(&["register", "--sid", "b", "--pid", &new_pid]);
    assert_eq!(answer["replaced"]["pid"], NO_PROCESS);
    assert_eq!(pool.sids(), ["a", "b"]);
}
