//! Carrying out what a policy decides about workers that nobody asked to stop.

use std::collections::BTreeSet;

use crate::answer::Dismissed;
use crate::decide::{self, Status};
use crate::host::{Failure, Host, StopOptions};
use crate::policy::Policy;
use crate::pool::Pool;
use crate::sweep::Surveyed;
use crate::verbs::stop::{Course, set_out};

/// What became of all dismissals.
pub(super) struct Done<'a> {
    /// For the answer, in the policy's order.
    pub(super) answers: Vec<Dismissed<'a>>,
    /// Whose workers were asked to end, by the place of their entries.
    asked: BTreeSet<usize>,
}

impl Done<'_> {
    /// How a worker is doing after this request.
    pub(super) fn status(&self, worker: &Surveyed<'_>, before: Status) -> Status {
        if self.asked.contains(&worker.index) {
            Status::Stopping
        } else {
            before
        }
    }
}

/// Signals whom the policy dismisses. Entries are kept until they are found dead.
///
/// # Errors
/// Only when the client withdrew the request; what else goes wrong is reported per worker.
pub(super) fn dismiss<'a, H: Host>(
    policy: &impl Policy,
    host: &H,
    transaction: &H::Transaction,
    pool: &'a Pool<'_>,
    dry_run: bool,
) -> Result<Done<'a>, Failure> {
    let kept = &pool.sweep().kept;
    let mut done = Done {
        answers: Vec::new(),
        asked: BTreeSet::new(),
    };
    for dismissal in policy.dismiss(pool) {
        // In the order of the file. Whoever is not there is dead, and dropped already.
        let Ok(place) = kept.binary_search_by_key(&dismissal.index, |(one, _)| one.index) else {
            continue;
        };
        let worker = &kept[place].0;
        let options = StopOptions {
            sid: Some(worker.entry.sid.to_string()),
            signal: dismissal.signal,
            group: false,
            grace: 0,
            force: false,
            dry_run,
        };
        let (course, _) = set_out(policy, host, transaction, worker, &options)?;
        if course.was_signalled() && decide::asks_to_end(dismissal.signal) {
            done.asked.insert(worker.index);
        }
        let dismissed = Dismissed {
            sid: &worker.entry.sid,
            pid: worker.entry.pid,
            signal: decide::signal_name(dismissal.signal),
            reason: dismissal.reason,
            outcome: course.outcome(),
            evidence: course.evidence().map(str::to_owned),
        };
        warn_of_failure(host, &course, &dismissed);
        done.answers.push(dismissed);
    }
    Ok(done)
}

/// Nobody asked for the stop, so that nobody may look for its failure in the answer.
fn warn_of_failure(host: &impl Host, course: &Course, dismissed: &Dismissed<'_>) {
    if matches!(
        course,
        Course::Refused { .. } | Course::Denied(_) | Course::Failed { .. }
    ) {
        let Dismissed { sid, signal, .. } = dismissed;
        let why = dismissed.evidence.as_deref().unwrap_or_default();
        host.warn(&format!("ensure: sid={sid}: {signal} was not sent: {why}"));
    }
}
