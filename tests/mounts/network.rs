//! Sockets that processes in another network namespace are bound to, which the table of this
//! one does not list.

use std::fs::OpenOptions;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkfifo};
use serde_json::json;

use crate::harness::{Detached, Ran, TestPool, Worker, as_worker, await_that};

/// A process in a network namespace of its own, which binds a socket and listens on cue.
struct Binder(Child);

impl Binder {
    fn at(sock: &Path, cue: &Path) -> Self {
        let mut command = Command::new("unshare");
        if !geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.arg("--net");
        as_worker(&mut command, "bind", Some(cue));
        command.env("POOLWARDEN_SOCK", sock).stdout(Stdio::null());
        let binder = Self(command.spawn().expect("unshare(1) of util-linux"));
        await_that("it is bound", || sock.exists());
        binder
    }
}

impl Drop for Binder {
    fn drop(&mut self) {
        // Both fail when it was reaped before, and then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_socket_that_is_bound_in_another_network_namespace_stays() {
    let pool = TestPool::new();
    let cue = pool.root().join("cue");
    mkfifo(&cue, Mode::S_IRWXU).expect("a FIFO");
    let sock = pool.directory().join("a.sock");
    let worker = Worker::obedient();
    pool.seed(&[worker.entry("a").sock(&sock)]);
    // It is known before the socket is there.
    pool.ask(&["status"]);
    let binder = Binder::at(&sock, &cue);
    let answer = pool.ask(&["stop", "a"]);
    assert_eq!(answer["stopped"], json!(["a"]));
    assert!(sock.exists(), "stop removed it");
    let path = sock.to_str().expect("text");
    let ran = Ran::of(pool.run_command(&["--sid", "b", "--sock", path], &["--", "sleep", "600"]));
    let _worker = Detached::of(&ran.answer(0));
    assert!(sock.exists(), "run removed it");

    drop(OpenOptions::new().write(true).open(&cue).expect("the cue"));
    await_that("it listens", || UnixStream::connect(&sock).is_ok());
    drop(binder);
    pool.ask(&["stop", "b"]);
    assert!(!sock.exists(), "nobody is bound to it any more");
}
