//! Workers of algocline that are asked about as soon as they have an entry.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

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
        start_and_see(&mut peer, count, |pool, sid| {
            // A program that sees the pool for the first time, or one that knows it well.
            let answer = if count % 2 == 0 {
                pool.ask(&["ensure"])
            } else {
                server.answer("pool_ensure", json!({}))
            };
            assert_eq!(answer["removed"], json!([]), "{answer}");
            let sessions = answer["sessions"].as_array().expect("sessions");
            assert_eq!(sessions.len(), count, "{answer}");
            assert!(sessions.iter().all(|one| one["status"] == "running"));
            assert_eq!(proof(pool, sid), "socket");
        });
    }
    assert_eq!(peer.sids().len(), WORKERS);
}

#[test]
fn are_stopped_at_once_in_good_order() {
    let mut peer = Algocline::start();
    for _ in 0..WORKERS {
        start_and_see(&mut peer, 1, |pool, sid| {
            let answer = pool.ask(&["stop", sid, "--grace", "50s"]);
            assert_eq!(answer["stopped"], json!([sid]));
            assert_eq!(answer["outcomes"][0]["outcome"], "exited", "{answer}");
            assert_eq!(pool.sids(), Vec::<String>::new());
        });
    }
}

/// Has a worker started, and looks at it when the registry names so many workers. Mostly,
/// algocline has not answered by then.
#[track_caller]
fn start_and_see(peer: &mut Algocline, count: usize, mut see: impl FnMut(&TestPool, &str) + Send) {
    let (pool, mcp) = (&peer.pool, &mut peer.mcp);
    let mut started = None;
    while started.is_none() {
        let answered = AtomicBool::new(false);
        let see = &mut see;
        thread::scope(|scope| {
            let seen = scope.spawn(|| {
                let sid = await_entry(pool, count, &answered)?;
                see(pool, &sid);
                Some(sid)
            });
            started = Algocline::try_to_start_worker(mcp);
            answered.store(true, Ordering::SeqCst);
            assert_eq!(seen.join().expect("it was seen"), started);
        });
    }
}

/// The sid of the last of so many workers, once the registry names it; none when algocline
/// has answered before.
fn await_entry(pool: &TestPool, count: usize, answered: &AtomicBool) -> Option<String> {
    let registry = pool.registry();
    let mut sids = Vec::new();
    await_that("the worker has an entry", || {
        let is_over = answered.load(Ordering::SeqCst);
        // Replaced in one step, it is complete whenever it is there.
        if registry.exists() {
            sids = pool.sids();
        }
        sids.len() == count || is_over
    });
    sids.into_iter().nth(count - 1)
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
