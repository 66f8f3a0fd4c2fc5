//! The doctor repairs a registry: whatever was done to it, every living worker is listed
//! again, and every byte is still there.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{
    Detached, Entry, NO_PROCESS, Ran, Running, Stream, Terminal, TestPool, Worker, await_that,
};

/// Starts workers as anybody does.
fn start(pool: &TestPool, sids: &[&str]) -> Vec<Detached> {
    let start = |sid: &&str| {
        let options = ["--sid", sid, "--version", "7", "--sock", "some.sock"];
        let command = pool.run_command(&options, &["--", "sleep", "600"]);
        Detached::of(&Ran::of(command).answer(0))
    };
    sids.iter().map(start).collect()
}

/// Repairs what is wrong, and checks that nothing is wrong afterwards.
#[track_caller]
fn fix(pool: &TestPool) -> Value {
    let ran = pool.run(&["doctor", "--fix", "--yes"]);
    assert_eq!(ran.stderr, "");
    let report = ran.answer(0);
    assert_eq!(report["healthy"], true, "{report:#}");
    assert_eq!(report["plan"], json!(null));
    let again = pool.ask(&["doctor"]);
    assert_eq!(again["healthy"], true, "{again:#}");
    let stamp = pool.stamp();
    let nothing = pool.ask(&["doctor", "--fix", "--yes"]);
    assert_eq!(
        (nothing["repaired"].clone(), pool.stamp()),
        (json!(null), stamp)
    );
    report
}

/// What was put aside.
#[track_caller]
fn aside(pool: &TestPool, name: &str) -> PathBuf {
    let prefix = format!("{name}.damaged-");
    let names = fs::read_dir(pool.directory()).expect("the pool");
    let mut names = names.map(|entry| entry.expect("an entry").path());
    let is_it = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
    };
    let found = names.find(is_it).expect("it was put aside");
    let name = found
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    assert_eq!(
        name.len(),
        prefix.len() + "2026-11-23T10-15-30Z".len(),
        "{name}"
    );
    found
}

/// Checks that all of them are listed as running, with what they were started with.
#[track_caller]
fn assert_listed(pool: &TestPool, workers: &[Detached]) {
    let answer = pool.ask(&["status"]);
    let mut sessions = answer["sessions"].as_array().expect("sessions").clone();
    sessions.sort_by_key(|session| session["pid"].as_u64());
    let mut pids: Vec<_> = workers.iter().map(Detached::pid).collect();
    pids.sort_unstable();
    let listed: Vec<_> = sessions
        .iter()
        .map(|session| session["pid"].clone())
        .collect();
    assert_eq!(listed, pids, "{answer:#}");
    let sock = json!(pool.root().join("some.sock"));
    for session in &sessions {
        assert_eq!(session["status"], "running", "{session}");
        assert_eq!(
            (&session["sock"], &session["version"]),
            (&sock, &json!("7"))
        );
    }
}

/// Does this to the registry of three workers, repairs it, and checks that nothing is lost.
#[track_caller]
fn survives(damage: impl Fn(&TestPool, Vec<u8>)) -> TestPool {
    let pool = TestPool::new();
    let workers = start(&pool, &["a", "b", "c"]);
    let whole = pool.bytes();
    damage(&pool, whole);
    let damaged = fs::read(pool.registry()).ok();
    assert_eq!(pool.run(&["doctor"]).code, 6);
    assert_eq!(pool.run(&["status"]).code, 6);
    fix(&pool);
    assert_listed(&pool, &workers);
    if let Some(damaged) = damaged {
        assert_eq!(
            fs::read(aside(&pool, "registry.json")).expect("read"),
            damaged
        );
    }
    for worker in &workers {
        assert!(worker.is_running(), "nobody is signalled");
    }
    pool.ask(&["stop", "--all"]);
    workers.iter().for_each(Detached::await_end);
    pool
}

#[test]
fn a_truncated_registry_is_whole_again() {
    for part in [1, 2, 3] {
        survives(|pool, whole| pool.write(&whole[..whole.len() * part / 4]));
    }
}

#[test]
fn garbage_is_a_registry_again() {
    survives(|pool, _| pool.write(b"\x7fELF\x02\x01\x01\0\0\0{{{[[[\"sid\":"));
    survives(|pool, mut whole| {
        let middle = whole.len() / 2;
        whole[middle..middle + 20].fill(b'#');
        pool.write(whole);
    });
    survives(|pool, whole| pool.write([&whole[..], &[0; 4096]].concat()));
    survives(|pool, whole| pool.write([&whole[..], &whole[..whole.len() / 2]].concat()));
}

#[test]
fn an_emptied_registry_is_filled_again() {
    survives(|pool, _| pool.write(b""));
    // Without the ledger the environment alone says who they are.
    survives(|pool, _| {
        pool.write(b"");
        fs::remove_file(pool.directory().join("ledger.json")).expect("the ledger");
    });
}

#[test]
fn a_directory_in_its_place_is_put_aside() {
    let pool = survives(|pool, _| {
        fs::remove_file(pool.registry()).expect("remove");
        fs::create_dir_all(pool.registry().join("below")).expect("mkdir");
        let ran = pool.run(&["status"]);
        let error = ran.error(6);
        assert!(
            error.contains("doctor") && !error.contains("mv "),
            "{error}"
        );
    });
    assert!(aside(&pool, "registry.json").join("below").is_dir());
}

#[test]
fn a_registry_that_is_gone_is_missed() {
    let pool = TestPool::new();
    let workers = start(&pool, &["a", "b"]);
    fs::remove_file(pool.registry()).expect("remove");
    pool.run(&["status"]).error(6);
    let report = pool.run(&["doctor"]).answer(6);
    assert_eq!(
        report["orphans"].as_array().map(Vec::len),
        Some(2),
        "{report:#}"
    );
    fix(&pool);
    assert_listed(&pool, &workers);
}

/// Entries of others, with what nobody here knows, stand there byte for byte; the ledger
/// proves who was seen once, whether anybody else knows of it or not.
#[test]
fn what_others_wrote_is_kept() {
    let (known, seen, cut) = (Worker::obedient(), Worker::obedient(), Worker::obedient());
    let odd = known
        .entry("known")
        .text()
        .replace("{\"sid\"", "{ \"n\" : 1.00e40, \"sid\"");
    let pool = TestPool::new();
    let all = format!(
        "{{\"of\":\"algocline\", \"sessions\":[{odd},{},{}]}}",
        Entry::new("gone", NO_PROCESS).text(),
        seen.entry("seen").text()
    );
    // Now the ledger knows whoever lives.
    pool.write(all.replace(
        &Entry::new("gone", NO_PROCESS).text(),
        &cut.entry("cut").text(),
    ));
    pool.ask(&["status"]);
    let half = &all[..all.len() - 20];
    pool.write(half);
    let report = fix(&pool);
    assert_eq!(report["entries"][0]["sid"], "known");
    let text = String::from_utf8(pool.bytes()).expect("text");
    assert!(
        text.starts_with("{\"of\":\"algocline\",\"sessions\":["),
        "{text}"
    );
    assert!(text.contains(&odd), "{text}");
    let mut sids = pool.sids();
    sids.sort();
    assert_eq!(sids, ["cut", "gone", "known", "seen"]);
    assert_eq!(pool.status("seen").expect("it is listed").0, "running");
    assert_eq!(
        pool.ask(&["ensure"])["removed"],
        json!([]),
        "status collected it"
    );
    assert_eq!(
        fs::read(aside(&pool, "registry.json")).expect("read"),
        half.as_bytes()
    );
}

#[test]
fn the_trail_tells_of_a_repair() {
    let pool = TestPool::new();
    let worker = start(&pool, &["a"]).pop().expect("a worker");
    pool.write(Entry::new("a", NO_PROCESS).text());
    fix(&pool);
    let log = pool.run(&["log"]);
    let lines: Vec<Value> = log
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let [file, dead, added] = lines.as_slice() else {
        panic!("{log:?}")
    };
    assert!(
        lines
            .iter()
            .all(|line| line["asked_by"]["verb"] == "doctor")
    );
    assert!(lines.iter().all(|line| line["result"] == "done"), "{log:?}");
    assert_eq!(
        (&file["event"], &file["sid"]),
        (&json!("repair"), &json!(""))
    );
    assert!(
        file["evidence"]
            .as_str()
            .expect("words")
            .contains(".damaged-")
    );
    assert_eq!(
        (&dead["event"], &dead["entry"]["pid"]),
        (&json!("removal"), &json!(NO_PROCESS))
    );
    assert_eq!(
        (&added["event"], &added["pid"]),
        (&json!("repair"), &json!(worker.pid()))
    );
    assert_eq!(added["entry"]["sock"], json!(pool.root().join("some.sock")));
    let shown = Terminal::open().show(pool.command(&["log"]));
    assert!(shown.contains("repair"), "{shown}");
}

#[test]
fn nothing_is_repaired_without_a_yes() {
    let pool = TestPool::new();
    pool.write("{\"sessions\":[");
    let stamp = pool.stamp();
    let ran = pool.run(&["doctor", "--fix"]);
    assert!(ran.stderr.contains("--yes"), "{ran:?}");
    assert_eq!(ran.answer(6)["plan"].as_array().map(Vec::len), Some(1));
    for (said, code) in [("", 6), ("n", 6), ("yes", 0)] {
        assert_eq!(pool.stamp(), stamp, "{said:?}");
        let mut terminal = Terminal::open().talk(pool.command(&["doctor", "--fix"]));
        terminal.await_text("Carry out this repair? [y/N]");
        terminal.type_line(said);
        let (exit, shown) = terminal.finish();
        assert_eq!(exit, code, "{said:?}: {shown}");
        assert!(shown.contains("a repair (--fix) would:"), "{shown}");
        assert_eq!(shown.contains("nothing is wrong"), code == 0, "{shown}");
    }
    assert_eq!(pool.bytes(), b"{\"sessions\":[]}");
}

#[test]
fn what_changes_while_somebody_thinks_is_not_repaired() {
    let worker = Worker::obedient();
    let pool = TestPool::new();
    let repaired = format!("{{\"sessions\":[{}]}}", worker.entry("a").text());
    for change in ["{\"sessions\":[ ", repaired.as_str()] {
        pool.write("{\"sessions\":[");
        let mut terminal = Terminal::open().talk(pool.command(&["doctor", "--fix"]));
        terminal.await_text("[y/N]");
        pool.write(change);
        terminal.type_line("y");
        let (exit, shown) = terminal.finish();
        assert_eq!(exit, 1, "{shown}");
        assert!(
            shown.contains("was changed since it was looked at"),
            "{shown}"
        );
        assert_eq!(pool.bytes(), change.as_bytes());
        assert!(!shown.contains("repaired:"), "{shown}");
    }
    assert_eq!(fs::read_dir(pool.directory()).expect("the pool").count(), 2);
}

#[test]
fn nothing_is_ever_written_over() {
    let pool = TestPool::new();
    for round in 0..4 {
        pool.write(format!("damaged {round}"));
        fix(&pool);
    }
    let names = fs::read_dir(pool.directory()).expect("the pool");
    let mut texts: Vec<_> = names
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().contains(".damaged-"))
        .map(|path| fs::read_to_string(path).expect("read"))
        .collect();
    texts.sort();
    assert_eq!(texts, ["damaged 0", "damaged 1", "damaged 2", "damaged 3"]);
}

/// The new registry comes to its name by no ordinary rename.
#[test]
fn who_watches_hears_of_a_repair() {
    let pool = TestPool::new();
    let worker = start(&pool, &["a"]).pop().expect("a worker");
    let watch = Stream::start(pool.command(&["watch"]));
    assert_eq!(watch.next()["event"], "present");
    // As others do, without the ledger.
    pool.seed(&[]);
    assert_eq!(watch.next()["event"], "removed");
    pool.write("{");
    assert!(watch.next_error().contains("cannot be read"));
    fix(&pool);
    let event = watch.next();
    assert_eq!(
        (&event["event"], &event["pid"]),
        (&json!("appeared"), &json!(worker.pid()))
    );
}

/// Killed in the middle of it, a repair has happened or not; the next one does the rest.
#[test]
fn a_repair_that_is_killed_loses_nothing() {
    let pool = TestPool::new();
    let workers = start(&pool, &["a", "b"]);
    let whole = pool.bytes();
    for round in 0..12_usize {
        let damaged = &whole[..whole.len() - 1 - round];
        pool.write(damaged);
        let files = || fs::read_dir(pool.directory()).expect("the pool").count();
        let before = files();
        let mut repair: Running = pool.start(&["doctor", "--fix", "--yes"]);
        // At the first sign of it.
        await_that("it begins to write, or is done", || {
            files() > before || !repair.is_running()
        });
        drop(repair);
        let now = pool.bytes();
        if now != damaged {
            assert_eq!(pool.sids().len(), 2, "round {round}");
        }
        pool.run(&["doctor", "--fix", "--yes"]).answer(0);
        assert_listed(&pool, &workers);
        let names = fs::read_dir(pool.directory()).expect("the pool");
        let mut paths = names.map(|entry| entry.expect("an entry").path());
        let kept = paths.any(|path| fs::read(path).is_ok_and(|bytes| bytes == damaged));
        assert!(kept, "round {round}: the damaged bytes are gone");
    }
}
