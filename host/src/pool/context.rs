//! What all requests on one pool share.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::cancel::Cancel;
use crate::clock::Clock;
use crate::floor::Reading;
use crate::mandate::CurrentMandate;
use crate::process::{Inquiry, Processes, Strength};
use crate::recording::RecordingFile;
use crate::runtime::Limits;
use crate::store::{Guarded, Ledger, Nothing, PoolDir, Store, StoreError, StoreErrorKind};

use super::rows::Rows;
use super::without_entry::check_nobody_lost;

/// The registry's name within the pool directory.
pub(crate) const REGISTRY: &str = "registry.json";

pub(crate) struct Context {
    pub(super) path: PathBuf,
    pub(super) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) processes: Arc<dyn Processes>,
    pub(crate) limits: Limits,
    pub(super) recordings: Option<RecordingFile>,
    pub(super) mandate: CurrentMandate,
    pub(super) last_reading: Mutex<Option<Arc<Reading>>>,
    pub(super) last_rows: Mutex<Option<Arc<Rows>>>,
}

impl Context {
    /// Takes the pool's lock, and makes the pool where there is none.
    pub(crate) fn lock(&self, cancel: &Cancel) -> Result<Guarded, StoreError> {
        let locked = self.store.lock(self.limits.lock_wait, cancel)?;
        Ok(Guarded::new(locked))
    }

    /// Takes the lock of a pool that is there, waiting up to `wait`. One that is not is an
    /// empty one, and stays what it is: the name of a pool may be misspelt.
    pub(crate) fn lock_existing(
        &self,
        wait: Duration,
        cancel: &Cancel,
    ) -> Result<Guarded, StoreError> {
        let locked = self.store.lock_existing(wait, cancel)?;
        Ok(Guarded::new(locked.unwrap_or_else(|| Box::new(Nothing))))
    }

    /// Reads the registry of a pool whose lock is held; none where there never was one, and
    /// then the pool is empty.
    ///
    /// # Errors
    /// As the store says, and [`StoreError::RegistryLost`] when the file is gone while the
    /// ledger has workers that may live.
    pub(crate) fn read_registry(
        &self,
        locked: &Guarded,
        cancel: &Cancel,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let bytes = locked.read_registry()?;
        let ledger = match &bytes {
            Some(_) => return Ok(bytes),
            None => locked.read_ledger(),
        };
        if ledger.rows().len() > 0 {
            let (path, processes) = (self.registry_path(), self.processes.as_ref());
            self.inquire(self.strength(), |inquiry| {
                let inquiry = inquiry.until_cancelled(cancel);
                check_nobody_lost(path, &ledger, processes, &inquiry)
            })?;
        }
        Ok(None)
    }

    /// The directory that the pool lies in, opened where that has not happened yet.
    ///
    /// # Errors
    /// When it cannot be opened, or the pool is kept in something else.
    pub(crate) fn directory(&self) -> Result<PoolDir, StoreError> {
        match self.store.directory() {
            Some(directory) => directory.open(),
            None => Err(StoreError::own(
                StoreErrorKind::System,
                "this pool is not kept in a directory, and only the files of one can be watched",
            )),
        }
    }

    /// The host's reading of these bytes; the last one where they are the same.
    pub(crate) fn reading(&self, bytes: Option<Vec<u8>>) -> Arc<Reading> {
        let mut last = self
            .last_reading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match last.as_ref() {
            Some(reading) if reading.bytes() == bytes.as_deref() => reading.clone(),
            _ => last.insert(Arc::new(Reading::new(bytes))).clone(),
        }
    }

    /// The ledger's row of each entry; the last ones where neither registry nor ledger
    /// changed, which for a busy server is nearly always.
    pub(crate) fn rows(&self, reading: &Arc<Reading>, ledger: &Ledger) -> Arc<Rows> {
        let mut last = self
            .last_rows
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match last.as_ref() {
            Some(rows) if rows.are_of(reading, ledger) => rows.clone(),
            _ => last.insert(Arc::new(Rows::new(reading, ledger))).clone(),
        }
    }

    /// Asks about processes, with the pool's own directory known to whoever looks at their
    /// sockets.
    pub(crate) fn inquire<T>(&self, strength: Strength, ask: impl FnOnce(Inquiry<'_>) -> T) -> T {
        let inquiry = Inquiry::new(strength);
        match self.directory() {
            Ok(directory) => ask(inquiry.in_pool(directory.path(), directory.as_fd())),
            // It is kept in something else.
            Err(_) => ask(inquiry),
        }
    }

    pub(crate) fn directory_path(&self) -> &Path {
        &self.path
    }

    /// What is accepted as a proof now.
    pub(crate) fn strength(&self) -> Strength {
        self.mandate.get().strength()
    }

    pub(crate) fn registry_path(&self) -> PathBuf {
        self.path.join(REGISTRY)
    }
}
