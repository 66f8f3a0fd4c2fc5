//! `processes`: findings about the registry's claims.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Error, Fault};
use crate::process::{
    Claim, Finding, Identified, IdentifyError, Interrupted, Proof, Question, Record, Standing,
};
use crate::request::{Register, Request};

use super::bindings::poolwarden::pool::{processes, types};
use super::state::RequestState;
use super::{HostError, View};

/// What is said of a worker whose kill was withdrawn, until it is signalled again.
const KILL_WITHDRAWN: &str = "it was asked to end, and the kill that was to follow was withdrawn, \
                              because the client cancelled the stop; it runs on until it obeys \
                              or is stopped again with force";

impl processes::Host for View<'_> {
    fn inspect(&mut self, claims: Vec<types::Claim>) -> wasmtime::Result<Vec<types::Finding>> {
        let claims: Vec<Claim> = claims.into_iter().map(Claim::from).collect();
        let findings = self
            .uncharged(|state| state.inspect(&claims))
            .map_err(Error::from)?;
        self.note_inspect(&claims, &findings);
        Ok(findings)
    }
}

impl RequestState {
    /// Finds out about claims, remembers the findings in the transaction and what was
    /// learned in the ledger.
    ///
    /// # Errors
    /// When the request is withdrawn meanwhile, or uses more processor time for its host
    /// calls than it may. Then nothing was remembered.
    pub(super) fn inspect(&mut self, claims: &[Claim]) -> Result<Vec<types::Finding>, GivenUp> {
        let Some(open) = self.transaction.as_ref() else {
            let findings = claims.iter().map(|_| unknown("no transaction is open"));
            return Ok(findings.collect());
        };
        let positions: Vec<_> = claims
            .iter()
            .enumerate()
            .map(|(hint, claim)| open.reading.position(claim, hint))
            .collect();
        // Not for one claim alone: every signal changes the ledger, so that a stop would
        // have the rows of all others looked up anew for each worker.
        let rows = (claims.len() > 1).then(|| self.context.rows(&open.reading, &open.ledger));
        let registered = claims
            .iter()
            .zip(&positions)
            .filter_map(|(claim, position)| Some((claim, (*position)?)));
        let (questions, remembered): (Vec<_>, Vec<_>) = registered
            .map(|(claim, index)| {
                let row = match &rows {
                    Some(rows) => rows.get(index),
                    None => open.ledger.get(claim),
                };
                (
                    Question {
                        claim,
                        record: row.map(|row| &row.record),
                    },
                    row.map(|row| (row.last_signal, row.withdrawn, row.kill_withdrawn)),
                )
            })
            .unzip();
        let strength = self.origin.mandate.strength();
        let inspected = self.context.inquire(strength, |inquiry| {
            let inquiry = inquiry
                .until_cancelled(&self.cancel)
                .within(self.meter.host_left());
            self.context.processes.inspect(&questions, &inquiry)
        });
        let inspections = inspected.map_err(|interrupted| GivenUp {
            interrupted,
            limit: self.context.limits.host_cpu,
        })?;
        let mut inspected = inspections.into_iter().zip(remembered);

        let mut findings = Vec::with_capacity(claims.len());
        for (claim, position) in claims.iter().zip(positions) {
            let Some(index) = position else {
                findings.push(self.inspect_unregistered(claim));
                continue;
            };
            // One inspection for each question, in order.
            let (Some(open), Some((inspection, remembered))) =
                (self.transaction.as_mut(), inspected.next())
            else {
                findings.push(unknown("the host has no finding"));
                continue;
            };
            let (last_signal, withdrawn, kill_withdrawn) = remembered.unwrap_or_default();
            // Whoever was to drop the entry did not live to do it.
            if withdrawn {
                open.ledger.reinstate(claim);
            }
            let asked_to_end = last_signal.is_some();
            let standing = inspection.finding.standing;
            self.facts.found(index, standing, asked_to_end);
            open.note(index, &inspection.finding, inspection.process);
            if let Some(record) = inspection.learned {
                open.ledger.insert(claim.clone(), *record);
            }
            // A signal counts for the process that it was sent to, which is this one where
            // it is alive.
            let last_signal = last_signal.map(|sent| types::SentSignal {
                signal: sent.signal.into(),
                at: instant(sent.at),
            });
            let mut finding = to_wit(inspection.finding, last_signal);
            if kill_withdrawn && matches!(finding.standing, types::Standing::Alive) {
                finding.evidence = Some(KILL_WITHDRAWN.to_owned());
            }
            findings.push(finding);
        }
        Ok(findings)
    }

    /// A claim outside the registry is looked at only when the operator named its process.
    fn inspect_unregistered(&mut self, claim: &Claim) -> types::Finding {
        let named = matches!(&self.request, Request::Register(Register { sid, pid, .. })
            if *sid == claim.sid && *pid == claim.pid);
        let Some(open) = self.transaction.as_mut().filter(|_| named) else {
            return unknown("the registry has no such entry");
        };
        match self.context.processes.identify(claim.pid) {
            Ok(found) => {
                open.registering = Some(Record {
                    identity: found.process.identity().clone(),
                    proof: Proof::Registered,
                });
                to_wit(named_by_operator(claim.pid, &found), None)
            }
            Err(error) => to_wit(not_identified(&error), None),
        }
    }
}

/// Why there are no findings.
#[derive(Debug)]
pub(super) struct GivenUp {
    interrupted: Interrupted,
    /// The processor time that all host calls of the request may use.
    limit: Duration,
}

impl From<GivenUp> for Error {
    fn from(given_up: GivenUp) -> Self {
        match given_up.interrupted {
            Interrupted::Cancelled => Self::Cancelled,
            Interrupted::Overdue => Fault::HostCpu(given_up.limit).into(),
        }
    }
}

impl From<GivenUp> for HostError {
    /// It ends the request, whatever the policy would make of it.
    fn from(given_up: GivenUp) -> Self {
        Self::Trap(Error::from(given_up).into())
    }
}

fn named_by_operator(pid: u32, found: &Identified) -> Finding {
    let since = jiff::Timestamp::try_from(found.started).map_or_else(
        |_| "an unknown time".into(),
        |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    );
    Finding {
        standing: Standing::Alive,
        evidence: format!("pid {pid} runs since {since}, named by the operator").into(),
        started: Some(found.started),
    }
}

fn not_identified(error: &IdentifyError) -> Finding {
    let standing = match error {
        IdentifyError::Exited { .. } => Standing::Exited,
        // It runs, and is nobody's worker: as what an entry of it is found.
        IdentifyError::Impossible { pid: 1 } => Standing::Unproven,
        IdentifyError::Impossible { .. }
        | IdentifyError::NoSuchProcess { .. }
        | IdentifyError::Thread { .. } => Standing::Gone,
        _ => Standing::Unknown,
    };
    Finding {
        standing,
        evidence: crate::error::chain(error).into(),
        started: None,
    }
}

impl From<types::Claim> for Claim {
    fn from(claim: types::Claim) -> Self {
        Self {
            sid: claim.sid,
            pid: claim.pid,
            created_at: claim.created_at,
            sock: claim.sock,
        }
    }
}

fn unknown(evidence: &str) -> types::Finding {
    types::Finding {
        standing: types::Standing::Unknown,
        evidence: Some(evidence.into()),
        started: None,
        last_signal: None,
    }
}

fn to_wit(finding: Finding, last_signal: Option<types::SentSignal>) -> types::Finding {
    types::Finding {
        standing: finding.standing.into(),
        evidence: (finding.standing != Standing::Alive).then(|| finding.evidence.into_owned()),
        started: finding.started.map(instant),
        last_signal,
    }
}

impl From<Standing> for types::Standing {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Alive => Self::Alive,
            Standing::Unproven => Self::Unproven,
            Standing::Reused => Self::Reused,
            Standing::Exited => Self::Exited,
            Standing::Gone => Self::Gone,
            Standing::Foreign => Self::Foreign,
            Standing::Unknown => Self::Unknown,
        }
    }
}

pub(super) fn instant(time: SystemTime) -> types::Instant {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    types::Instant {
        seconds: since.as_secs(),
        nanoseconds: since.subsec_nanos(),
    }
}
