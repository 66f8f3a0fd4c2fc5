//! A server with more calls under way than it starts at once.

use serde_json::json;

use crate::harness::{Rude, TestPool, await_that, request};

/// More calls than a server starts at once, which are 256.
const CALLS: usize = 300;

#[test]
fn pings_and_cancellations_are_read_while_calls_wait_for_room() {
    let pool = TestPool::with(&[]);
    let mut client = Rude::open(pool.command(&["mcp", "--lock-wait", "3000s"]));
    let held = pool.hold_lock();
    for id in 1..=CALLS {
        client.call(&json!(id), "pool_status", &json!({}));
    }
    await_that("as many as there is room for have started", || {
        client.threads() > 256
    });
    client.send(request(&json!("ping"), "ping", &json!({})).as_bytes());
    client.await_answer(&json!("ping"));
    // One that has started, and one that waits.
    for id in [1, CALLS] {
        let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": {"requestId": id}});
        client.send(format!("{cancel}\n").as_bytes());
    }
    client.send(request(&json!("again"), "ping", &json!({})).as_bytes());
    client.await_answer(&json!("again"));
    drop(held);
    let mut answered = Vec::new();
    while answered.len() < CALLS - 2 {
        let message = client.next().expect("every call has its answer");
        assert_eq!(message["result"]["isError"], false, "{message}");
        answered.push(message["id"].as_u64().expect("a number"));
    }
    answered.sort_unstable();
    let others: Vec<_> = (2..CALLS as u64).collect();
    assert_eq!(answered, others);
    client.leave();
    assert!(client.await_end().success());
}
