//! What `stop` says became of the workers.

use crate::answer::{Outcome, Stopped};
use crate::process::{Signal, Standing};
use crate::request::{Request, Stop};

use super::workers::{Worker, Workers};
use super::{Facts, Honest, Untrue, check_dry_run, named, quoted};

impl Honest for Stopped {
    fn check(&self, request: &Request, facts: &Facts) -> Result<(), Untrue> {
        check_dry_run(self.dry_run, request)?;
        let (only, waits) = match request {
            Request::Stop(Stop { sid, grace, .. }) => (sid.as_deref(), !grace.is_zero()),
            _ => (None, true),
        };
        self.check_outcomes(request, facts, only)?;
        self.check_stopped(facts, waits)
    }
}

impl Stopped {
    /// Each outcome is so, and each worker that was to be stopped has one.
    fn check_outcomes(
        &self,
        request: &Request,
        facts: &Facts,
        only: Option<&str>,
    ) -> Result<(), Untrue> {
        let mut workers = Workers::new(facts, |claim| (claim.sid.as_str(), claim.pid))?;
        for one in &self.outcomes {
            let said = format!(
                "{} is {}",
                named(&one.sid, one.pid),
                quoted(one.outcome.as_str())
            );
            if only.is_some_and(|only| only != one.sid) {
                return Err(Untrue::new(said, "the client did not ask for it"));
            }
            let Some(worker) = workers.get(&(one.sid.as_str(), one.pid)) else {
                return Err(Untrue::new(said, "no entry of the registry says so"));
            };
            worker.named += 1;
            if !worker.allows_outcome(&one.outcome, request) || invalid(one.pid, &one.outcome) {
                return Err(Untrue::new(said, worker.fate()));
            }
        }
        for claim in workers
            .entries()
            .chain(facts.signalled_claims())
            .collect::<Vec<_>>()
        {
            let Some(worker) = workers.get(&(claim.sid.as_str(), claim.pid)) else {
                continue;
            };
            let asked_for = only.is_none_or(|only| only == claim.sid);
            let missing = (asked_for && worker.kept > worker.ended) || worker.was_signalled();
            if worker.named == 0 && missing {
                let said = format!("{} was not to be stopped", named(&claim.sid, claim.pid));
                let so = format!("it is in the registry, and {}", worker.fate());
                return Err(Untrue::new(said, so));
            }
        }
        Ok(())
    }

    /// Who counts as stopped has ended; or was signalled, where nobody was to be waited for.
    fn check_stopped(&self, facts: &Facts, waits: bool) -> Result<(), Untrue> {
        let mut workers = Workers::new(facts, |claim| claim.sid.as_str())?;
        for sid in &self.stopped {
            let said = format!("session {} is stopped", quoted(sid));
            let Some(worker) = workers.get(&sid.as_str()) else {
                return Err(Untrue::new(said, "no entry of the registry has this sid"));
            };
            worker.named += 1;
            let stopped = if waits {
                worker.ended
            } else {
                worker.ended_or_signalled
            };
            if worker.named > stopped {
                return Err(Untrue::new(said, worker.fate()));
            }
        }
        Ok(())
    }
}

/// Whether a pid is said to be impossible that is possible: from 1 to the largest signed
/// 32-bit number (kill(2)).
fn invalid(pid: u32, outcome: &Outcome) -> bool {
    *outcome == Outcome::InvalidPid && pid != 0 && i32::try_from(pid).is_ok()
}

impl Worker {
    /// Whether this can be said to have become of it.
    pub(super) fn allows_outcome(&self, outcome: &Outcome, request: &Request) -> bool {
        match outcome {
            Outcome::Exited => self.was_signalled() && self.ended > 0,
            Outcome::Killed => self.was_sent(Signal::Kill) && self.ended > 0,
            Outcome::AlreadyDead => self.ended > 0,
            Outcome::Signalled => self.was_signalled(),
            Outcome::StillRunning => self.was_signalled() && self.ended < self.entries,
            Outcome::Refused | Outcome::Failed => !self.was_signalled(),
            Outcome::WouldSignal => request.is_dry_run() && self.found.has(Standing::Alive),
            // What makes a pid impossible is its number.
            Outcome::InvalidPid => true,
            // A word of another policy means what that policy says, of a worker that something
            // has become of. One that was left alone is refused or failed.
            Outcome::Other(_) => request.is_dry_run() || self.was_signalled() || self.ended > 0,
        }
    }

    /// What became of it, in the middle of a sentence.
    pub(super) fn fate(&self) -> String {
        let signalled = self.was_signalled();
        let so = match (signalled, self.ended > 0) {
            (true, true) => "it was signalled and has ended",
            (true, false) => "it was signalled and was not seen to end",
            (false, true) => "it had ended, and was not signalled",
            (false, false) => "it was not signalled, and was not seen to end",
        };
        format!("{so} ({})", self.standing())
    }
}
