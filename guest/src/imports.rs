//! The generated imports as a [`Host`].

use crate::bindings::poolwarden::pool::registry::{self, Transaction};
use crate::bindings::poolwarden::pool::{processes, signals};
use crate::bindings::wasi::clocks::wall_clock;
use crate::bindings::wasi::config::store;
use crate::bindings::wasi::logging::logging;
use crate::host::{Claim, Configuration, Error, Finding, Host, Observe, Signal};

/// What groups this policy's lines in the host's log.
const LOG_CONTEXT: &str = "policy";

/// The host that instantiated this component. Outside of one, every call panics.
#[derive(Clone, Copy, Debug)]
pub struct Imports;

impl Observe for Imports {
    fn inspect(&self, claims: &[Claim<'_>]) -> Vec<Finding> {
        processes::inspect(claims)
    }

    fn now(&self) -> u64 {
        wall_clock::now().seconds
    }

    fn warn(&self, message: &str) {
        logging::log(logging::Level::Warn, LOG_CONTEXT, message);
    }
}

impl Configuration for Imports {
    fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        store::get(name).map_err(|error| {
            let (store::Error::Upstream(text) | store::Error::Io(text)) = error;
            Error::System(format!("the setting {name} cannot be read: {text}"))
        })
    }
}

impl Host for Imports {
    type Transaction = Transaction;
    type Target = signals::Target;

    fn begin(&self) -> Result<Transaction, Error> {
        registry::begin()
    }

    fn read(&self, transaction: &Transaction) -> Result<Option<Vec<u8>>, Error> {
        transaction.read()
    }

    fn replace(&self, transaction: &Transaction, bytes: &[u8]) -> Result<(), Error> {
        transaction.replace(bytes)
    }

    fn open(
        &self,
        transaction: &Transaction,
        sid: &str,
        pid: u32,
    ) -> Result<signals::Target, Error> {
        signals::open(transaction, sid, pid)
    }

    fn send(&self, target: &signals::Target, signal: Signal) -> Result<(), Error> {
        target.send(signal)
    }

    fn send_group(&self, target: &signals::Target, signal: Signal) -> Result<(), Error> {
        target.send_group(signal)
    }

    fn wait(&self, targets: &[&signals::Target], timeout: u64) -> Result<Vec<bool>, Error> {
        signals::wait(targets, timeout)
    }
}
