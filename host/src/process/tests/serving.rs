//! Whether a worker that was just started serves its socket.

use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;

use super::support::*;
use crate::process::fake::FakeKernel;
use crate::process::kernel::FileKind;
use crate::process::{Processes, Serving};

/// The worker's child, and that one's child.
const CHILD: u32 = 5001;
const GRANDCHILD: u32 = 5002;

/// The worker with a child and a grandchild, beside a stranger.
fn family() -> Arc<FakeKernel> {
    let fake = machine();
    fake.run(CHILD, START, PID);
    fake.run(GRANDCHILD, START, CHILD);
    fake.run(6000, START, 1);
    fake.directory("/proc", &["self", "1", "5002", "5001", "4711", "6000"]);
    fake
}

fn serves(fake: &Arc<FakeKernel>) -> Serving {
    let found = processes(fake).identify(PID).expect("it runs");
    found.process.serves(Path::new(SOCK))
}

#[test]
fn the_process_and_its_descendants_count_and_nobody_else() {
    for (holder, counts) in [
        (PID, true),
        (CHILD, true),
        (GRANDCHILD, true),
        (6000, false),
    ] {
        let fake = family();
        fake.socket(SOCK, FileKind::Socket, Ok(()));
        // All are in one network namespace, whose table any of them shows.
        for pid in [PID, CHILD, GRANDCHILD, 6000] {
            fake.listen(pid, SOCK);
            fake.link(&format!("/proc/{pid}/fd/3"), "socket:[30]");
        }
        assert!(matches!(serves(&fake), Serving::Others), "{holder}");
        fake.link(&format!("/proc/{holder}/fd/3"), "socket:[31]");
        assert_eq!(matches!(serves(&fake), Serving::Yes), counts, "{holder}");
    }
}

#[test]
fn what_is_at_the_path_is_told_apart() {
    let fake = family();
    fake.listen(PID, SOCK);
    fake.hide(SOCK, Errno::ENOENT);
    assert!(matches!(serves(&fake), Serving::Absent));
    fake.hide(SOCK, Errno::ENOTDIR);
    assert!(matches!(serves(&fake), Serving::Absent));
    fake.hide(SOCK, Errno::EACCES);
    assert!(matches!(serves(&fake), Serving::Hidden(_)));

    for kind in [FileKind::Symlink, FileKind::Other] {
        let fake = family();
        fake.listen(PID, SOCK);
        fake.socket(SOCK, kind, Ok(()));
        assert!(matches!(serves(&fake), Serving::NoSocket));
    }
}

#[test]
fn a_bound_socket_that_does_not_listen_is_held_by_nobody() {
    let fake = family();
    fake.socket(SOCK, FileKind::Socket, Ok(()));
    fake.listen(PID, SOCK);
    // The flags of a socket that is only bound.
    let table = "heading\n0: 00000002 00000000 00000000 0001 01 31 /run/pool/w.sock\n";
    fake.file("/proc/4711/net/unix", table);
    assert!(matches!(serves(&fake), Serving::Nobody));
}

#[test]
fn files_that_cannot_be_seen_are_no_proof_and_no_refusal() {
    let fake = family();
    fake.socket(SOCK, FileKind::Socket, Ok(()));
    fake.listen(PID, SOCK);
    fake.deny("/proc/4711/fd", Errno::EACCES);
    assert!(matches!(serves(&fake), Serving::Hidden(_)));
    fake.listen(CHILD, SOCK);
    assert!(matches!(serves(&fake), Serving::Yes));
}
