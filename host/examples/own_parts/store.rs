//! A store that remembers every registry that ever was.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use poolwarden::Cancel;
use poolwarden::store::{Ledger, LedgerWrite, LockedStore, MemoryStore, Store, StoreError, Trail};

/// A pool in memory, and the registries that it had, the oldest first. Clones are one store.
#[derive(Clone, Default)]
pub(crate) struct Chronicle {
    now: MemoryStore,
    editions: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Chronicle {
    /// Every registry that ever was in place.
    pub(crate) fn editions(&self) -> Vec<Vec<u8>> {
        let editions = self.editions.lock().unwrap_or_else(PoisonError::into_inner);
        editions.clone()
    }

    /// What was done to workers and entries, a JSON object a line.
    pub(crate) fn trail(&self) -> Vec<u8> {
        self.now.trail()
    }
}

impl Store for Chronicle {
    fn lock(&self, wait: Duration, cancel: &Cancel) -> Result<Box<dyn LockedStore>, StoreError> {
        Ok(Box::new(Locked {
            now: self.now.lock(wait, cancel)?,
            editions: self.editions.clone(),
        }))
    }
}

/// The lock is the other store's, and is released with what it gave.
struct Locked {
    now: Box<dyn LockedStore>,
    editions: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl LockedStore for Locked {
    fn read_registry(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.now.read_registry()
    }

    fn replace_registry(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.now.replace_registry(bytes)?;
        let mut editions = self.editions.lock().unwrap_or_else(PoisonError::into_inner);
        editions.push(bytes.to_vec());
        Ok(())
    }

    fn read_ledger(&self) -> Ledger {
        self.now.read_ledger()
    }

    fn write_ledger(&mut self, ledger: &Ledger) -> Result<LedgerWrite, StoreError> {
        self.now.write_ledger(ledger)
    }

    fn trail(&self) -> Arc<dyn Trail> {
        self.now.trail()
    }

    fn remove_stale_socket(&mut self, path: &Path) -> Result<bool, StoreError> {
        self.now.remove_stale_socket(path)
    }
}
