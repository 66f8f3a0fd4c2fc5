//! Locks on files of the pool: flock(2). The pool's own is on `registry.lock`, shared
//! with every program that uses the pool.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use super::check::check_only_name;
use super::directory::PoolDir;
use super::disk::{Access, again};
use super::error::StoreError;
use super::facts::Facts;
use super::file;
use super::wait::Wait;
use crate::cancel::Cancel;

/// The lock file's name. The file stays empty and is never removed or renamed: whoever
/// waits for it waits for the inode, not for the name.
pub(crate) const LOCK: &str = "registry.lock";

/// The permissions of the group and of others.
const OTHERS: u32 = 0o077;

/// The lock on a file, held. It belongs to an open file description of its own, so that
/// threads of one process exclude each other too.
#[derive(Debug)]
pub(super) struct FileLock {
    pool: PoolDir,
    file: File,
    name: &'static str,
    held: bool,
}

impl FileLock {
    /// Takes the pool's lock; waits up to `wait` for it.
    pub(super) fn of_pool(
        pool: &PoolDir,
        wait: Duration,
        cancel: &Cancel,
    ) -> Result<Self, StoreError> {
        if cancel.is_cancelled() {
            return Err(StoreError::Cancelled {
                lock: pool.path_of(LOCK),
            });
        }
        Self::acquire(pool, LOCK, Access::Write, wait, Some(cancel))
    }

    /// Locks the file `name`, which is made where there is none, and closed to others; waits
    /// up to `wait` for it, and without a cancellation whatever becomes of the request.
    pub(super) fn acquire(
        pool: &PoolDir,
        name: &'static str,
        access: Access,
        wait: Duration,
        cancel: Option<&Cancel>,
    ) -> Result<Self, StoreError> {
        let open = || {
            let (file, facts) = open(pool, name, access)?;
            restrict(pool, name, &file, &facts);
            Ok(file)
        };
        Self::acquire_opened(pool, name, open, wait, cancel)
    }

    /// Takes the pool's lock for a look, which changes nothing of a lock file that is there.
    pub(super) fn for_a_look(pool: &PoolDir, wait: Duration) -> Result<Self, StoreError> {
        let open = || open(pool, LOCK, Access::Write).map(|(file, _)| file);
        Self::acquire_opened(pool, LOCK, open, wait, None)
    }

    /// Locks the file that this opens.
    fn acquire_opened(
        pool: &PoolDir,
        name: &'static str,
        open: impl Fn() -> Result<File, StoreError>,
        wait: Duration,
        cancel: Option<&Cancel>,
    ) -> Result<Self, StoreError> {
        let open = || {
            let file = open()?;
            pool.check_locks(file.as_fd(), &pool.path_of(name))?;
            Ok(file)
        };
        let mut wait = Wait::new(pool, name, wait, cancel);
        let mut file = open()?;
        loop {
            wait.lock(&file)?;
            let lock = Self {
                pool: pool.clone(),
                file,
                name,
                held: true,
            };
            if lock.is_current()? {
                return Ok(lock);
            }
            // Somebody removed or replaced the file between our opening and our locking
            // it. This lock excludes nobody; the one to hold is on the new file.
            drop(lock);
            file = open()?;
            wait.go_on(&file)?;
        }
    }

    /// Whether the lock is on the file that newcomers find.
    pub(super) fn is_current(&self) -> Result<bool, StoreError> {
        let locked = self.facts()?;
        Ok(file::look_at(&self.pool, self.name)?.is_some_and(|at_path| at_path.id == locked.id))
    }

    /// What the system says about the file now.
    pub(super) fn facts(&self) -> Result<Facts, StoreError> {
        file::facts(&self.pool, &self.file, self.name)
    }

    /// The file that is locked.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Releases the lock.
    ///
    /// Closing the descriptor would not do: a child that was forked meanwhile has a copy
    /// of it, and the lock lasts until the last copy is closed (flock(2)).
    pub(super) fn release(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.held) {
            again(|| self.pool.disk().unlock(&self.file))
        } else {
            Ok(())
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if let Err(error) = self.release() {
            let name = self.name;
            tracing::warn!(%error, "cannot unlock {name}; that comes with the end of this process");
        }
    }
}

/// Takes from everybody else what permissions they have on a file of the pool that is locked:
/// whoever can open it for reading can hold the lock (flock(2)), and keep all others out. A
/// program that made the pool with a careless umask leaves them.
///
/// Where that is not possible the request goes on: who holds the lock is told when somebody
/// does.
fn restrict(pool: &PoolDir, name: &str, file: &File, facts: &Facts) {
    // It belongs to the effective user, or it was not opened. By another name it may be what
    // others are to read.
    if facts.mode & OTHERS == 0 || check_only_name(facts).is_err() {
        return;
    }
    if let Err(error) = again(|| pool.disk().set_mode(file)) {
        let path = pool.path_of(name);
        tracing::warn!(
            %error,
            "others can hold the lock {}, whose mode {:04o} cannot be changed",
            path.display(),
            facts.mode
        );
    }
}

/// Opens the file to lock, which is made when there is none.
fn open(pool: &PoolDir, name: &str, access: Access) -> Result<(File, Facts), StoreError> {
    match file::open_or_create(pool, name, access) {
        // A file that is not appended to is never written, and others may write the pool
        // through another mount.
        Err(StoreError::Step { step, path, source })
            if access == Access::Write && source.kind() == io::ErrorKind::ReadOnlyFilesystem =>
        {
            match file::open_file(pool, name, Access::Read)? {
                Some(opened) => Ok(opened),
                None => Err(StoreError::Step { step, path, source }),
            }
        }
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::sync::Arc;
    use std::thread;

    use fs2::FileExt;

    use super::super::contract::Durability;
    use super::super::testing::{
        Call, LONG, StagedDisk, TestPool, cancel, finish_test, is_free, lock_from_outside,
        own_process, spawn_test, until_awaited,
    };
    use super::super::trail::TRAIL;
    use super::*;

    #[test]
    fn a_lock_file_replaced_meanwhile_is_not_the_one_that_is_locked() {
        for replaced in [true, false] {
            let pool = TestPool::new();
            let held = lock_from_outside(&pool);
            thread::scope(|scope| {
                let waiting = scope.spawn(|| pool.dir.lock(LONG, &cancel()));
                until_awaited(&held);
                if replaced {
                    fs::write(pool.file("other"), "").expect("write");
                    fs::rename(pool.file("other"), pool.file(LOCK)).expect("rename");
                } else {
                    fs::remove_file(pool.file(LOCK)).expect("remove");
                }
                FileExt::unlock(&held).expect("unlock");
                let locked = waiting.join().expect("thread").expect("lock");
                assert!(!is_free(&pool.file(LOCK)));
                drop(locked);
                assert!(is_free(&pool.file(LOCK)));
            });
        }
    }

    #[test]
    fn a_lock_file_taken_away_under_the_lock_stops_the_writer() {
        for replaced in [true, false] {
            let pool = TestPool::new();
            let mut locked = pool.lock();
            locked.replace_registry(b"old").expect("replace");
            if replaced {
                fs::write(pool.file("other"), "").expect("write");
                fs::rename(pool.file("other"), pool.file(LOCK)).expect("rename");
            } else {
                fs::remove_file(pool.file(LOCK)).expect("remove");
            }
            let _another = pool.lock();
            let error = locked.replace_registry(b"new").expect_err("lost");
            assert!(matches!(error, StoreError::LockLost { .. }), "{error}");
            assert_eq!(fs::read(pool.file("registry.json")).expect("read"), b"old");
        }
    }

    #[test]
    fn dropping_unlocks_although_a_child_has_the_descriptor() {
        for explicit in [true, false] {
            let pool = TestPool::new();
            let locked = pool.dir.lock(LONG, &cancel()).expect("lock");
            let mut child = Command::new("sleep")
                .arg("600")
                .stdin(Stdio::from(locked.lock_file().try_clone().expect("copy")))
                .spawn()
                .expect("sleep");
            assert!(!is_free(&pool.file(LOCK)));
            if explicit {
                locked.unlock().expect("unlock");
            } else {
                drop(locked);
            }
            let free = is_free(&pool.file(LOCK));
            child.kill().expect("kill");
            child.wait().expect("wait");
            assert!(free);
        }
    }

    fn mode_of_lock(pool: &TestPool) -> u32 {
        let metadata = fs::metadata(pool.file(LOCK)).expect("metadata");
        metadata.permissions().mode() & 0o7777
    }

    #[test]
    fn a_lock_file_that_others_can_open_is_closed_to_them_before_it_is_waited_for() {
        let pool = TestPool::new();
        let set = |path: &Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
        };
        set(pool.dir.path(), 0o755);
        drop(pool.lock());
        for mode in [0o644, 0o640, 0o604, 0o611] {
            set(&pool.file(LOCK), mode);
            // A look changes nothing.
            drop(pool.dir.hold_still(Duration::ZERO).expect("it is free"));
            assert_eq!(mode_of_lock(&pool), mode);
            let held = lock_from_outside(&pool);
            let busy = pool.dir.lock(Duration::ZERO, &cancel());
            assert!(matches!(busy, Err(StoreError::Busy { .. })), "{busy:?}");
            assert_eq!(mode_of_lock(&pool), 0o600, "{mode:o}");
            drop(held);
            drop(pool.lock());
        }
    }

    /// It is locked as well, for each line of it.
    #[test]
    fn a_trail_that_others_can_open_is_closed_to_them() {
        let pool = TestPool::new();
        fs::write(pool.file(TRAIL), "").expect("write");
        fs::set_permissions(pool.file(TRAIL), Permissions::from_mode(0o644)).expect("chmod");
        pool.dir
            .append_to_trail(b"line\n", Durability::Process, LONG, None)
            .expect("a line");
        let mode = fs::metadata(pool.file(TRAIL)).expect("metadata");
        assert_eq!(mode.permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_lock_file_whose_mode_cannot_be_changed_is_locked_all_the_same() {
        let pool = TestPool::new();
        drop(pool.lock());
        let mode = Permissions::from_mode(0o644);
        fs::set_permissions(pool.file(LOCK), mode).expect("chmod");
        let disk = StagedDisk::failing(pool.dir.path(), &[Call::SetMode]);
        let dir = PoolDir::open_on(pool.dir.path(), Arc::new(disk)).expect("pool");
        drop(dir.lock(Duration::ZERO, &cancel()).expect("it is free"));
        assert_eq!(mode_of_lock(&pool), 0o644);
    }

    /// Appends `count` numbers to the registry, each under the lock.
    fn append(pool: &PoolDir, count: usize) {
        for number in 0..count {
            let mut locked = pool.lock(LONG, &cancel()).expect("lock");
            let mut bytes = locked.read_registry().expect("read").unwrap_or_default();
            bytes.extend(format!("{number}\n").bytes());
            locked.replace_registry(&bytes).expect("replace");
        }
    }

    fn assert_appended(pool: &TestPool, count: usize) {
        let text = fs::read_to_string(pool.file("registry.json")).expect("read");
        assert_eq!(text.lines().count(), count);
    }

    #[test]
    fn eight_threads_lose_nothing() {
        let pool = TestPool::new();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| append(&pool.dir, 25));
            }
        });
        assert_appended(&pool, 8 * 25);
    }

    /// In a run of the tests it does nothing: `eight_processes_lose_nothing` starts it.
    #[test]
    fn one_of_eight_processes() {
        let Some(path) = own_process() else { return };
        append(&PoolDir::open(&path).expect("pool"), 25);
    }

    #[test]
    fn eight_processes_lose_nothing() {
        let pool = TestPool::new();
        let spawn = |_| spawn_test(module_path!(), "one_of_eight_processes", pool.dir.path());
        let children: Vec<_> = (0..8).map(spawn).collect();
        children.into_iter().for_each(finish_test);
        assert_appended(&pool, 8 * 25);
    }
}
