//! Requests with typed answers.

use crate::answer::{Answered, Ensured, Forgotten, Listed, Registered, Stopped};
use crate::cancel::Cancel;
use crate::error::Error;
use crate::request::{Ensure, Forget, Register, Request, Stop};

use super::handle::Pool;

/// Each of these is [`call`](Pool::call) with the answer in its fields.
impl Pool {
    /// Collects the dead, and lists who is left.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn ensure(&self, ensure: Ensure, cancel: &Cancel) -> Result<Answered<Ensured>, Error> {
        let Ensure { dry_run } = ensure;
        self.ask(Request::Ensure { dry_run }, cancel)
    }

    /// Lists one session, or all without a sid, with what is proven about each. The dead are
    /// collected on the way. An unknown sid gives an empty list.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn status(&self, sid: Option<&str>, cancel: &Cancel) -> Result<Answered<Listed>, Error> {
        let sid = sid.map(str::to_owned);
        self.ask(Request::Status { sid }, cancel)
    }

    /// Stops one session, or all: asks, waits, and kills where that was asked for. What
    /// became of each is in the answer; that some could not be stopped is no error here.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn stop(&self, stop: Stop, cancel: &Cancel) -> Result<Answered<Stopped>, Error> {
        self.ask(Request::Stop(stop), cancel)
    }

    /// Adds an entry for a process that runs, whose identity the ledger then keeps.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Rejected`] when the session has a worker already, or no such
    /// process runs.
    pub fn register(
        &self,
        register: Register,
        cancel: &Cancel,
    ) -> Result<Answered<Registered>, Error> {
        self.ask(Request::Register(register), cancel)
    }

    /// Drops an entry without touching its process.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Rejected`] when there is none, or its process may be alive and
    /// that was not allowed for.
    pub fn forget(&self, forget: Forget, cancel: &Cancel) -> Result<Answered<Forgotten>, Error> {
        let Forget {
            sid,
            even_if_alive,
            pid,
        } = forget;
        let request = Request::Forget {
            sid,
            even_if_alive,
            pid,
        };
        self.ask(request, cancel)
    }
}
