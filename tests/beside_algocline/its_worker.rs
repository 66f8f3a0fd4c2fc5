//! A worker that algocline started, in the hands of poolwarden.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::algocline::Algocline;
use crate::harness::await_that;

#[test]
fn is_listed_and_proven_by_its_socket() {
    let mut peer = Algocline::start();
    let sid = peer.start_worker();
    let answer = peer.pool.ask(&["status", &sid]);
    assert_eq!(answer["sessions"][0]["status"], "running", "{answer}");
    assert_eq!(answer["sessions"][0]["version"], "0.44.4");
    let theirs = &peer.sessions()[0];
    for field in ["sid", "pid", "sock", "version", "created_at", "status"] {
        assert_eq!(answer["sessions"][0][field], theirs[field], "{field}");
    }
    let ledger = fs::read(peer.pool.directory().join("ledger.json")).expect("the ledger");
    let ledger: Value = serde_json::from_slice(&ledger).expect("JSON");
    assert_eq!(ledger["rows"][0]["sid"], sid.as_str());
    assert_eq!(ledger["rows"][0]["proof"], "socket");
}

#[test]
fn is_kept_and_goes_on_with_its_session() {
    let mut peer = Algocline::start();
    let sid = peer.start_worker();
    let bytes = peer.pool.bytes();
    for verb in ["ensure", "status", "ensure"] {
        assert_eq!(peer.pool.ask(&[verb])["sessions"][0]["sid"], sid.as_str());
    }
    assert_eq!(peer.pool.bytes(), bytes);
    let answer = peer.mcp.answer(
        "alc_continue",
        json!({"session_id": sid, "response": "hello"}),
    );
    assert_eq!(answer["status"], "completed", "{answer}");
    assert_eq!(answer["result"], "hello", "{answer}");
}

#[test]
fn is_stopped_in_good_order() {
    let mut peer = Algocline::start();
    let (stays, goes) = (peer.start_worker(), peer.start_worker());
    let session = peer.pool.ask(&["status", &goes])["sessions"][0].clone();
    // It takes the lock to remove its own entry, and only then exits.
    let answer = peer.pool.ask(&["stop", &goes, "--grace", "50s"]);
    assert_eq!(answer["stopped"], json!([goes]));
    assert_eq!(answer["outcomes"][0]["outcome"], "exited", "{answer}");
    let process = PathBuf::from(format!("/proc/{}", session["pid"]));
    await_that("algocline reaps its worker", || !process.exists());
    let left = vec![stays];
    assert_eq!(peer.pool.sids(), left);
    assert_eq!(peer.sids(), left);
}

#[test]
fn that_was_killed_is_collected() {
    let mut peer = Algocline::start();
    let sid = peer.start_worker();
    let answer = peer.pool.ask(&["stop", &sid, "--grace", "0s", "--force"]);
    assert_eq!(answer["stopped"], json!([sid]));
    assert_eq!(peer.sids(), Vec::<String>::new());
    assert_eq!(peer.pool.ask(&["ensure"])["sessions"], json!([]));
}

#[test]
fn that_outlives_its_server_is_still_proven() {
    let mut peer = Algocline::start();
    let sid = peer.start_worker();
    peer.mcp.end();
    let answer = peer.pool.ask(&["status", &sid]);
    assert_eq!(answer["sessions"][0]["status"], "running", "{answer}");
    let answer = peer.pool.ask(&["stop", &sid, "--grace", "50s"]);
    assert_eq!(answer["outcomes"][0]["outcome"], "exited");
}
