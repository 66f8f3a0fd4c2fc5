//! Something else mounted over a file of the pool.

use std::fs;

use crate::harness::{Entry, NO_PROCESS, Ran, TestPool, Worker};
use crate::namespace::{Namespace, names_in};

fn pool_with_files(namespace: &Namespace, worker: &Worker) -> TestPool {
    let pool = namespace.pool();
    pool.seed(&[worker.entry("a")]);
    pool.ask(&["status"]);
    pool.seed(&[worker.entry("a"), Entry::new("dead", NO_PROCESS)]);
    fs::write(pool.directory().join("audit.jsonl"), "").expect("a trail");
    fs::write(pool.directory().join("poolwarden.toml"), "").expect("a configuration");
    pool
}

/// One that never ends, to be read, and one that swallows what is written.
#[test]
fn a_device_is_no_file() {
    let worker = Worker::obedient();
    for device in ["/dev/zero", "/dev/null"] {
        for (name, code) in [
            ("registry.json", 6),
            ("registry.lock", 1),
            ("audit.jsonl", 1),
            ("poolwarden.toml", 2),
            ("ledger.json", 0),
        ] {
            let mut namespace = Namespace::with_tmpfs("size=1m");
            let pool = pool_with_files(&namespace, &worker);
            namespace.run(&format!("mount --bind {device} pool/{name}"));
            let ran = Ran::within_patience(pool.command(&["ensure"]));
            assert_eq!(ran.code, code, "{device} at {name}: {ran:#?}");
            let words = match name {
                "poolwarden.toml" => "it is no regular file",
                _ => "it is a device and not a regular file",
            };
            assert!(ran.stderr.contains(words), "{device} at {name}: {ran:#?}");
            let remedy = match name {
                "registry.json" => "doctor` explains it",
                _ => "move it away",
            };
            assert!(ran.stderr.contains(remedy), "{device} at {name}: {ran:#?}");
            if code == 0 {
                assert_eq!(pool.sids(), ["a"]);
            }
        }
    }
    assert!(worker.is_running());
}

/// As in a container that is given a single file: nothing can be renamed over it, where it
/// is seen to be a mount point (rename(2), EBUSY).
#[test]
fn a_registry_that_is_a_mount_point_is_not_replaced() {
    let worker = Worker::obedient();
    let mut namespace = Namespace::with_tmpfs("size=1m");
    let pool = pool_with_files(&namespace, &worker);
    let bytes = pool.bytes();
    namespace.run("cp -p pool/registry.json elsewhere");
    namespace.run("mount --bind elsewhere pool/registry.json");
    let ran = namespace.ask(&["ensure"]);
    let error = ran.error(1);
    for part in [
        "cannot rename",
        "registry.json.new",
        "mount the directory instead",
    ] {
        assert!(error.contains(part), "wanted {part:?}: {ran:#?}");
    }
    assert_eq!(pool.bytes(), bytes);
    assert!(!names_in(pool.directory()).contains(&"registry.json.new".to_owned()));
    assert_eq!(
        pool.run(&["ensure", "--dry-run"]).answer(0)["removed"][0]["sid"],
        "dead"
    );
}

/// The doctor can put it aside no more than a request can replace it, and says so.
#[test]
fn a_device_that_is_mounted_is_not_put_aside() {
    let worker = Worker::obedient();
    let mut namespace = Namespace::with_tmpfs("size=1m");
    let pool = pool_with_files(&namespace, &worker);
    let bytes = pool.bytes();
    namespace.run("mount --bind /dev/null pool/registry.json");
    let ran = namespace.ask(&["doctor", "--fix", "--yes"]);
    let error = ran.error(1);
    for part in ["cannot exchange", "mount the directory instead"] {
        assert!(error.contains(part), "wanted {part:?}: {error}");
    }
    let names = names_in(pool.directory());
    assert!(
        !names
            .iter()
            .any(|name| name.contains("damaged") || name.contains("repairing")),
        "{names:?}"
    );
    namespace.run("umount pool/registry.json");
    assert_eq!(pool.bytes(), bytes);
    assert_eq!(pool.run(&["ensure"]).answer(0)["removed"][0]["sid"], "dead");
}
