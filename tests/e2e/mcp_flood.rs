//! A client that asks for more than it takes, and leaves as it likes.

use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{PATIENCE, Rude, TestPool, Worker, await_that, call, request};

/// A grace period that no test waits for.
const FOREVER: u64 = 3_600_000;

/// More requests than any server may take on.
const FLOOD: usize = 50_000;

/// How many requests a server takes on at most, and some threads of its own.
const AT_ONCE: usize = 256;
const OWN_THREADS: usize = 8;

/// What a server may use for all that a flood makes it hold, in KiB: far less than the
/// flood itself would take.
const ROOM: u64 = 48 << 10;

/// The line of the request with this number.
type Line = fn(usize) -> String;

fn status(id: usize) -> String {
    call(&json!(id + 1), "pool_status", &json!({}))
}

#[test]
fn answers_that_nobody_reads_are_not_piled_up() {
    // And how many answers each has.
    let floods: [(&str, Line, usize); 5] = [
        ("calls", status, 1),
        ("pings", |id| request(&json!(id + 1), "ping", &json!({})), 1),
        (
            "unknown tools",
            |id| call(&json!(id + 1), &"x".repeat(150), &json!({})),
            1,
        ),
        ("batches", |_| "[]\n".repeat(20), 20),
        ("garbage", |_| "{\n".repeat(20), 20),
    ];
    for (what, line, answers) in floods {
        let pool = TestPool::new();
        let mut client = Rude::open(pool.command(&["mcp"]));
        client.call(&json!("first"), "pool_status", &json!({}));
        client.await_answer(&json!("first"));
        let before = client.memory("VmRSS");
        let sent = client.fill(FLOOD, line, Rude::output_is_full);
        let last = client.take_all(sent * answers);
        assert_eq!(last["result"]["isError"], false, "{what}: {last}");
        let most = client.memory("VmHWM");
        assert!(
            most < before + ROOM,
            "{what}: {before} KiB, then up to {most} KiB"
        );
        client.leave();
        assert!(client.await_end().success(), "{what}");
        assert!(pool.lock_is_free());
    }
}

#[test]
fn calls_that_cannot_begin_are_left_in_the_pipe() {
    let pool = TestPool::with(&[]);
    let mut client = Rude::open(pool.command(&["mcp", "--lock-wait", "3000s"]));
    let held = pool.hold_lock();
    let sent = client.fill(FLOOD, status, |client| client.threads() >= AT_ONCE);
    assert!(sent > AT_ONCE);
    let (threads, descriptors) = (client.threads(), client.descriptors());
    assert!(threads <= AT_ONCE + OWN_THREADS, "{threads} threads");
    assert!(descriptors < 4 * AT_ONCE, "{descriptors} descriptors");
    drop(held);
    client.take_all(sent);
    client.leave();
    assert!(client.await_end().success());
}

#[test]
fn large_calls_that_cannot_begin_are_left_in_the_pipe() {
    /// How many fill a server, each as large as 63 others.
    const LARGE: usize = 4;

    let pool = TestPool::with(&[]);
    let mut client = Rude::open(pool.command(&["mcp", "--lock-wait", "3000s"]));
    let held = pool.hold_lock();
    let sid = "x".repeat(1_000_000);
    let status = |id| call(&json!(id), "pool_status", &json!({"sid": sid}));
    let sent = client.fill(50, status, |_| true);
    // One more waits to be begun, and what the server reads ahead is the beginning of another.
    assert!(sent <= LARGE + 2, "{sent} calls of a megabyte");
    drop(held);
    client.take_all(sent);
    client.leave();
    assert!(client.await_end().success());
}

#[test]
fn requests_that_come_to_nothing_take_no_place_for_ever() {
    let pool = TestPool::with(&[]);
    let mut client = Rude::open(pool.command(&["mcp", "--lock-wait", "3000s"]));
    for round in 0..4 {
        let held = pool.hold_lock();
        // As many as are taken on, so that none is left in the pipe.
        for id in 0..AT_ONCE {
            // Of some, only the last has an answer; the others are withdrawn.
            let id = if id < AT_ONCE / 2 { 0 } else { id };
            client.call(&json!(id), "pool_status", &json!({}));
        }
        await_that("all of them are taken on", || client.threads() > AT_ONCE);
        drop(held);
        client.call(&json!("last"), "pool_status", &json!({}));
        let answer = client.await_answer(&json!("last"));
        assert_eq!(
            answer["result"]["isError"], false,
            "round {round}: {answer}"
        );
    }
    client.leave();
    assert!(client.await_end().success());
}

#[test]
fn withdrawn_requests_make_room() {
    let pool = TestPool::with(&[]);
    let mut client = Rude::open(pool.command(&["mcp", "--lock-wait", "3000s"]));
    let _held = pool.hold_lock();
    for round in 0..4 {
        for id in 0..AT_ONCE - 1 {
            client.call(&json!(id), "pool_status", &json!({}));
        }
        for id in 0..AT_ONCE - 1 {
            let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
                "params": {"requestId": id}});
            client.send(format!("{cancel}\n").as_bytes());
        }
        let ping = json!(format!("round {round}"));
        client.send(request(&ping, "ping", &json!({})).as_bytes());
        client.await_answer(&ping);
    }
    client.leave();
    assert!(client.await_end().success());
}

#[test]
fn a_client_that_leaves_its_answers_unread_does_not_keep_the_server() {
    let floods: [Line; 3] = [status, |_| "[]\n".repeat(20), |_| "{\n".repeat(20)];
    for line in floods {
        let pool = TestPool::new();
        let mut client = Rude::open(pool.command(&["mcp"]));
        client.fill(FLOOD, line, Rude::output_is_full);
        // In the middle of a line, and still able to listen.
        client.leave();
        expect_prompt_end(&mut client);
        assert!(pool.lock_is_free());
    }
}

#[test]
fn a_client_that_leaves_more_than_can_be_begun_does_not_keep_the_server() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let mut client = Rude::open(pool.command(&["mcp"]));
    let stop = |id| {
        call(
            &json!(id),
            "pool_stop",
            &json!({"sid": "a", "grace_ms": FOREVER}),
        )
    };
    client.fill(FLOOD, stop, |client| client.threads() >= AT_ONCE);
    client.leave();
    expect_prompt_end(&mut client);
    assert!(pool.lock_is_free());
    assert!(worker.is_running());
    assert_eq!(pool.status("a").expect("it is listed").0, "stopping");
}

#[test]
fn a_client_that_no_longer_listens_does_not_keep_the_server() {
    let pool = TestPool::new();
    let mut client = Rude::open(pool.command(&["mcp"]));
    client.stop_listening();
    let status = client.await_end_under(&request(&json!(1), "ping", &json!({})));
    assert!(status.success(), "{status}");
}

#[track_caller]
fn expect_prompt_end(client: &mut Rude) {
    let started = Instant::now();
    let status = client.await_end();
    assert!(status.success(), "{status}");
    let took = started.elapsed();
    assert!(took < PATIENCE / 2, "{took:?}");
}

impl Rude {
    /// Reads so many answers, and then asks for the pool's status.
    #[track_caller]
    fn take_all(&mut self, answers: usize) -> Value {
        for _ in 0..answers {
            self.next().expect("the server ended before it answered");
        }
        self.send_rest();
        self.call(&json!("last"), "pool_status", &json!({}));
        self.await_answer(&json!("last"))
    }
}
