//! The session: how it opens, what it survives, how a request is withdrawn, how it ends.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Mcp, PATIENCE, TestPool, Worker, await_that};

/// What a server that gives up after its second does not take, on a busy machine either. One
/// that does not give up takes five seconds at the least, after which the protocol's library
/// would, or an hour.
const SOON: Duration = Duration::from_secs(4);

/// How long the slow policy takes at least to say what it is: the limit on a policy's
/// processor time.
const DESCRIBING: Duration = Duration::from_secs(10);

/// A grace period that no test waits for.
const FOREVER: u64 = 3_600_000;

/// A server whose policy takes [`DESCRIBING`] to be loaded.
fn slow(pool: &TestPool) -> Command {
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/guests/hostile.wasm");
    let attack = "attack=describe-loop";
    pool.command(&["--policy", policy, "--setting", attack, "mcp"])
}

#[test]
fn initialize_is_answered_before_the_pool_is_touched() {
    let pool = TestPool::absent();
    let mut mcp = Mcp::start(pool.command(&["mcp"]));
    let server = mcp.initialize();
    assert_eq!(server["serverInfo"]["name"], "poolwarden");
    assert_eq!(server["protocolVersion"], "2025-06-18");
    mcp.request("tools/list", json!({}));
    assert!(!pool.directory().exists());
    assert!(mcp.close().success());
}

#[test]
fn initialize_is_answered_while_the_policy_is_being_loaded() {
    let pool = TestPool::new();
    let started = Instant::now();
    let mut mcp = Mcp::start(slow(&pool));
    assert_eq!(mcp.initialize()["serverInfo"]["name"], "poolwarden");
    mcp.request("tools/list", json!({}));
    assert!(started.elapsed() < DESCRIBING, "{:?}", started.elapsed());
}

#[test]
fn garbage_before_the_session_is_survived() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    for first in [
        "",
        "hello",
        "{",
        "[]",
        "{\"jsonrpc\":\"2.0\"}",
        "\u{feff}{}",
        "Content-Length: 52\r",
        &"x".repeat(100_000),
    ] {
        let mut mcp = Mcp::start(pool.command(&["mcp"]));
        mcp.send_line(first);
        assert_eq!(
            mcp.initialize()["serverInfo"]["name"],
            "poolwarden",
            "{first:.40}"
        );
        let answer = mcp.answer("pool_status", json!({}));
        assert_eq!(answer["sessions"][0]["sid"], "a");
        assert!(mcp.close().success(), "{first:.40}");
    }
}

#[test]
fn a_notification_before_the_session_is_survived() {
    let pool = TestPool::new();
    for first in [
        "notifications/initialized",
        "notifications/cancelled",
        "notifications/unknown",
    ] {
        let mut mcp = Mcp::start(pool.command(&["mcp"]));
        mcp.notify(first, json!({"requestId": 1}));
        assert_eq!(
            mcp.initialize()["serverInfo"]["name"],
            "poolwarden",
            "{first}"
        );
        assert!(mcp.close().success(), "{first}");
    }
}

#[test]
fn garbage_within_the_session_is_survived() {
    let pool = TestPool::with(&[]);
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    for garbage in [
        "",
        "}",
        "null",
        "{\"jsonrpc\":\"2.0\",\"method\":1}",
        "\u{0}",
    ] {
        mcp.send_line(garbage);
        assert_eq!(
            mcp.answer("pool_status", json!({}))["sessions"],
            json!([]),
            "{garbage}"
        );
    }
    let unknown = mcp.request("no/such/method", json!({}));
    assert_eq!(unknown["error"]["code"], -32601, "{unknown}");
    assert!(mcp.close().success());
}

#[test]
fn the_end_of_input_ends_the_server() {
    let pool = TestPool::with(&[]);
    let mut silent = Mcp::start(pool.command(&["mcp"]));
    assert!(silent.close().success(), "also before the session opens");
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    mcp.answer("pool_status", json!({}));
    let started = Instant::now();
    assert!(mcp.close().success());
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[test]
fn the_end_of_input_ends_the_server_while_a_stop_waits() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    mcp.begin(
        "tools/call",
        json!({"name": "pool_stop", "arguments": {"grace_ms": FOREVER}}),
    );
    worker.await_line("TERM");
    let started = Instant::now();
    assert!(mcp.close().success());
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert!(pool.lock_is_free());
    assert_eq!(pool.status("a").expect("it is listed").0, "stopping");
}

#[test]
fn the_end_of_input_ends_the_server_while_it_waits_for_the_lock() {
    let pool = TestPool::with(&[]);
    let mut mcp = Mcp::open(pool.command(&["mcp", "--lock-wait", "3000s"]));
    let _held = pool.hold_lock();
    mcp.begin(
        "tools/call",
        json!({"name": "pool_status", "arguments": {}}),
    );
    let started = Instant::now();
    assert!(mcp.close().success());
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[test]
fn the_end_of_input_ends_the_server_while_the_policy_is_being_loaded() {
    let pool = TestPool::new();
    for calls in [0, 1] {
        let mut mcp = Mcp::open(slow(&pool));
        for _ in 0..calls {
            mcp.begin("tools/call", json!({"name": "pool_status"}));
        }
        let started = Instant::now();
        assert!(mcp.close().success());
        assert!(
            started.elapsed() < SOON,
            "{calls} calls: {:?}",
            started.elapsed()
        );
    }
}

/// More calls than a server takes on at once: one that went on would be in the way of the
/// later ones.
#[test]
fn a_withdrawn_call_does_not_wait_for_the_policy() {
    let pool = TestPool::new();
    let started = Instant::now();
    let mut mcp = Mcp::open(slow(&pool));
    for _ in 0..300 {
        let id = mcp.begin("tools/call", json!({"name": "pool_status"}));
        mcp.notify("notifications/cancelled", json!({"requestId": id}));
    }
    mcp.request("ping", json!({}));
    assert!(started.elapsed() < DESCRIBING, "{:?}", started.elapsed());
    assert!(mcp.close().success());
}

#[test]
fn a_withdrawn_stop_leaves_the_lock_and_the_server_free() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let bytes = pool.bytes();
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    let stop = json!({"name": "pool_stop", "arguments": {"grace_ms": FOREVER}});
    let id = mcp.begin("tools/call", stop);
    worker.await_line("TERM");
    let started = Instant::now();
    mcp.notify(
        "notifications/cancelled",
        json!({"requestId": id, "reason": "enough"}),
    );
    let answer = mcp.answer("pool_status", json!({}));
    assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
    assert_eq!(answer["sessions"][0]["status"], "stopping");
    await_that("the lock is free", || pool.lock_is_free());
    assert!(worker.is_running());
    assert_eq!(pool.bytes(), bytes);
    // The request has ended for good: nobody waits for the worker any more.
    worker.become_zombie();
    assert_eq!(
        mcp.answer("pool_ensure", json!({}))["removed"][0]["sid"],
        "a"
    );
    assert!(mcp.close().success());
}

#[test]
fn a_request_is_withdrawn_while_it_waits_for_the_lock() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let mut mcp = Mcp::open(pool.command(&["mcp", "--lock-wait", "3000s"]));
    let held = pool.hold_lock();
    let id = mcp.begin("tools/call", json!({"name": "pool_stop", "arguments": {}}));
    mcp.notify("notifications/cancelled", json!({"requestId": id}));
    mcp.request("ping", json!({}));
    drop(held);
    // Had it only been late, this answer would come after it.
    assert_eq!(
        mcp.answer("pool_status", json!({}))["sessions"][0]["status"],
        "running"
    );
    assert!(mcp.close().success());
    assert!(worker.is_running());
}

#[test]
fn requests_are_served_side_by_side() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    let stop = json!({"name": "pool_stop", "arguments": {"grace_ms": FOREVER}});
    let id = mcp.begin("tools/call", stop);
    worker.await_line("TERM");
    assert_eq!(
        mcp.answer("pool_status", json!({}))["sessions"][0]["status"],
        "stopping"
    );
    worker.become_zombie();
    let answer = mcp.next();
    assert_eq!(answer["id"], id);
    assert_eq!(
        answer["result"]["structuredContent"]["outcomes"][0]["outcome"],
        "exited"
    );
}

/// The server is its client's child, and so the client is among its ancestors.
#[test]
fn neither_the_server_nor_its_client_can_be_stopped() {
    let pool = TestPool::new();
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    pool.ask(&[
        "register",
        "--sid",
        "server",
        "--pid",
        &mcp.pid().to_string(),
    ]);
    pool.ask(&[
        "register",
        "--sid",
        "client",
        "--pid",
        &std::process::id().to_string(),
    ]);
    let result = mcp.call("pool_stop", json!({"force": true, "grace_ms": 0}));
    // Nobody has ended.
    assert_eq!(result["isError"], true, "{result}");
    let answer = &result["structuredContent"];
    assert_eq!(answer["outcomes"][0]["outcome"], "refused");
    assert_eq!(answer["outcomes"][1]["outcome"], "refused");
    assert_eq!(pool.sids(), ["server", "client"]);
    assert!(mcp.close().success());
}
