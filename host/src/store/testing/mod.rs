//! What the tests of the store share.

mod chance;
mod journal;
mod log_faults;
mod refusals;
mod staged_calls;
mod staged_disk;
mod step;
mod verdict;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fs2::FileExt;
use tempfile::TempDir;

pub(crate) use chance::Chance;
pub(crate) use journal::{Image, Journal, Survives};
pub(crate) use staged_disk::StagedDisk;
pub(crate) use step::{Call, Step};
pub(crate) use verdict::Verdict;

use super::holder::LockedFile;
use super::lock::LOCK;
use super::{LockedPool, PoolDir};
use crate::cancel::Cancel;
use crate::process::{Claim, Identity, Place, Proof, Record};

/// Tells a test that runs in a process of its own which directory to use.
const OWN_PROCESS: &str = "POOLWARDEN_TEST_OWN_PROCESS";

/// How large the trail's file grows, in bytes.
pub(crate) const FULL_TRAIL: u64 = super::trail::LARGEST;

/// Longer than anything takes that a test waits for.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// A pool in a directory of the test's own.
pub(super) struct TestPool {
    pub(super) dir: PoolDir,
    pub(super) root: TempDir,
}

impl TestPool {
    pub(super) fn new() -> Self {
        let root = tempfile::tempdir().expect("temporary directory");
        let dir = PoolDir::open(&root.path().join("pool")).expect("pool");
        Self { dir, root }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn lock(&self) -> LockedPool {
        self.dir.lock(LONG, &cancel()).expect("lock")
    }
}

/// A cancellation that does not happen.
pub(super) fn cancel() -> Cancel {
    Cancel::new().expect("eventfd")
}

pub(super) fn claim(sid: &str) -> Claim {
    Claim {
        sid: sid.to_owned(),
        pid: 4242,
        created_at: "2026-01-01T00:00:00Z".to_owned(),
        sock: format!("/run/{sid}.sock"),
    }
}

pub(super) fn record(inode: u64) -> Record {
    let place = Place {
        machine: "m".to_owned(),
        boot: "b".to_owned(),
        pid_namespace: 4_026_531_836,
    };
    let identity = Identity {
        place,
        inode: Some(inode),
        start_ticks: 100,
    };
    Record {
        identity,
        proof: Proof::Registered,
    }
}

/// Waits until `condition` holds.
pub(super) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < LONG, "never happened: {what}");
        // What is waited for tells nobody: a line in /proc, a lock of somebody else. The
        // pause is between two looks, and keeps out of the way of what is to happen.
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Locks the pool as another program would.
pub(super) fn lock_from_outside(pool: &TestPool) -> File {
    let file = File::create(pool.file(LOCK)).expect("lock file");
    FileExt::lock_exclusive(&file).expect("lock");
    file
}

/// Whether nobody holds the lock.
pub(super) fn is_free(path: &Path) -> bool {
    let file = File::open(path).expect("lock file");
    // Unlocked and not only closed: a child that another test spawns just now has a copy.
    FileExt::try_lock_exclusive(&file)
        .and_then(|()| FileExt::unlock(&file))
        .is_ok()
}

/// Waits until somebody waits for the lock on this file.
pub(super) fn until_awaited(file: &File) {
    let locked = LockedFile::of(file).expect("name in /proc/locks");
    until("somebody waits for the lock", || {
        let locks = fs::read_to_string("/proc/locks").expect("/proc/locks");
        locks.lines().any(|line| locked.is_awaited_in(line))
    });
}

/// Runs the test named `test` of the module `module` in a process of its own, where
/// [`own_process`] gives it `path`.
pub(crate) fn spawn_test(module: &str, test: &str, path: &Path) -> Child {
    // The test's name begins behind the crate's.
    let module = module.split_once("::").expect("module of a crate").1;
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", &format!("{module}::{test}")])
        .env(OWN_PROCESS, path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("spawn this program")
}

/// Waits for a process of [`spawn_test`] and checks that it ran one test, which passed.
pub(super) fn finish_test(child: Child) {
    let output = child.wait_with_output().expect("wait");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

/// The path given to this process by [`spawn_test`]; none in an ordinary run of the tests,
/// where such a test does nothing on its own.
pub(crate) fn own_process() -> Option<PathBuf> {
    std::env::var_os(OWN_PROCESS).map(PathBuf::from)
}
