//! A pool in memory.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::contract::{Durability, LockedStore, Store, Trail};
use super::error::{StoreError, StoreErrorKind};
use super::ledger::Ledger;
use super::locked::LedgerWrite;
use crate::cancel::Cancel;

/// Keeps a pool in memory, for tests of programs that embed this library and for pools that
/// go with the program. Clones are one store.
///
/// Its trail grows without end.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Shared>);

#[derive(Default)]
struct Shared {
    contents: Mutex<Contents>,
    released: Condvar,
}

#[derive(Default)]
struct Contents {
    locked: bool,
    registry: Option<Vec<u8>>,
    ledger: Ledger,
    trail: Vec<u8>,
}

impl MemoryStore {
    /// An empty pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// A pool with this registry.
    pub fn with_registry(bytes: impl Into<Vec<u8>>) -> Self {
        let store = Self::new();
        store.0.contents().registry = Some(bytes.into());
        store
    }

    /// The registry as it is now, whoever holds the lock; none when it was never replaced.
    pub fn registry(&self) -> Option<Vec<u8>> {
        self.0.contents().registry.clone()
    }

    /// The ledger as it is now, whoever holds the lock.
    pub fn ledger(&self) -> Ledger {
        self.0.contents().ledger.clone()
    }

    /// The trail as it is now: a JSON object a line, as in `audit.jsonl`.
    pub fn trail(&self) -> Vec<u8> {
        self.0.contents().trail.clone()
    }
}

impl Shared {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn lock(&self, wait: Duration, cancel: &Cancel) -> Result<Box<dyn LockedStore>, StoreError> {
        let shared = self.0.clone();
        let _woken = cancel.on_cancel(move || {
            // Whoever is about to wait has looked already or has not: the mutex keeps the
            // news from falling in between.
            drop(shared.contents());
            shared.released.notify_all();
        });
        let held_up = |contents: &mut Contents| contents.locked && !cancel.is_cancelled();
        let (mut contents, _) = self
            .0
            .released
            .wait_timeout_while(self.0.contents(), wait, held_up)
            .unwrap_or_else(PoisonError::into_inner);
        if cancel.is_cancelled() {
            let text = "cancelled before the pool in memory could be locked; nothing was done";
            return Err(StoreError::own(StoreErrorKind::Cancelled, text));
        }
        if contents.locked {
            let text = format!(
                "the pool is busy: after {wait:.1?}, another request on it was still under way; \
                 try again"
            );
            return Err(StoreError::own(StoreErrorKind::Busy, text));
        }
        contents.locked = true;
        Ok(Box::new(Locked(self.0.clone())))
    }
}

/// The lock is held.
struct Locked(Arc<Shared>);

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.contents().locked = false;
        self.0.released.notify_all();
    }
}

impl LockedStore for Locked {
    fn read_registry(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.contents().registry.clone())
    }

    fn replace_registry(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.0.contents().registry = Some(bytes.to_vec());
        Ok(())
    }

    fn read_ledger(&self) -> Ledger {
        self.0.contents().ledger.clone()
    }

    fn write_ledger(&mut self, ledger: &Ledger) -> Result<LedgerWrite, StoreError> {
        self.0.contents().ledger = ledger.clone();
        Ok(LedgerWrite::Written)
    }

    fn trail(&self) -> Arc<dyn Trail> {
        self.0.clone()
    }
}

impl Trail for Shared {
    fn append(
        &self,
        lines: &[u8],
        _: Durability,
        _: Duration,
        _: Option<&Cancel>,
    ) -> Result<(), StoreError> {
        self.contents().trail.extend_from_slice(lines);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Instant;

    use super::super::testing::{LONG, cancel};
    use super::*;

    fn locked(store: &MemoryStore, wait: Duration, cancel: &Cancel) -> Result<(), StoreErrorKind> {
        let locked = store.lock(wait, cancel);
        locked.map(drop).map_err(|error| error.kind())
    }

    #[test]
    fn what_is_replaced_is_read_by_whoever_has_the_lock_next() {
        let store = MemoryStore::new();
        let mut first = store.lock(Duration::ZERO, &cancel()).expect("the lock");
        assert_eq!(first.read_registry().expect("readable"), None);
        first.replace_registry(b"{}").expect("replaced");
        drop(first);
        let second = store.clone().lock(Duration::ZERO, &cancel());
        let second = second.expect("the lock");
        assert_eq!(second.read_registry().expect("readable"), store.registry());
        assert_eq!(store.registry().as_deref(), Some(&b"{}"[..]));
    }

    #[test]
    fn the_lock_is_for_one_and_the_wait_for_it_is_bounded() {
        let store = MemoryStore::new();
        let held = store.lock(Duration::ZERO, &cancel()).expect("the lock");
        let wait = Duration::from_millis(20);
        let begun = Instant::now();
        assert_eq!(locked(&store, wait, &cancel()), Err(StoreErrorKind::Busy));
        assert!(begun.elapsed() >= wait);
        drop(held);
        assert_eq!(locked(&store, Duration::ZERO, &cancel()), Ok(()));
    }

    #[test]
    fn a_wait_ends_with_the_lock_and_with_its_cancellation() {
        let store = MemoryStore::new();
        let withdrawn = cancel();
        let begun = Instant::now();
        thread::scope(|scope| {
            let held = store.lock(LONG, &cancel()).expect("the lock");
            let waiting = scope.spawn(|| locked(&store, LONG, &cancel()));
            drop(held);
            assert_eq!(waiting.join().expect("a thread"), Ok(()));

            let _held = store.lock(LONG, &cancel()).expect("the lock");
            let waiting = scope.spawn(|| locked(&store, LONG, &withdrawn));
            // It is woken by what it has put there before it waits.
            while Arc::strong_count(&store.0) < 3 {
                thread::yield_now();
            }
            for _ in 0..1000 {
                drop(store.0.contents());
                thread::yield_now();
            }
            withdrawn.cancel();
            let cancelled = Err(StoreErrorKind::Cancelled);
            assert_eq!(waiting.join().expect("a thread"), cancelled);
            // Withdrawn before it began.
            assert_eq!(locked(&store, LONG, &withdrawn), cancelled);
        });
        assert!(begun.elapsed() < LONG);
    }
}
