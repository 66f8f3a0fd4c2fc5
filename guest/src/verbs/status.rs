//! `status`: lists one session or all, and drops the dead on the way.

use crate::answer::{self, Listing, POOL_VERSION, Removed, Session};
use crate::host::{Error, Failure, Host};
use crate::registry::Registry;
use crate::sweep::{Sweep, drop_entries};

/// Lists the sessions of `sid`, or all. An unknown sid gives an empty list.
///
/// The dead are dropped whichever session was asked for. Where the host denies that
/// write, the answer is given all the same and the log says what is left undone: it is
/// a question first.
///
/// # Errors
/// The host's; a registry that cannot be read.
pub fn status(host: &impl Host, sid: Option<&str>) -> Result<String, Failure> {
    let transaction = host.begin()?;
    let bytes = host.read(&transaction)?;
    let registry = Registry::parse(bytes.as_deref())?;
    let Sweep { kept, mut dead } = Sweep::of(host, &registry);
    let indices = dead.iter().map(|one| one.index);
    match drop_entries(host, &transaction, &registry, indices) {
        Err(Failure::Host(Error::Denied(text))) => {
            host.warn(&format!(
                "status: {} dead entries stay in the registry: {text}",
                dead.len()
            ));
            dead.clear();
        }
        other => other?,
    }
    // Whoever waits for the lock need not wait for the answer to be written.
    drop(transaction);
    answer::to_json(&Listing {
        sessions: kept
            .iter()
            .filter(|(one, _)| sid.is_none_or(|sid| one.entry.sid == sid))
            .map(|(one, status)| Session::full(one, *status))
            .collect(),
        pool_version: POOL_VERSION,
        removed: dead.iter().map(Removed::new).collect(),
    })
}

#[cfg(test)]
mod tests;
