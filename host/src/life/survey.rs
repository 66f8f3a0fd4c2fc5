//! The registry's entries, read and judged under the pool's lock.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::cancel::Cancel;
use crate::error::{Error, chain};
use crate::floor::{Reading, Unreadable};
use crate::pool::Context;
use crate::process::{Claim, Inspection, Question};
use crate::store::{Guarded, Ledger, StoreError, StoreErrorKind};

/// A pool whose lock is held, as it was read under it. Dropping it releases the lock.
pub(super) struct Survey<'a> {
    context: &'a Context,
    locked: Guarded,
    reading: Arc<Reading>,
    ledger: Ledger,
}

impl<'a> Survey<'a> {
    /// Takes the lock and reads the pool. A pool that is not there is read as an empty one.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Cancelled`], [`Error::Corrupted`] and [`Error::System`].
    pub(super) fn begin(context: &'a Context, cancel: &Cancel) -> Result<Self, Error> {
        Self::begin_within(context, Duration::MAX, cancel)
    }

    /// The same, waiting for the lock no longer than `wait`, whatever the limits allow.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub(super) fn begin_within(
        context: &'a Context,
        wait: Duration,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let wait = wait.min(context.limits.lock_wait);
        let locked = context.lock_existing(wait, cancel).map_err(of_store)?;
        Self::of(context, locked, cancel)
    }

    /// Reads a pool whose lock is held.
    ///
    /// # Errors
    /// [`Error::Cancelled`], [`Error::Corrupted`] and [`Error::System`].
    pub(super) fn of(
        context: &'a Context,
        locked: Guarded,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let bytes = context.read_registry(&locked, cancel).map_err(|error| {
            let registry = context.registry_path();
            Error::no_registry(registry, &error).unwrap_or_else(|| of_store(error))
        })?;
        let reading = context.reading(bytes);
        if let Err(error) = reading.claims() {
            return Err(corrupted(context.registry_path(), error));
        }
        Ok(Self {
            context,
            ledger: locked.read_ledger(),
            locked,
            reading,
        })
    }

    /// The claims, in the order of the registry.
    pub(super) fn claims(&self) -> &[Claim] {
        // They were readable when this was made.
        self.reading.claims().unwrap_or_default()
    }

    /// The claims with this sid.
    pub(super) fn with_sid(&self, sid: &str) -> Vec<Claim> {
        let claims = self.claims();
        self.reading
            .with_sid(sid)
            .iter()
            .map(|&index| claims[index].clone())
            .collect()
    }

    /// The text of the entry that makes this claim, as it stands in the registry.
    pub(super) fn entry(&self, claim: &Claim) -> Option<&str> {
        self.reading.raw(self.reading.position(claim, 0)?)
    }

    /// Finds out about one of the claims, and keeps in mind what the ledger lacks.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub(super) fn inspect(
        &mut self,
        claim: &Claim,
        cancel: &Cancel,
    ) -> Result<Option<Inspection>, Error> {
        Ok(self.inspect_all(std::slice::from_ref(claim), cancel)?.pop())
    }

    /// The same about several, in order.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub(super) fn inspect_all(
        &mut self,
        claims: &[Claim],
        cancel: &Cancel,
    ) -> Result<Vec<Inspection>, Error> {
        let questions: Vec<_> = claims
            .iter()
            .map(|claim| Question {
                claim,
                record: self.ledger.get(claim).map(|row| &row.record),
            })
            .collect();
        let context = self.context;
        let inspected = context.inquire(context.strength(), |inquiry| {
            let inquiry = inquiry.until_cancelled(cancel);
            context.processes.inspect(&questions, &inquiry)
        });
        // It has no other bound.
        let mut inspections = inspected.map_err(|_| Error::Cancelled)?;
        for (claim, inspection) in claims.iter().zip(&mut inspections) {
            if let Some(record) = inspection.learned.take() {
                self.ledger.insert(claim.clone(), *record);
            }
        }
        Ok(inspections)
    }

    /// Removes a socket that was left behind in the pool; whether it did.
    ///
    /// # Errors
    /// As the store says.
    pub(super) fn remove_stale_socket(&mut self, path: &Path) -> Result<bool, StoreError> {
        self.locked.remove_stale_socket(path)
    }

    /// Writes what the ledger learned and releases the lock. A failure costs proof and
    /// never the request.
    pub(super) fn finish(mut self) {
        if let Err(error) = self.locked.write_ledger(&mut self.ledger) {
            tracing::warn!("the ledger was not written: {}", chain(&error));
        }
    }

    /// The ledger, and the pool to write it to.
    pub(super) fn into_ledger(self) -> (Ledger, Guarded) {
        (self.ledger, self.locked)
    }
}

/// What a failure of the store means for a request.
pub(crate) fn of_store(error: StoreError) -> Error {
    let text = chain(&error);
    match error.kind() {
        StoreErrorKind::Busy => Error::Busy(text),
        StoreErrorKind::Cancelled => Error::Cancelled,
        StoreErrorKind::TooLarge | StoreErrorKind::Unsafe | StoreErrorKind::System => {
            Error::System(text)
        }
    }
}

fn corrupted(path: PathBuf, error: Unreadable) -> Error {
    Error::Corrupted {
        path,
        line: error.line,
        column: error.column,
        detail: error.detail,
    }
}
