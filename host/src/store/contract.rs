//! What a pool is kept in, and what the host relies on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::directory_store::DirectoryStore;
use super::error::StoreError;
use super::ledger::Ledger;
use super::locked::LedgerWrite;
use crate::cancel::Cancel;

/// Keeps a pool: its registry, its ledger and its trail.
///
/// [`DirectoryStore`] keeps it in files, which other programs share, and
/// [`MemoryStore`](super::MemoryStore) in memory. Another one is given to
/// [`PoolBuilder::store`](crate::PoolBuilder::store), and what the host does not let a policy
/// do holds over it as over files. The host relies on this:
///
/// - **Exclusive.** From [`lock`](Self::lock) until its value is dropped nobody else changes
///   registry or ledger: no other thread, process or machine that the store serves.
/// - **Atomic.** A replacement is there whole or not at all, for every reader and after every
///   failure. An error means not at all, but for [`StoreError::NotDurable`].
/// - **Durable.** What was replaced is there after a crash, as far as the store outlasts one.
///   So are lines of the trail, before the change that they announce.
/// - **Busy, not for ever.** Whoever cannot have the lock in time is told so.
///
/// Requests run on the threads that make them, several at once: the store is asked for its
/// lock from all of them.
pub trait Store: Send + Sync {
    /// Takes the lock; waits up to `wait` for whoever holds it, the next waiting request
    /// first where that can be arranged. A wait of zero only tries.
    ///
    /// # Errors
    /// Of the kind [`Busy`](super::StoreErrorKind::Busy) when the wait is over, at once of the
    /// kind [`Cancelled`](super::StoreErrorKind::Cancelled) when `cancel` is, whose
    /// [`on_cancel`](Cancel::on_cancel) wakes whoever waits; and of any other when the pool
    /// cannot be had at all.
    fn lock(&self, wait: Duration, cancel: &Cancel) -> Result<Box<dyn LockedStore>, StoreError>;

    /// The same where there is a pool to lock; none where nothing was ever kept, and then
    /// nothing is made. For requests that add nothing, to which such a pool is an empty one.
    ///
    /// A store without that difference need not write this. One that wraps another passes it
    /// on.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    fn lock_existing(
        &self,
        wait: Duration,
        cancel: &Cancel,
    ) -> Result<Option<Box<dyn LockedStore>>, StoreError> {
        self.lock(wait, cancel).map(Some)
    }

    /// The directory that the pool lies in, where it does: it is what
    /// [`Pool::watch`](crate::Pool::watch) waits for. A store that wraps a
    /// [`DirectoryStore`] passes it on.
    fn directory(&self) -> Option<&DirectoryStore> {
        None
    }
}

/// A store whose lock is held. Dropping it releases the lock, whatever happened before.
pub trait LockedStore: Send {
    /// Reads the registry, byte for byte; none when there is none. The host takes that for an
    /// empty pool unless the ledger has workers that may live.
    ///
    /// # Errors
    /// Of the kind [`TooLarge`](super::StoreErrorKind::TooLarge) rather than a registry over
    /// [`MAX_REGISTRY`](super::MAX_REGISTRY); or when it cannot be read. Then nothing may be
    /// answered in its place: a pool that looks empty has lost its workers.
    fn read_registry(&self) -> Result<Option<Vec<u8>>, StoreError>;

    /// Replaces the registry by these bytes, atomically and durably.
    ///
    /// # Errors
    /// When it is as it was. [`StoreError::NotDurable`] when it is replaced, but perhaps not
    /// for good.
    fn replace_registry(&mut self, bytes: &[u8]) -> Result<(), StoreError>;

    /// Reads the ledger. One that is missing or damaged is empty, since it never blocks a
    /// request: the host proves anew what it lacks, by weaker proofs.
    fn read_ledger(&self) -> Ledger;

    /// Replaces the ledger, atomically and durably. It is written before the registry is
    /// replaced by one that has an entry more, or lacks one whose process may live; and after
    /// it where only entries of the dead go. In a crash between the two it is the ledger that
    /// has more.
    ///
    /// # Errors
    /// When it is as it was.
    fn write_ledger(&mut self, ledger: &Ledger) -> Result<LedgerWrite, StoreError>;

    /// Where signals and removals of this pool are recorded, also after the lock is released.
    fn trail(&self) -> Arc<dyn Trail>;

    /// Removes what a process left behind that was killed while it held the lock. A request
    /// that may write begins with it. What cannot be removed stays; a store in which nothing
    /// is left behind has nothing to do.
    fn remove_leftovers(&mut self) {}

    /// Removes the socket at `path` if a dead worker left it behind, and says whether it did.
    /// A store that answers for no sockets leaves them all.
    ///
    /// # Errors
    /// When the system refuses. The request goes on.
    fn remove_stale_socket(&mut self, _path: &Path) -> Result<bool, StoreError> {
        Ok(false)
    }
}

/// Records what is done to workers and entries, a line each, in the order in which it comes.
///
/// It is written with and without the pool's lock, and by several requests at once.
pub trait Trail: Send + Sync {
    /// Appends these bytes, which are whole lines, all of them or none; waits up to `wait` for
    /// others that append. Without a cancellation the request is no more to be withdrawn.
    ///
    /// # Errors
    /// When they are not there. What they announce does not happen then.
    fn append(
        &self,
        lines: &[u8],
        durability: Durability,
        wait: Duration,
        cancel: Option<&Cancel>,
    ) -> Result<(), StoreError>;
}

/// What lines of the trail have to outlast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The end of this process, at any moment. That is enough for a signal: what ends
    /// the machine ends the process that was signalled, too.
    Process,
    /// A loss of power. An entry that is removed from the registry afterwards stands in
    /// these lines and nowhere else.
    Power,
}
