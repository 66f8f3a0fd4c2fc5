//! A pool, and requests on it.

use std::path::Path;
use std::sync::Arc;

use crate::audit::Asker;
use crate::cancel::Cancel;
use crate::capabilities::{Origin, RequestState};
use crate::error::Error;
use crate::mandate::Mandate;
use crate::runtime::{self, Description};

use super::context::Context;

/// A pool served by a policy; [`PoolBuilder`](crate::PoolBuilder) makes one.
///
/// It can be shared between threads; each request runs on the thread that asks, in an
/// instance of its own.
pub struct Pool {
    pub(crate) context: Arc<Context>,
    asker: Arc<Asker>,
}

impl Pool {
    pub(super) fn new(context: Context) -> Self {
        Self {
            context: Arc::new(context),
            asker: Arc::new(Asker::library()),
        }
    }

    /// Checks that somebody reads each setting: the policy, by what it says about itself, or
    /// the host. Every request begins with this; a program that wants to know at its start
    /// can ask for it.
    ///
    /// # Errors
    /// [`Error::Setting`] when not, and [`Error::Policy`] when the policy does not say what it
    /// reads.
    pub fn check_settings(&self, cancel: &Cancel) -> Result<(), Error> {
        self.check_settings_of(&self.origin(), cancel)
    }

    pub(super) fn check_settings_of(&self, origin: &Origin, cancel: &Cancel) -> Result<(), Error> {
        let describe = || self.describe_with(origin.clone(), cancel);
        origin.mandate.check_settings(describe)
    }

    /// What the policy says about itself.
    ///
    /// # Errors
    /// When it fails to.
    pub fn describe(&self, cancel: &Cancel) -> Result<Description, Error> {
        self.describe_with(self.origin(), cancel)
    }

    /// Puts another policy in place, with its grants and settings, once it has said what it
    /// is. Requests that have begun end as they began, and none of them fails for this.
    ///
    /// # Errors
    /// When the new policy fails to describe itself, or does not read one of its settings
    /// ([`Error::Setting`]). The old one stays.
    pub fn swap(&self, mandate: Mandate, cancel: &Cancel) -> Result<Description, Error> {
        let origin = Origin {
            asker: self.asker.clone(),
            mandate: Arc::new(mandate.clone()),
        };
        let described = self.describe_with(origin, cancel)?;
        mandate.check_settings(|| Ok(described.clone()))?;
        self.context.mandate.set(mandate);
        Ok(described)
    }

    fn describe_with(&self, origin: Origin, cancel: &Cancel) -> Result<Description, Error> {
        let policy = origin.mandate.policy().clone();
        let state = RequestState::describing(self.context.clone(), origin, cancel.clone());
        runtime::describe(&policy, state)
    }

    /// The state in which the policy is asked what it is.
    #[cfg(test)]
    pub(crate) fn describing(&self, cancel: &Cancel) -> RequestState {
        RequestState::describing(self.context.clone(), self.origin(), cancel.clone())
    }

    /// The state of a request before its policy runs.
    #[cfg(test)]
    pub(crate) fn requested(
        &self,
        request: crate::request::Request,
        cancel: &Cancel,
    ) -> RequestState {
        let (context, origin) = (self.context.clone(), self.origin());
        RequestState::new(context, origin, request, cancel.clone())
    }

    /// Who asks, and what decides from now to the end of a request.
    pub(super) fn origin(&self) -> Origin {
        Origin {
            asker: self.asker.clone(),
            mandate: self.context.mandate.get(),
        }
    }

    /// What decides now, and what it may do.
    pub fn mandate(&self) -> Arc<Mandate> {
        self.context.mandate.get()
    }

    /// The pool's directory, or what a pool in another store is called.
    pub fn path(&self) -> &Path {
        &self.context.path
    }

    /// The same pool, for requests of this asker: what is done for them is recorded with
    /// its name.
    #[must_use]
    pub fn asked_by(&self, asker: Asker) -> Self {
        Self {
            context: self.context.clone(),
            asker: Arc::new(asker),
        }
    }
}
