//! What these tests share.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::cancel::Cancel;
use crate::pool::{Pool, PoolBuilder};
use crate::process::fake::FakeKernel;
use crate::process::{Claim, LinuxProcesses};
use crate::runtime::{Limits, Policy};
use crate::store::{Ledger, LockedPool, PoolDir};

/// The worker that most tests are about.
pub(in crate::life) const PID: u32 = 4711;
/// Ticks at which it starts: 11:00:00.
pub(in crate::life) const START: u64 = 360_000;
/// Longer than anything takes that a test waits for.
pub(in crate::life) const LONG: Duration = Duration::from_secs(60);

static POLICY: LazyLock<Arc<Policy>> =
    LazyLock::new(|| Arc::new(Policy::shipped().expect("the shipped policy loads")));

/// A pool in a directory of its own, on a machine where the worker runs.
pub(in crate::life) struct Machine {
    pub(in crate::life) fake: Arc<FakeKernel>,
    pub(in crate::life) pool: Pool,
    root: TempDir,
}

impl Machine {
    /// A pool with these entries.
    pub(in crate::life) fn with(claims: &[Claim]) -> Self {
        Self::configured(claims, |builder| builder)
    }

    /// The same, with another configuration.
    pub(in crate::life) fn configured(
        claims: &[Claim],
        configure: impl FnOnce(PoolBuilder) -> PoolBuilder,
    ) -> Self {
        let fake = Arc::new(FakeKernel::new());
        fake.run(PID, START, 1);
        fake.link(&format!("/proc/{PID}/exe"), "/usr/bin/worker");
        let root = tempfile::tempdir().expect("a temporary directory");
        let processes = LinuxProcesses::with_kernel(fake.clone(), 100);
        let builder = PoolBuilder::new(root.path().join("pool"))
            .processes(Arc::new(processes))
            .limits(Limits {
                lock_wait: LONG,
                ..Limits::default()
            });
        let machine = Self {
            pool: configure(builder).build(POLICY.clone()),
            fake,
            root,
        };
        machine.write(claims);
        machine
    }

    /// Replaces the registry, as another program would.
    pub(in crate::life) fn write(&self, claims: &[Claim]) {
        let entries: Vec<_> = claims
            .iter()
            .map(|claim| {
                json!({
                    "sid": claim.sid,
                    "pid": claim.pid,
                    "sock": claim.sock,
                    "version": "",
                    "created_at": claim.created_at,
                })
            })
            .collect();
        let text = json!({ "sessions": entries }).to_string();
        self.lock()
            .replace_registry(text.as_bytes())
            .expect("the registry is replaced");
    }

    /// Takes the pool's lock.
    pub(in crate::life) fn lock(&self) -> LockedPool {
        let pool = PoolDir::open(self.pool.path()).expect("a pool");
        pool.lock(LONG, &cancel()).expect("the lock")
    }

    /// The ledger on disk.
    pub(in crate::life) fn ledger(&self) -> Ledger {
        self.lock().read_ledger()
    }

    /// A file of the pool.
    pub(in crate::life) fn file(&self, name: &str) -> PathBuf {
        self.root.path().join("pool").join(name)
    }

    /// Inode and contents: a replacement, even by the same bytes, shows.
    pub(in crate::life) fn registry(&self) -> (u64, Vec<u8>) {
        let path = self.file("registry.json");
        let inode = fs::metadata(&path).expect("the registry").ino();
        (inode, fs::read(path).expect("the registry"))
    }
}

/// An entry of the worker that is proven by time.
pub(in crate::life) fn claim(sid: &str) -> Claim {
    Claim {
        sid: sid.into(),
        pid: PID,
        created_at: "2026-11-23T11:00:00Z".into(),
        sock: String::new(),
    }
}

/// An entry of the worker that nothing proves: nobody knows when it was made.
pub(in crate::life) fn unproven(sid: &str) -> Claim {
    Claim {
        created_at: "some day".into(),
        ..claim(sid)
    }
}

/// An entry of another process.
pub(in crate::life) fn of(sid: &str, pid: u32) -> Claim {
    Claim { pid, ..claim(sid) }
}

/// A cancellation that does not happen.
pub(in crate::life) fn cancel() -> Cancel {
    Cancel::new().expect("an eventfd")
}

/// Waits until `condition` holds, giving way to others.
pub(in crate::life) fn until(mut condition: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !condition() {
        assert!(begun.elapsed() < LONG, "it never happened");
        std::thread::yield_now();
    }
}
