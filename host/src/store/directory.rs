//! The pool's directory, and checking that it is still safe.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::geteuid;

use super::check::check_directory;
use super::create::sync_names;
use super::disk::{Disk, again};
use super::error::StoreError;
use super::facts::Facts;
use super::file_system;
use super::ledger_cache::LedgerCache;
use super::lock::FileLock;
use super::locked::LockedPool;
use crate::cancel::Cancel;

/// A pool's directory, opened and found safe. Clones share one descriptor.
///
/// Everything in the pool is reached through that descriptor, so that no symbolic link
/// and no renamed parent can lead elsewhere afterwards.
#[derive(Clone)]
pub struct PoolDir(Arc<Shared>);

struct Shared {
    path: PathBuf,
    fd: OwnedFd,
    disk: Arc<dyn Disk>,
    look: Look,
    ledger: LedgerCache,
}

/// How the type of a file system is found out: a seam, for those that no test can mount.
pub(crate) type Look = fn(BorrowedFd<'_>) -> io::Result<file_system::Type>;

impl PoolDir {
    /// An open directory, not checked yet.
    pub(super) fn new(path: PathBuf, fd: OwnedFd, disk: Arc<dyn Disk>, look: Look) -> Self {
        Self(Arc::new(Shared {
            path,
            fd,
            disk,
            look,
            ledger: LedgerCache::default(),
        }))
    }

    /// The pool's path, absolute.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Locks the pool and checks it again; waits up to `wait` for whoever holds the lock.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the wait is over, [`StoreError::Cancelled`] when `cancel`
    /// is, [`StoreError::Unsafe`] when the directory or the lock file is not (any more)
    /// safe, [`StoreError::Moved`] when the path leads elsewhere by now, and
    /// [`StoreError::Step`] when the system refuses.
    pub fn lock(&self, wait: Duration, cancel: &Cancel) -> Result<LockedPool, StoreError> {
        self.check()?;
        let lock = FileLock::of_pool(self, wait, cancel)?;
        // Once more: while we waited, anything can have happened.
        self.check()?;
        Ok(LockedPool::new(self.clone(), lock))
    }

    /// Checks that the directory is safe to use and still the one at its path.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let facts = self.facts()?;
        check_directory(&facts, geteuid().as_raw()).map_err(|danger| StoreError::Unsafe {
            path: self.0.path.clone(),
            danger,
        })?;
        let moved = || StoreError::Moved {
            path: self.0.path.clone(),
        };
        match again(|| self.0.disk.look_at_path(&self.0.path)) {
            Ok(at_path) if at_path.id == facts.id => Ok(()),
            Ok(_) => Err(moved()),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Err(moved()),
                _ => Err(StoreError::step("look at", &self.0.path, error)),
            },
        }
    }

    /// Checks that locks in the directory can be trusted.
    pub(crate) fn check_file_system(&self) -> Result<(), StoreError> {
        self.check_locks(self.as_fd(), &self.0.path)
    }

    /// Checks that locks on the file system of this file, which is at `path`, can be trusted.
    pub(super) fn check_locks(&self, file: BorrowedFd<'_>, path: &Path) -> Result<(), StoreError> {
        let found = (self.0.look)(file)
            .map_err(|error| StoreError::step("look at the file system of", path, error))?;
        file_system::check(found).map_err(|untrusted| StoreError::UntrustedLocks {
            path: path.to_owned(),
            untrusted,
        })
    }

    /// What the system says about the directory now.
    pub(crate) fn facts(&self) -> Result<Facts, StoreError> {
        again(|| self.0.disk.facts(self.as_fd()))
            .map_err(|error| StoreError::step("look at", &self.0.path, error))
    }

    /// Brings the directory's own name to the disk, before something comes to be in it that
    /// has to last.
    pub(super) fn sync_name(&self) -> Result<(), StoreError> {
        sync_names(self.disk(), self.as_fd(), geteuid().as_raw())
            .map_err(|error| StoreError::step("bring to the disk the name of", &self.0.path, error))
    }

    /// The path of a file in the pool, for messages.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.0.path.join(name)
    }

    /// What the pool is reached through.
    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.0.disk
    }

    /// The ledger as it was last read or written.
    pub(super) fn ledger_cache(&self) -> &LedgerCache {
        &self.0.ledger
    }
}

impl AsFd for PoolDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }
}

impl fmt::Debug for PoolDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoolDir").field(&self.0.path).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::error::StoreErrorKind;
    use super::super::testing::{TestPool, cancel};
    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }

    #[test]
    fn the_lock_checks_again() {
        let pool = TestPool::new();
        let lock = || pool.dir.lock(Duration::ZERO, &cancel());
        set_mode(pool.dir.path(), 0o770);
        assert_eq!(lock().expect_err("unsafe").kind(), StoreErrorKind::Unsafe);
        assert!(!pool.file("registry.lock").exists());
        set_mode(pool.dir.path(), 0o700);
        drop(lock().expect("lock"));

        let aside = pool.root.path().join("aside");
        fs::rename(pool.dir.path(), &aside).expect("rename");
        assert!(matches!(lock(), Err(StoreError::Moved { .. })));
        symlink(&aside, pool.dir.path()).expect("symlink");
        assert!(matches!(lock(), Err(StoreError::Moved { .. })));
        fs::remove_file(pool.dir.path()).expect("remove");
        fs::create_dir(pool.dir.path()).expect("mkdir");
        assert!(matches!(lock(), Err(StoreError::Moved { .. })));
    }

    #[test]
    fn a_locked_pool_can_go_to_another_thread() {
        fn assert_send<T: Send + 'static>() {}
        fn assert_shared<T: Send + Sync + 'static>() {}
        assert_send::<LockedPool>();
        assert_shared::<PoolDir>();
        assert_shared::<StoreError>();
    }
}
