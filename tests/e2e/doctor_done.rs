//! What the doctor says that it will do and has done is what it does, also where the pool is
//! another one by then, or a repair was ended in the middle.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Detached, Entry, Ran, Terminal, TestPool, Worker};

/// Starts a worker whose entry somebody else loses, and with it all others.
fn orphan(pool: &TestPool, sid: &str) -> Detached {
    let command = pool.run_command(&["--sid", sid], &["--", "sleep", "600"]);
    let worker = Detached::of(&Ran::of(command).answer(0));
    pool.seed(&[]);
    worker
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("metadata").mode() & 0o7777
}

/// The trail's lines about repairs of files.
fn recorded(pool: &TestPool) -> Vec<String> {
    let log = pool.run(&["log"]);
    let lines = log.stdout.lines();
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let repairs = lines.filter(|line| line["event"] == "repair" && line["result"] == "done");
    repairs
        .map(|line| line["evidence"].as_str().expect("words").to_owned())
        .collect()
}

#[test]
fn who_has_ended_by_then_is_not_said_to_have_been_added() {
    let pool = TestPool::new();
    let (one, two) = (orphan(&pool, "one"), orphan(&pool, "two"));
    let mut terminal = Terminal::open().talk(pool.command(&["doctor", "--fix"]));
    terminal.await_text("add 2 living workers to registry.json: one");
    terminal.await_text("[y/N]");
    one.kill();
    one.await_end();
    terminal.type_line("y");
    let (exit, shown) = terminal.finish();
    assert_eq!(exit, 0, "{shown}");
    let (_, after) = shown.split_once("\nrepaired:").expect("it is told");
    assert!(
        after.contains("add 1 living worker to registry.json: two"),
        "{after}"
    );
    assert_eq!(pool.sids(), ["two"]);
    two.kill();
    two.await_end();
}

#[test]
fn where_nobody_is_left_nothing_is_written() {
    let pool = TestPool::new();
    let workers = [orphan(&pool, "one"), orphan(&pool, "two")];
    let (stamp, told) = (pool.stamp(), pool.run(&["log"]).stdout);
    let mut terminal = Terminal::open().talk(pool.command(&["doctor", "--fix"]));
    terminal.await_text("[y/N]");
    for worker in &workers {
        worker.kill();
        worker.await_end();
    }
    terminal.type_line("y");
    let (exit, shown) = terminal.finish();
    assert_eq!(exit, 0, "{shown}");
    assert!(!shown.contains("\nrepaired:"), "{shown}");
    assert!(shown.contains("nothing was repaired"), "{shown}");
    assert_eq!(pool.stamp(), stamp);
    assert_eq!(pool.run(&["log"]).stdout, told);
}

#[test]
fn an_entry_that_goes_is_said_to_go() {
    let pool = TestPool::new();
    let command = pool.run_command(&["--sid", "a"], &["--", "sleep", "600"]);
    let worker = Detached::of(&Ran::of(command).answer(0));
    let old = Entry::new("a", worker.pid()).created_at("2020-01-01T00:00:00Z");
    pool.seed(&[old]);
    let report = pool.run(&["doctor"]).answer(1);
    let words = format!(
        "add 1 living worker to registry.json: a (pid {}), and remove 1 entry of the dead whose \
         sid a living worker has",
        worker.pid()
    );
    assert_eq!(report["plan"], json!([words]));
    let report = pool.run(&["doctor", "--fix", "--yes"]).answer(0);
    assert_eq!(report["repaired"], json!([words]));
    assert_eq!(pool.ask(&["status"])["sessions"][0]["pid"], worker.pid());
    worker.kill();
    worker.await_end();
}

#[test]
fn the_directory_is_restricted_under_the_lock_or_not_at_all() {
    let pool = TestPool::with(&[]);
    let held = pool.hold_lock();
    set_mode(pool.directory(), 0o777);
    let ran = pool.run(&["doctor", "--fix", "--yes", "--lock-wait", "100ms"]);
    ran.error(5);
    assert_eq!(mode(pool.directory()), 0o777);
    drop(held);
    let report = pool.run(&["doctor", "--fix", "--yes"]).answer(0);
    assert_eq!(mode(pool.directory()), 0o700);
    let words = "take all permissions on the directory from others: mode 0777 becomes 0700";
    assert_eq!(report["repaired"], json!([words]));
    assert_eq!(recorded(&pool), [words]);
}

/// What comes next is not done, and what is done already is told.
#[test]
fn a_directory_that_was_restricted_before_a_failure_is_told() {
    let pool = TestPool::new();
    pool.write("{");
    set_mode(pool.directory(), 0o770);
    let mut terminal = Terminal::open().talk(pool.command(&["doctor", "--fix"]));
    terminal.await_text("[y/N]");
    pool.write("{{");
    terminal.type_line("y");
    let (exit, shown) = terminal.finish();
    assert_eq!(exit, 1, "{shown}");
    assert!(
        shown.contains("was changed since it was looked at"),
        "{shown}"
    );
    let (_, repaired) = shown.split_once("\nrepaired:").expect("it is told");
    let words = "take all permissions on the directory from others: mode 0770 becomes 0700";
    assert!(repaired.contains(words), "{shown}");
    assert_eq!(mode(pool.directory()), 0o700);
    assert_eq!(pool.bytes(), b"{{");
    assert_eq!(recorded(&pool).len(), 1);
}

/// As a repair leaves it that is killed before, or just after, the files change places.
#[test]
fn what_a_killed_repair_left_behind_is_told_from_what_it_put_aside() {
    let (one, two) = ("2026-11-23T10-15-30Z", "2026-11-23T10-15-31Z");
    let pool = TestPool::with(&[]);
    drop(pool.hold_lock());
    let file = |name: &str| pool.directory().join(name);
    let aside = format!("registry.json.damaged-{one}");
    fs::write(file(&aside), "damaged").expect("write");
    let drafts = [
        format!("ledger.json.repairing-{two}"),
        format!("registry.json.repairing-{two}"),
    ];
    for (draft, text) in drafts.iter().zip(["", "{\"sess"]) {
        fs::write(file(draft), text).expect("write");
    }
    let report = pool.run(&["doctor"]).answer(1);
    assert_eq!(report["files"]["leftovers"], json!(drafts));
    assert_eq!(report["files"]["set_aside"], json!([aside]));
    let what = report["problems"][0]["what"].as_str().expect("words");
    assert!(
        what.starts_with("a repair was ended before it was done: ledger"),
        "{what}"
    );

    let report = pool.run(&["doctor", "--fix", "--yes"]).answer(0);
    assert_eq!(report["files"]["leftovers"], json!([]));
    let kept = report["files"]["set_aside"].as_array().expect("names");
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(!file(&drafts[0]).exists() && !file(&drafts[1]).exists());
    let text = |name: &Value| fs::read_to_string(file(name.as_str().expect("a name")));
    let mut texts: Vec<_> = kept.iter().map(|name| text(name).expect("read")).collect();
    texts.sort();
    assert_eq!(texts, ["", "damaged", "{\"sess"]);
    assert_eq!(pool.ask(&["doctor"])["healthy"], true);
}

/// A name of a file is bytes, and JSON is text.
#[test]
fn a_directory_whose_name_is_no_text_is_explained_and_repaired() {
    let pool = TestPool::new();
    let worker = Worker::obedient();
    let directory = pool.root().join(OsStr::from_bytes(b"po\xffol"));
    fs::rename(pool.directory(), &directory).expect("rename");
    let ask = |arguments: &[&str]| Ran::of(pool.command_on(&directory, arguments));
    let shown = format!("{}/po\u{fffd}ol", pool.root().display());
    assert_eq!(ask(&["doctor"]).answer(0)["pool"]["path"], json!(shown));
    fs::write(directory.join("registry.json"), worker.entry("a").text()).expect("write");
    assert_eq!(ask(&["doctor"]).code, 6);
    let report = ask(&["doctor", "--fix", "--yes"]).answer(0);
    assert_eq!(
        report["registry"]["path"],
        json!(format!("{shown}/registry.json"))
    );
    assert_eq!(report["repaired"].as_array().map(Vec::len), Some(1));
    fs::write(
        directory.join("poolwarden.toml"),
        "[policy]\npath = \"gone.wasm\"\n",
    )
    .expect("write");
    set_mode(&directory.join("poolwarden.toml"), 0o600);
    let report = ask(&["doctor"]).answer(1);
    let path = json!(format!("{shown}/gone.wasm"));
    assert_eq!(report["configuration"]["policy"]["path"], path);
    let link = pool.root().join("link");
    std::os::unix::fs::symlink(&directory, &link).expect("symlink");
    let report = Ran::of(pool.command_on(&link, &["doctor"])).answer(1);
    assert_eq!(report["pool"]["link_to"], json!(shown));
}
