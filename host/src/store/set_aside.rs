//! Giving a damaged file of the pool another name. No byte of it is changed or removed.

use std::io;
use std::os::fd::AsFd;
use std::time::SystemTime;

use jiff::Timestamp;

use super::directory::PoolDir;
use super::disk::again;
use super::error::StoreError;
use super::facts::Facts;
use super::locked::LockedPool;

/// What is behind a file's name, before the date, once it is put aside for its damage.
pub(crate) const DAMAGED: &str = ".damaged-";
/// What is behind it while the file is written anew.
pub(crate) const DRAFT: &str = ".repairing-";

impl PoolDir {
    /// A name for the file `name` that nothing has: with the kind and the time behind it, and
    /// a number where that is taken.
    pub(crate) fn free_name(&self, name: &str, kind: &str, time: SystemTime) -> String {
        let time = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
        // Without the colons, which a name of a file should not have.
        let dated = format!("{name}{kind}{}", time.strftime("%Y-%m-%dT%H-%M-%SZ"));
        let is_free = |name: &String| matches!(self.facts_at(name), Ok(None));
        if is_free(&dated) {
            return dated;
        }
        let mut numbered = (2..1000).map(|number| format!("{dated}-{number}"));
        numbered.find(is_free).unwrap_or(dated)
    }
}

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
