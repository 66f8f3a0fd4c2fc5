//! Registries that are absent, broken or huge: the right answer, or an error that names
//! the file and the position, and in either case the bytes on disk as they were.

use std::fs::OpenOptions;

use serde_json::json;

use crate::harness::{Entry, TestPool, Worker};

/// The size beyond which a registry is refused, in bytes.
const LIMIT: u64 = 64 << 20;

/// Every verb that reads the registry. None of them would change a healthy one that has
/// no sessions, save for `register`.
const VERBS: [&[&str]; 6] = [
    &["ensure"],
    &["status"],
    &["status", "a"],
    &["stop", "--all"],
    &["register", "--sid", "new", "--pid", "1"],
    &["forget", "a", "--even-if-alive"],
];

/// Checks that no verb works on these bytes or changes them, and each says where they
/// stop making sense.
#[track_caller]
fn corrupted(bytes: &[u8], line: u64, column: u64, detail: &str) {
    let pool = TestPool::new();
    pool.write(bytes);
    let stamp = pool.stamp();
    for verb in VERBS {
        let ran = pool.run(verb);
        let error = ran.error(6);
        let path = pool.registry();
        assert!(
            error.contains(path.to_str().expect("a path")),
            "{verb:?}: {error}"
        );
        let position = format!("at line {line}, column {column}: ");
        assert!(
            error.contains(&position),
            "{verb:?}: wanted {position}: {error}"
        );
        assert!(error.contains(detail), "{verb:?}: wanted {detail}: {error}");
        assert_eq!(pool.bytes(), bytes, "{verb:?}");
        assert_eq!(pool.stamp(), stamp, "{verb:?}");
    }
}

#[test]
fn an_absent_one_is_an_empty_pool() {
    let (empty, absent) = (TestPool::new(), TestPool::absent());
    let hint = format!(
        "hint: there is no directory {} yet, which is an empty pool\n",
        absent.directory().display()
    );
    for (pool, told) in [(empty, ""), (absent, &*hint)] {
        let ask = |arguments: &[&str]| {
            let ran = pool.run(arguments);
            assert_eq!(ran.stderr, told, "{arguments:?}");
            ran.answer(0)
        };
        assert_eq!(ask(&["status"])["sessions"], json!([]));
        assert_eq!(ask(&["ensure"])["sessions"], json!([]));
        assert_eq!(ask(&["stop", "--all"])["stopped"], json!([]));
        assert!(
            !pool.registry().exists(),
            "nothing changed, so nothing is written"
        );
    }
}

#[test]
fn no_sessions_are_an_empty_pool() {
    let pool = TestPool::new();
    pool.write("{\"sessions\":[]}");
    assert_eq!(pool.ask(&["status"])["sessions"], json!([]));
    assert_eq!(pool.bytes(), b"{\"sessions\":[]}");
}

#[test]
fn an_empty_object_has_no_sessions_field() {
    corrupted(b"{}", 1, 2, "missing field `sessions`");
}

#[test]
fn an_empty_file_is_not_an_empty_pool() {
    corrupted(b"", 1, 1, "EOF");
}

#[test]
fn a_truncated_one_is_an_error_where_it_ends() {
    let whole = format!("{{\n \"sessions\": [{}", Entry::new("a", 2).text());
    let column = whole.len() - 2;
    corrupted(
        whole.as_bytes(),
        2,
        column as u64,
        "EOF while parsing a list",
    );
}

#[test]
fn what_is_not_json_is_an_error() {
    corrupted(b"{\"sessions\":\n[nothing]}", 2, 3, "expected ident");
}

#[test]
fn what_comes_after_the_registry_is_an_error() {
    corrupted(b"{\"sessions\":[]}\n{}", 2, 1, "trailing characters");
}

#[test]
fn what_is_not_utf8_is_an_error() {
    corrupted(b"{\"sessions\":[],\n\"note\":\"\xff\"}", 2, 9, "0xff");
}

#[test]
fn the_wrong_shape_is_an_error() {
    corrupted(b"[]", 1, 1, "invalid type: sequence");
    corrupted(b"{\"sessions\":{}}", 1, 12, "invalid type: map");
    corrupted(b"{\"sessions\":[1]}", 1, 14, "invalid type: integer");
    corrupted(b"null", 1, 4, "invalid type: null");
}

#[test]
fn an_entry_without_one_of_the_five_fields_is_an_error() {
    let entry = br#"{"sessions":[{"sid":"a","pid":2,"sock":"","version":""}]}"#;
    corrupted(entry, 1, 55, "missing field `created_at`");
}

#[test]
fn a_negative_pid_is_an_error() {
    let entry = Entry::new("a", 7).text().replace(":7,", ":-7,");
    corrupted(
        format!("{{\"sessions\":[{entry}]}}").as_bytes(),
        1,
        32,
        "integer `-7`",
    );
}

#[test]
fn a_pid_beyond_32_bits_is_an_error() {
    let entry = Entry::new("a", 7).text().replace(":7,", ":4294967296,");
    corrupted(
        format!("{{\"sessions\":[{entry}]}}").as_bytes(),
        1,
        40,
        "integer `4294967296`",
    );
}

#[test]
fn a_field_that_stands_twice_is_an_error() {
    let entry = Entry::new("a", 7)
        .text()
        .replace("\"pid\":7", "\"pid\":7,\"pid\":8");
    corrupted(
        format!("{{\"sessions\":[{entry}]}}").as_bytes(),
        1,
        37,
        "duplicate field `pid`",
    );
}

#[test]
fn a_sid_that_stands_twice_is_listed_twice_and_stops_nobody() {
    let (one, two) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[one.entry("a"), two.entry("a")]);
    let bytes = pool.bytes();
    let answer = pool.ask(&["status", "a"]);
    assert_eq!(answer["sessions"][0]["pid"], one.pid());
    assert_eq!(answer["sessions"][1]["pid"], two.pid());
    let answer = pool.run(&["stop", "a"]).answer(1);
    assert_eq!(answer["stopped"], json!([]));
    assert_eq!(answer["outcomes"][0]["outcome"], "refused");
    assert_eq!(answer["outcomes"][1]["outcome"], "refused");
    assert!(one.is_running() && two.is_running());
    assert_eq!(pool.bytes(), bytes);
}

#[test]
fn one_byte_beyond_the_limit_is_refused_and_left_alone() {
    let pool = TestPool::new();
    pool.write("{\"sessions\":[]}");
    let file = OpenOptions::new()
        .write(true)
        .open(pool.registry())
        .expect("the registry");
    file.set_len(LIMIT + 1).expect("a sparse file");
    let stamp = pool.stamp();
    for verb in VERBS {
        let ran = pool.run(verb);
        let error = ran.error(6);
        assert!(
            error.contains(pool.registry().to_str().expect("a path")),
            "{error}"
        );
        assert!(
            error.contains("67108865") && error.contains("67108864"),
            "{error}"
        );
        assert_eq!(pool.stamp(), stamp, "{verb:?}");
    }
}

#[test]
fn one_of_exactly_the_limit_is_read() {
    let worker = Worker::obedient();
    let pool = TestPool::new();
    let mut text = format!("{{\"sessions\":[{}]}}", worker.entry("a").text());
    text.push_str(&" ".repeat(usize::try_from(LIMIT).expect("a size") - text.len()));
    pool.write(text);
    let stamp = pool.stamp();
    assert_eq!(pool.ask(&["status"])["sessions"][0]["sid"], "a");
    assert_eq!(pool.stamp(), stamp);
}
