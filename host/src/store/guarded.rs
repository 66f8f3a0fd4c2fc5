//! A held store, whichever it is, within what the host checks for itself.

use std::path::Path;
use std::sync::Arc;

use super::contract::{LockedStore, Trail};
use super::error::{StoreError, StoreErrorKind};
use super::ledger::Ledger;
use super::locked::{LedgerWrite, MAX_REGISTRY};

/// A store whose lock is held, as the host uses it. Dropping it releases the lock.
#[must_use = "the lock is released when this is dropped"]
pub(crate) struct Guarded(Box<dyn LockedStore>);

impl Guarded {
    pub(crate) fn new(locked: Box<dyn LockedStore>) -> Self {
        Self(locked)
    }

    /// The registry as it is kept.
    ///
    /// # Errors
    /// As the store says, and when it is larger than is accepted.
    pub(crate) fn read_registry(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let bytes = self.0.read_registry()?;
        check_size(bytes.as_deref().unwrap_or_default())?;
        Ok(bytes)
    }

    /// Replaces the registry.
    ///
    /// # Errors
    /// As the store says, and when it would be larger than is accepted.
    pub(crate) fn replace_registry(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        check_size(bytes)?;
        self.0.replace_registry(bytes)
    }

    /// The ledger, which from now on tells what is changed in it.
    pub(crate) fn read_ledger(&self) -> Ledger {
        let mut ledger = self.0.read_ledger();
        ledger.set_saved();
        ledger
    }

    /// Writes the ledger where it changed since it was read.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn write_ledger(&mut self, ledger: &mut Ledger) -> Result<LedgerWrite, StoreError> {
        if !ledger.is_changed() {
            return Ok(LedgerWrite::Unchanged);
        }
        let written = self.0.write_ledger(ledger)?;
        if !matches!(written, LedgerWrite::KeptNewer { .. }) {
            ledger.set_saved();
        }
        Ok(written)
    }

    /// Where signals and removals are recorded.
    pub(crate) fn trail(&self) -> Arc<dyn Trail> {
        self.0.trail()
    }

    /// Removes what a killed process left behind.
    pub(crate) fn remove_leftovers(&mut self) {
        self.0.remove_leftovers();
    }

    /// Removes the socket that a dead worker left behind; whether it did.
    ///
    /// # Errors
    /// As the store says.
    pub(crate) fn remove_stale_socket(&mut self, path: &Path) -> Result<bool, StoreError> {
        self.0.remove_stale_socket(path)
    }
}

fn check_size(registry: &[u8]) -> Result<(), StoreError> {
    let size = registry.len() as u64;
    if size <= MAX_REGISTRY {
        return Ok(());
    }
    Err(StoreError::own(
        StoreErrorKind::TooLarge,
        format!(
            "a registry of {size} bytes is larger than the limit of {MAX_REGISTRY} bytes; \
             nothing was changed"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{cancel, claim, record};
    use super::super::{MemoryStore, Store};
    use super::*;

    fn guarded(store: &MemoryStore) -> Guarded {
        let locked = store.lock(Duration::ZERO, &cancel());
        Guarded::new(locked.expect("the lock"))
    }

    #[test]
    fn no_store_hands_in_or_takes_a_registry_that_is_too_large() {
        let too_large = vec![b' '; usize::try_from(MAX_REGISTRY).expect("it fits") + 1];
        let store = MemoryStore::with_registry("{}");
        let replaced = guarded(&store).replace_registry(&too_large);
        let kind = replaced.expect_err("it is too large").kind();
        assert_eq!(kind, StoreErrorKind::TooLarge);
        assert_eq!(store.registry().as_deref(), Some(&b"{}"[..]));

        let store = MemoryStore::with_registry(too_large);
        let read = guarded(&store).read_registry();
        let kind = read.expect_err("it is too large").kind();
        assert_eq!(kind, StoreErrorKind::TooLarge);
    }

    #[test]
    fn a_ledger_is_written_once_whatever_the_store_remembers_of_it() {
        let store = MemoryStore::new();
        let mut held = guarded(&store);
        let mut ledger = held.read_ledger();
        ledger.insert(claim("a"), record(1));
        let written = held.write_ledger(&mut ledger).expect("written");
        assert_eq!(written, LedgerWrite::Written);
        assert!(!ledger.is_changed());
        // The store has kept it as it was when it was still to be written.
        assert!(store.ledger().is_changed());
        let mut read = held.read_ledger();
        assert!(read.get(&claim("a")).is_some());
        let written = held.write_ledger(&mut read).expect("nothing to write");
        assert_eq!(written, LedgerWrite::Unchanged);
    }
}
