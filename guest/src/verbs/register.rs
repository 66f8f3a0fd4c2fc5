//! `register`: adds an entry for a process that runs.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use crate::answer::{self, POOL_VERSION, Registered, Removed};
use crate::decide;
use crate::host::{Failure, Host, NewEntry, Standing};
use crate::policy::Policy;
use crate::pool::Pool;
use crate::registry::{Entry, Registry};
use crate::rewrite::rewrite;
use crate::sweep::{Surveyed, survey};

/// The last second that RFC 3339 can write: 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;

/// Registers a running process under a sid that is free: one that no entry has, or only
/// entries whose processes are proven to be no more. Those are replaced. A policy that looks
/// at the whole pool before it admits the process has all of its dead dropped.
///
/// # Errors
/// The host's; a registry that cannot be read; a rejection that names who holds the
/// sid, or says why the new process cannot be registered.
pub fn register<H: Host>(
    policy: &impl Policy,
    host: &H,
    new: &NewEntry,
) -> Result<String, Failure> {
    if new.sid.is_empty() {
        return Err(Failure::Rejected(
            "a session needs a sid that is not empty".to_owned(),
        ));
    }
    let transaction = host.begin()?;
    let bytes = host.read(&transaction)?;
    let registry = Registry::parse(bytes.as_deref())?;
    let entry = Entry {
        sid: Cow::Borrowed(&new.sid),
        pid: new.pid,
        sock: Cow::Borrowed(&new.sock),
        version: Cow::Borrowed(&new.version),
        created_at: Cow::Owned(rfc3339(host.now())),
    };

    let newcomer = (registry.sessions.len(), &entry);
    let mut surveyed = survey(
        host,
        registry
            .select(Some(&new.sid))
            .chain(std::iter::once(newcomer)),
    );
    let process = surveyed.pop();
    let holders = surveyed;
    if let Some(holder) = holders.iter().find(|one| !decide::is_dead(&one.finding)) {
        return Err(Failure::Rejected(taken(holder)));
    }
    if let Some(process) = process.filter(|one| one.finding.standing != Standing::Alive) {
        return Err(Failure::Rejected(unfit(&process)));
    }

    let pool = Pool::new(host, &registry);
    policy.admit(&pool, new).map_err(Failure::Rejected)?;
    let dead = pool.swept().map_or(&[][..], |sweep| &sweep.dead);

    let mut remove = vec![false; registry.sessions.len()];
    for one in holders.iter().chain(dead) {
        remove[one.index] = true;
    }
    let bytes = rewrite(&registry, &|index| remove[index], Some(&entry))?;
    host.replace(&transaction, &bytes)?;
    drop(transaction);
    answer::to_json(&Registered {
        registered: &entry,
        pool_version: POOL_VERSION,
        replaced: holders.last().map(Removed::new),
        removed: dead
            .iter()
            .filter(|one| one.entry.sid != new.sid)
            .map(Removed::new)
            .collect(),
    })
}

/// Says who holds the sid and how it can become free.
fn taken(holder: &Surveyed<'_>) -> String {
    let Entry { sid, pid, .. } = holder.entry;
    let standing = decide::name(holder.finding.standing);
    let reason = decide::reason(&holder.finding);
    let remedy = match holder.finding.standing {
        Standing::Alive => "stop it first",
        _ => "forget it first (with --even-if-alive) once you know that its worker is no more",
    };
    format!(
        "sid={sid} is taken: its entry names pid {pid}, which is {standing} ({reason}); \
         {remedy}, or use another sid"
    )
}

/// Says why the process that was named cannot be registered.
fn unfit(process: &Surveyed<'_>) -> String {
    let Entry { sid, pid, .. } = process.entry;
    let standing = decide::name(process.finding.standing);
    let reason = decide::reason(&process.finding);
    format!(
        "sid={sid}: pid {pid} is not registered, because it is {standing} and not a running \
         worker ({reason}); name the pid of a process that runs on this machine"
    )
}

/// A time in whole seconds since 1970, as the registry writes it.
fn rfc3339(seconds: u64) -> String {
    // The formatter panics beyond its last year, and a host's clock may say anything.
    let since_epoch = Duration::from_secs(seconds.min(LAST_SECOND));
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since_epoch).to_string()
}

#[cfg(test)]
mod tests;
