//! A pool in a directory, which is opened when it is first needed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::contract::{Durability, LockedStore, Store, Trail};
use super::directory::PoolDir;
use super::disk::Disk;
use super::error::StoreError;
use super::ledger::Ledger;
use super::locked::{LedgerWrite, LockedPool};
use super::system_disk::SystemDisk;
use crate::cancel::Cancel;

/// Keeps a pool in the files of a directory, which other programs share: where a pool is kept
/// unless it is said otherwise.
pub struct DirectoryStore {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    opened: Mutex<Option<PoolDir>>,
}

impl DirectoryStore {
    /// The pool in this directory, which need not exist yet. Nothing is touched.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::on(Arc::new(SystemDisk), path)
    }

    /// The same, reached through this disk.
    pub(crate) fn on(disk: Arc<dyn Disk>, path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            disk,
            opened: Mutex::new(None),
        }
    }

    /// The directory, opened where that has not happened yet.
    ///
    /// # Errors
    /// As [`PoolDir::open`].
    pub fn open(&self) -> Result<PoolDir, StoreError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match opened.as_ref() {
            Some(directory) => directory.clone(),
            None => opened
                .insert(PoolDir::open_on(&self.path, self.disk.clone())?)
                .clone(),
        })
    }

    /// Checks that the directory is safe to use, where there is one. Nothing is made.
    ///
    /// # Errors
    /// As [`PoolDir::open`], but for [`StoreError::UntrustedLocks`].
    pub fn check(&self) -> Result<(), StoreError> {
        PoolDir::open_existing(&self.path).map(drop)
    }

    /// The same where there is a directory; none is made.
    fn open_existing(&self) -> Result<Option<PoolDir>, StoreError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.is_none() {
            *opened = PoolDir::open_existing_on(&self.path, self.disk.clone())?;
        }
        Ok(opened.clone())
    }

    /// The lock is waited for without holding up other requests of this process. A directory
    /// that was made again where this one was is opened, once: it is the pool by now.
    fn locked(
        &self,
        directory: &PoolDir,
        wait: Duration,
        cancel: &Cancel,
    ) -> Result<Box<dyn LockedStore>, StoreError> {
        let lock = |directory: &PoolDir| -> Result<Box<dyn LockedStore>, StoreError> {
            Ok(Box::new(directory.lock(wait, cancel)?))
        };
        let error = match lock(directory) {
            Ok(locked) => return Ok(locked),
            Err(error) => error,
        };
        self.close();
        if !matches!(error, StoreError::Moved { .. }) {
            return Err(error);
        }
        match self.open_existing()? {
            Some(directory) => lock(&directory).inspect_err(|_| self.close()),
            // Nobody made it again: that it is gone is said, once.
            None => Err(error),
        }
    }

    /// The next request looks again: the directory may have been replaced.
    fn close(&self) {
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Store for DirectoryStore {
    fn lock(&self, wait: Duration, cancel: &Cancel) -> Result<Box<dyn LockedStore>, StoreError> {
        self.locked(&self.open()?, wait, cancel)
    }

    fn lock_existing(
        &self,
        wait: Duration,
        cancel: &Cancel,
    ) -> Result<Option<Box<dyn LockedStore>>, StoreError> {
        match self.open_existing()? {
            Some(directory) => self.locked(&directory, wait, cancel).map(Some),
            None => Ok(None),
        }
    }

    fn directory(&self) -> Option<&DirectoryStore> {
        Some(self)
    }
}

impl LockedStore for LockedPool {
    fn read_registry(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_registry()
    }

    fn replace_registry(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.replace_registry(bytes)
    }

    fn read_ledger(&self) -> Ledger {
        self.read_ledger()
    }

    fn write_ledger(&mut self, ledger: &Ledger) -> Result<LedgerWrite, StoreError> {
        self.write_ledger(&mut ledger.clone())
    }

    fn trail(&self) -> Arc<dyn Trail> {
        Arc::new(self.pool().clone())
    }

    fn remove_leftovers(&mut self) {
        self.remove_leftovers();
    }

    fn remove_stale_socket(&mut self, path: &Path) -> Result<bool, StoreError> {
        self.remove_stale_socket(path)
    }
}

impl Trail for PoolDir {
    fn append(
        &self,
        lines: &[u8],
        durability: Durability,
        wait: Duration,
        cancel: Option<&Cancel>,
    ) -> Result<(), StoreError> {
        self.append_to_trail(lines, durability, wait, cancel)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::DirBuilderExt;

    use super::super::testing::cancel;
    use super::*;

    #[test]
    fn what_was_moved_away_is_told_once_and_then_opened_anew() {
        let root = tempfile::tempdir().expect("temporary directory");
        let path = root.path().join("pool");
        let store = DirectoryStore::new(&path);
        assert!(!path.exists());
        let registry = |text: Option<&str>| {
            let mut locked = store.lock(Duration::ZERO, &cancel())?;
            if let Some(text) = text {
                locked.replace_registry(text.as_bytes())?;
            }
            locked.read_registry()
        };
        let written = registry(Some("{}")).expect("it is written");
        assert_eq!(written.as_deref(), Some(&b"{}"[..]));
        fs::rename(&path, root.path().join("aside")).expect("it is moved");
        let moved = registry(None);
        assert!(matches!(moved, Err(StoreError::Moved { .. })), "{moved:?}");
        assert_eq!(registry(None).expect("a new pool"), None);
        assert!(path.is_dir());
    }

    #[test]
    fn a_directory_that_was_made_again_is_opened_at_once() {
        let root = tempfile::tempdir().expect("temporary directory");
        let path = root.path().join("pool");
        let store = DirectoryStore::new(&path);
        for round in 0..2 {
            let mut locked = store.lock(Duration::ZERO, &cancel()).expect("the lock");
            locked.replace_registry(b"{}").expect("it is written");
            drop(locked);
            fs::remove_dir_all(&path).expect("it is removed");
            fs::DirBuilder::new()
                .mode(0o700)
                .create(&path)
                .expect("it is made again");
            let locked = if round == 0 {
                store.lock(Duration::ZERO, &cancel())
            } else {
                let locked = store.lock_existing(Duration::ZERO, &cancel());
                locked.map(|locked| locked.expect("a directory"))
            };
            let locked = locked.expect("the new directory is locked");
            assert_eq!(locked.read_registry().expect("readable"), None);
        }
    }

    #[test]
    fn what_is_not_there_is_not_made_to_be_looked_at() {
        let root = tempfile::tempdir().expect("temporary directory");
        let path = root.path().join("parent/pool");
        let store = DirectoryStore::new(&path);
        let locked = || {
            let locked = store.lock_existing(Duration::ZERO, &cancel());
            locked.expect("an empty pool is no error").is_some()
        };
        assert!(!locked());
        assert!(!root.path().join("parent").exists());
        // Made by somebody, it is there for the next request.
        drop(store.lock(Duration::ZERO, &cancel()).expect("the lock"));
        assert!(locked());
    }

    #[test]
    fn what_is_no_pool_is_not_taken_for_one_that_is_not_there() {
        let root = tempfile::tempdir().expect("temporary directory");
        fs::write(root.path().join("file"), "").expect("write");
        std::os::unix::fs::symlink("nowhere", root.path().join("link")).expect("symlink");
        for name in ["file", "file/pool", "link"] {
            let store = DirectoryStore::new(root.path().join(name));
            let locked = store.lock_existing(Duration::ZERO, &cancel());
            assert!(locked.is_err(), "{name}");
        }
    }
}
