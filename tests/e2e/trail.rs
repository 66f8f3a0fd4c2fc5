//! The audit trail: every signal and every removal stands in it, before and after.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use nix::unistd::geteuid;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Entry, Mcp, NO_PROCESS, Ran, TestPool, Worker};

/// The lines of the trail, as text and parsed; none when there is no file.
#[track_caller]
fn trail(pool: &TestPool) -> Vec<(String, Value)> {
    let Ok(text) = fs::read_to_string(pool.directory().join("audit.jsonl")) else {
        return Vec::new();
    };
    assert!(text.ends_with('\n'), "{text}");
    let parsed = |line: &str| {
        let value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        (line.to_owned(), value)
    };
    text.lines().map(parsed).collect()
}

/// What the lines say in short: event, phase, sid, and the signal or the result.
fn in_short(lines: &[(String, Value)]) -> Vec<String> {
    let text = |line: &Value, field| line[field].as_str().unwrap_or("-").to_owned();
    lines
        .iter()
        .map(|(_, line)| {
            let what = if line["phase"] == "before" {
                text(line, "signal")
            } else {
                text(line, "result")
            };
            let [event, phase, sid] = ["event", "phase", "sid"].map(|field| text(line, field));
            format!("{event} {phase} {sid} {what}")
        })
        .collect()
}

/// SHA-256 of the component that the program was built with.
fn digest_of_policy() -> String {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest/policy.wasm");
    let path = option_env!("POOLWARDEN_POLICY_COMPONENT").unwrap_or(shipped);
    let bytes = fs::read(path).expect("the policy");
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_stop_is_recorded_signal_by_signal() {
    let worker = Worker::deaf();
    let pool = TestPool::new();
    let entry = worker.entry("a").text();
    let unknown = r#","odd":1.00e40,"odd":[null, {}],"é":"\u0000"}"#;
    let entry = entry.strip_suffix('}').expect("an object").to_owned() + unknown;
    pool.write(format!("{{\"sessions\":[{entry}]}}"));

    pool.ask(&["stop", "a", "--grace", "50ms", "--force"]);
    let lines = trail(&pool);
    assert_eq!(
        in_short(&lines),
        [
            "signal before a term",
            "signal after a sent",
            "signal before a cont",
            "signal after a sent",
            "signal before a kill",
            "signal after a sent",
            "removal before a -",
            "removal after a removed",
        ]
    );
    for pair in lines.chunks(2) {
        let [(text, before), (_, after)] = pair else {
            panic!("lines come in pairs")
        };
        assert_eq!(before["pid"], worker.pid());
        assert_eq!(before["id"], after["id"]);
        assert!(
            text.ends_with(&format!(",\"entry\":{entry}}}")),
            "the entry stands there as in the registry: {text}"
        );
        assert_eq!(before["asked_by"]["verb"], "stop");
        assert_eq!(before["asked_by"]["via"], "command-line");
        assert_eq!(before["asked_by"]["uid"], geteuid().as_raw());
        assert_eq!(before["policy"]["name"], "default");
        assert_eq!(before["policy"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(before["policy"]["sha256"], digest_of_policy());
        let at: jiff::Timestamp = before["at"]
            .as_str()
            .expect("a text")
            .parse()
            .expect("a time");
        let age = jiff::Timestamp::now().duration_since(at);
        assert!(age.as_secs() < 60 && !age.is_negative(), "{before}");
    }
    let ids: HashSet<_> = lines
        .iter()
        .map(|(_, line)| line["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 4);
    let found = |line: usize| (&lines[line].1["standing"], &lines[line].1["evidence"]);
    let (standing, evidence) = found(0);
    assert_eq!(standing, "alive");
    assert!(
        evidence.as_str().expect("a text").starts_with("time: "),
        "{evidence}"
    );
    let (standing, evidence) = found(6);
    assert_eq!(standing, "exited", "it is our child and not reaped");
    assert!(!evidence.as_str().expect("a text").is_empty());
}

#[test]
fn a_signal_is_recorded_before_it_arrives() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let stop = pool.start(&["stop", "a", "--grace", "50s"]);
    worker.await_line("TERM");
    assert_eq!(in_short(&trail(&pool))[0], "signal before a term");
    worker.become_zombie();
    stop.finish().answer(0);
}

#[test]
fn removals_are_recorded_together() {
    let pool = TestPool::with(&[
        Entry::new("dead", NO_PROCESS),
        Entry::new("init", 1),
        Entry::new("reused", Worker::obedient().vanish()),
    ]);
    let removed = pool.ask(&["ensure"])["removed"].clone();
    let lines = trail(&pool);
    assert_eq!(
        in_short(&lines),
        [
            "removal before dead -",
            "removal before reused -",
            "removal after dead removed",
            "removal after reused removed",
        ]
    );
    for (index, (_, line)) in lines[..2].iter().enumerate() {
        for field in ["sid", "pid", "standing", "evidence"] {
            assert_eq!(line[field], removed[index][field], "{field}");
        }
        assert_eq!(line["asked_by"]["verb"], "ensure");
    }
}

#[test]
fn an_entry_that_is_forgotten_or_replaced_is_recorded() {
    let worker = Worker::obedient();
    let pid = worker.pid().to_string();
    let pool = TestPool::with(&[worker.entry("a"), Entry::new("b", NO_PROCESS)]);
    pool.ask(&["forget", "a", "--even-if-alive"]);
    pool.ask(&["register", "--sid", "b", "--pid", &pid]);
    let lines = trail(&pool);
    assert_eq!(
        in_short(&lines),
        [
            "removal before a -",
            "removal after a removed",
            "removal before b -",
            "removal after b removed",
        ]
    );
    assert_eq!(lines[0].1["standing"], "alive");
    assert_eq!(lines[0].1["asked_by"]["verb"], "forget");
    assert_eq!(lines[2].1["standing"], "gone");
    assert_eq!(lines[2].1["entry"]["pid"], NO_PROCESS);
    assert_eq!(lines[2].1["asked_by"]["verb"], "register");
}

/// Nobody typed `stop` or `forget`.
#[test]
fn what_a_run_does_on_the_way_is_recorded_as_run() {
    let pool = TestPool::with(&[Entry::new("dead", NO_PROCESS)]);
    let failing = ["--sid", "a", "--sock", "a.sock", "--wait-sock", "50s"];
    Ran::of(pool.run_command(&failing, &["--", "false"])).error(1);
    let silent = ["--sid", "a", "--sock", "a.sock", "--wait-sock", "50ms"];
    Ran::of(pool.run_command(&silent, &["--", "sleep", "600"])).error(1);
    let lines = trail(&pool);
    let mut events: Vec<_> = in_short(&lines);
    events.dedup();
    assert!(
        events.contains(&"removal before dead -".to_owned()),
        "{events:?}"
    );
    assert!(
        events.contains(&"signal before a term".to_owned()),
        "{events:?}"
    );
    for (_, line) in lines.iter().filter(|(_, line)| line["phase"] == "before") {
        assert_eq!(line["asked_by"]["verb"], "run", "{line}");
        assert_eq!(line["asked_by"]["via"], "command-line", "{line}");
    }
}

#[test]
fn where_nothing_is_done_nothing_is_recorded() {
    let worker = Worker::obedient();
    let pid = worker.pid().to_string();
    let pool = TestPool::with(&[worker.entry("a"), Entry::new("init", 1)]);
    for verb in [
        &["status"][..],
        &["status", "a"],
        &["ensure"],
        &["stop", "init"],
        &["stop", "nobody"],
        &["forget", "a"],
        &["register", "--sid", "new", "--pid", &pid],
        &["register", "--sid", "a", "--pid", &pid],
        &["log"],
    ] {
        pool.run(verb);
        assert!(trail(&pool).is_empty(), "{verb:?}");
    }
    pool.write(format!(
        "{{\"sessions\":[{},{}]}}",
        worker.entry("a").text(),
        Entry::new("dead", NO_PROCESS).text()
    ));
    for verb in [
        &["ensure", "--dry-run"][..],
        &["stop", "--all", "--dry-run", "--force"],
    ] {
        pool.run(verb);
        assert!(!pool.directory().join("audit.jsonl").exists(), "{verb:?}");
    }
    // The same requests, in earnest, leave one.
    pool.ask(&["ensure"]);
    assert_eq!(trail(&pool).len(), 2);
}

#[test]
fn an_mcp_client_is_recorded_by_the_name_that_it_gives() {
    let pool = TestPool::with(&[Entry::new("dead", NO_PROCESS)]);
    let mut mcp = Mcp::start(pool.command(&["mcp"]));
    let client = json!({"name": "agent\u{1b}[2J\n", "version": "7.1"});
    mcp.request(
        "initialize",
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}),
    );
    mcp.notify("notifications/initialized", json!({}));
    mcp.answer("pool_ensure", json!({}));
    let asked_by = trail(&pool)[0].1["asked_by"].clone();
    assert_eq!(asked_by["via"], "mcp");
    assert_eq!(asked_by["verb"], "ensure");
    assert_eq!(asked_by["client"], client["name"]);
    assert_eq!(asked_by["client_version"], "7.1");
    assert_eq!(asked_by["pid"], mcp.pid());
    assert!(mcp.close().success());
}

/// A request of the protocol's 2026-07-28 stands for itself and brings its client's name.
#[test]
fn each_request_without_a_session_has_its_own_client() {
    let pool = TestPool::new();
    let mut mcp = Mcp::start(pool.command(&["mcp"]));
    for client in ["first", "second"] {
        pool.seed(&[Entry::new(client, NO_PROCESS)]);
        let answer = mcp.request(
            "tools/call",
            json!({"name": "pool_ensure", "arguments": {}, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {"name": client, "version": "1"},
            }}),
        );
        assert_eq!(answer["result"]["isError"], false, "{answer}");
        let (_, line) = trail(&pool).pop().expect("a line");
        assert_eq!(line["sid"], client);
        let (_, line) = &trail(&pool)[trail(&pool).len() - 2];
        assert_eq!(line["asked_by"]["client"], client);
    }
    assert!(mcp.close().success());
}

#[test]
fn many_processes_that_rotate_at_once_lose_no_line() {
    const STOPS: usize = 8;
    let workers: Vec<_> = (0..STOPS).map(|_| Worker::obedient()).collect();
    let entries: Vec<_> = workers
        .iter()
        .enumerate()
        .map(|(index, worker)| worker.entry(&format!("w{index}")))
        .collect();
    let pool = TestPool::with(&entries);
    // Room for about one line.
    let nearly_full = format!("{{\"at\":\"{}\"}}\n", "x".repeat((4 << 20) - 700));
    let path = |name| pool.directory().join(name);
    fs::write(path("audit.jsonl"), &nearly_full).expect("a trail");

    let stops: Vec<_> = (0..STOPS)
        .map(|index| pool.start(&["stop", &format!("w{index}")]))
        .collect();
    for stop in stops {
        stop.finish().answer(0);
    }
    let text = |path: &Path| fs::read_to_string(path).expect("a file of the trail");
    let old = text(&path("audit.jsonl.1"));
    assert!(old.starts_with(&nearly_full));
    assert!(!path("audit.jsonl.2").exists());
    let log = pool.run(&["log"]);
    assert_eq!(
        log.stderr.lines().count(),
        1,
        "only the filling is no line: {log:?}"
    );
    for index in 0..STOPS {
        let sid = format!("\"sid\":\"w{index}\"");
        let of_worker = || log.stdout.lines().filter(|line| line.contains(&sid));
        let has = |words: &[&str]| of_worker().any(|line| words.iter().all(|w| line.contains(w)));
        assert!(has(&["\"term\"", "\"sent\""]), "w{index}: {log:?}");
        assert!(has(&["\"removal\"", "\"removed\""]), "w{index}: {log:?}");
        assert!(!has(&["\"result\":\"unknown\""]), "w{index}: {log:?}");
    }
}
