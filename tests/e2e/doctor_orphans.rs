//! Living workers that no entry names: found by their environment, and given an entry.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::harness::{Detached, Entry, NO_PROCESS, Ran, Terminal, TestPool, Worker, await_that};

#[track_caller]
fn start(pool: &TestPool, sid: &str, program: &[&str]) -> Detached {
    let mut command = vec!["--"];
    command.extend(program);
    let command = pool.run_command(&["--sid", sid], &command);
    Detached::of(&Ran::of(command).answer(0))
}

const SLEEP: [&str; 2] = ["sleep", "600"];

fn orphans(pool: &TestPool, code: i32) -> Vec<Value> {
    let report = pool.run(&["doctor"]).answer(code);
    report["orphans"].as_array().expect("orphans").clone()
}

#[test]
fn a_worker_that_was_forgotten_is_found_and_adopted() {
    let pool = TestPool::new();
    let (kept, lost) = (start(&pool, "kept", &SLEEP), start(&pool, "lost", &SLEEP));
    pool.ask(&["forget", "lost", "--even-if-alive"]);
    // It may hold the row of the entry that was, which says more than an adoption.
    fs::remove_file(pool.directory().join("ledger.json")).expect("it is removed");
    let found = orphans(&pool, 1);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (&found[0]["sid"], &found[0]["pid"]),
        (&json!("lost"), &json!(lost.pid()))
    );
    assert_eq!(found[0]["command"], json!(SLEEP));
    assert_eq!(found[0]["kept_out"], json!(null));
    // It is offered, and what is there stands as it stood.
    let before = pool.bytes();
    let mut terminal = Terminal::open().talk(pool.command(&["doctor", "--fix"]));
    terminal.await_text("add 1 living worker to registry.json: lost");
    terminal.await_text("[y/N]");
    assert_eq!(pool.bytes(), before);
    terminal.type_line("y");
    let (exit, shown) = terminal.finish();
    assert_eq!(exit, 0, "{shown}");
    let text = String::from_utf8(pool.bytes()).expect("text");
    let old = String::from_utf8(before).expect("text");
    assert!(
        text.starts_with(old.trim_end().trim_end_matches("]}")),
        "{old} {text}"
    );
    let ledger = fs::read_to_string(pool.directory().join("ledger.json")).expect("a ledger");
    assert!(ledger.contains("adopted"), "{ledger}");
    assert_eq!(pool.status("lost").expect("it is listed").0, "running");
    assert_eq!(
        pool.ask(&["stop", "lost"])["outcomes"][0]["outcome"],
        "exited"
    );
    lost.await_end();
    assert!(kept.is_running());
    assert_eq!(orphans(&pool, 0), [] as [Value; 0]);
}

#[test]
fn children_and_workers_of_others_are_no_orphans() {
    let (pool, other) = (TestPool::new(), TestPool::new());
    // It has a child with its own environment, and says the child's pid.
    let shell = ["sh", "-c", "sleep 600 & echo $!; wait"];
    let parent = start(&pool, "parent", &shell);
    let log = pool.directory().join("logs/parent.log");
    await_that("it has a child", || {
        fs::read_to_string(&log).is_ok_and(|text| text.ends_with('\n'))
    });
    let child = fs::read_to_string(&log).expect("the log");
    let child = Detached::with_pid(child.trim().parse().expect("a pid")).expect("it runs");
    // While a program is being started, it shows no environment.
    await_that("it has its parent's environment", || {
        child.variable("POOLWARDEN_PID") == Some(parent.pid().to_string())
    });
    let _elsewhere = start(&other, "elsewhere", &SLEEP);
    // One that says it is a worker, of a pool by another name of the same directory.
    assert_eq!(orphans(&pool, 0), [] as [Value; 0]);
    let alias = pool.root().join("alias");
    std::os::unix::fs::symlink(pool.root(), &alias).expect("symlink");
    let command = pool.command_on(&alias.join("pool"), &["doctor"]);
    assert_eq!(Ran::of(command).answer(0)["orphans"], json!([]));
    pool.ask(&["forget", "parent", "--even-if-alive"]);
    let command = pool.command_on(&alias.join("pool"), &["doctor"]);
    let report = Ran::of(command).answer(1);
    assert_eq!(report["orphans"][0]["pid"], parent.pid(), "{report:#}");
    assert_eq!(report["orphans"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_sid_that_somebody_else_has_is_not_given_twice() {
    let pool = TestPool::new();
    let first = start(&pool, "a", &SLEEP);
    pool.ask(&["forget", "a", "--even-if-alive"]);
    let second = start(&pool, "a", &SLEEP);
    let found = orphans(&pool, 1);
    assert_eq!((found.len(), &found[0]["pid"]), (1, &json!(first.pid())));
    let why = found[0]["kept_out"].as_str().expect("a reason");
    assert!(why.contains(&format!("pid {}", second.pid())), "{why}");
    let stamp = pool.stamp();
    let ran = pool.run(&["doctor", "--fix", "--yes"]);
    assert!(
        ran.stderr.contains("nothing here that a repair can do"),
        "{ran:?}"
    );
    let report = ran.answer(1);
    let remedy = report["problems"][0]["remedy"].as_str().expect("words");
    let pid = first.pid();
    let advice = format!("register --sid=a-{pid} --pid={pid}`");
    assert!(remedy.contains(&advice), "{remedy}");
    assert_eq!(pool.stamp(), stamp);
    // Both lose their entry: nobody can say which of them is meant.
    pool.write("");
    fs::remove_file(pool.directory().join("ledger.json")).expect("remove");
    let found = orphans(&pool, 6);
    assert!(
        found.iter().all(|orphan| orphan["kept_out"].is_string()),
        "{found:?}"
    );
    pool.run(&["doctor", "--fix", "--yes"]).answer(1);
    assert_eq!(pool.bytes(), b"{\"sessions\":[]}");
    for (sid, worker) in [("one", &first), ("two", &second)] {
        let pid = worker.pid().to_string();
        pool.ask(&["register", "--sid", sid, "--pid", &pid]);
    }
    assert_eq!(orphans(&pool, 0), [] as [Value; 0]);
}

/// The entry of a process that is no more is no entry of this one.
#[test]
fn a_dead_entry_gives_way() {
    let pool = TestPool::new();
    let worker = start(&pool, "a", &SLEEP);
    let old = Entry::new("a", NO_PROCESS).created_at("2020-01-01T00:00:00Z");
    let stays = Worker::obedient();
    let (old, stays) = (old.text(), stays.entry("b").text());
    pool.write(format!(
        "{{\"before\":1, \"sessions\":[{old}, {stays}],\"after\" : [2] }}"
    ));
    fs::remove_file(pool.directory().join("ledger.json")).expect("remove");
    pool.run(&["doctor", "--fix", "--yes"]).answer(0);
    assert_eq!(pool.sids(), ["b", "a"]);
    let text = String::from_utf8(pool.bytes()).expect("text");
    assert!(text.starts_with("{\"before\":1,\"sessions\":["), "{text}");
    let pid = format!("\"pid\":{}", worker.pid());
    assert!(text.contains(&pid), "{text}");
    assert!(
        text.contains(&stays) && text.ends_with(",\"after\" : [2]}"),
        "{text}"
    );
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
}

#[test]
fn who_ends_while_somebody_thinks_gets_no_entry() {
    let pool = TestPool::new();
    let (one, two) = (start(&pool, "one", &SLEEP), start(&pool, "two", &SLEEP));
    fs::remove_file(pool.registry()).expect("remove");
    let mut terminal = Terminal::open().talk(pool.command(&["doctor", "--fix"]));
    terminal.await_text("[y/N]");
    one.kill();
    one.await_end();
    terminal.type_line("y");
    let (exit, shown) = terminal.finish();
    assert_eq!(exit, 0, "{shown}");
    assert_eq!(pool.sids(), ["two"]);
    assert!(two.is_running());
}

/// Others drop entries without the ledger, which keeps its row until it is written again.
#[test]
fn a_row_of_the_ledger_alone_makes_no_orphan_of_a_readable_pool() {
    let worker = Worker::obedient();
    let pool = TestPool::new();
    let pid = worker.pid().to_string();
    pool.ask(&["register", "--sid", "a", "--pid", &pid]);
    pool.seed(&[]);
    assert_eq!(orphans(&pool, 0), [] as [Value; 0]);
    pool.write("{\"sessions\":[");
    assert_eq!(orphans(&pool, 6)[0]["pid"], worker.pid());
}

/// A worker has its entry before its program runs, and until it has ended.
#[test]
fn nobody_is_an_orphan_while_workers_come_and_go() {
    let pool = TestPool::with(&[]);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _ends = OnDrop(&over);
        for client in 0..3 {
            let (pool, over) = (&pool, &over);
            scope.spawn(move || {
                let sid = format!("client {client}");
                while !over.load(Ordering::Relaxed) {
                    let worker = start(pool, &sid, &SLEEP);
                    pool.ask(&["stop", &sid]);
                    worker.await_end();
                }
            });
        }
        for _ in 0..40 {
            let ran = pool.run(&["doctor"]);
            // The lock may be asked for by many.
            let report = ran.answer(ran.code);
            assert_eq!(report["orphans"], json!([]), "{report:#}");
            assert_eq!(report["files"]["leftovers"], json!([]), "{report:#}");
            assert_eq!(report["registry"]["state"], "healthy", "{report:#}");
        }
    });
}

/// Tells others that it is over, also when a test fails.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_pool_whose_directory_is_gone_is_found_by_its_path() {
    let pool = TestPool::new();
    let worker = start(&pool, "a", &SLEEP);
    fs::remove_dir_all(pool.directory()).expect("remove");
    assert_eq!(orphans(&pool, 1)[0]["pid"], worker.pid());
    pool.run(&["doctor", "--fix", "--yes"]).answer(0);
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
}
