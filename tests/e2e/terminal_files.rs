//! No text of a file or a process acts on the terminal that it is shown on.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{
    EVIL, EVIL_IN_JSON, EVIL_SHOWN, Entry, NO_PROCESS, Running, Terminal, TestPool, Worker,
    assert_harmless, await_that, shown,
};

/// An entry every text of which is evil, and so proves nothing.
fn evil_entry(pid: u32) -> String {
    let entry = json!({"sid": EVIL, "pid": pid, "sock": EVIL, "version": EVIL, "created_at": EVIL});
    entry.to_string()
}

fn pool_with(entries: &[String]) -> TestPool {
    let pool = TestPool::new();
    pool.write(format!("{{\"sessions\":[{}]}}", entries.join(",")));
    pool
}

/// The evil text, without line breaks, as JSON allows it: nothing but C0 is escaped.
fn in_json() -> String {
    Value::from(EVIL).to_string()
}

#[test]
fn a_registry_shows_as_it_is_in_every_verb() {
    let worker = Worker::obedient();
    let pool = pool_with(&[evil_entry(worker.pid())]);
    for arguments in [
        &["status"][..],
        &["status", EVIL],
        &["ensure"],
        &["stop", "--all", "--dry-run"],
        &["stop", EVIL],
        &["forget", EVIL],
        &["wait", EVIL],
        &["adopt", EVIL],
        &["register", "--sid", EVIL, "--pid", "1"],
        &["status", "--json"],
        &["stop", EVIL, "--json"],
        &["wait", EVIL, "--json"],
        &["adopt", EVIL, "--json"],
    ] {
        let shown = shown(&pool, arguments);
        let marks = [EVIL_SHOWN, EVIL_IN_JSON];
        assert!(
            marks.iter().any(|mark| shown.contains(mark)),
            "{arguments:?}: {shown:?}"
        );
    }
    assert!(worker.is_running());
}

#[test]
fn what_was_removed_shows_as_it_was() {
    let pool = pool_with(&[evil_entry(NO_PROCESS)]);
    let ensured = shown(&pool, &["ensure"]);
    assert!(ensured.contains("removed:"), "{ensured:?}");
    assert!(ensured.contains(EVIL_SHOWN), "{ensured:?}");
    assert!(shown(&pool, &["log"]).contains(EVIL_SHOWN));
    assert!(shown(&pool, &["log", "--json"]).contains(EVIL_IN_JSON));
}

/// A person who asks for JSON gets it escaped further, and with the same meaning; a program
/// gets the text as the policy wrote it.
#[test]
fn json_on_a_terminal_means_the_same() {
    let pool = pool_with(&[evil_entry(1)]);
    let piped = pool.run(&["status"]);
    assert!(piped.stdout.contains("\u{9b}31m\u{7f}"), "{piped:?}");
    assert!(piped.stdout.contains('\u{202e}'), "{piped:?}");
    let shown = shown(&pool, &["status", "--json"]);
    let shown: Value = serde_json::from_str(&shown).expect("it is JSON");
    assert_eq!(shown, piped.answer(0));
    assert_eq!(shown["sessions"][0]["sid"], EVIL);
}

#[test]
fn an_error_quotes_a_corrupted_registry_harmlessly() {
    for text in [
        format!("{{\"sessions\":[{{\"sid\":\"a\",\"pid\":{}}}]}}", in_json()),
        format!("{{\"sessions\":{}}}", in_json()),
        format!("{{\"sessions\":[]}}{EVIL}"),
    ] {
        let pool = TestPool::new();
        pool.write(&text);
        let shown = shown(&pool, &["status"]);
        assert!(shown.starts_with("error: the registry "), "{shown:?}");
    }
}

#[test]
fn a_long_text_is_cut_where_it_is_shown() {
    let long = "x".repeat(1 << 20);
    let pool = TestPool::with(&[Entry::new(&long, 1), Entry::new("b", 1)]);
    for arguments in [&["status"][..], &["stop", "--all"]] {
        let shown = shown(&pool, arguments);
        assert!(shown.len() < 4000, "{} bytes", shown.len());
        assert!(shown.contains("x…") && shown.contains("\nb "), "{shown}");
    }
    pool.write(format!("{{\"sessions\":\"{long}\"}}"));
    let shown = shown(&pool, &["status"]);
    assert!(shown.len() < 4000, "{} bytes", shown.len());
}

#[test]
fn a_watch_shows_what_happens_and_does_not_do_it() {
    for json in [false, true] {
        let worker = Worker::obedient();
        let pool = TestPool::with(&[worker.entry(EVIL)]);
        let arguments = if json {
            &["watch", "--json"][..]
        } else {
            &["watch"]
        };
        let mut watch = Terminal::open().talk(pool.command(arguments));
        watch.await_text("forged");
        worker.signal(Signal::SIGKILL);
        watch.await_text("exited");
        assert_harmless(watch.shown());
    }
}

#[test]
fn a_process_cannot_act_through_its_command_or_directory() {
    let pool = TestPool::new();
    let directory = pool.root().join(EVIL);
    fs::create_dir(&directory).expect("mkdir");
    let worker = Worker::obedient_with(|command| {
        command.arg0(EVIL).current_dir(&directory);
    });
    pool.write(format!("{{\"sessions\":[{}]}}", evil_entry(worker.pid())));
    let shown = shown(&pool, &["adopt", EVIL]);
    for field in ["COMMAND", "DIRECTORY", "SOCKET"] {
        let line = shown.lines().find(|line| line.starts_with(field));
        let line = line.unwrap_or_else(|| panic!("no {field} in {shown:?}"));
        assert!(line.contains(EVIL_SHOWN), "{line:?}");
    }
}

#[test]
fn the_holder_of_a_lock_cannot_act_through_its_name() {
    let pool = TestPool::with(&[]);
    drop(pool.hold_lock());
    let lock = pool.directory().join("registry.lock");
    let mut flock = Command::new("/usr/bin/flock");
    flock
        .arg0(EVIL)
        .arg("--close")
        .arg(&lock)
        // What it runs goes with it.
        .args(["setpriv", "--pdeathsig", "KILL", "sleep", "600"]);
    let _holder = Running::start(flock);
    await_that("the lock is held", || !pool.lock_is_free());
    let shown = shown(&pool, &["--lock-wait", "50ms", "status"]);
    assert!(shown.contains("the pool is busy"), "{shown:?}");
    // The command line is cut before it is shown.
    assert!(shown.contains("(e\\u{1b}[2J\\u{7}"), "{shown:?}");
}

#[test]
fn a_configuration_cannot_act_through_its_mistakes() {
    let escapes = EVIL.chars().map(|c| format!("\\U{:08X}", u32::from(c)));
    let evil = format!("\"{}\"", escapes.collect::<String>());
    for text in [
        format!("[policy]\npath = {evil}\n"),
        format!("[policy]\npath = \"p\"\nsha256 = {evil}\n"),
        format!("[policy]\npath = \"p\"\ngrants = [{evil}]\n"),
        format!("{evil} = 1\n"),
        "a = \u{202e}b\n".to_owned(),
        format!("x = {EVIL}"),
    ] {
        let pool = TestPool::with(&[]);
        let file = pool.directory().join("poolwarden.toml");
        fs::write(&file, &text).expect("the configuration");
        let shown = shown(&pool, &["status"]);
        assert!(shown.starts_with("error: "), "{text}: {shown:?}");
    }
}

#[test]
fn a_trail_of_others_shows_as_it_is() {
    let pool = TestPool::with(&[Entry::new("dead", NO_PROCESS)]);
    pool.ask(&["ensure"]);
    let path = pool.directory().join("audit.jsonl");
    let text = fs::read_to_string(&path).expect("the trail");
    let mut forged = String::new();
    for line in text.lines() {
        let mut line: Value = serde_json::from_str(line).expect("a line of JSON");
        let fields = line.as_object_mut().expect("an object");
        for (name, value) in fields.iter_mut() {
            if matches!(name.as_str(), "sid" | "evidence" | "result" | "at") {
                *value = EVIL.into();
            }
        }
        if let Some(client) = fields.get_mut("asked_by") {
            client["client"] = EVIL.into();
            client["verb"] = EVIL.into();
        }
        forged.push_str(&format!("{line}\n"));
    }
    let damaged = EVIL.replace("\r\n", " ");
    fs::write(
        &path,
        format!("{forged}{{\"at\":{damaged}\n{{\"event\":\"{damaged}\"}}\n"),
    )
    .expect("a trail");
    let table = shown(&pool, &["log"]);
    assert!(table.contains(EVIL_SHOWN), "{table:?}");
    assert!(table.contains("warning: line 3"), "{table:?}");
    shown(&pool, &["log", "--json"]);
}

#[test]
fn a_damaged_ledger_is_warned_of_harmlessly() {
    let pool = TestPool::with(&[Entry::new("a", 1)]);
    let path = pool.directory().join("ledger.json");
    for text in [
        format!(
            "{{\"version\":1,\"rows\":[{{\"sid\":{},\"pid\":{}}}]}}",
            in_json(),
            in_json()
        ),
        format!("{{\"version\":{}}}", in_json()),
    ] {
        fs::write(&path, text).expect("a ledger");
        let shown = shown(&pool, &["status"]);
        assert!(shown.contains("WARN"), "{shown:?}");
    }
}

#[test]
fn a_worker_that_fails_cannot_act_through_its_last_words() {
    let pool = TestPool::new();
    let evil = pool.root().join("evil");
    fs::write(&evil, EVIL).expect("a file");
    let program = format!("cat {}; exit 1", evil.display());
    let sock = pool.root().join("w.sock");
    let sock = sock.to_str().expect("text");
    let options = ["--sid", EVIL, "--sock", sock, "--wait-sock", "30s", "--"];
    let command = pool.run_command(&options, &["/bin/sh", "-c", &program]);
    let shown = Terminal::open().show(command);
    // What it wrote in two lines is shown in two.
    assert_harmless(&shown.replace("\n  forged", "\n"));
    assert!(shown.contains("its last words"), "{shown:?}");
    assert!(shown.contains("e\\u{1b}[2J"), "{shown:?}");
}

#[test]
fn a_page_of_the_doctors_shows_everything_as_it_is() {
    let worker = Worker::obedient_with(|command| {
        command.arg0(EVIL);
    });
    let broken = format!("{{\"sessions\":[{}]", evil_entry(worker.pid()));
    for (text, what) in [
        (format!("{broken}}}"), EVIL_SHOWN),
        (format!("{broken}{EVIL}"), EVIL_SHOWN),
        (in_json(), "CANNOT BE READ"),
    ] {
        let pool = TestPool::new();
        pool.write(&text);
        fs::write(pool.directory().join("ledger.json"), in_json()).expect("a ledger");
        let trail = EVIL.replace("\r\n", " ");
        fs::write(pool.directory().join("audit.jsonl"), trail).expect("a trail");
        let page = shown(&pool, &["doctor"]);
        assert!(page.contains(what), "{page:?}");
        let json = shown(&pool, &["doctor", "--json"]);
        serde_json::from_str::<Value>(&json).expect("it is JSON");
        shown(&pool, &["doctor", "--fix"]);
        shown(&pool, &["doctor", "--fix", "--yes"]);
    }
}

/// Errors name files, and a file's name can hold anything but a slash.
#[test]
fn a_directory_cannot_act_through_its_name() {
    let pool = TestPool::absent_at(EVIL);
    let place = pool.directory();
    fs::create_dir(place).expect("mkdir");
    fs::write(pool.registry(), "no registry").expect("a registry");
    assert!(shown(&pool, &["status"]).contains(EVIL_SHOWN));
    fs::create_dir(place.join("logs")).expect("mkdir");
    std::os::unix::fs::symlink("nowhere", place.join("ledger.json")).expect("symlink");
    fs::write(pool.registry(), "{\"sessions\":[]}").expect("a registry");
    shown(&pool, &["status"]);
    fs::remove_file(pool.registry()).expect("remove");
    fs::create_dir(pool.registry()).expect("mkdir");
    assert!(shown(&pool, &["status"]).contains(EVIL_SHOWN));
    let command = pool.command_on(&place.join("registry.json/x\u{1b}"), &["log"]);
    assert_harmless(&Terminal::open().show(command));
}
