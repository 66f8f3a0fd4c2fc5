//! The pool's directory: opening it, making it, and checking that it is still safe.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::geteuid;

use super::check::{Danger, Facts, FileKind, check_directory};
use super::create::{create_on, sync_names};
use super::disk::{Disk, again};
use super::error::StoreError;
use super::file_system;
use super::ledger_cache::LedgerCache;
use super::lock::FileLock;
use super::locked::LockedPool;
use super::system_disk::SystemDisk;
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
    /// Opens the pool at `path`. What is missing of the path is made first, readable by
    /// the effective user alone (mode 0700, whatever the umask).
    ///
    /// # Errors
    /// [`StoreError::Unsafe`] when `path` is a symbolic link (its parents may be) or no
    /// directory, belongs to another user, or can be written by others; the mode of a
    /// directory that exists is never changed. [`StoreError::UntrustedLocks`] when it is on
    /// a network file system or the like. [`StoreError::Step`] when the system refuses.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_on(path, Arc::new(SystemDisk))
    }

    /// Opens the pool at `path` where there is one, and makes nothing. What is to be read
    /// without a lock can be on any file system.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for [`StoreError::UntrustedLocks`].
    pub(crate) fn open_existing(path: &Path) -> Result<Option<Self>, StoreError> {
        let pool = Self::existing(path, Arc::new(SystemDisk), file_system::type_of)?;
        if let Some(pool) = &pool {
            pool.check()?;
        }
        Ok(pool)
    }

    /// The same for what is to be locked, reached through `disk` only.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) fn open_existing_on(
        path: &Path,
        disk: Arc<dyn Disk>,
    ) -> Result<Option<Self>, StoreError> {
        Self::open_existing_seen(path, disk, file_system::type_of)
    }

    /// Opens the directory at `path` to look at it, whoever else can change it, and makes
    /// nothing. What is to be changed is opened with [`open`](Self::open).
    ///
    /// # Errors
    /// [`StoreError::Unsafe`] when it is no directory, [`StoreError::Step`] when the system
    /// refuses.
    pub(crate) fn look(path: &Path) -> Result<Option<Self>, StoreError> {
        Self::look_seen(path, file_system::type_of)
    }

    /// The same, where `look` says on which file system it is.
    pub(crate) fn look_seen(path: &Path, look: Look) -> Result<Option<Self>, StoreError> {
        Self::existing(path, Arc::new(SystemDisk), look)
    }

    /// The directory at `path` as it is; none where there is none.
    fn existing(path: &Path, disk: Arc<dyn Disk>, look: Look) -> Result<Option<Self>, StoreError> {
        let path = rebuilt(path)?;
        match again(|| disk.open_directory(&path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(not_opened(&*disk, &path, error)),
            Ok(fd) => Ok(Some(Self::unchecked(path, fd, disk, look))),
        }
    }

    /// Opens the pool at `path`, which is reached through `disk` only.
    pub(crate) fn open_on(path: &Path, disk: Arc<dyn Disk>) -> Result<Self, StoreError> {
        Self::open_seen(path, disk, file_system::type_of)
    }

    /// The same, where `look` says on which file system it is.
    pub(super) fn open_seen(
        path: &Path,
        disk: Arc<dyn Disk>,
        look: Look,
    ) -> Result<Self, StoreError> {
        if let Some(pool) = Self::open_existing_seen(path, disk.clone(), look)? {
            return Ok(pool);
        }
        let path = rebuilt(path)?;
        create_on(&*disk, &path)
            .map_err(|error| StoreError::step("create the pool directory", &path, error))?;
        let removed = || StoreError::step("open the pool directory", &path, Errno::ENOENT);
        Self::open_existing_seen(&path, disk, look)?.ok_or_else(removed)
    }

    /// The same where there is a directory; nothing is made.
    fn open_existing_seen(
        path: &Path,
        disk: Arc<dyn Disk>,
        look: Look,
    ) -> Result<Option<Self>, StoreError> {
        let pool = Self::existing(path, disk, look)?;
        if let Some(pool) = &pool {
            pool.check()?;
            pool.check_file_system()?;
        }
        Ok(pool)
    }

    fn unchecked(path: PathBuf, fd: OwnedFd, disk: Arc<dyn Disk>, look: Look) -> Self {
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

/// The path made absolute, since the working directory may change, and rebuilt from its
/// components, since a trailing slash would make the system follow a symbolic link.
fn rebuilt(path: &Path) -> Result<PathBuf, StoreError> {
    let absolute = std::path::absolute(path)
        .map_err(|error| StoreError::step("make an absolute path of", path, error))?;
    Ok(absolute.components().collect())
}

/// Says why a directory could not be opened: the system's own words do not tell a
/// symbolic link from a file.
fn not_opened(disk: &dyn Disk, path: &Path, error: io::Error) -> StoreError {
    match again(|| disk.look_at_path(path)) {
        Ok(facts) if facts.kind != FileKind::Directory => StoreError::Unsafe {
            path: path.to_owned(),
            danger: Danger::Kind {
                found: facts.kind,
                wanted: FileKind::Directory,
            },
        },
        _ => StoreError::step("open the pool directory", path, error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use tempfile::TempDir;

    use super::super::error::StoreErrorKind;
    use super::super::testing::{TestPool, cancel};
    use super::*;

    fn root() -> TempDir {
        tempfile::tempdir().expect("temporary directory")
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path)
            .expect("metadata")
            .permissions()
            .mode()
            & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }

    /// The danger that opening the pool there runs into.
    fn danger(path: &Path) -> Danger {
        match PoolDir::open(path) {
            Err(StoreError::Unsafe { danger, .. }) => danger,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_directory_that_exists_keeps_its_mode() {
        let root = root();
        set_mode(root.path(), 0o755);
        PoolDir::open(root.path()).expect("pool");
        assert_eq!(mode(root.path()), 0o755);
    }

    #[test]
    fn a_symbolic_link_is_refused_however_it_is_spelled() {
        let root = root();
        fs::create_dir(root.path().join("real")).expect("mkdir");
        symlink("real", root.path().join("link")).expect("symlink");
        symlink("nothing", root.path().join("dangling")).expect("symlink");
        let wanted = FileKind::Directory;
        for name in ["link", "link/", "link/.", "link//./", "dangling"] {
            assert_eq!(
                danger(&root.path().join(name)),
                Danger::Kind {
                    found: FileKind::SymbolicLink,
                    wanted
                },
                "{name}"
            );
        }
        assert!(!root.path().join("nothing").exists());
    }

    #[test]
    fn a_parent_may_be_a_symbolic_link() {
        let root = root();
        fs::create_dir(root.path().join("real")).expect("mkdir");
        symlink("real", root.path().join("link")).expect("symlink");
        PoolDir::open(&root.path().join("link/pool")).expect("pool");
        assert!(root.path().join("real/pool").is_dir());
    }

    #[test]
    fn a_file_is_refused() {
        let root = root();
        fs::write(root.path().join("pool"), "").expect("write");
        let wanted = FileKind::Directory;
        let path = root.path().join("pool");
        assert_eq!(
            danger(&path),
            Danger::Kind {
                found: FileKind::Regular,
                wanted
            }
        );
    }

    #[test]
    fn what_others_can_write_is_refused_with_the_remedy() {
        let root = root();
        for mode in [0o720, 0o702, 0o777] {
            set_mode(root.path(), mode);
            let error = PoolDir::open(root.path()).expect_err("unsafe");
            assert_eq!(error.kind(), StoreErrorKind::Unsafe);
            let text = error.to_string();
            let path = root.path().display();
            assert!(text.contains("could aim the signals"), "{text}");
            assert!(text.contains(&format!("chmod go-w {path}")), "{text}");
        }
    }

    #[test]
    fn what_belongs_to_somebody_else_is_refused() {
        let user = geteuid().as_raw();
        let root = root();
        // Root can give its directory away; anybody else finds one of root's.
        let (path, owner) = if user == 0 {
            chown(root.path(), Some(1), None).expect("chown");
            (root.path(), 1)
        } else {
            (Path::new("/"), 0)
        };
        assert_eq!(danger(path), Danger::Owner { owner, user });
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
