//! Waiting for signalled workers: what the client hears meanwhile, and what becomes of the kill
//! that was to follow when it cancels the request.

use std::time::{Duration, Instant};

use crate::cancel::Cancel;
use crate::process::{Claim, Signal};
use crate::progress::Progress;
use crate::request::{Request, Stop};

use super::held::Held;
use super::signals::Reach;
use super::trail::Subject;
use super::{HostError, RequestState};

/// How long a request waits before it says again how far it has come.
const SLICE: Duration = Duration::from_secs(1);

/// How many of those that are waited for are named.
const NAMED: usize = 3;

/// How long the host waits for the lock to write into the ledger that a kill was withdrawn. The
/// trail says it in any case.
const LEDGER_WAIT: Duration = Duration::from_millis(500);

/// A worker that is waited for.
pub(super) struct Awaited {
    pub(super) held: Held,
    pub(super) claim: Claim,
    pub(super) subject: Subject,
}

impl RequestState {
    /// Waits until all have ended or the time is over, and says how far that has come.
    pub(super) fn wait_for(
        &mut self,
        awaited: &[Awaited],
        timeout: Duration,
    ) -> Result<Vec<bool>, HostError> {
        let begun = Instant::now();
        let reporter = self.origin.reporter.clone();
        let mut ended = vec![false; awaited.len()];
        loop {
            let waits: Vec<usize> = (0..awaited.len()).filter(|&one| !ended[one]).collect();
            let held: Vec<_> = waits.iter().map(|&one| awaited[one].held.clone()).collect();
            let left = timeout.saturating_sub(begun.elapsed());
            let slice = match &reporter {
                Some(_) => left.min(SLICE),
                None => left,
            };
            let found = self.wait(&held, slice)?;
            for (one, has_ended) in waits.into_iter().zip(found) {
                if has_ended {
                    ended[one] = true;
                    self.facts.ended(&awaited[one].claim);
                }
            }
            if let Some(report) = &reporter {
                report(self.progress(awaited, &ended));
            }
            if slice == left || self.wait_left.is_zero() || ended.iter().all(|&ended| ended) {
                return Ok(ended);
            }
        }
    }

    fn progress(&self, awaited: &[Awaited], ended: &[bool]) -> Progress {
        let waits = awaited.iter().zip(ended).filter(|(_, ended)| !**ended);
        let (signalled, ended) = self.facts.progress();
        Progress {
            signalled,
            ended,
            waits_for: waits
                .take(NAMED)
                .map(|(one, _)| one.claim.sid.clone())
                .collect(),
        }
    }

    /// Notes that a worker was sent a signal, which a kill is to follow where the client asked
    /// for that.
    pub(super) fn note_kill_to_come(&mut self, signal: Signal, worker: Awaited) {
        if signal == Signal::Kill {
            self.kills_to_come.remove(&worker.claim);
        } else if matches!(self.request, Request::Stop(Stop { force: true, .. })) {
            self.kills_to_come.insert(worker.claim.clone(), worker);
        }
    }

    /// Ends the request. Where the client has cancelled it, the kills that were to come are
    /// withdrawn, which is said in the trail and in the ledger.
    pub(crate) fn finish(&mut self) {
        // Its lock is needed for that, and nothing more happens in it.
        self.transaction = None;
        let kills = std::mem::take(&mut self.kills_to_come);
        if kills.is_empty() || !self.cancel.is_cancelled() {
            return;
        }
        // The request's own is over, and what is written here says just that.
        let Ok(cancel) = Cancel::new() else {
            tracing::warn!("withdrawn kills are not recorded: no descriptor is left");
            return;
        };
        self.cancel = cancel;
        let reach = match &self.request {
            Request::Stop(Stop { group: true, .. }) => Reach::Group,
            _ => Reach::Process,
        };
        let runs = |worker: &Awaited| {
            let process = worker.held.reopen();
            process.is_ok_and(|process| !process.has_ended().unwrap_or(false))
        };
        let spared: Vec<_> = kills.into_values().filter(runs).collect();
        for worker in &spared {
            self.record_withdrawn_kill(worker.subject.clone(), reach);
        }
        self.mark_withdrawn_kills(&spared);
    }

    /// The next status says it for as long as the worker lives and is not signalled again.
    fn mark_withdrawn_kills(&self, spared: &[Awaited]) {
        if spared.is_empty() {
            return;
        }
        let mut locked = match self.context.lock_existing(LEDGER_WAIT, &self.cancel) {
            Ok(locked) => locked,
            Err(error) => {
                let why = crate::error::chain(&error);
                tracing::warn!("the ledger does not say which kills were withdrawn: {why}");
                return;
            }
        };
        let mut ledger = locked.read_ledger();
        for one in spared {
            ledger.withdraw_kill(&one.claim);
        }
        if let Err(error) = locked.write_ledger(&mut ledger) {
            let why = crate::error::chain(&error);
            tracing::warn!("the ledger does not say which kills were withdrawn: {why}");
        }
    }
}
