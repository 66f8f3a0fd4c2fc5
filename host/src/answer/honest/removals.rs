//! What answers say of entries that went.

use crate::answer::{Found, RemovedSession};
use crate::process::Standing;
use crate::request::Request;

use super::workers::{Worker, Workers};
use super::{Facts, Untrue, named, quoted};

/// Checks that each of these entries was removed, or would be in a dry run, and that its
/// process was found as it is said.
pub(super) fn check_removals<'a>(
    facts: &Facts,
    request: &Request,
    removed: impl IntoIterator<Item = &'a RemovedSession>,
) -> Result<(), Untrue> {
    let mut removed = removed.into_iter().peekable();
    if removed.peek().is_none() {
        return Ok(());
    }
    let mut workers = Workers::new(facts, |claim| (claim.sid.as_str(), claim.pid))?;
    for one in removed {
        let name = named(&one.sid, one.pid);
        let said = format!("the entry of {name} was removed");
        let Some(worker) = workers.get(&(one.sid.as_str(), one.pid)) else {
            return Err(Untrue::new(said, "the registry has none of this name"));
        };
        worker.named += 1;
        let gone = if request.is_dry_run() {
            worker.entries
        } else {
            worker.removed
        };
        if worker.named > gone {
            return Err(Untrue::new(said, "it was not"));
        }
        if !allows(worker, &one.standing, request) {
            let said = format!("{name} was found {}", quoted(one.standing.as_str()));
            return Err(Untrue::new(said, worker.standing()));
        }
    }
    Ok(())
}

fn allows(worker: &Worker, said: &Found, request: &Request) -> bool {
    let found = worker.found.names().any(|standing| *said == standing);
    if request.is_dry_run() {
        return found && worker.found.any_dead();
    }
    found || (worker.is_unseen() && *said == Standing::Unknown)
}
