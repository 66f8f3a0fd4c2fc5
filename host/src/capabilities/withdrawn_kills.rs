//! The kills that were to follow a signal, and are withdrawn when the client cancels the request.

use std::time::Duration;

use crate::cancel::Cancel;
use crate::process::Signal;
use crate::request::{Request, Stop};

use super::RequestState;
use super::reach::Reach;
use super::waiting::SignalledWorker;

/// How long the host waits for the lock to write into the ledger that a kill was withdrawn. The
/// trail says it in any case.
const LEDGER_WAIT: Duration = Duration::from_millis(500);

impl RequestState {
    /// Notes that a worker was sent a signal, which a kill is to follow where the client asked
    /// for that.
    pub(super) fn note_kill_to_come(&mut self, signal: Signal, worker: SignalledWorker) {
        if signal == Signal::Kill {
            self.kills_to_come.remove(&worker.claim);
        } else if self.origin.leaves_kills
            || matches!(self.request, Request::Stop(Stop { force: true, .. }))
        {
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
        let runs = |worker: &SignalledWorker| {
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
    fn mark_withdrawn_kills(&self, spared: &[SignalledWorker]) {
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
