//! What a policy needs from its host, as three small traits.
//!
//! The verbs are written against them. The generated imports implement them in
//! [`imports`](crate::imports), and a fake for tests in [`testing`](crate::testing).

pub use crate::bindings::exports::poolwarden::pool::pool::{
    Corruption, Description, Failure, NewEntry, Setting, StopOptions,
};
pub use crate::bindings::poolwarden::pool::types::{
    Claim, Error, Finding, Instant, SentSignal, Signal, Standing,
};

/// What any policy may do, without a grant and without an effect.
pub trait Observe {
    /// One finding for each claim, in order. Needs an open transaction.
    fn inspect(&self, claims: &[Claim<'_>]) -> Vec<Finding>;

    /// Whole seconds since 1970-01-01T00:00:00Z, by a clock that can be stepped.
    fn now(&self) -> u64;

    /// Writes a warning into the host's log.
    fn warn(&self, message: &str);
}

/// What the operator set for the policy.
///
/// A trait of its own, because a component imports what could be called through a trait
/// object: a policy without settings does not ask for any.
pub trait Configuration {
    /// What the operator set under this name, as it was written; none where nothing was.
    ///
    /// # Errors
    /// `system`, when the host cannot look it up.
    fn setting(&self, name: &str) -> Result<Option<String>, Error>;
}

/// The host's side of the world `policy`, call for call.
pub trait Host: Observe + Configuration {
    /// Exclusive hold of the registry. Dropping it releases the lock.
    type Transaction;
    /// One verified process. It outlives the transaction it was opened in.
    type Target;

    /// Takes the pool's lock and waits for it, within the host's bound.
    ///
    /// # Errors
    /// `busy`, `misuse` when a transaction is held, `cancelled`, `system`.
    fn begin(&self) -> Result<Self::Transaction, Error>;

    /// The registry's bytes as they are on disk, or none when there is no file.
    ///
    /// # Errors
    /// `too-large`, `system`.
    fn read(&self, transaction: &Self::Transaction) -> Result<Option<Vec<u8>>, Error>;

    /// Replaces the whole registry, atomically and durably.
    ///
    /// # Errors
    /// `denied`, `refused` when an entry would be lost, forged or changed, `too-large`,
    /// `system`. After an error the registry is what it was.
    fn replace(&self, transaction: &Self::Transaction, bytes: &[u8]) -> Result<(), Error>;

    /// Opens the worker that the registry names by this sid and pid, once it is proven
    /// to be that worker.
    ///
    /// # Errors
    /// `refused` by the host's own rules, `system`.
    fn open(
        &self,
        transaction: &Self::Transaction,
        sid: &str,
        pid: u32,
    ) -> Result<Self::Target, Error>;

    /// Sends a signal to that process and to no other.
    ///
    /// # Errors
    /// `denied` without the grant for this signal, `ended` when the process is no more,
    /// `system`.
    fn send(&self, target: &Self::Target, signal: Signal) -> Result<(), Error>;

    /// Sends a signal to every process of the group that this process leads.
    ///
    /// # Errors
    /// As [`send`](Self::send), and `refused` when it leads none or somebody is in it who
    /// must not be hit.
    fn send_group(&self, target: &Self::Target, signal: Signal) -> Result<(), Error>;

    /// Waits until every target has ended or `timeout` milliseconds are over, and says
    /// for each in order whether it has ended.
    ///
    /// # Errors
    /// `misuse` while a transaction is held, `cancelled`, `system`.
    fn wait(&self, targets: &[&Self::Target], timeout: u64) -> Result<Vec<bool>, Error>;
}

/// The words of a host's error: what happened, to whom, and what to do next.
pub fn text(error: &Error) -> &str {
    match error {
        Error::Busy(text)
        | Error::Denied(text)
        | Error::Refused(text)
        | Error::Misuse(text)
        | Error::TooLarge(text)
        | Error::Ended(text)
        | Error::System(text)
        | Error::Cancelled(text) => text,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Host(error)
    }
}

impl From<Corruption> for Failure {
    fn from(corruption: Corruption) -> Self {
        Self::Corrupted(corruption)
    }
}
