//! The grace period, and the kill after it.

use super::ask::send;
use super::course::{Course, Worker};
use crate::decide;
use crate::host::{Error, Failure, Host, Signal, StopOptions, text};
use crate::policy::Policy;

/// How long a killed worker is waited for, in milliseconds. The host allows this much
/// beyond the grace period.
const KILL_CONFIRMATION: u64 = 2000;

/// Waits for the signalled, and kills those that stay when that is asked for.
pub(super) fn watch<H: Host>(
    policy: &impl Policy,
    host: &H,
    workers: &mut [Worker<'_, H::Target>],
    options: &StopOptions,
) -> Result<(), Failure> {
    if options.grace > 0 {
        let ended = match options.signal {
            Signal::Kill => Course::Killed,
            _ => Course::Exited,
        };
        await_exit(host, workers, options.grace, &ended)?;
    }
    if options.force {
        for worker in workers.iter_mut() {
            kill(policy, host, worker, options.group)?;
        }
        await_exit(host, workers, KILL_CONFIRMATION, &Course::Killed)?;
        give_up(
            workers,
            &format!("is still there {KILL_CONFIRMATION} ms after SIGKILL"),
        );
    } else if options.grace > 0 {
        let stays = format!(
            "did not exit within {} ms after {}; stop it again with a longer grace period or \
             with force",
            options.grace,
            decide::signal_name(options.signal)
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
    ended: &Course,
) -> Result<(), Failure> {
    let targets: Vec<_> = workers.iter().filter_map(Worker::awaited).collect();
    if targets.is_empty() {
        return Ok(());
    }
    let waited = host.wait(&targets, timeout);
    let awaited = workers
        .iter_mut()
        .filter(|worker| worker.awaited().is_some());
    match waited {
        Ok(exits) => {
            for (worker, exited) in awaited.zip(exits) {
                if exited {
                    worker.course = ended.clone();
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

/// Kills a worker that was signalled and has not ended, or what is left of its group.
fn kill<H: Host>(
    policy: &impl Policy,
    host: &H,
    worker: &mut Worker<'_, H::Target>,
    group: bool,
) -> Result<(), Failure> {
    let left_behind = group && matches!(worker.course, Course::Exited);
    let Some(target) = worker.target.as_ref() else {
        return Ok(());
    };
    if !left_behind && worker.awaited().is_none() {
        return Ok(());
    }
    if !left_behind && let Err(why) = policy.before_kill(host, worker.entry, target) {
        worker.course = Course::StillRunning(format!("did not exit, and is not killed: {why}"));
        return Ok(());
    }
    match send(host, target, Signal::Kill, group) {
        Ok(()) => {}
        Err(Error::Ended(_)) => worker.course = Course::Exited,
        Err(error @ Error::Cancelled(_)) => return Err(Failure::Host(error)),
        Err(error) if left_behind => host.warn(&format!(
            "stop: sid={}: SIGKILL to what is left of its group failed: {}",
            worker.entry.sid,
            text(&error)
        )),
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
        if worker.awaited().is_some() {
            worker.course = Course::StillRunning(stays.to_owned());
        }
    }
}
