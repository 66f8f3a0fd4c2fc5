//! Workers of algocline that are asked about as soon as they have an entry.

use std::fs;

use serde_json::{Value, json};

use crate::algocline::Algocline;
use crate::harness::{Mcp, TestPool, await_that};

/// How many workers are started.
const WORKERS: usize = 20;

#[test]
fn are_proven_by_their_sockets_at_once() {
    let mut peer = Algocline::start();
    let mut server = Mcp::open(peer.pool.command(&["mcp"]));
    for count in 1..=WORKERS {
        let sid = start_and_see(&mut peer, count);
        // A program that sees the pool for the first time, or one that knows it well.
        let answer = if count % 2 == 0 {
            peer.pool.ask(&["ensure"])
        } else {
            server.answer("pool_ensure", json!({}))
        };
        assert_eq!(answer["removed"], json!([]), "{answer}");
        let sessions = answer["sessions"].as_array().expect("sessions");
        assert_eq!(sessions.len(), count, "{answer}");
        assert!(sessions.iter().all(|one| one["status"] == "running"));
        assert_eq!(proof(&peer.pool, &sid), "socket");
        finish_start(&mut peer, &sid);
    }
    assert_eq!(peer.sids().len(), WORKERS);
}

#[test]
fn are_stopped_at_once_in_good_order() {
    let mut peer = Algocline::start();
    for _ in 0..WORKERS {
        let sid = start_and_see(&mut peer, 1);
        let answer = peer.pool.ask(&["stop", &sid, "--grace", "50s"]);
        assert_eq!(answer["stopped"], json!([sid]));
        assert_eq!(answer["outcomes"][0]["outcome"], "exited", "{answer}");
        assert_eq!(peer.pool.sids(), Vec::<String>::new());
        finish_start(&mut peer, &sid);
    }
}

/// Has a worker started, and returns its sid when the registry names so many workers.
/// algocline has not answered by then.
#[track_caller]
fn start_and_see(peer: &mut Algocline, count: usize) -> String {
    peer.mcp.begin(
        "tools/call",
        json!({"name": "alc_run", "arguments": Algocline::question()}),
    );
    let registry = peer.pool.registry();
    let mut sids = Vec::new();
    await_that("the worker has an entry", || {
        // Replaced in one step, it is complete whenever it is there.
        if registry.exists() {
            sids = peer.pool.sids();
        }
        sids.len() == count
    });
    sids.pop().expect("an entry")
}

/// Takes algocline's answer about the worker that it has started.
#[track_caller]
fn finish_start(peer: &mut Algocline, sid: &str) {
    let message = peer.mcp.next();
    let text = message["result"]["content"][0]["text"].as_str();
    let answer: Value = serde_json::from_str(text.expect("an answer")).expect("JSON");
    assert_eq!(answer["session_id"], sid, "{message}");
    assert!(answer.get("pool_save_error").is_none(), "{answer}");
}

/// What ties the session to its process, as the ledger has it.
#[track_caller]
fn proof(pool: &TestPool, sid: &str) -> String {
    let ledger = fs::read(pool.directory().join("ledger.json")).expect("the ledger");
    let ledger: Value = serde_json::from_slice(&ledger).expect("JSON");
    let rows = ledger["rows"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["sid"] == sid).expect("a row");
    row["proof"].as_str().expect("a proof").to_owned()
}
