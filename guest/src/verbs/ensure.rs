//! `ensure`: drops the dead and lists who is left.

mod dismiss;

use crate::answer::{self, Ensured, POOL_VERSION, Removed, Session};
use crate::host::{Failure, Host};
use crate::policy::Policy;
use crate::pool::Pool;
use crate::registry::Registry;
use crate::sweep::drop_entries;
use dismiss::dismiss;

/// Drops the entries whose processes are proven to be no more, signals whom the policy
/// dismisses, and lists who is left. With `dry_run` it decides the same, writes nothing and
/// signals nobody.
///
/// # Errors
/// The host's, also when it denies the write; a registry that cannot be read. Nobody was
/// signalled then, unless the client withdrew the request.
pub fn ensure<H: Host>(policy: &impl Policy, host: &H, dry_run: bool) -> Result<String, Failure> {
    let transaction = host.begin()?;
    let bytes = host.read(&transaction)?;
    let registry = Registry::parse(bytes.as_deref())?;
    let pool = Pool::new(host, &registry);
    if !dry_run {
        let dead = pool.dead().iter().map(|one| one.index);
        drop_entries(host, &transaction, &registry, dead)?;
    }
    let dismissed = dismiss(policy, host, &transaction, &pool, dry_run)?;
    // Whoever waits for the lock need not wait for the answer to be written.
    drop(transaction);
    answer::to_json(&Ensured {
        sessions: pool
            .kept()
            .map(|(one, status)| Session::brief(one, dismissed.status(one, status)))
            .collect(),
        pool_version: POOL_VERSION,
        removed: pool.dead().iter().map(Removed::new).collect(),
        dismissed: dismissed.answers,
        dry_run,
    })
}

#[cfg(test)]
mod tests;
