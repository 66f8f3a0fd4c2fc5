//! The doctor repairs what is beside the registry: directory, ledger, trail, leftovers.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Entry, NO_PROCESS, Terminal, TestPool, Worker};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
}

/// Repairs what is wrong with one thing, and checks that nothing is wrong afterwards.
#[track_caller]
fn fix(pool: &TestPool, about: &str) -> Value {
    let report = pool.run(&["doctor"]).answer(1);
    let problems = report["problems"].as_array().expect("problems");
    let abouts: Vec<_> = problems.iter().map(|problem| &problem["about"]).collect();
    assert_eq!(abouts, [about], "{report:#}");
    assert_eq!(problems[0]["repairable"], true);
    let report = pool.run(&["doctor", "--fix", "--yes"]).answer(0);
    assert_eq!(report["healthy"], true, "{report:#}");
    assert_eq!(report["repaired"].as_array().map(Vec::len), Some(1));
    assert_eq!(pool.ask(&["doctor"])["healthy"], true);
    report
}

/// The one file whose name begins so.
#[track_caller]
fn only(pool: &TestPool, prefix: &str) -> String {
    let names = fs::read_dir(pool.directory()).expect("the pool");
    let names = names.map(|entry| entry.expect("an entry").file_name().into_string());
    let mut names: Vec<_> = names
        .map(|name| name.expect("text"))
        .filter(|name| name.starts_with(prefix))
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    names.pop().expect("one")
}

#[test]
fn others_lose_the_right_to_write_the_directory() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    set_mode(pool.directory(), 0o777);
    assert_eq!(pool.run(&["status"]).code, 1);
    let report = pool.run(&["doctor"]).answer(1);
    assert_eq!(report["pool"]["mode"], "0777");
    assert_eq!(
        report["entries"][0]["standing"], "alive",
        "it is explained all the same"
    );
    fix(&pool, "directory");
    let mode = fs::metadata(pool.directory()).expect("metadata").mode();
    assert_eq!(mode & 0o7777, 0o700);
    pool.ask(&["status"]);
    // Together with what else is wrong.
    set_mode(pool.directory(), 0o770);
    pool.write("{");
    let report = pool.run(&["doctor", "--fix", "--yes"]).answer(0);
    assert_eq!(report["repaired"].as_array().map(Vec::len), Some(2));
    assert_eq!(pool.sids().len(), 1, "the ledger knows it");
}

#[test]
fn a_damaged_ledger_is_written_anew_from_its_good_rows() {
    let (one, two) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::new();
    for (sid, worker) in [("one", &one), ("two", &two)] {
        pool.ask(&["register", "--sid", sid, "--pid", &worker.pid().to_string()]);
    }
    let ledger = pool.directory().join("ledger.json");
    let whole = fs::read_to_string(&ledger).expect("a ledger");
    let damaged = whole.replacen("\"start_ticks\":", "\"start_ticks\":\"x\",\"n\":", 1);
    fs::write(&ledger, &damaged).expect("write");
    let report = fix(&pool, "ledger");
    assert_eq!(report["ledger"]["rows"], 1);
    let aside = pool.directory().join(only(&pool, "ledger.json.damaged-"));
    assert_eq!(fs::read_to_string(aside).expect("read"), damaged);
    // What is left out is proven anew.
    assert_eq!(pool.status("one").expect("it is listed").0, "running");
    let rows = fs::read_to_string(&ledger).expect("a ledger");
    assert!(
        rows.contains("\"sid\":\"one\"") && rows.contains("\"sid\":\"two\""),
        "{rows}"
    );
}

#[test]
fn a_ledger_that_is_none_at_all_is_put_aside() {
    for make in [
        (|path: &Path| fs::write(path, "\0\0\0").expect("write")) as fn(&Path),
        |path| fs::create_dir(path).expect("mkdir"),
    ] {
        let worker = Worker::obedient();
        let pool = TestPool::with(&[worker.entry("a")]);
        drop(pool.hold_lock());
        make(&pool.directory().join("ledger.json"));
        fix(&pool, "ledger");
        only(&pool, "ledger.json.damaged-");
        assert_eq!(pool.status("a").expect("it is listed").0, "running");
    }
}

#[test]
fn a_ledger_of_a_newer_program_is_left_alone() {
    let pool = TestPool::with(&[]);
    let ledger = pool.directory().join("ledger.json");
    let newer = "{\"version\":9,\"rows\":{}}";
    fs::write(&ledger, newer).expect("write");
    let ran = pool.run(&["doctor", "--fix", "--yes"]);
    let report = ran.answer(1);
    assert_eq!(report["problems"][0]["repairable"], false, "{report:#}");
    pool.write("{");
    pool.run(&["doctor", "--fix", "--yes"]).answer(1);
    assert_eq!(pool.sids().len(), 0);
    assert_eq!(fs::read_to_string(&ledger).expect("read"), newer);
}

#[test]
fn what_stands_in_the_trails_place_is_put_aside() {
    let pool = TestPool::with(&[]);
    drop(pool.hold_lock());
    fs::create_dir(pool.directory().join("audit.jsonl")).expect("mkdir");
    fix(&pool, "trail");
    only(&pool, "audit.jsonl.damaged-");
    let log = pool.run(&["log"]);
    assert!(log.stdout.contains("audit.jsonl.damaged-"), "{log:?}");
}

/// What cannot be recorded does not happen.
#[test]
fn without_a_trail_nothing_is_repaired() {
    let pool = TestPool::new();
    pool.write("{");
    let trail = pool.directory().join("audit.jsonl");
    std::os::unix::fs::symlink("elsewhere", &trail).expect("symlink");
    let ran = pool.run(&["doctor", "--fix", "--yes"]);
    let error = ran.error(1);
    assert!(error.contains("could not be recorded first"), "{error}");
    assert_eq!(pool.bytes(), b"{");
    assert_eq!(fs::read_dir(pool.directory()).expect("the pool").count(), 3);
}

#[test]
fn what_a_writer_left_behind_is_kept_under_another_name() {
    let pool = TestPool::with(&[]);
    drop(pool.hold_lock());
    fs::write(pool.directory().join("registry.json.new"), "half a reg").expect("write");
    fs::write(pool.directory().join("other.new"), "not ours").expect("write");
    let report = fix(&pool, "leftover");
    let name = only(&pool, "registry.json.new");
    assert!(name.starts_with("registry.json.new.leftover-"), "{name}");
    assert_eq!(report["files"]["set_aside"], json!([name]));
    let text = fs::read_to_string(pool.directory().join(name)).expect("read");
    assert_eq!(text, "half a reg");
    assert!(pool.directory().join("other.new").exists());
}

#[test]
fn the_page_of_a_repaired_pool_says_what_was_done() {
    let pool = TestPool::new();
    pool.write("");
    let shown = Terminal::open().show(pool.command(&["doctor", "--fix", "--yes"]));
    assert!(
        shown.contains("repaired:") && shown.contains("nothing is wrong"),
        "{shown}"
    );
    assert!(
        shown.contains("put aside by a repair: registry.json.damaged-"),
        "{shown}"
    );
}

/// No writer removes it, so that it is no leftover like others.
#[test]
fn a_directory_in_the_way_of_every_writer_is_told_and_moved_away() {
    let pool = TestPool::with(&[Entry::new("dead", NO_PROCESS)]);
    let in_the_way = pool.directory().join("registry.json.new");
    fs::create_dir_all(in_the_way.join("within")).expect("directories");
    pool.run(&["ensure"]).error(1);
    let told = pool.run(&["doctor"]).stdout;
    assert!(
        told.contains("in the way of whoever writes that file"),
        "{told}"
    );
    assert!(!told.contains("does no harm"), "{told}");
    pool.run(&["doctor", "--fix", "--yes"]).answer(0);
    pool.ask(&["ensure"]);
    assert_eq!(pool.sids(), [""; 0]);
}
