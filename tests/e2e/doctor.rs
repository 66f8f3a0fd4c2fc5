//! The doctor looks at a pool: everything is explained, and nothing touched.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{Entry, NO_PROCESS, PATIENCE, Ran, Terminal, TestPool, Worker};

/// Everything in a directory: names, contents, and when they were changed.
fn snapshot(directory: &Path) -> Vec<(PathBuf, Vec<u8>, Option<std::time::SystemTime>)> {
    let entries = fs::read_dir(directory).expect("the pool");
    let mut seen: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let modified = fs::symlink_metadata(&path).and_then(|facts| facts.modified());
            (
                path.clone(),
                fs::read(&path).unwrap_or_default(),
                modified.ok(),
            )
        })
        .collect();
    seen.sort();
    seen
}

/// The report of a pool in which something is wrong, which stays as it is.
#[track_caller]
fn examine(pool: &TestPool, code: i32) -> Value {
    let before = snapshot(pool.directory());
    let ran = pool.run(&["doctor"]);
    assert_eq!(ran.stderr, "");
    assert_eq!(snapshot(pool.directory()), before);
    let report = ran.answer(code);
    assert_eq!(report["healthy"], code == 0, "{report:#}");
    report
}

/// What is wrong, of this kind.
#[track_caller]
fn problem<'a>(report: &'a Value, about: &str) -> &'a Value {
    let mut problems = report["problems"].as_array().expect("problems").iter();
    let problem = problems.find(|problem| problem["about"] == about);
    problem.unwrap_or_else(|| panic!("nothing about {about}: {report:#}"))
}

#[test]
fn a_pool_that_is_not_there_is_healthy_and_not_made() {
    let pool = TestPool::absent();
    let report = pool.ask(&["doctor"]);
    assert_eq!(report["healthy"], true, "{report:#}");
    assert_eq!(report["pool"]["state"], "absent");
    assert_eq!(report["pool_version"], env!("CARGO_PKG_VERSION"));
    assert!(!pool.directory().exists());
    let report = examine(&TestPool::new(), 0);
    assert_eq!(report["lock"]["state"], "absent");
}

#[test]
fn every_entry_is_told_with_what_would_become_of_it() {
    let (alive, twin) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[
        alive.entry("alive"),
        twin.entry("some day").created_at("some day"),
        Entry::new("gone", NO_PROCESS),
        Entry::new("us", std::process::id()).created_at("2035-01-01T00:00:00Z"),
    ]);
    drop(pool.hold_lock());
    let report = examine(&pool, 0);
    assert_eq!(report["lock"]["state"], "free");
    assert_eq!(report["registry"]["state"], "healthy");
    let told: Vec<_> = report["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| {
            let text = |field: &str| entry[field].as_str().expect("a text");
            assert!(!text("evidence").is_empty());
            (text("standing"), text("ensure"), text("stop"))
        })
        .collect();
    assert_eq!(told[0], ("alive", "keeps it", "asks it to end"));
    assert_eq!(
        told[1],
        ("unproven", "keeps it", "refuses; adopt it if it is the one")
    );
    assert_eq!(
        told[2],
        ("gone", "removes it", "removes it, signals nobody")
    );
    assert_eq!((told[3].0, told[3].1), ("unproven", "keeps it"));
    assert!(!pool.directory().join("ledger.json").exists());
    // What ensure really does.
    assert_eq!(pool.ask(&["ensure"])["removed"][0]["sid"], "gone");
}

#[test]
fn two_living_workers_of_one_sid_are_told() {
    let (one, two) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[one.entry("a"), two.entry("a")]);
    let report = examine(&pool, 1);
    assert_eq!(problem(&report, "entries")["repairable"], false);
    let stop = report["entries"][0]["stop"].as_str().expect("a text");
    assert_eq!(stop, "refuses: 2 entries have this sid");
}

#[test]
fn damage_is_told_with_its_place_and_what_stands_there() {
    let worker = Worker::obedient();
    let pool = TestPool::new();
    let entry = worker.entry("a").text();
    pool.write(format!("{{\"sessions\":[{entry},\n{{\"sid\":\"b\x1b[2J\n"));
    let report = examine(&pool, 6);
    let (registry, damage) = (&report["registry"], &report["registry"]["damage"]);
    assert_eq!(registry["state"], "damaged");
    assert_eq!(
        (damage["line"].clone(), damage["column"].clone()),
        (json!(2), json!(10))
    );
    assert_eq!(damage["offset"], entry.len() + 13 + 2 + 9);
    assert_eq!(damage["from_there"], "\\x1b[2J\\n");
    let cause = damage["cause"].as_str().expect("a text");
    assert!(cause.contains("edited"), "{cause}");
    assert_eq!(report["entries"][0]["sid"], "a");
    assert_eq!(report["entries"][0]["standing"], "alive");
    assert_eq!(registry["lost"][0]["offset"], entry.len() + 13 + 2);
    assert_eq!(problem(&report, "registry")["repairable"], true);
    assert_eq!(report["plan"].as_array().map(Vec::len), Some(1));
}

/// Whoever can name a session could otherwise clear the screen or forge lines.
#[test]
fn a_session_cannot_act_on_the_terminal() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("clear\u{1b}[2J\r\nnothing is wrong\u{202e}")]);
    fs::write(pool.directory().join("ledger.json.damaged-\u{1b}[2J"), "").expect("write");
    let healthy = Terminal::open().show(pool.command(&["doctor"]));
    let text = String::from_utf8(pool.bytes()).expect("text");
    pool.write(text.replace("}]}", "}\u{1b}[2J"));
    let damaged = Terminal::open().show(pool.command(&["doctor"]));
    for shown in [healthy, damaged] {
        let harmful = |c: char| (c.is_control() && c != '\r' && c != '\n') || c == '\u{202e}';
        assert!(!shown.contains(harmful), "{shown:?}");
        assert!(shown.contains("clear\\u{1b}[2J\\u{d}\\u{a}"), "{shown}");
        assert!(
            shown.contains("ENTRIES") && shown.contains("EVIDENCE"),
            "{shown}"
        );
    }
}

#[test]
fn a_stopped_holder_of_the_lock_is_told_and_not_waited_for() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    drop(pool.hold_lock());
    let holder = Worker::holding(pool.directory());
    let report = examine(&pool, 5);
    assert_eq!(report["lock"]["stopped"], false);
    holder.suspend();
    let started = Instant::now();
    let report = examine(&pool, 5);
    assert!(started.elapsed() < PATIENCE / 10, "{:?}", started.elapsed());
    let lock = &report["lock"];
    assert_eq!(
        (&lock["state"], &lock["pid"]),
        (&json!("held"), &json!(holder.pid()))
    );
    assert_eq!(lock["stopped"], true);
    let words = lock["holder"].as_str().expect("words");
    assert!(
        words.contains("worker_program") && words.contains("stopped"),
        "{words}"
    );
    let since = lock["running_since"].as_str().expect("a time");
    since.parse::<jiff::Timestamp>().expect("a time");
    let remedy = problem(&report, "lock")["remedy"].as_str().expect("words");
    assert!(
        remedy.contains(&format!("kill -CONT {}", holder.pid())),
        "{remedy}"
    );
    // The pool is explained all the same.
    assert_eq!(report["entries"][0]["standing"], "alive");
    assert_eq!(
        report["notes"].as_array().map(Vec::len),
        Some(1),
        "{report:#}"
    );
    drop(holder);
    examine(&pool, 0);
}

#[test]
fn nothing_is_made_whole_behind_a_held_lock() {
    let pool = TestPool::new();
    pool.write("{\"sessions\":[");
    fs::write(pool.directory().join("registry.json.new"), "in the making").expect("write");
    let held = pool.hold_lock();
    // Who holds the lock may be writing.
    assert_eq!(examine(&pool, 6)["files"]["leftovers"], json!([]));
    let ran = pool.run(&["doctor", "--fix", "--yes", "--lock-wait", "100ms"]);
    let us = format!("process {}", std::process::id());
    assert!(ran.error(5).contains(&us), "{ran:?}");
    assert_eq!(pool.bytes(), b"{\"sessions\":[");
    drop(held);
    assert_eq!(
        examine(&pool, 6)["files"]["leftovers"],
        json!(["registry.json.new"])
    );
}

#[test]
fn a_directory_that_cannot_be_used_is_explained() {
    let pool = TestPool::new();
    let link = pool.root().join("link");
    symlink(pool.directory(), &link).expect("symlink");
    let ran = crate::harness::Ran::of(pool.command_on(&link, &["doctor"]));
    let report = ran.answer(1);
    assert_eq!(report["pool"]["link_to"], json!(pool.directory()));
    let remedy = problem(&report, "directory")["remedy"]
        .as_str()
        .expect("words");
    assert!(
        remedy.contains(pool.directory().to_str().expect("text")),
        "{remedy}"
    );

    let file = pool.root().join("file");
    fs::write(&file, "").expect("write");
    let ran = crate::harness::Ran::of(pool.command_on(&file, &["doctor", "--fix", "--yes"]));
    assert!(
        ran.stderr.contains("nothing here that a repair can do"),
        "{ran:?}"
    );
    let report = ran.answer(1);
    assert_eq!(problem(&report, "directory")["repairable"], false);
}

#[test]
fn what_is_a_link_or_another_users_choice_is_left_to_the_operator() {
    let pool = TestPool::new();
    let elsewhere = pool.root().join("registry");
    fs::write(&elsewhere, "{\"sessions\":[]}").expect("write");
    symlink(&elsewhere, pool.registry()).expect("symlink");
    let report = examine(&pool, 6);
    assert_eq!(report["registry"]["state"], "unusable");
    assert_eq!(problem(&report, "registry")["repairable"], false);
    assert_eq!(report["plan"], json!(null));
    fs::create_dir(pool.directory().join("registry.lock")).expect("mkdir");
    fs::remove_file(pool.registry()).expect("remove");
    pool.write("{");
    let report = examine(&pool, 6);
    assert_eq!(report["lock"]["state"], "unusable");
    assert_eq!(
        report["plan"],
        json!(null),
        "without a lock nothing is repaired"
    );
    assert_eq!(problem(&report, "registry")["repairable"], false);
}

#[test]
fn a_socket_that_the_entry_of_a_living_worker_spells_in_another_way_stays() {
    let worker = Worker::obedient();
    let pool = TestPool::new();
    let spelled = format!("{}/./a.sock", pool.directory().display());
    pool.seed(&[worker.entry("a").sock(Path::new(&spelled))]);
    // It is proven before the socket is there.
    pool.ask(&["status"]);
    drop(UnixListener::bind(pool.directory().join("a.sock")).expect("bind"));
    let report = examine(&pool, 0);
    assert_eq!(report["files"]["stale_sockets"], json!([]));
    pool.run(&["doctor", "--fix", "--yes"]).answer(0);
    assert!(pool.directory().join("a.sock").exists());
}

#[test]
fn other_files_and_the_configuration_are_told() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a").sock(Path::new("/nowhere"))]);
    drop(UnixListener::bind(pool.directory().join("stale.sock")).expect("bind"));
    let _served = UnixListener::bind(pool.directory().join("served.sock")).expect("bind");
    fs::write(pool.directory().join("audit.jsonl"), "torn\n{\"at\":").expect("write");
    fs::set_permissions(
        pool.directory().join("audit.jsonl"),
        Permissions::from_mode(0o600),
    )
    .expect("chmod");
    let report = examine(&pool, 1);
    assert_eq!(report["files"]["stale_sockets"], json!(["stale.sock"]));
    // The one problem: whoever is to serve it next cannot.
    assert_eq!(report["problems"].as_array().map(Vec::len), Some(1));
    assert_eq!(problem(&report, "sockets")["repairable"], true);
    pool.run(&["doctor", "--fix", "--yes"]).answer(0);
    assert!(!pool.directory().join("stale.sock").exists());
    assert!(pool.directory().join("served.sock").exists());
    assert_eq!(report["trail"]["damaged_lines"], 2);
    assert_eq!(report["configuration"]["state"], "absent");

    let file = pool.directory().join("poolwarden.toml");
    fs::write(&file, "[settings]\nproof = \"strong\"\n").expect("write");
    let report = examine(&pool, 0);
    assert_eq!(report["configuration"]["file"], json!(file));
    assert_eq!(
        report["entries"][0]["standing"], "unproven",
        "time proves nothing then"
    );
    fs::write(&file, "policy = 7\n").expect("write");
    let report = examine(&pool, 1);
    let what = problem(&report, "configuration")["what"]
        .as_str()
        .expect("words");
    assert!(what.contains("poolwarden.toml"), "{what}");
}

#[test]
fn a_policy_that_does_not_load_is_no_matter() {
    let pool = TestPool::new();
    fs::write(pool.root().join("broken.wasm"), "no component").expect("write");
    let mut command = pool.command(&["doctor"]);
    command.env("POOLWARDEN_POLICY", "broken.wasm");
    assert_eq!(Ran::of(command).answer(0)["healthy"], true);
}

#[test]
fn wrong_usage_is_told() {
    let pool = TestPool::new();
    for wrong in [
        &["doctor", "--yes"][..],
        &["doctor", "a"],
        &["doctor", "--fix=1"],
    ] {
        assert_eq!(pool.run(wrong).code, 2, "{wrong:?}");
    }
}
