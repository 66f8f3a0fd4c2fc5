//! `ensure`: drops the dead and lists who is left.

use crate::answer::{self, Ensured, POOL_VERSION, Removed, Session};
use crate::host::{Failure, Host};
use crate::registry::Registry;
use crate::sweep::{Sweep, drop_entries};

/// Drops the entries whose processes are proven to be no more, and lists the others.
/// With `dry_run` it answers the same and writes nothing.
///
/// # Errors
/// The host's, also when it denies the write; a registry that cannot be read.
pub fn ensure(host: &impl Host, dry_run: bool) -> Result<String, Failure> {
    let transaction = host.begin()?;
    let bytes = host.read(&transaction)?;
    let registry = Registry::parse(bytes.as_deref())?;
    let sweep = Sweep::of(host, &registry);
    if !dry_run {
        let dead = sweep.dead.iter().map(|one| one.index);
        drop_entries(host, &transaction, &registry, dead)?;
    }
    // Whoever waits for the lock need not wait for the answer to be written.
    drop(transaction);
    answer::to_json(&Ensured {
        sessions: sweep
            .kept
            .iter()
            .map(|(one, status)| Session::brief(one, *status))
            .collect(),
        pool_version: POOL_VERSION,
        removed: sweep.dead.iter().map(Removed::new).collect(),
        dry_run,
    })
}

#[cfg(test)]
mod tests;
