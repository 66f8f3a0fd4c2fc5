//! Sockets of entries at paths that are longer than some call takes.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::harness::{Entry, NO_PROCESS, TestPool};

/// An entry of nobody, at this path.
fn dead(path: &str) -> Entry {
    Entry::new("dead", NO_PROCESS).sock(Path::new(path))
}

#[test]
fn an_entry_whose_socket_no_call_can_name_is_collected() {
    for path in [
        format!("/{}", "x".repeat(256)),
        format!("/{}", "x/".repeat(2100)),
        format!("/{}", "x".repeat(1_000_000)),
    ] {
        let pool = TestPool::with(&[dead(&path)]);
        let answer = pool.ask(&["ensure"]).to_string();
        assert_eq!(pool.sids(), [""; 0]);
        assert!(
            answer.len() < 2 * path.len() + 2000,
            "{} bytes",
            answer.len()
        );
    }
}

/// It was bound from where its path is short, and is asked from there.
#[test]
fn a_socket_at_a_path_that_is_longer_than_an_address_is_not_taken_for_none() {
    let pool = TestPool::new();
    let deep = pool.root().join("x".repeat(200)).join("y".repeat(200));
    fs::create_dir_all(&deep).expect("directories");
    let directory = File::open(&deep).expect("a directory");
    let short = format!("/proc/self/fd/{}/w.sock", directory.as_raw_fd());
    let _listener = UnixListener::bind(short).expect("a socket");
    let path = deep.join("w.sock");
    pool.seed(&[dead(path.to_str().expect("text"))]);
    pool.ask(&["ensure"]);
    let (status, evidence) = pool.status("dead").expect("it is kept");
    assert_eq!(status, "foreign", "{evidence}");
    assert!(evidence.contains("still answers"), "{evidence}");
    assert!(
        evidence.contains("(") && evidence.len() < 1000,
        "{evidence}"
    );
}
