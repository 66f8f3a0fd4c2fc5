//! The ledger: damaged, it costs proof and never a request.

use std::fs;
use std::path::Path;
use std::time::Duration;

use poolwarden::Cancel;
use poolwarden::process::{Claim, Identity, Place, Proof, Record};
use poolwarden::store::{LedgerWrite, LockedPool, PoolDir};
use serde::Deserialize;

use crate::directory::{empty_pool, write};

/// What every version of the file has.
#[derive(Deserialize)]
struct Version {
    version: u64,
}

/// Reading changes nothing. What could be read is still there when a row is added, and the
/// row with it; but what a newer version wrote stays as it is.
pub fn check(data: &[u8]) {
    let pool = empty_pool("ledger");
    let file = write(&pool, "ledger.json", data);
    let mut locked = lock(&pool);
    let mut ledger = locked.read_ledger();
    assert_eq!(fs::read(&file).expect("the ledger"), data);

    let mut expected: Vec<_> = ledger
        .rows()
        .map(|(claim, row)| (claim.clone(), row.clone()))
        .collect();
    expected.retain(|(claim, _)| *claim != added().0);
    ledger.insert(added().0, added().1);
    let written = locked.write_ledger(&mut ledger).expect("it is written");
    drop(locked);
    let newer = serde_json::from_slice(data)
        .ok()
        .map(|Version { version }| version);
    if let Some(version) = newer.filter(|&version| version > 2) {
        assert_eq!(written, LedgerWrite::KeptNewer { version });
        assert_eq!(fs::read(&file).expect("the ledger"), data);
        return;
    }
    assert_eq!(written, LedgerWrite::Written);
    // Through a directory of its own, which remembers nothing.
    let read = lock(&pool).read_ledger();
    assert_eq!(read.rows().len(), expected.len() + 1);
    for (claim, row) in &expected {
        assert_eq!(read.get(claim), Some(row));
    }
    let row = read.get(&added().0).expect("the row that was added");
    assert_eq!(row.record, added().1);
}

fn lock(pool: &Path) -> LockedPool {
    let pool = PoolDir::open(pool).expect("the pool");
    let cancel = Cancel::new().expect("a request");
    pool.lock(Duration::ZERO, &cancel).expect("the lock")
}

fn added() -> (Claim, Record) {
    let claim = Claim {
        sid: "added".into(),
        pid: 4711,
        created_at: "2026-01-02T03:04:05Z".into(),
        sock: String::new(),
    };
    let place = Place {
        machine: "m".into(),
        boot: "b".into(),
        pid_namespace: 1,
    };
    let identity = Identity {
        place,
        inode: Some(1),
        start_ticks: 1,
    };
    let proof = Proof::Registered;
    (claim, Record { identity, proof })
}
