//! A pool of made-up workers, in a directory of its own.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tempfile::TempDir;

use crate::pool::{Pool, PoolBuilder};
use crate::process::fake::FakeKernel;
use crate::process::{Claim, Identity, LinuxProcesses, Proof, Record, Signal};
use crate::runtime::{Limits, Policy};
use crate::store::testing::StagedDisk;
use crate::store::{DirectoryStore, Disk, PoolDir};

use super::run::Lie;

/// Longer than anything takes that is waited for.
const LONG: Duration = Duration::from_secs(60);
/// Ticks, a hundredth of a second each, from the boot to the workers' start.
const START: u64 = 360_000;

static POLICY: LazyLock<Arc<Policy>> =
    LazyLock::new(|| Arc::new(Policy::shipped().expect("the shipped policy loads")));

/// When the tests began: all worlds have the same entries, of one hour before.
static BEGAN: LazyLock<Timestamp> = LazyLock::new(Timestamp::now);

static FILES: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(registry_and_ledger);

/// A worker of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Worker {
    pub(super) sid: &'static str,
    pub(super) pid: u32,
    /// Whether it runs.
    runs: bool,
    /// Whether the ledger has a row for it; else it is proven by its start time, which is
    /// something learned that the ledger gets to know.
    has_row: bool,
    /// Whether its socket is in the pool.
    has_socket: bool,
}

/// Lives through everything.
pub(super) const KEEPER: Worker = worker("keeper", 1001, true);
/// The ledger has no row for it.
pub(super) const UNKNOWN: Worker = Worker {
    has_row: false,
    ..worker("unknown", 1002, true)
};
/// Has ended long ago.
pub(super) const DEAD: Worker = Worker {
    has_socket: true,
    ..worker("dead", 1003, false)
};
/// Ends when it is asked to.
pub(super) const POLITE: Worker = Worker {
    has_socket: true,
    ..worker("polite", 1004, true)
};
/// Ends when it is killed.
pub(super) const DEAF: Worker = worker("deaf", 1005, true);
/// Ends before the request that comes next, which has to notice.
pub(super) const CANARY: Worker = worker("canary", 1006, true);
/// Runs, and has no entry.
pub(super) const NEW: Worker = worker("new", 1007, true);

const REGISTERED: [Worker; 6] = [KEEPER, UNKNOWN, DEAD, POLITE, DEAF, CANARY];

const fn worker(sid: &'static str, pid: u32, runs: bool) -> Worker {
    Worker {
        sid,
        pid,
        runs,
        has_row: true,
        has_socket: false,
    }
}

/// A machine, and a pool on it.
pub(super) struct World {
    pub(super) fake: Arc<FakeKernel>,
    root: Root,
}

enum Root {
    Owned(TempDir),
    Borrowed(PathBuf),
}

impl World {
    /// A machine with a pool that has an entry for everybody but [`NEW`].
    pub(super) fn new() -> Self {
        let world = Self::bare();
        let pool = world.pool_path();
        let made = fs::DirBuilder::new().mode(0o700).create(&pool);
        made.expect("the pool's directory");
        for worker in REGISTERED.iter().filter(|worker| worker.has_socket) {
            drop(UnixListener::bind(worker.sock(&pool)).expect("a socket"));
        }
        let (registry, ledger) = &*FILES;
        // The paths of the sockets are the only thing that differs.
        let text = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
            text.replace("POOL", pool.to_str().expect("UTF-8"))
        };
        world.write("registry.json", text(registry).as_bytes());
        world.write("ledger.json", text(ledger).as_bytes());
        world.write("registry.lock", b"");
        world
    }

    /// A machine without a pool.
    pub(super) fn bare() -> Self {
        let root = directory();
        // So that it is no directory that the store could have made.
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(root.path(), mode).expect("chmod");
        Self {
            fake: machine(*BEGAN),
            root: Root::Owned(root),
        }
    }

    /// The same machine as another process sees it, with the pool in this directory.
    pub(super) fn seen_from_elsewhere(root: &Path, began: Timestamp) -> Self {
        Self {
            fake: machine(began),
            root: Root::Borrowed(root.to_owned()),
        }
    }

    pub(super) fn began() -> Timestamp {
        *BEGAN
    }

    pub(super) fn root(&self) -> &Path {
        match &self.root {
            Root::Owned(root) => root.path(),
            Root::Borrowed(root) => root,
        }
    }

    pub(super) fn pool_path(&self) -> PathBuf {
        self.root().join("pool")
    }

    /// Writes a file of the pool, as another program would.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.pool_path().join(name);
        fs::write(&path, bytes).expect("write");
        // As a request leaves it that has locked it, whoever made it.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("chmod");
    }

    /// Makes a pool of the directory `path`, whose files are reached through `disk`.
    pub(super) fn pool_at(&self, path: &Path, disk: Arc<dyn Disk>, lock_wait: Duration) -> Pool {
        let processes = LinuxProcesses::with_kernel(self.fake.clone(), 100);
        PoolBuilder::new(path)
            .processes(Arc::new(processes))
            .limits(Limits {
                lock_wait,
                ..Limits::default()
            })
            .store(Arc::new(DirectoryStore::on(disk, path)))
            .build(POLICY.clone())
    }

    /// The pool in the directory `path` as a new process sees it.
    pub(super) fn fresh_pool_at(&self, path: &Path, lie: Lie) -> Pool {
        let disk = StagedDisk::new(path, move |_, step| lie(step));
        self.pool_at(path, Arc::new(disk), LONG)
    }

    /// How long a request waits for a lock that it gets.
    pub(super) fn patience() -> Duration {
        LONG
    }
}

/// A directory in memory where there is such a place: thousands are made, and none has to
/// last.
pub(super) fn directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a temporary directory")
}

impl Worker {
    /// The one of this name.
    pub(super) fn named(sid: &str) -> Self {
        let mut workers = REGISTERED.into_iter().chain([NEW]);
        workers.find(|worker| worker.sid == sid).expect("a worker")
    }

    fn sock(&self, pool: &Path) -> String {
        if self.has_socket {
            let path = pool.join(self.sid).with_extension("sock");
            path.to_str().expect("UTF-8").to_owned()
        } else {
            String::new()
        }
    }

    fn claim(&self) -> Claim {
        Claim {
            sid: self.sid.into(),
            pid: self.pid,
            created_at: (*BEGAN - SignedDuration::from_hours(1))
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
            sock: self.sock(Path::new("POOL")),
        }
    }
}

/// A machine that booted two hours before it all began.
fn machine(began: Timestamp) -> Arc<FakeKernel> {
    let fake = FakeKernel::new();
    // Ahead of the clock that entries are stamped with: they are of the past for it.
    let now = began + SignedDuration::from_mins(1);
    fake.set_clock(&now.to_string(), Duration::from_secs(2 * 3600 + 60));
    for worker in REGISTERED.iter().chain([&NEW]).filter(|worker| worker.runs) {
        fake.run(worker.pid, START - 1000, 1);
    }
    for ends in [Signal::Term, Signal::Kill] {
        fake.end_on(POLITE.pid, ends);
    }
    fake.end_on(DEAF.pid, Signal::Kill);
    Arc::new(fake)
}

/// What the files hold at the beginning, of a pool that is called `POOL`.
fn registry_and_ledger() -> (Vec<u8>, Vec<u8>) {
    let entries = REGISTERED.iter().map(|worker| {
        let claim = worker.claim();
        json!({
            "sid": claim.sid,
            "pid": claim.pid,
            "sock": claim.sock,
            "version": "",
            "created_at": claim.created_at,
        })
    });
    let registry = json!({ "sessions": entries.collect::<Vec<_>>() }).to_string();

    let scratch = World::bare();
    let directory = PoolDir::open(&scratch.pool_path());
    let directory = directory.expect("a pool");
    let cancel = crate::Cancel::new().expect("an eventfd");
    let mut locked = directory.lock(LONG, &cancel).expect("the lock");
    let mut ledger = locked.read_ledger();
    for worker in REGISTERED.iter().filter(|worker| worker.has_row) {
        let identity = Identity {
            place: FakeKernel::place(),
            inode: Some(1000 + u64::from(worker.pid)),
            start_ticks: START - 1000,
        };
        let proof = Proof::Registered;
        ledger.insert(worker.claim(), Record { identity, proof });
    }
    let _ = locked.write_ledger(&mut ledger).expect("the ledger");
    let ledger = fs::read(scratch.pool_path().join("ledger.json")).expect("the ledger");
    (registry.into_bytes(), ledger)
}
