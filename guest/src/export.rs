//! The exported interface `pool`: each function is a verb on the real host.

pub use crate::bindings::exports::poolwarden::pool::pool::{Description, Guest};
use crate::host::{Failure, NewEntry, StopOptions};
use crate::imports::Imports;
use crate::verbs;

/// The policy that poolwarden ships.
#[derive(Clone, Copy, Debug)]
pub struct DefaultPolicy;

impl Guest for DefaultPolicy {
    fn describe() -> Description {
        verbs::describe()
    }

    fn ensure(dry_run: bool) -> Result<String, Failure> {
        verbs::ensure(&Imports, dry_run)
    }

    fn status(sid: Option<String>) -> Result<String, Failure> {
        verbs::status(&Imports, sid.as_deref())
    }

    fn stop(options: StopOptions) -> Result<String, Failure> {
        verbs::stop(&Imports, &options)
    }

    fn register(entry: NewEntry) -> Result<String, Failure> {
        verbs::register(&Imports, &entry)
    }

    fn forget(sid: String, even_if_alive: bool) -> Result<String, Failure> {
        verbs::forget(&Imports, &sid, even_if_alive)
    }
}
