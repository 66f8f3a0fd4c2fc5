//! A repair in the audit trail.

use std::time::{Duration, SystemTime};

use crate::audit::{After, AskedBy, Asker, Before, Event, Id};
use crate::cancel::Cancel;
use crate::error::{Error, chain};
use crate::process::Standing;
use crate::store::{Durability, PoolDir, StoreError};

use super::candidate::Candidate;
use super::plan::Step;
use super::rewrite::Rewrite;

/// What a repair is called in the trail.
const VERB: &str = "doctor";

/// The repair's lines in the trail. What cannot be recorded does not happen.
pub(super) struct Record<'a> {
    pool: &'a PoolDir,
    asked_by: AskedBy,
    wait: Duration,
    effects: Vec<Effect>,
}

struct Effect {
    id: Id,
    event: Event,
    sid: String,
    pid: u32,
    standing: Option<Standing>,
    evidence: String,
    entry: Option<String>,
}

impl<'a> Record<'a> {
    pub(super) fn new(pool: &'a PoolDir, asker: &Asker, wait: Duration) -> Self {
        Self {
            pool,
            asked_by: asker.asks(VERB),
            wait,
            effects: Vec::new(),
        }
    }

    /// The files that are written or put aside.
    pub(super) fn files(&mut self, steps: &[Step]) {
        let files = steps.iter();
        let files = files.filter(|step| !matches!(step, Step::Adopt { .. }));
        self.effects.extend(files.map(|step| Effect {
            id: Id::next(),
            event: Event::Repair,
            sid: String::new(),
            pid: 0,
            standing: None,
            evidence: step.words(),
            entry: None,
        }));
    }

    /// The entries that come and go.
    pub(super) fn entries(&mut self, rewrite: &Rewrite<'_>, candidates: &[&Candidate]) {
        for (entry, inspection) in rewrite.dropped() {
            self.effects.push(Effect {
                id: Id::next(),
                event: Event::Removal,
                sid: entry.claim.sid.clone(),
                pid: entry.claim.pid,
                standing: Some(inspection.finding.standing),
                evidence: inspection.finding.evidence.clone().into_owned(),
                entry: Some(entry.text.to_string()),
            });
        }
        for candidate in rewrite.added(candidates) {
            self.effects.push(Effect {
                id: Id::next(),
                event: Event::Repair,
                sid: candidate.claim.sid.clone(),
                pid: candidate.claim.pid,
                standing: Some(candidate.standing),
                evidence: candidate.words(),
                entry: candidate.entry().ok(),
            });
        }
    }

    /// Writes the lines before.
    ///
    /// # Errors
    /// When they cannot be written: then nothing may be.
    pub(super) fn begin(&self, cancel: &Cancel) -> Result<(), Error> {
        let not_recorded = |why: String| {
            Error::System(format!(
                "nothing was written, because it could not be recorded first: {why}"
            ))
        };
        let at = SystemTime::now();
        let mut lines = Vec::new();
        for effect in &self.effects {
            let before = Before {
                at,
                id: &effect.id,
                event: effect.event,
                sid: &effect.sid,
                pid: effect.pid,
                signal: None,
                group: false,
                standing: effect.standing,
                evidence: &effect.evidence,
                entry: effect.entry.as_deref(),
                asked_by: &self.asked_by,
                policy: None,
            };
            let encoded = before.encode(&mut lines);
            encoded.map_err(|error| not_recorded(error.to_string()))?;
        }
        if lines.is_empty() {
            return Ok(());
        }
        self.pool
            .append_to_trail(&lines, Durability::Power, self.wait, Some(cancel))
            .map_err(|error| not_recorded(chain(&error)))
    }

    /// Writes the lines after. What was done is done, whatever becomes of them.
    pub(super) fn end(&self, failed: Option<&StoreError>) {
        let result = match failed {
            None => "done".to_owned(),
            Some(error) => format!("failed: {}", chain(error)),
        };
        let mut lines = Vec::new();
        let written = self.effects.iter().try_for_each(|effect| {
            let after = After {
                at: SystemTime::now(),
                id: &effect.id,
                event: effect.event,
                sid: &effect.sid,
                pid: effect.pid,
                result: &result,
            };
            after.encode(&mut lines)
        });
        let wait = self.wait;
        if let Err(error) = written {
            tracing::warn!("the audit trail lacks a result ({result}): {error}");
        } else if !lines.is_empty()
            && let Err(error) = self
                .pool
                .append_to_trail(&lines, Durability::Process, wait, None)
        {
            tracing::warn!(
                "the audit trail lacks a result ({result}): {}",
                chain(&error)
            );
        }
    }
}
