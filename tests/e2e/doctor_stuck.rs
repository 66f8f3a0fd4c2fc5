//! The doctor names what a user is stuck with, and the command that gets the user out.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Detached, Ran, Terminal, TestPool, Worker, await_that};

/// The problems of this kind.
fn problems<'a>(report: &'a Value, about: &str) -> Vec<&'a Value> {
    let problems = report["problems"].as_array().expect("problems").iter();
    problems
        .filter(|problem| problem["about"] == about)
        .collect()
}

/// The only problem that there is, and it is of this kind.
#[track_caller]
fn only_problem(pool: &TestPool, about: &str) -> (String, String) {
    let report = pool.run(&["doctor"]).answer(1);
    let found = problems(&report, about);
    assert_eq!(found.len(), 1, "{report:#}");
    assert_eq!(
        report["problems"].as_array().map(Vec::len),
        Some(1),
        "{report:#}"
    );
    let text = |field: &str| found[0][field].as_str().expect("words").to_owned();
    (text("what"), text("remedy"))
}

/// Runs the commands in backticks, in a shell where `poolwarden` is the program.
#[track_caller]
fn follow(remedy: &str) {
    for command in remedy.split('`').skip(1).step_by(2) {
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_poolwarden"));
        let folder = program.parent().expect("a folder").display();
        let status = Command::new("sh")
            .args(["-c", command])
            .env("PATH", format!("{folder}:/usr/sbin:/usr/bin:/sbin:/bin"))
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.expect("sh").success(), "{command}");
    }
}

#[test]
fn what_a_wrapper_leaves_behind_is_told_with_its_pids() {
    let pool = TestPool::new();
    let script = "sleep 600 & echo $!; wait";
    let command = pool.run_command(&["--sid", "w"], &["--", "sh", "-c", script]);
    let wrapper = Detached::of(&Ran::of(command).answer(0));
    let log = pool.directory().join("logs/w.log");
    await_that("the wrapper has a child", || {
        fs::read_to_string(&log).is_ok_and(|text| text.ends_with('\n'))
    });
    let child = fs::read_to_string(&log).expect("the log");
    let child = Detached::with_pid(child.trim().parse().expect("a pid")).expect("it runs");
    await_that("the child is a program", || {
        child.fact("cmdline").contains("600")
    });
    assert_eq!(pool.run(&["doctor"]).answer(0)["remains"], json!([]));

    wrapper.kill();
    wrapper.await_end();
    let report = pool.run(&["doctor"]).answer(1);
    assert_eq!(report["remains"][0]["pid"], child.pid(), "{report:#}");
    assert_eq!(report["remains"][0]["leader"], wrapper.pid());
    // With its entry or without.
    pool.ask(&["ensure"]);
    let (what, remedy) = only_problem(&pool, "remains");
    let pids = [wrapper.pid(), child.pid()].map(|pid| format!("pid {pid}"));
    assert!(
        what.contains("sid=w") && pids.iter().all(|pid| what.contains(pid)),
        "{what}"
    );
    follow(&remedy);
    child.await_end();
    await_that("its end is seen", || pool.run(&["doctor"]).code == 0);
}

/// As algocline leaves a worker that listens too late.
#[test]
fn a_worker_that_serves_a_socket_here_and_has_no_entry_is_offered() {
    let pool = TestPool::with(&[]);
    let registered = Worker::serving(&pool.directory().join("known.sock"));
    let pid = registered.pid().to_string();
    let sock = pool.directory().join("known.sock");
    let sock = sock.to_str().expect("text");
    pool.ask(&["register", "--sid", "known", "--pid", &pid, "--sock", sock]);
    assert_eq!(pool.run(&["doctor"]).answer(0)["orphans"], json!([]));

    let lost = Worker::serving(&pool.directory().join("lost.sock"));
    let report = pool.run(&["doctor"]).answer(1);
    let orphan = &report["orphans"][0];
    assert_eq!(
        (&orphan["sid"], &orphan["pid"]),
        (&json!("lost"), &json!(lost.pid()))
    );
    assert_eq!(report["orphans"].as_array().map(Vec::len), Some(1));
    let (_, remedy) = only_problem(&pool, "orphans");
    let (register, _) = remedy.split_once("; if it is not").expect("two ways");
    follow(register);
    assert_eq!(pool.status("lost").expect("it is listed").0, "running");
    let stopped = pool.ask(&["stop", "lost"]);
    assert_eq!(stopped["outcomes"][0]["outcome"], "exited", "{stopped}");
    assert_eq!(pool.run(&["doctor"]).answer(0)["orphans"], json!([]));
}

/// Its child serves for it, as below a wrapper.
#[test]
fn who_serves_for_a_worker_is_no_orphan() {
    let pool = TestPool::new();
    let sock = pool.directory().join("a.sock");
    let sock = sock.to_str().expect("text");
    let mut command = pool.command(&["run", "--sid", "a", "--sock", sock, "--wait-sock", "50s"]);
    command.env("PATH", "/usr/bin:/bin");
    crate::harness::as_worker(&mut command, "child", None);
    let _worker = Detached::of(&Ran::of(command).answer(0));
    assert_eq!(pool.run(&["doctor"]).answer(0)["orphans"], json!([]));
}

#[test]
fn run_removes_a_stale_socket_before_it_starts_a_worker() {
    let pool = TestPool::new();
    let sock = pool.directory().join("a.sock");
    drop(UnixListener::bind(&sock).expect("bind"));
    let (what, remedy) = only_problem(&pool, "sockets");
    assert!(what.contains("a.sock"), "{what}");
    assert!(
        remedy.contains(&format!("`rm {}`", sock.display())),
        "{remedy}"
    );
    let path = sock.to_str().expect("text");
    let mut command = pool.command(&["run", "--sid", "a", "--sock", path, "--wait-sock", "50s"]);
    command.env("PATH", "/usr/bin:/bin");
    crate::harness::as_worker(&mut command, "serve", None);
    let _worker = Detached::of(&Ran::of(command).answer(0));
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
    // What somebody serves stays.
    let served = pool.directory().join("b.sock");
    let _listener = UnixListener::bind(&served).expect("bind");
    let path = served.to_str().expect("text");
    let options = ["--sid", "b", "--sock", path];
    let worker = Ran::of(pool.run_command(&options, &["--", "sleep", "600"]));
    let _worker = Detached::of(&worker.answer(0));
    assert!(served.exists());
}

#[test]
fn a_log_of_hundreds_of_megabytes_is_told_and_can_be_emptied() {
    let pool = TestPool::new();
    let command = pool.run_command(&["--sid", "a"], &["--", "sleep", "600"]);
    let _worker = Detached::of(&Ran::of(command).answer(0));
    let log = pool.directory().join("logs/a.log");
    let file = File::options().write(true).open(&log).expect("the log");
    file.set_len(300 << 20).expect("a sparse file");
    let (what, remedy) = only_problem(&pool, "logs");
    assert!(what.contains("300 MiB"), "{what}");
    let (_, truncate) = remedy.rsplit_once("; then").expect("two steps");
    follow(truncate);
    pool.run(&["doctor"]).answer(0);
    assert_eq!(fs::metadata(&log).expect("the log").len(), 0);
}

#[test]
fn a_lock_that_others_can_hold_is_told() {
    let pool = TestPool::with(&[]);
    drop(pool.hold_lock());
    let lock = pool.directory().join("registry.lock");
    let set = |path: &std::path::Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
    };
    set(&lock, 0o644);
    // Nobody else can reach it.
    pool.run(&["doctor"]).answer(0);
    set(pool.directory(), 0o755);
    let (what, remedy) = only_problem(&pool, "lock");
    assert!(what.contains("0644"), "{what}");
    follow(&remedy);
    pool.run(&["doctor"]).answer(0);
}

#[test]
fn each_step_of_a_repair_has_its_own_result() {
    let pool = TestPool::new();
    pool.write("{");
    let file = |name: &str| pool.directory().join(name);
    for (name, text) in [("registry.json.new", "left"), ("ledger.json", "{,")] {
        fs::write(file(name), text).expect("write");
        fs::set_permissions(file(name), Permissions::from_mode(0o600)).expect("chmod");
    }
    drop(pool.hold_lock());
    let mut terminal = Terminal::open().talk(pool.command(&["doctor", "--fix"]));
    terminal.await_text("rename registry.json to registry.json.damaged-");
    terminal.await_text("[y/N]");
    // The third step needs a name that somebody takes meanwhile.
    let report = pool.run(&["doctor"]).answer(6);
    let plan = report["plan"].as_array().expect("a plan");
    assert_eq!(plan.len(), 3, "{plan:?}");
    let planned = terminal.shown();
    let (_, date) = planned
        .rsplit_once("registry.json.damaged-")
        .expect("a name");
    let (date, _) = date.split_once(',').expect("a date");
    fs::create_dir(file(&format!("registry.json.repairing-{date}"))).expect("mkdir");
    terminal.type_line("y");
    let (exit, shown) = terminal.finish();
    assert_eq!(exit, 1, "{shown}");
    let (_, repaired) = shown.split_once("\nrepaired:").expect("what was done");
    assert!(repaired.contains("rename registry.json.new"), "{shown}");
    assert!(repaired.contains("rename ledger.json"), "{shown}");
    assert!(repaired.contains("error: "), "{shown}");
    let log = pool.run(&["log"]).stdout;
    let lines = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let results: Vec<(String, String)> = lines
        .map(|line: Value| {
            let text = |field: &str| line[field].as_str().expect("text").to_owned();
            (text("evidence"), text("result"))
        })
        .collect();
    let result = |of: &str| {
        let mut results = results.iter();
        let found = results.find(|(evidence, _)| evidence.starts_with(of));
        found.map(|(_, result)| result.as_str()).expect("a line")
    };
    assert_eq!(result("rename registry.json.new"), "done");
    assert_eq!(result("rename ledger.json"), "done");
    assert!(
        result("rename registry.json to").starts_with("failed: "),
        "{results:?}"
    );
    assert_eq!(pool.bytes(), b"{");
}
