//! A place for what is read from files.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

thread_local! {
    /// One directory for all inputs of a thread: to make one for each would cost more than to
    /// read it. It goes when its thread does; but the engine ends without that, so it is best
    /// put where it does not matter (`TMPDIR`).
    static ROOT: TempDir = tempfile::tempdir().expect("a temporary directory");
}

/// A pool's directory without a file in it, of this name among the checks.
pub(crate) fn empty_pool(name: &str) -> PathBuf {
    let pool = ROOT.with(|root| root.path().join(name));
    if pool.exists() {
        for file in fs::read_dir(&pool).expect("the pool") {
            fs::remove_file(file.expect("a file of the pool").path()).expect("it is removed");
        }
    } else {
        poolwarden::store::PoolDir::open(&pool).expect("a new pool");
    }
    pool
}

/// Writes a file of a pool, as its owner would have it.
pub(crate) fn write(pool: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = pool.join(name);
    fs::write(&path, bytes).expect("it is written");
    path
}
