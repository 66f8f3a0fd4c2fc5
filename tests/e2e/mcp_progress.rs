//! Calls that last: what the client hears meanwhile, and what is left of a kill that it cancels.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::harness::{Mcp, TestPool, Worker, await_that};

/// A grace period that no test waits for.
const FOREVER: u64 = 3_600_000;

/// The next message, which has to be about the progress of a call with this token.
#[track_caller]
fn progress(mcp: &Mcp, token: &str) -> Value {
    let message = mcp.next();
    assert_eq!(message["method"], "notifications/progress", "{message}");
    let params = message["params"].clone();
    assert_eq!(params["progressToken"], token, "{message}");
    params
}

#[test]
fn a_stop_tells_who_has_ended_out_of_how_many_and_then_answers() {
    let workers = [Worker::obedient(), Worker::deaf(), Worker::obedient()];
    let entries = ["a", "deaf", "c"];
    let entries: Vec<_> = entries
        .iter()
        .zip(&workers)
        .map(|(sid, worker)| worker.entry(sid))
        .collect();
    let pool = TestPool::with(&entries);
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    let id = mcp.begin_with_token("t", "pool_stop", json!({"grace_ms": FOREVER}));
    let mut last = 0.0;
    // Until both of the others are seen to have ended, and once more while nobody ends.
    let mut seen = 0;
    while seen < 2 {
        let told = progress(&mcp, "t");
        assert_eq!(told["total"], 3.0, "{told}");
        let now = told["progress"].as_f64().expect("a number");
        assert!(now > last && now < 3.0, "{last} and then {told}");
        last = now;
        let message = told["message"].as_str().expect("a message");
        if message == "2 of 3 workers have ended, waiting for deaf" {
            seen += 1;
        }
    }
    workers[1].become_zombie();
    let answer = loop {
        let message = mcp.next();
        if message["id"] == id {
            break message;
        }
        assert_eq!(message["method"], "notifications/progress", "{message}");
    };
    let stopped = &answer["result"]["structuredContent"]["stopped"];
    assert_eq!(*stopped, json!(["a", "deaf", "c"]), "{answer}");
    // Nothing is told of a call that has its answer: the client knows the token no more.
    mcp.begin("ping", json!({}));
    assert!(mcp.next()["result"].is_object());
    assert!(mcp.close().success());
}

#[test]
fn a_call_that_waits_for_the_lock_tells_that_it_is_under_way() {
    let pool = TestPool::with(&[]);
    let mut mcp = Mcp::open(pool.command(&["mcp", "--lock-wait", "3000s"]));
    let held = pool.hold_lock();
    let id = mcp.begin_with_token("t", "pool_status", json!({}));
    let told = progress(&mcp, "t");
    let message = told["message"].as_str().expect("a message");
    assert!(message.starts_with("under way for "), "{told}");
    drop(held);
    while mcp.next()["id"] != id {}
    assert!(mcp.close().success());
}

#[test]
fn a_cancelled_kill_stands_in_the_trail_and_in_the_next_status_as_withdrawn() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    let force = json!({"sid": "a", "grace_ms": FOREVER, "force": true});
    let id = mcp.begin_with_token("t", "pool_stop", force);
    worker.await_line("TERM");
    mcp.notify("notifications/cancelled", json!({"requestId": id}));
    let mut note = String::new();
    await_that("the status says that the kill was withdrawn", || {
        let status = mcp.answer("pool_status", json!({"sid": "a"}));
        assert_eq!(status["sessions"][0]["status"], "stopping", "{status}");
        note = status["note"].as_str().unwrap_or_default().to_owned();
        !note.is_empty()
    });
    assert!(
        note.starts_with("the kill that was to follow was withdrawn") && note.contains("\"a\""),
        "{note}"
    );
    let log = pool.run(&["log"]);
    let kill = log
        .stdout
        .lines()
        .find(|line| line.contains("\"signal\":\"kill\""));
    assert!(
        kill.is_some_and(|line| line.contains("withdrawn: the client cancelled")),
        "{log:?}"
    );
    assert!(worker.is_running() && pool.lock_is_free());

    // It is said until the worker is signalled again.
    let ask = json!({"sid": "a", "grace_ms": 0});
    mcp.answer("pool_stop", ask);
    assert_eq!(mcp.answer("pool_status", json!({})).get("note"), None);
    let kill = json!({"sid": "a", "grace_ms": 0, "force": true});
    assert_eq!(
        mcp.answer("pool_stop", kill)["outcomes"][0]["outcome"],
        "killed"
    );
    assert!(mcp.close().success());
}

/// Starts a server that is asked to kill worker `a` after an hour, has `end` end it, and asserts
/// that the kill stands in the trail and in the next status as withdrawn. Also where the call has
/// no progress token: then the kill is left to another call.
#[track_caller]
fn assert_withdrawn_at_the_end(end: impl Fn(&mut Mcp)) {
    for meta in [json!({"progressToken": "t"}), json!({})] {
        let worker = Worker::deaf();
        let pool = TestPool::with(&[worker.entry("a")]);
        let mut mcp = Mcp::open(pool.command(&["mcp"]));
        let force = json!({"sid": "a", "grace_ms": FOREVER, "force": true});
        let call = json!({"name": "pool_stop", "arguments": force, "_meta": meta});
        mcp.begin("tools/call", call);
        worker.await_line("TERM");
        end(&mut mcp);
        assert!(mcp.await_end().success());
        let log = pool.run(&["log"]).stdout;
        assert!(
            log.contains("withdrawn: the client cancelled"),
            "{meta}: {log}"
        );
        let (status, evidence) = pool.status("a").expect("it is listed");
        assert_eq!(status, "stopping");
        assert!(
            evidence.contains("the kill that was to follow was withdrawn"),
            "{evidence}"
        );
        assert!(worker.is_running() && pool.lock_is_free());
    }
}

#[test]
fn the_end_of_input_withdraws_a_kill_and_says_so() {
    assert_withdrawn_at_the_end(|mcp| assert!(mcp.close().success()));
}

#[test]
fn term_and_int_withdraw_a_kill_and_say_so() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        assert_withdrawn_at_the_end(|mcp| {
            let server = Pid::from_raw(i32::try_from(mcp.pid()).expect("a pid"));
            kill(server, signal).expect("our child");
        });
    }
}

#[test]
fn a_cancelled_stop_without_force_withdraws_no_kill() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    let stop = json!({"sid": "a", "grace_ms": FOREVER});
    let id = mcp.begin_with_token("t", "pool_stop", stop);
    worker.await_line("TERM");
    mcp.notify("notifications/cancelled", json!({"requestId": id}));
    // Once the server has ended, so has the request.
    assert!(mcp.close().success());
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    assert_eq!(mcp.answer("pool_status", json!({})).get("note"), None);
    assert!(!pool.run(&["log"]).stdout.contains("\"kill\""));
}
