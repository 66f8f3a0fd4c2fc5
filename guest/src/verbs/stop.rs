//! `stop`: asks workers to end, waits for them, and drops the entries of those that did.
//!
//! Two short transactions with the wait between them: a worker may need the pool's lock
//! in order to exit. Whatever fails after the first signal becomes a line of the answer,
//! because by then somebody was signalled and the caller has to learn it. Only a request
//! that the client withdrew gets no answer.

mod ask;
mod course;
mod watch;

use crate::answer::{self, Stopped};
use crate::decide;
use crate::host::{Error, Failure, Host, Signal, StopOptions, text};
use crate::policy::Policy;
use crate::registry::Registry;
use crate::sweep::{drop_entries, survey};
use course::Worker;
use watch::watch;

pub(super) use ask::set_out;
pub(super) use course::Course;

/// Sends a signal, by default SIGTERM, to one session or all, waits up to the grace period,
/// and with `force` sends SIGKILL to those that are left. Entries go when their workers are
/// gone. With `group` each signal goes to the whole process group of a worker; the wait is
/// for the worker itself, and a kill reaches also what is left of its group.
///
/// Without a grace period nobody is waited for: the signalled count as stopped, and
/// their entries go when they are found dead. With `force` the kill follows at once and
/// is confirmed.
///
/// # Errors
/// The host's, as long as nobody was signalled, and its `cancelled` also after that; a
/// registry that cannot be read; a signal that asks nobody to end.
pub fn stop<H: Host>(
    policy: &impl Policy,
    host: &H,
    options: &StopOptions,
) -> Result<String, Failure> {
    if matches!(options.signal, Signal::Cont | Signal::Stop) {
        let name = decide::signal_name(options.signal);
        return Err(Failure::Rejected(format!(
            "{name} asks nobody to end; stop with another signal"
        )));
    }
    let transaction = host.begin()?;
    let bytes = host.read(&transaction)?;
    let registry = Registry::parse(bytes.as_deref())?;

    let mut workers = Vec::new();
    for one in survey(host, registry.select(options.sid.as_deref())) {
        let (course, target) = set_out(policy, host, &transaction, &one, options)?;
        workers.push(Worker {
            index: one.index,
            entry: one.entry,
            course,
            target,
        });
    }
    if let Some(denied) = all_denied(&workers) {
        return Err(Failure::Host(denied));
    }

    let mut undone = None;
    if !options.dry_run {
        let dead = workers
            .iter()
            .filter(|worker| worker.course.needs_no_signal())
            .map(|one| one.index);
        if let Err(failure) = drop_entries(host, &transaction, &registry, dead) {
            if !workers.iter().any(|worker| worker.course.was_signalled()) {
                return Err(failure);
            }
            undone = Some(failure);
        }
    }
    drop(transaction);

    watch(policy, host, &mut workers, options)?;
    let mut answer = Stopped {
        dry_run: options.dry_run,
        ..Stopped::default()
    };
    for worker in &workers {
        worker.report(&mut answer);
    }
    // What was refused once in this request is not asked for again.
    let retired = match undone {
        Some(failure) => Err(failure),
        None => retire(host, &workers),
    };
    match retired {
        Ok(kept) => answer.errors.extend(kept),
        Err(failure) => answer.errors.push(not_updated(&failure)),
    }
    answer::to_json(&answer)
}

/// The host's denial, when it met every session that was to be stopped: then the
/// request as a whole was denied.
fn all_denied<T>(workers: &[Worker<'_, T>]) -> Option<Error> {
    let mut denial = None;
    for worker in workers {
        match &worker.course {
            Course::Denied(evidence) => denial = Some(evidence),
            _ => return None,
        }
    }
    denial.map(|evidence| Error::Denied(evidence.clone()))
}

/// Drops the entries of those that ended, in a transaction of its own, and says which
/// are kept all the same.
///
/// The registry may have changed since. Only an entry that still makes the very same
/// claim goes, and only when its process is found to be no more: a sid that was
/// registered anew in between is somebody else.
fn retire<H: Host>(host: &H, workers: &[Worker<'_, H::Target>]) -> Result<Vec<String>, Failure> {
    let ended: Vec<_> = workers
        .iter()
        .filter(|worker| worker.course.has_ended())
        .collect();
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let transaction = host.begin()?;
    let bytes = host.read(&transaction)?;
    let registry = Registry::parse(bytes.as_deref())?;
    let same = registry
        .select(None)
        .filter(|(_, entry)| ended.iter().any(|worker| worker.entry.same_claim(entry)));
    let (dead, kept): (Vec<_>, Vec<_>) = survey(host, same)
        .into_iter()
        .partition(|one| decide::is_dead(&one.finding));
    drop_entries(
        host,
        &transaction,
        &registry,
        dead.iter().map(|one| one.index),
    )?;
    Ok(kept
        .iter()
        .map(|one| {
            let reason = decide::reason(&one.finding);
            format!(
                "sid={}: it ended, but its entry is kept: {reason}",
                one.entry.sid
            )
        })
        .collect())
}

/// Says that the registry does not show yet what was done.
fn not_updated(failure: &Failure) -> String {
    let why = match failure {
        Failure::Host(error) => text(error).to_owned(),
        Failure::Rejected(why) => why.clone(),
        Failure::Corrupted(at) => {
            format!(
                "it is corrupted at line {}, column {}: {}",
                at.line, at.column, at.detail
            )
        }
    };
    format!(
        "the registry was not updated: {why}; the entries of workers that are no more are \
         dropped by the next ensure"
    )
}

#[cfg(test)]
mod tests;
