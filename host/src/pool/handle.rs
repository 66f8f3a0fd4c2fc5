//! A pool, and requests on it.

use std::path::Path;
use std::sync::Arc;

use crate::audit::Asker;
use crate::cancel::Cancel;
use crate::capabilities::{Origin, RequestState};
use crate::error::Error;
use crate::life::of_store;
use crate::mandate::Mandate;
use crate::process::Claim;
use crate::progress::{Progress, Reporter};
use crate::runtime::{self, Description};

use super::context::Context;

/// A pool served by a policy; [`PoolBuilder`](crate::PoolBuilder) makes one.
///
/// It can be shared between threads; each request runs on the thread that asks, in an
/// instance of its own.
pub struct Pool {
    pub(crate) context: Arc<Context>,
    pub(crate) asker: Arc<Asker>,
    reporter: Option<Reporter>,
    leaves_kills: bool,
}

impl Pool {
    pub(super) fn new(context: Context) -> Self {
        Self {
            context: Arc::new(context),
            asker: Arc::new(Asker::library()),
            reporter: None,
            leaves_kills: false,
        }
    }

    /// Checks that the policy says what it is, and that it or the host reads each setting.
    /// Every request begins with this; a program that wants to know at its start can ask for
    /// it.
    ///
    /// # Errors
    /// [`Error::Setting`] when nobody reads one, and [`Error::Policy`] when the policy does not
    /// say what it is.
    pub fn check_settings(&self, cancel: &Cancel) -> Result<(), Error> {
        self.check(&self.origin(), cancel)
    }

    pub(super) fn check(&self, origin: &Origin, cancel: &Cancel) -> Result<(), Error> {
        let mandate = &origin.mandate;
        mandate.check(|| self.ask_what_it_is(origin, cancel))?;
        Ok(())
    }

    /// What the policy says about itself. It is asked once, without the lock.
    ///
    /// # Errors
    /// When it fails to.
    pub fn describe(&self, cancel: &Cancel) -> Result<Description, Error> {
        let origin = self.origin();
        let said = origin
            .mandate
            .described(|| self.ask_what_it_is(&origin, cancel));
        said.cloned()
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
            reporter: None,
            leaves_kills: false,
        };
        let described = mandate
            .check(|| self.ask_what_it_is(&origin, cancel))?
            .clone();
        self.context.mandate.set(mandate);
        Ok(described)
    }

    fn ask_what_it_is(&self, origin: &Origin, cancel: &Cancel) -> Result<Description, Error> {
        let (context, cancel) = (self.context.clone(), cancel.clone());
        let state = RequestState::describing(context, origin.clone(), cancel);
        runtime::describe(origin.mandate.policy(), state)
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
            reporter: self.reporter.clone(),
            leaves_kills: self.leaves_kills,
        }
    }

    /// The claims of the workers that were asked to end, and whose kill, which was to follow,
    /// was withdrawn when the stop was cancelled.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Cancelled`] and [`Error::System`].
    pub fn withdrawn_kills(&self, cancel: &Cancel) -> Result<Vec<Claim>, Error> {
        let wait = self.context.limits.lock_wait;
        let locked = self.context.lock_existing(wait, cancel).map_err(of_store)?;
        let ledger = locked.read_ledger();
        let spared = ledger.rows().filter(|(_, row)| row.kill_withdrawn);
        Ok(spared.map(|(claim, _)| claim.clone()).collect())
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
            reporter: self.reporter.clone(),
            leaves_kills: self.leaves_kills,
        }
    }

    /// The same pool, for requests that tell `report` how far they have come, about once a
    /// second while they wait for workers to end. It is called on the thread of the request.
    #[must_use]
    pub fn reporting_to(&self, report: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self {
            context: self.context.clone(),
            asker: self.asker.clone(),
            reporter: Some(Arc::new(report)),
            leaves_kills: self.leaves_kills,
        }
    }

    /// The same pool, for stops without force whose client asked for force, and is told to call
    /// again for the kill. Where it cancels such a stop, that kill is recorded as withdrawn.
    #[must_use]
    pub fn leaving_kills(&self) -> Self {
        Self {
            context: self.context.clone(),
            asker: self.asker.clone(),
            reporter: self.reporter.clone(),
            leaves_kills: true,
        }
    }
}
