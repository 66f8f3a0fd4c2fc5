//! Every call for a worker's log fails in turn, with every error that it can give.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;

use super::super::error::StoreError;
use super::super::{Log, PoolDir};
use super::{Call, StagedDisk, Step, TestPool, Verdict};

const OPENED: &str = "logs/a%2fb.log";

/// A log for a session, or one that the operator named.
type Open = fn(&StagedDisk, &PoolDir) -> Result<Log, StoreError>;

fn of_session(_: &StagedDisk, pool: &PoolDir) -> Result<Log, StoreError> {
    Log::of_session(pool, "a/b")
}

fn named(disk: &StagedDisk, pool: &PoolDir) -> Result<Log, StoreError> {
    Log::at_on(disk, &pool.path().join("named.log"))
}

/// Opens a log where one step has this fault. What it comes to, and the steps.
fn with_fault(
    open: Open,
    due: usize,
    errno: Option<Errno>,
) -> (TestPool, Result<Log, StoreError>, Vec<Step>) {
    let pool = TestPool::new();
    // Opening the pool has steps of its own.
    let begin = Arc::new(std::sync::OnceLock::new());
    let begun = begin.clone();
    let disk = StagedDisk::new(pool.dir.path(), move |number, _| {
        match (begun.get(), errno) {
            (Some(begin), Some(errno)) if number == begin + due => Verdict::Fail(errno),
            _ => Verdict::Go,
        }
    });
    let dir = PoolDir::open_on(pool.dir.path(), Arc::new(disk.clone())).expect("pool");
    begin.set(disk.steps().len()).expect("set once");
    let opened = open(&disk, &dir);
    let steps = disk.steps().split_off(*begin.get().expect("set"));
    (pool, opened, steps)
}

/// What is there beside the pool's own files: directories with a slash behind their name.
fn left(root: &Path) -> Vec<String> {
    let mut left = Vec::new();
    for entry in fs::read_dir(root).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            left.extend(
                self::left(&path)
                    .into_iter()
                    .map(|within| format!("{name}/{within}")),
            );
            left.push(name + "/");
        } else {
            assert_eq!(fs::read(&path).expect("a file"), b"", "{name}");
            left.push(name);
        }
    }
    left
}

/// Either there is a log, as if nothing had happened, or an error that says which step failed,
/// on what, and why; and nothing in the way of the next one.
#[test]
fn a_log_is_opened_whole_or_not_at_all() {
    let mut pairs = 0;
    for open in [of_session as Open, named] {
        let (_pool, opened, steps) = with_fault(open, 0, None);
        opened.expect("nothing fails");
        for (due, step) in steps.iter().enumerate() {
            for &errno in step.call.errors() {
                let (pool, opened, _) = with_fault(open, due, Some(errno));
                pairs += 1;
                if errno == Errno::EINTR {
                    opened.expect("it is only interrupted");
                    continue;
                }
                let error = opened.expect_err("it fails");
                let said = crate::error::chain(&error);
                let parts = [
                    "cannot ",
                    pool.root.path().to_str().expect("text"),
                    &std::io::Error::from(errno).to_string(),
                ];
                for part in parts {
                    assert!(
                        said.contains(part),
                        "{step}, {errno}: {part:?} is not in {said:?}"
                    );
                }
                let left = left(pool.dir.path());
                let harmless = ["logs/", OPENED, "named.log"];
                let harm = left.iter().find(|name| !harmless.contains(&name.as_str()));
                assert_eq!(harm, None, "{step}, {errno}: {left:?}");
                let dir = PoolDir::open(pool.dir.path()).expect("pool");
                Log::of_session(&dir, "a/b").expect("nothing is in the way");
            }
        }
    }
    println!("{pairs} pairs of a step and a fault");
    assert!(pairs >= 30, "only {pairs} pairs");
}

/// Which they are, so that one that goes around the disk is missed.
#[test]
fn every_step_of_opening_a_log_is_on_the_disk() {
    let steps = |open: Open| -> Vec<Call> {
        let (_, opened, steps) = with_fault(open, 0, None);
        opened.expect("nothing fails");
        steps.iter().map(|step| step.call).collect()
    };
    assert_eq!(
        steps(of_session),
        [
            Call::MakeDirectory,
            Call::SetDirectoryMode,
            Call::OpenDirectory,
            Call::Facts,
            Call::OpenLog,
            Call::Facts,
            Call::Facts,
        ]
    );
    assert_eq!(
        steps(named),
        [
            Call::FollowDirectory,
            Call::OpenLog,
            Call::Facts,
            Call::Facts,
        ]
    );
}
