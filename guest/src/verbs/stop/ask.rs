//! The signal that asks a worker to end.

use super::course::Course;
use crate::decide::{self, StopVerdict};
use crate::host::{Error, Failure, Host, Signal, StopOptions, text};
use crate::policy::Policy;
use crate::remedy::remedy_of_stop;
use crate::sweep::Surveyed;

/// Decides about one entry and, where its worker is proven to run, signals it.
///
/// # Errors
/// Only when the client withdrew the request; what else goes wrong is the course's end.
pub(in crate::verbs) fn set_out<H: Host>(
    policy: &impl Policy,
    host: &H,
    transaction: &H::Transaction,
    worker: &Surveyed<'_>,
    options: &StopOptions,
) -> Result<(Course, Option<H::Target>), Failure> {
    let entry = worker.entry;
    let course = match policy.verdict(worker, options) {
        StopVerdict::AlreadyDead => Course::AlreadyDead(decide::reason(&worker.finding).to_owned()),
        StopVerdict::ImpossiblePid(error) => Course::ImpossiblePid(error),
        StopVerdict::Refuse(why) => Course::Refused {
            next: remedy_of_stop(entry, &worker.finding),
            why,
        },
        StopVerdict::Signal => {
            // Opening has no effect, and tells a dry run what the host would refuse.
            let sent = host
                .open(transaction, &entry.sid, entry.pid)
                .and_then(|target| {
                    if options.dry_run {
                        return Ok((Course::WouldSignal, None));
                    }
                    if options.signal == Signal::Kill
                        && let Err(why) = policy.before_kill(host, entry, &target)
                    {
                        return Ok((Course::Refused { why, next: None }, None));
                    }
                    ask_to_end(host, &target, &entry.sid, options)?;
                    Ok((Course::Signalled, Some(target)))
                });
            match sent {
                Ok(set_out) => return Ok(set_out),
                Err(Error::Ended(evidence)) => Course::AlreadyDead(evidence),
                Err(Error::Refused(why)) => Course::Refused { why, next: None },
                Err(Error::Denied(evidence)) => Course::Denied(evidence),
                Err(error @ Error::Cancelled(_)) => return Err(Failure::Host(error)),
                Err(error) => Course::Failed {
                    signal: decide::signal_name(options.signal),
                    why: text(&error).to_owned(),
                },
            }
        }
    };
    Ok((course, None))
}

/// Sends the signal that asks a worker to end.
fn ask_to_end<H: Host>(
    host: &H,
    target: &H::Target,
    sid: &str,
    options: &StopOptions,
) -> Result<(), Error> {
    send(host, target, options.signal, options.group)?;
    if options.signal == Signal::Kill {
        return Ok(());
    }
    // A stopped process acts on the signal only once it is continued.
    match send(host, target, Signal::Cont, options.group) {
        Ok(()) | Err(Error::Ended(_)) => {}
        Err(error) => host.warn(&format!("sid={sid}: SIGCONT failed: {}", text(&error))),
    }
    Ok(())
}

/// Sends a signal to a worker, or to the whole group that it leads.
pub(super) fn send<H: Host>(
    host: &H,
    target: &H::Target,
    signal: Signal,
    group: bool,
) -> Result<(), Error> {
    if group {
        host.send_group(target, signal)
    } else {
        host.send(target, signal)
    }
}
