//! `stop`: asks workers to end, waits for them, and drops the entries of those that did.
//!
//! Two short transactions with the wait between them: a worker may need the pool's lock
//! in order to exit. Whatever fails after the first signal becomes a line of the answer,
//! because by then somebody was signalled and the caller has to learn it. Only a request
//! that the client withdrew gets no answer.

mod course;

use crate::answer::{self, Stopped};
use crate::decide::{self, StopVerdict};
use crate::host::{Error, Failure, Finding, Host, Signal, StopOptions, text};
use crate::registry::Registry;
use crate::sweep::{drop_entries, survey};
use course::{Course, Worker};

/// How long a killed worker is waited for, in milliseconds. The host allows this much
/// beyond the grace period.
const KILL_CONFIRMATION: u64 = 2000;

/// Sends SIGTERM to one session or all, waits up to the grace period, and with `force`
/// sends SIGKILL to those that are left. Entries go when their workers are gone.
///
/// Without a grace period nobody is waited for: the signalled count as stopped, and
/// their entries go when they are found dead. With `force` the kill follows at once and
/// is confirmed.
///
/// # Errors
/// The host's, as long as nobody was signalled, and its `cancelled` also after that; a
/// registry that cannot be read.
pub fn stop<H: Host>(host: &H, options: &StopOptions) -> Result<String, Failure> {
    let transaction = host.begin()?;
    let bytes = host.read(&transaction)?;
    let registry = Registry::parse(bytes.as_deref())?;

    let mut workers = Vec::new();
    for one in survey(host, registry.select(options.sid.as_deref())) {
        let course = set_out(
            host,
            &transaction,
            &one.entry.sid,
            one.entry.pid,
            one.finding,
            options.dry_run,
        )?;
        workers.push(Worker {
            index: one.index,
            entry: one.entry,
            course,
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

    watch(host, &mut workers, options)?;
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

/// Decides about one entry and, where its worker is proven to run, signals it.
fn set_out<H: Host>(
    host: &H,
    transaction: &H::Transaction,
    sid: &str,
    pid: u32,
    finding: Finding,
    dry_run: bool,
) -> Result<Course<H::Target>, Failure> {
    match decide::stop(sid, pid, &finding) {
        StopVerdict::AlreadyDead => {
            return Ok(Course::AlreadyDead(decide::reason(&finding).to_owned()));
        }
        StopVerdict::ImpossiblePid(error) => return Ok(Course::ImpossiblePid(error)),
        StopVerdict::Refuse => return Ok(Course::Refused(decide::reason(&finding).to_owned())),
        StopVerdict::Signal => {}
    }
    // Opening has no effect, and tells a dry run what the host would refuse.
    let sent = host.open(transaction, sid, pid).and_then(|target| {
        if dry_run {
            return Ok(Course::WouldSignal);
        }
        host.send(&target, Signal::Term)?;
        // A stopped process acts on SIGTERM only once it is continued.
        match host.send(&target, Signal::Cont) {
            Ok(()) | Err(Error::Ended(_)) => {}
            Err(error) => host.warn(&format!(
                "stop: sid={sid}: SIGCONT failed: {}",
                text(&error)
            )),
        }
        Ok(Course::Signalled(target))
    });
    match sent {
        Ok(course) => Ok(course),
        Err(Error::Ended(evidence)) => Ok(Course::AlreadyDead(evidence)),
        Err(Error::Refused(evidence)) => Ok(Course::Refused(evidence)),
        Err(Error::Denied(evidence)) => Ok(Course::Denied(evidence)),
        Err(error @ Error::Cancelled(_)) => Err(Failure::Host(error)),
        Err(error) => Ok(Course::Failed(text(&error).to_owned())),
    }
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

/// Waits for the signalled, and kills those that stay when that is asked for.
fn watch<H: Host>(
    host: &H,
    workers: &mut [Worker<'_, H::Target>],
    options: &StopOptions,
) -> Result<(), Failure> {
    if options.grace > 0 {
        await_exit(host, workers, options.grace, || Course::Exited)?;
    }
    if options.force {
        for worker in workers.iter_mut() {
            kill(host, worker)?;
        }
        await_exit(host, workers, KILL_CONFIRMATION, || Course::Killed)?;
        give_up(
            workers,
            &format!("is still there {KILL_CONFIRMATION} ms after SIGKILL"),
        );
    } else if options.grace > 0 {
        let stays = format!(
            "did not exit within {} ms after SIGTERM; stop it again with a longer grace period \
             or with force",
            options.grace
        );
        give_up(workers, &stays);
    }
    Ok(())
}

/// Waits once for all that were signalled, at most `timeout` milliseconds, and sets
/// those that ended on the course `ended`.
fn await_exit<H: Host>(
    host: &H,
    workers: &mut [Worker<'_, H::Target>],
    timeout: u64,
    ended: fn() -> Course<H::Target>,
) -> Result<(), Failure> {
    let targets: Vec<_> = workers
        .iter()
        .filter_map(|worker| worker.course.target())
        .collect();
    if targets.is_empty() {
        return Ok(());
    }
    let waited = host.wait(&targets, timeout);
    let awaited = workers
        .iter_mut()
        .filter(|worker| worker.course.target().is_some());
    match waited {
        Ok(exits) => {
            for (worker, exited) in awaited.zip(exits) {
                if exited {
                    worker.course = ended();
                }
            }
        }
        Err(error @ Error::Cancelled(_)) => return Err(Failure::Host(error)),
        Err(error) => {
            for worker in awaited {
                worker.course = Course::Unwatched(text(&error).to_owned());
            }
        }
    }
    Ok(())
}

/// Kills a worker that was signalled and has not ended.
fn kill<H: Host>(host: &H, worker: &mut Worker<'_, H::Target>) -> Result<(), Failure> {
    let Some(target) = worker.course.target() else {
        return Ok(());
    };
    match host.send(target, Signal::Kill) {
        Ok(()) => {}
        Err(Error::Ended(_)) => worker.course = Course::Exited,
        Err(error @ Error::Cancelled(_)) => return Err(Failure::Host(error)),
        Err(error) => {
            worker.course = Course::StillRunning(format!(
                "did not exit, and SIGKILL failed: {}",
                text(&error)
            ));
        }
    }
    Ok(())
}

/// Says of all that are still waited for that they did not end.
fn give_up<T>(workers: &mut [Worker<'_, T>], stays: &str) {
    for worker in workers {
        if worker.course.target().is_some() {
            worker.course = Course::StillRunning(stays.to_owned());
        }
    }
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
