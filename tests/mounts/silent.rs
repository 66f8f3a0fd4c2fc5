//! A file system that never answers: whoever looks into it does not come back.

use std::fs::OpenOptions;
use std::path::Path;

use crate::harness::{Entry, NO_PROCESS, Ran, Worker};
use crate::namespace::Namespace;

/// The namespace's shell serves the file system, and answers nothing.
const MOUNT: &str = "mkdir hang && exec 9<>/dev/fuse && mount -i -t fuse.silent \
                     -o fd=9,rootmode=40000,user_id=0,group_id=0 silent hang";

#[test]
fn sockets_on_a_mount_that_does_not_answer_hold_nobody_up() {
    let fuse = OpenOptions::new().read(true).write(true).open("/dev/fuse");
    if let Err(error) = fuse {
        eprintln!("not tested, since nothing can be mounted that does not answer: {error}");
        return;
    }
    let worker = Worker::obedient();
    let mut namespace = Namespace::with_tmpfs("size=1m");
    let pool = namespace.pool();
    namespace.run(MOUNT);
    namespace.run("ln -s hang/w.sock link.sock");
    namespace.run("ln -s /mnt/hang/. link");
    let socks = [
        "/mnt/hang/w.sock",
        "/mnt/hang/a/w.sock",
        "/mnt/link/w.sock",
        "/mnt/hang/../w.sock/x",
    ];
    let mut entries: Vec<_> = socks
        .iter()
        .zip(0..)
        .map(|(sock, index)| {
            Entry::new(&format!("dead{index}"), NO_PROCESS - index).sock(Path::new(sock))
        })
        .collect();
    entries.push(Entry::new("linked", NO_PROCESS - 9).sock(Path::new("/mnt/link.sock")));
    entries.push(worker.entry("alive").sock(Path::new("/mnt/hang/w.sock")));
    entries.push(Entry::new("gone", NO_PROCESS - 10).sock(Path::new("/mnt/nothing.sock")));
    pool.seed(&entries);

    for verb in [
        &["status"][..],
        &["ensure"],
        &["doctor"],
        &["stop", "--all"],
    ] {
        let ran = Ran::within_patience(namespace.command(verb));
        assert!(
            ran.stdout.contains("fuse.silent at /mnt/hang"),
            "{verb:?}: {ran:#?}"
        );
    }
    let mut sids = pool.sids();
    sids.sort();
    assert_eq!(
        sids,
        ["alive", "dead0", "dead1", "dead2", "dead3", "linked"]
    );
    assert!(worker.is_running(), "nothing says that it is the worker");
}
