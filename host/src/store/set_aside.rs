//! Giving a damaged file of the pool another name. No byte of it is changed or removed.

use std::io;
use std::os::fd::AsFd;

use super::directory::PoolDir;
use super::disk::again;
use super::error::StoreError;
use super::facts::Facts;
use super::locked::LockedPool;

impl LockedPool {
    /// Gives what is at `name` the name `aside`, which nothing has. Returns whether it did:
    /// what is no longer there is not an error.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when what is at `name` is not what was planned for,
    /// [`StoreError::LockLost`], and [`StoreError::Step`] when the system refuses, as it does
    /// when `aside` is taken; nothing was changed then. [`StoreError::NotDurable`].
    pub(crate) fn set_aside(
        &mut self,
        name: &str,
        planned: &Facts,
        aside: &str,
    ) -> Result<bool, StoreError> {
        self.still_locked()?;
        let pool = self.pool();
        if pool.facts_at(name)?.is_none() {
            return Ok(false);
        }
        check_planned(pool, name, planned)?;
        match pool.disk().rename_to_free(pool.as_fd(), name, aside) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => {
                return Err(StoreError::step("put aside", &pool.path_of(name), error));
            }
        }
        sync(pool, name)?;
        Ok(true)
    }

    /// Checks that what is at `name` is still what was looked at.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when it is not.
    pub(crate) fn check_planned(&self, name: &str, planned: &Facts) -> Result<(), StoreError> {
        check_planned(self.pool(), name, planned)
    }
}

pub(super) fn check_planned(pool: &PoolDir, name: &str, planned: &Facts) -> Result<(), StoreError> {
    match pool.facts_at(name)? {
        Some(facts) if facts == *planned => Ok(()),
        _ => Err(changed(pool, name)),
    }
}

pub(super) fn changed(pool: &PoolDir, name: &str) -> StoreError {
    StoreError::Changed {
        path: pool.path_of(name),
    }
}

pub(super) fn sync(pool: &PoolDir, name: &str) -> Result<(), StoreError> {
    again(|| pool.disk().sync_directory(pool.as_fd())).map_err(|source| StoreError::NotDurable {
        path: pool.path_of(name),
        source,
    })
}
