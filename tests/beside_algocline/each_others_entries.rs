//! What one side writes the other one sees.

use serde_json::json;

use crate::algocline::Algocline;
use crate::harness::Worker;

#[test]
fn algocline_accepts_what_poolwarden_writes() {
    let worker = Worker::obedient();
    let mut peer = Algocline::start();
    let pid = worker.pid().to_string();
    let answer = peer.pool.ask(&[
        "register",
        "--sid",
        "größe \"1\"",
        "--pid",
        &pid,
        "--version",
        "β",
    ]);
    let ours = &answer["registered"];
    let theirs = &peer.sessions()[0];
    for field in ["sid", "pid", "sock", "version", "created_at"] {
        assert_eq!(theirs[field], ours[field], "{field}");
    }
    // It has rewritten the file by now, with its own five fields in its own form.
    assert_eq!(
        peer.pool.ask(&["status"])["sessions"][0]["status"],
        "running"
    );
}

#[test]
fn poolwarden_registers_beside_the_entries_of_algocline() {
    let worker = Worker::obedient();
    let mut peer = Algocline::start();
    let theirs = peer.start_worker();
    peer.pool.ask(&[
        "register",
        "--sid",
        "ours",
        "--pid",
        &worker.pid().to_string(),
    ]);
    assert_eq!(peer.pool.sids(), [theirs.clone(), "ours".into()]);
    assert_eq!(peer.sids(), [theirs.clone(), "ours".into()]);
    let third = peer.start_worker();
    let answer = peer.pool.ask(&["ensure"]);
    assert_eq!(answer["removed"], json!([]));
    assert_eq!(peer.pool.sids(), [theirs, "ours".into(), third]);
}

#[test]
fn poolwarden_sees_what_algocline_removes() {
    let worker = Worker::obedient();
    let mut peer = Algocline::start();
    peer.pool.ask(&[
        "register",
        "--sid",
        "ours",
        "--pid",
        &worker.pid().to_string(),
    ]);
    let theirs = peer.start_worker();
    let answer = peer.mcp.answer("alc_pool_stop", json!({"sid": "ours"}));
    assert_eq!(answer["stopped"], json!(["ours"]));
    let answer = peer.pool.ask(&["status"]);
    assert_eq!(answer["sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["sessions"][0]["sid"], theirs.as_str());
}

#[test]
fn algocline_sees_what_poolwarden_removes() {
    let worker = Worker::obedient();
    let mut peer = Algocline::start();
    let theirs = peer.start_worker();
    peer.pool.ask(&[
        "register",
        "--sid",
        "ours",
        "--pid",
        &worker.pid().to_string(),
    ]);
    peer.pool.ask(&["stop", "ours"]);
    assert_eq!(peer.sids(), [theirs]);
}
