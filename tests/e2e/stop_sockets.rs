//! The sockets that stopped workers leave behind.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use serde_json::json;

use crate::harness::{TestPool, Worker};

fn stop_all(pool: &TestPool) {
    let answer = pool.ask(&["stop", "--all"]);
    assert_eq!(answer["errors"], json!([]));
    assert_eq!(pool.sids(), Vec::<String>::new());
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[test]
fn a_stopped_workers_socket_goes_with_its_entry() {
    let pool = TestPool::new();
    let inside = pool.directory().join("a.sock");
    let outside = pool.root().join("b.sock");
    let (a, b) = (Worker::serving(&inside), Worker::serving(&outside));
    pool.seed(&[a.entry("a").sock(&inside), b.entry("b").sock(&outside)]);
    stop_all(&pool);
    assert!(!is_there(&inside));
    assert!(is_there(&outside), "it is not the pool's");
}

#[test]
fn a_dead_workers_socket_goes_when_it_is_stopped() {
    let pool = TestPool::new();
    let path = pool.directory().join("a.sock");
    let worker = Worker::serving(&path);
    pool.seed(&[worker.entry("a").sock(&path)]);
    worker.vanish();
    stop_all(&pool);
    assert!(!is_there(&path));
}

/// A program that prepares what it serves before it listens.
fn bind_without_listening(path: &Path) -> OwnedFd {
    let address = UnixAddr::new(path).expect("it is short");
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None).expect("socket");
    bind(fd.as_raw_fd(), &address).expect("bind");
    fd
}

/// As a successor does while its predecessor is stopped.
#[test]
fn a_socket_that_somebody_has_bound_and_does_not_listen_on_yet_stays() {
    let pool = TestPool::new();
    let path = pool.directory().join("a.sock");
    let (living, dying) = (Worker::obedient(), Worker::obedient());
    pool.seed(&[living.entry("a").sock(&path), dying.entry("b").sock(&path)]);
    // Both are known before the socket is there.
    pool.ask(&["status"]);
    dying.vanish();
    let successor = bind_without_listening(&path);
    for sid in ["a", "b"] {
        pool.run(&["stop", sid]);
        assert!(is_there(&path), "{sid}");
    }
    let (status, evidence) = pool.status("b").expect("it is kept");
    assert_eq!(status, "foreign", "{evidence}");
    listen(&successor, Backlog::new(1).expect("small")).expect("listen");
    UnixStream::connect(&path).expect("the successor serves");
    drop(successor);
    pool.ask(&["stop", "--all"]);
    assert!(!is_there(&path) && pool.sids().is_empty());
}

#[test]
fn what_is_not_provably_its_own_stays() {
    let pool = TestPool::new();
    let outside = pool.root().join("real.sock");
    drop(UnixListener::bind(&outside).expect("bind"));
    let link = pool.directory().join("link.sock");
    symlink(&outside, &link).expect("symlink");
    let file = pool.directory().join("file.sock");
    fs::write(&file, "kept").expect("write");
    let workers = [Worker::obedient(), Worker::obedient()];
    pool.seed(&[
        workers[0].entry("a").sock(&link),
        workers[1].entry("b").sock(&file),
    ]);
    stop_all(&pool);
    assert!(is_there(&link) && is_there(&outside) && is_there(&file));
}

#[test]
fn a_socket_that_another_entry_names_stays() {
    let pool = TestPool::new();
    let path = pool.directory().join("shared.sock");
    let (a, b) = (Worker::serving(&path), Worker::obedient());
    pool.seed(&[a.entry("a").sock(&path), b.entry("b").sock(&path)]);
    let answer = pool.ask(&["stop", "a"]);
    assert_eq!(answer["stopped"], json!(["a"]));
    assert!(is_there(&path));
}

#[test]
fn a_socket_that_a_kept_entry_spells_in_another_way_stays() {
    let pool = TestPool::new();
    let path = pool.directory().join("w.sock");
    let spelled = format!("{}/./w.sock", pool.directory().display());
    drop(UnixListener::bind(&path).expect("bind"));
    let (kept, dead) = (Worker::obedient(), Worker::obedient());
    pool.seed(&[
        kept.entry("kept").sock(&path),
        dead.entry("dead").sock(Path::new(&spelled)),
    ]);
    dead.vanish();
    assert_eq!(pool.ask(&["stop", "dead"])["stopped"], json!(["dead"]));
    assert!(is_there(&path));
}

#[test]
fn a_collected_workers_socket_is_not_touched() {
    let pool = TestPool::new();
    let path = pool.directory().join("a.sock");
    let worker = Worker::serving(&path);
    pool.seed(&[worker.entry("a").sock(&path)]);
    worker.vanish();
    assert_eq!(pool.ask(&["ensure"])["removed"][0]["sid"], "a");
    assert!(is_there(&path), "nobody asked to stop it");
}
