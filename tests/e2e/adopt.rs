//! Adopting: the operator's word about a process that nothing proves.

use serde_json::{Value, json};

use crate::harness::{Entry, NO_PROCESS, Terminal, TestPool, Worker};

/// An entry that says nothing about when it was made.
fn unproven(worker: &Worker) -> Entry {
    worker.entry("a").created_at("some day")
}

fn ledger(pool: &TestPool) -> Value {
    let path = pool.directory().join("ledger.json");
    let text = std::fs::read(path).unwrap_or_else(|_| b"{\"rows\":[]}".to_vec());
    let mut ledger: Value = serde_json::from_slice(&text).expect("the ledger is JSON");
    ledger["rows"].take()
}

#[test]
fn without_a_word_it_is_only_shown() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[unproven(&worker)]);
    let stamp = pool.stamp();
    let ran = pool.run(&["adopt", "a"]);
    assert!(ran.stderr.contains("--yes"), "{ran:?}");
    let answer = ran.answer(4);
    let shown = &answer["unproven"];
    assert_eq!(answer["adopted"], json!(null));
    assert_eq!(shown["pid"], worker.pid());
    assert_eq!(shown["created_at"], "some day");
    assert_eq!(shown["standing"], "unproven");
    let evidence = shown["evidence"].as_str().expect("evidence");
    assert!(evidence.contains("RFC 3339"), "{evidence}");
    let (process, this) = (&shown["process"], std::env::current_exe());
    let this = this.expect("this program's path");
    assert_eq!(process["executable"], this.to_str().expect("text"));
    assert_eq!(process["command"][0], this.to_str().expect("text"));
    assert_eq!(process["user"], nix::unistd::geteuid().as_raw());
    assert_eq!(process["parent"], std::process::id());
    let directory = std::env::current_dir().expect("a directory");
    assert_eq!(process["directory"], directory.to_str().expect("text"));
    let started = process["started"].as_str().expect("a time");
    started.parse::<jiff::Timestamp>().expect("a time");

    assert_eq!(ledger(&pool), json!([]));
    assert_eq!(pool.stamp(), stamp);
    assert_eq!(pool.status("a").expect("it is listed").0, "unproven");
}

#[test]
fn an_adopted_worker_runs_and_can_be_stopped() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[unproven(&worker)]);
    let stamp = pool.stamp();
    let answer = pool.ask(&["adopt", "a", "--yes"]);
    assert_eq!(answer["adopted"]["standing"], "alive", "{answer}");
    assert_eq!(answer["pool_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(pool.stamp(), stamp, "the registry is not touched");
    assert_eq!(ledger(&pool)[0]["proof"], "adopted");
    assert_eq!(pool.status("a").expect("it is listed").0, "running");
    let ran = pool.run(&["adopt", "a", "--yes"]);
    assert!(ran.error(1).contains("nothing to adopt"), "{ran:?}");
    assert_eq!(pool.ask(&["stop", "a"])["outcomes"][0]["outcome"], "exited");
    assert!(!worker.is_running());
}

/// It decides whom signals may hit.
#[test]
fn an_adoption_stands_in_the_trail_and_without_a_trail_there_is_none() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[unproven(&worker)]);
    let trail = pool.directory().join("audit.jsonl");
    std::fs::create_dir(&trail).expect("a directory");
    let ran = pool.run(&["adopt", "a", "--yes"]);
    assert!(ran.error(1).contains("nothing was adopted"), "{ran:?}");
    assert_eq!(pool.status("a").expect("it is listed").0, "unproven");
    std::fs::remove_dir(&trail).expect("it is empty");

    pool.ask(&["adopt", "a", "--yes"]);
    let log = pool.run(&["log"]);
    let line: Value = serde_json::from_str(&log.stdout).expect("one line");
    let told = ["event", "sid", "pid", "standing", "result"].map(|field| line[field].clone());
    let pid = json!(worker.pid());
    let expected = [
        json!("adoption"),
        json!("a"),
        pid,
        json!("unproven"),
        json!("adopted"),
    ];
    assert_eq!(told, expected, "{line}");
    assert_eq!(line["asked_by"]["verb"], "adopt");
    assert_eq!(line["entry"]["created_at"], "some day");
}

#[test]
fn what_is_not_unproven_is_not_adopted() {
    let worker = Worker::obedient();
    let elsewhere = TestPool::new();
    let socket = elsewhere.root().join("theirs.sock");
    let _theirs = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let pool = TestPool::with(&[
        worker.entry("alive"),
        Entry::new("gone", NO_PROCESS),
        worker.entry("foreign").sock(&socket),
        unproven(&worker),
        worker.entry("a"),
        Entry::new("init", 1),
    ]);
    let bytes = pool.bytes();
    for (sid, reason) in [
        ("alive", "nothing to adopt"),
        ("gone", "ensure collects"),
        ("foreign", "who serves the socket"),
        ("a", "2 entries"),
        ("init", "pid 1"),
        ("nobody", "no entry"),
    ] {
        let ran = pool.run(&["adopt", sid, "--yes"]);
        assert!(ran.error(1).contains(reason), "{sid}: {ran:?}");
    }
    assert_eq!(pool.bytes(), bytes);
    assert_eq!(pool.run(&["adopt"]).code, 2);
    pool.write("{\n]");
    let ran = pool.run(&["adopt", "a", "--yes"]);
    assert!(ran.error(6).contains("line 2, column 1"), "{ran:?}");
}

#[test]
fn what_refuses_an_unproven_one_says_how_to_adopt_it() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[unproven(&worker), Entry::new("init", 1)]);
    let stopped = pool.run(&["stop", "--all"]).answer(1);
    let error = |index: usize| stopped["errors"][index].as_str().expect("an error");
    let adopt = "if it is the worker, it can be adopted";
    assert!(error(0).ends_with(adopt), "{stopped}");
    assert!(!error(1).contains("adopt"), "{stopped}");
    assert!(
        error(1).ends_with("so its entry can be forgotten"),
        "{stopped}"
    );
    let forgotten = pool.run(&["forget", "a"]);
    assert!(forgotten.error(1).contains(adopt), "{forgotten:?}");
    // And there it leads.
    pool.ask(&["adopt", "a", "--yes"]);
    assert_eq!(pool.ask(&["stop", "a"])["stopped"], json!(["a"]));
}

#[test]
fn a_foreign_one_leads_to_who_serves_its_socket() {
    let worker = Worker::obedient();
    let elsewhere = TestPool::new();
    let socket = elsewhere.root().join("theirs.sock");
    let _theirs = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let pool = TestPool::with(&[worker.entry("a").sock(&socket)]);
    let stopped = pool.run(&["stop", "a"]).answer(1);
    let error = stopped["errors"][0].as_str().expect("an error");
    assert!(error.contains("where its socket is served"), "{error}");
    let forgotten = pool.run(&["forget", "a"]);
    assert!(
        forgotten.error(1).contains("where its socket is served"),
        "{forgotten:?}"
    );
}

/// Whoever asks is never the worker, nor is who started it.
#[test]
fn the_one_who_asks_is_not_adopted() {
    let entry = Entry::new("a", std::process::id()).created_at("some day");
    let pool = TestPool::with(&[entry]);
    let ran = pool.run(&["adopt", "a", "--yes"]);
    assert!(ran.error(1).contains("ancestor"), "{ran:?}");
    assert_eq!(ledger(&pool), json!([]));
}

#[test]
fn somebody_at_a_terminal_is_asked() {
    for (said, code, status) in [
        ("y", 0, "running"),
        ("", 4, "unproven"),
        ("n", 4, "unproven"),
    ] {
        let worker = Worker::obedient();
        let pool = TestPool::with(&[unproven(&worker)]);
        let mut terminal = Terminal::open().talk(pool.command(&["adopt", "a"]));
        terminal.await_text("Adopt this process as a? [y/N]");
        terminal.type_line(said);
        let (exit, shown) = terminal.finish();
        assert_eq!(exit, code, "{said:?}: {shown}");
        assert!(shown.contains(&worker.pid().to_string()), "{shown}");
        assert!(shown.contains("EXECUTABLE"), "{shown}");
        assert!(
            !shown.contains("--yes"),
            "who said no is not asked again: {shown}"
        );
        assert_eq!(pool.status("a").expect("it is listed").0, status);
    }
}

#[test]
fn what_changes_while_somebody_thinks_is_not_adopted() {
    type Happens = fn(&TestPool, &mut Worker, &Worker);
    let changes: [(Happens, &str); 3] = [
        (
            |_, asked, _| {
                asked.become_zombie();
                asked.reap();
            },
            "gone",
        ),
        (|_, asked, _| asked.become_zombie(), "exited"),
        (
            |pool, _, other| pool.seed(&[unproven(other)]),
            "its entry is another one",
        ),
    ];
    for (happens, reason) in changes {
        let (mut asked, other) = (Worker::obedient(), Worker::obedient());
        let pool = TestPool::with(&[unproven(&asked)]);
        let mut terminal = Terminal::open().talk(pool.command(&["adopt", "a"]));
        terminal.await_text("[y/N]");
        happens(&pool, &mut asked, &other);
        terminal.type_line("y");
        let (exit, shown) = terminal.finish();
        assert_eq!(exit, 1, "{shown}");
        assert!(shown.contains(reason), "wanted {reason}: {shown}");
        assert_eq!(ledger(&pool), json!([]));
        assert!(other.is_running());
    }
}

/// A session could otherwise answer for whoever is asked.
#[test]
fn a_session_cannot_act_on_the_terminal() {
    let worker = Worker::obedient();
    let sid = "a\u{1b}[2J\rAdopt";
    let pool = TestPool::with(&[worker.entry(sid).created_at("\u{7}")]);
    let mut terminal = Terminal::open().talk(pool.command(&["adopt", sid]));
    terminal.await_text("[y/N]");
    terminal.type_line("n");
    let (_, shown) = terminal.finish();
    assert!(!shown.contains(['\u{1b}', '\u{7}']), "{shown:?}");
}
