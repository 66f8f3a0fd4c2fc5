//! `forget`: drops an entry without touching its process.

use crate::answer::{self, Forgotten, POOL_VERSION, Removed};
use crate::decide;
use crate::host::{Failure, Host, Standing};
use crate::registry::{Entry, Registry};
use crate::remedy::remedy;
use crate::sweep::{Surveyed, drop_entries, survey};

/// Drops every entry of `sid`. One whose process is not proven to be no more is dropped
/// only with `even_if_alive`: its worker would run on, known to nobody.
///
/// # Errors
/// The host's; a registry that cannot be read; a rejection when no entry has this sid,
/// or one may be alive.
pub fn forget(host: &impl Host, sid: &str, even_if_alive: bool) -> Result<String, Failure> {
    let transaction = host.begin()?;
    let bytes = host.read(&transaction)?;
    let registry = Registry::parse(bytes.as_deref())?;
    let surveyed = survey(host, registry.select(Some(sid)));
    if surveyed.is_empty() {
        return Err(Failure::Rejected(format!(
            "sid={sid}: the pool has no such session; its sessions are listed by status"
        )));
    }
    if !even_if_alive
        && let Some(living) = surveyed.iter().find(|one| !decide::is_dead(&one.finding))
    {
        return Err(Failure::Rejected(may_be_alive(living)));
    }
    let indices = surveyed.iter().map(|one| one.index);
    drop_entries(host, &transaction, &registry, indices)?;
    drop(transaction);
    answer::to_json(&Forgotten {
        forgotten: surveyed.iter().map(Removed::new).collect(),
        pool_version: POOL_VERSION,
    })
}

/// Says what may be lost and how to insist.
fn may_be_alive(living: &Surveyed<'_>) -> String {
    let Entry { sid, pid, .. } = living.entry;
    let standing = decide::name(living.finding.standing);
    let reason = decide::reason(&living.finding);
    let instead = match living.finding.standing {
        Standing::Alive => "stop it instead, or ".to_owned(),
        _ => remedy(living.entry, &living.finding)
            .map_or_else(String::new, |remedy| format!("{remedy}; else ")),
    };
    format!(
        "sid={sid}: its entry names pid {pid}, which is {standing} ({reason}); \
         {instead}forget it with --even-if-alive and leave its process to itself"
    )
}

#[cfg(test)]
mod tests;
