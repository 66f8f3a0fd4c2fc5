//! What can be done with a pool while its lock is held.

use std::path::Path;

use super::directory::PoolDir;
use super::disk::Access;
use super::error::StoreError;
use super::ledger::Ledger;
use super::lock::{FileLock, LOCK};
use super::stale_socket::KnownSockets;
use super::{contents, file, ledger_cache, leftovers, replace, stale_socket};

/// The registry's name in the pool.
const REGISTRY: &str = "registry.json";

/// The largest registry that is read or written, in bytes: 64 MiB.
pub const MAX_REGISTRY: u64 = 64 * 1024 * 1024;

/// A pool whose lock is held. What reads a consistent state or changes it exists only
/// here; dropping this releases the lock.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct LockedPool {
    pool: PoolDir,
    lock: FileLock,
    sockets: KnownSockets,
}

/// What became of a ledger that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a ledger that was not written is forgotten"]
pub enum LedgerWrite {
    /// It is on the disk.
    Written,
    /// The disk had the same already.
    Unchanged,
    /// Not written: the file is of a newer version of this program, which would lose
    /// what only that version knows. The log says so too.
    KeptNewer {
        /// The version of the file's format.
        version: u64,
    },
}

impl LockedPool {
    pub(super) fn new(pool: PoolDir, lock: FileLock) -> Self {
        Self {
            pool,
            lock,
            sockets: KnownSockets::default(),
        }
    }

    /// The pool that is locked.
    pub fn pool(&self) -> &PoolDir {
        &self.pool
    }

    /// Reads the registry as it is on disk; none when there is no file. Bytes, not text:
    /// the file may hold anything.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] over [`MAX_REGISTRY`], [`StoreError::Unsafe`] when it is
    /// no regular file, another user's, or writable by others; [`StoreError::Step`].
    pub fn read_registry(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((file, facts)) = file::open_file(&self.pool, REGISTRY, Access::Read)? else {
            return Ok(None);
        };
        contents::read_all(&self.pool, REGISTRY, &file, &facts, MAX_REGISTRY).map(Some)
    }

    /// Replaces the registry, atomically and durably.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] over [`MAX_REGISTRY`], [`StoreError::Unsafe`] when what
    /// would be replaced or the directory is not safe, [`StoreError::Moved`] when the pool's
    /// path leads elsewhere by now, [`StoreError::LockLost`] when somebody took the lock
    /// file away, [`StoreError::Step`] when the system refuses; the registry is then what
    /// it was. [`StoreError::NotDurable`] when it is replaced, but perhaps not for good.
    pub fn replace_registry(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let size = bytes.len() as u64;
        if size > MAX_REGISTRY {
            let path = self.pool.path_of(REGISTRY);
            return Err(StoreError::TooLarge {
                path,
                size,
                limit: MAX_REGISTRY,
            });
        }
        self.still_locked()?;
        replace::replace(&self.pool, REGISTRY, bytes).map(drop)
    }

    /// Reads the ledger. One that is missing, unreadable or of a newer format is empty, and of
    /// a damaged one the rows are left out that cannot be read, since the ledger must never
    /// block a request; the log says why. The file stays as it is until the ledger is written,
    /// and a damaged one is put aside then.
    ///
    /// Parses the file only when it changed since this process read or wrote it.
    pub fn read_ledger(&self) -> Ledger {
        ledger_cache::read(&self.pool)
    }

    /// Replaces the ledger, atomically and durably, where it changed since it was read.
    ///
    /// # Errors
    /// As [`replace_registry`](Self::replace_registry), the size aside.
    pub fn write_ledger(&mut self, ledger: &mut Ledger) -> Result<LedgerWrite, StoreError> {
        if !ledger.is_changed() {
            return Ok(LedgerWrite::Unchanged);
        }
        self.still_locked()?;
        ledger_cache::write(&self.pool, ledger)
    }

    /// Removes the socket at `path` if it was left behind in this pool: it lies directly in
    /// the directory, is our own, is no link, and nobody answers on it or is bound to it, in
    /// any network namespace of a process that can be seen. Returns whether it was removed; one
    /// that has to stay is no error.
    ///
    /// # Errors
    /// [`StoreError::Step`] when the system refuses.
    pub fn remove_stale_socket(&mut self, path: &Path) -> Result<bool, StoreError> {
        stale_socket::remove(&self.pool, &mut self.sockets, path)
    }

    /// Removes the temporary files of a process that was killed. What cannot be removed
    /// stays, for whoever needs its name to deal with.
    pub(crate) fn remove_leftovers(&mut self) {
        let names = [REGISTRY, ledger_cache::LEDGER].map(replace::temporary);
        leftovers::remove(&self.pool, &names);
    }

    /// Releases the lock, as dropping does, and says when that fails.
    ///
    /// # Errors
    /// [`StoreError::Step`] when the system refuses.
    pub fn unlock(mut self) -> Result<(), StoreError> {
        self.lock
            .release()
            .map_err(|error| StoreError::step("unlock", &self.pool.path_of(LOCK), error))
    }

    /// The descriptor that holds the lock.
    #[cfg(test)]
    pub(super) fn lock_file(&self) -> &std::fs::File {
        self.lock.file()
    }

    /// Checks that nobody else can have come to change the pool: by the directory, or by
    /// a lock that excludes nobody any more.
    pub(super) fn still_locked(&self) -> Result<(), StoreError> {
        self.pool.check()?;
        if self.lock.is_current()? {
            Ok(())
        } else {
            Err(StoreError::LockLost {
                lock: self.pool.path_of(LOCK),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::super::error::StoreErrorKind;
    use super::super::testing::{TestPool, claim, record};
    use super::*;

    /// Whoever came to write the directory meanwhile may have put another registry there.
    #[test]
    fn a_directory_that_others_come_to_write_is_not_written() {
        let pool = TestPool::new();
        let mut locked = pool.lock();
        locked.replace_registry(b"old").expect("replace");
        let mut ledger = locked.read_ledger();
        ledger.insert(claim("a"), record(1));
        fs::set_permissions(pool.dir.path(), Permissions::from_mode(0o770)).expect("chmod");
        for refused in [
            locked.replace_registry(b"new"),
            locked.write_ledger(&mut ledger).map(drop),
        ] {
            let error = refused.expect_err("unsafe");
            assert_eq!(error.kind(), StoreErrorKind::Unsafe, "{error}");
        }
        assert_eq!(fs::read(pool.file("registry.json")).expect("read"), b"old");
        assert!(!pool.file("ledger.json").exists());
    }

    /// As when somebody puts another pool in this one's place.
    #[test]
    fn a_directory_that_was_moved_is_not_written() {
        let pool = TestPool::new();
        let mut locked = pool.lock();
        let aside = pool.root.path().join("aside");
        fs::rename(pool.dir.path(), &aside).expect("rename");
        let error = locked.replace_registry(b"new").expect_err("moved");
        assert!(matches!(error, StoreError::Moved { .. }), "{error}");
        assert!(!aside.join("registry.json").exists());
    }
}
