//! What a host call answers when it does not do what it was asked.

use wasmtime::component::ResourceTableError;

use crate::floor::{OverBudget, Refusal};
use crate::process::SendError;
use crate::recording::CallError;
use crate::store::{StoreError, StoreErrorKind};

use super::View;
use super::bindings::poolwarden::pool::types;

/// A failed host call: an error that the policy sees, or a trap.
///
/// A trap means a bug in the guest's bindings or in the host: a handle that does not
/// exist, a table that is full.
#[derive(Debug)]
pub(crate) enum HostError {
    Guest(types::Error),
    Trap(wasmtime::Error),
}

impl HostError {
    /// What the policy sees.
    ///
    /// # Errors
    /// The trap, where it is one.
    pub(crate) fn into_guest(self) -> wasmtime::Result<types::Error> {
        match self {
            Self::Guest(error) => Ok(error),
            Self::Trap(trap) => Err(trap),
        }
    }

    pub(crate) fn misuse(text: &str) -> Self {
        Self::Guest(types::Error::Misuse(text.into()))
    }
}

impl From<types::Error> for HostError {
    fn from(error: types::Error) -> Self {
        Self::Guest(error)
    }
}

impl From<ResourceTableError> for HostError {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}

impl From<StoreError> for HostError {
    fn from(error: StoreError) -> Self {
        let text = crate::error::chain(&error);
        Self::Guest(match error.kind() {
            StoreErrorKind::Busy => types::Error::Busy(text),
            StoreErrorKind::TooLarge => types::Error::TooLarge(text),
            StoreErrorKind::Cancelled => types::Error::Cancelled(text),
            StoreErrorKind::Unsafe | StoreErrorKind::System => types::Error::System(text),
        })
    }
}

impl From<OverBudget> for HostError {
    fn from(error: OverBudget) -> Self {
        match error {
            OverBudget::Denied(denied) => Self::Guest(types::Error::Denied(denied.to_string())),
            OverBudget::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<Refusal> for HostError {
    fn from(refusal: Refusal) -> Self {
        Self::Guest(types::Error::Refused(refusal.to_string()))
    }
}

impl From<SendError> for HostError {
    fn from(error: SendError) -> Self {
        Self::Guest(match &error {
            SendError::Ended => types::Error::Ended(error.to_string()),
            SendError::NoGroups | SendError::System(_) => types::Error::System(error.to_string()),
        })
    }
}

impl types::Host for View<'_> {
    fn convert_error(&mut self, error: HostError) -> wasmtime::Result<types::Error> {
        let error = error.into_guest()?;
        let limit = self.0.context.limits.text;
        self.0
            .facts
            .told(&CallError::from(error.clone()).cut(limit));
        Ok(error)
    }
}
