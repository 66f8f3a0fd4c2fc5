//! Waiting for signalled workers, and what the client hears meanwhile.

use std::time::{Duration, Instant};

use crate::process::Claim;
use crate::progress::Progress;

use super::held::Held;
use super::trail::Subject;
use super::{HostError, RequestState};

/// How long a request waits before it says again how far it has come.
const SLICE: Duration = Duration::from_secs(1);

/// How many of those that are waited for are named.
const NAMED: usize = 3;

/// A worker that was sent a signal, and may be waited for.
pub(super) struct SignalledWorker {
    pub(super) held: Held,
    pub(super) claim: Claim,
    pub(super) subject: Subject,
}

impl RequestState {
    /// Waits until all have ended or the time is over, and says how far that has come.
    pub(super) fn wait_for(
        &mut self,
        workers: &[SignalledWorker],
        timeout: Duration,
    ) -> Result<Vec<bool>, HostError> {
        let begun = Instant::now();
        let reporter = self.origin.reporter.clone();
        let mut ended = vec![false; workers.len()];
        loop {
            let waits: Vec<usize> = (0..workers.len()).filter(|&one| !ended[one]).collect();
            let held: Vec<_> = waits.iter().map(|&one| workers[one].held.clone()).collect();
            let left = timeout.saturating_sub(begun.elapsed());
            let slice = match &reporter {
                Some(_) => left.min(SLICE),
                None => left,
            };
            let found = self.wait(&held, slice)?;
            for (one, has_ended) in waits.into_iter().zip(found) {
                if has_ended {
                    ended[one] = true;
                    self.facts.ended(&workers[one].claim);
                }
            }
            if let Some(report) = &reporter {
                report(self.progress(workers, &ended));
            }
            if slice == left || self.wait_left.is_zero() || ended.iter().all(|&ended| ended) {
                return Ok(ended);
            }
        }
    }

    fn progress(&self, workers: &[SignalledWorker], ended: &[bool]) -> Progress {
        let waits = workers.iter().zip(ended).filter(|(_, ended)| !**ended);
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
}
