//! A repair in the audit trail.

use std::time::{Duration, SystemTime};

use crate::audit::{After, AskedBy, Asker, Before, Event, Id};
use crate::cancel::Cancel;
use crate::error::{Error, chain};
use crate::process::Standing;
use crate::store::{Durability, PoolDir};

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

/// What came of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StepResult {
    /// It was done.
    Done,
    /// There was nothing left to do.
    Idle,
    /// It failed, for this reason.
    Failed(String),
    /// A step before it failed.
    NotTried,
}

impl StepResult {
    fn words(&self) -> String {
        match self {
            Self::Done => "done".into(),
            Self::Idle => "nothing was left to do".into(),
            Self::Failed(why) => format!("failed: {why}"),
            Self::NotTried => "not tried, because a step before it failed".into(),
        }
    }
}

struct Effect {
    /// Which of the steps has it.
    step: usize,
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

    /// The files that are written, put aside or removed by these steps, which are all of them.
    pub(super) fn files(&mut self, steps: &[Step]) {
        let files = steps.iter().enumerate();
        let files = files.filter(|(_, step)| !matches!(step, Step::Adopt { .. }));
        self.effects.extend(files.map(|(number, step)| Effect {
            step: number,
            id: Id::next(),
            event: Event::Repair,
            sid: String::new(),
            pid: 0,
            standing: None,
            evidence: step.words(),
            entry: None,
        }));
    }

    /// The entries that come and go with the step of this number.
    pub(super) fn entries(
        &mut self,
        step: usize,
        rewrite: &Rewrite<'_>,
        candidates: &[&Candidate],
    ) {
        for (entry, inspection) in rewrite.dropped() {
            self.effects.push(Effect {
                step,
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
                step,
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

    /// Writes the lines after, with the result of each step. What was done is done, whatever
    /// becomes of them.
    pub(super) fn end(&self, results: &[StepResult]) {
        let mut lines = Vec::new();
        let written = self.effects.iter().try_for_each(|effect| {
            let result = results.get(effect.step).unwrap_or(&StepResult::NotTried);
            let after = After {
                at: SystemTime::now(),
                id: &effect.id,
                event: effect.event,
                sid: &effect.sid,
                pid: effect.pid,
                result: &result.words(),
            };
            after.encode(&mut lines)
        });
        let wait = self.wait;
        if let Err(error) = written {
            tracing::warn!("the audit trail lacks the results of a repair: {error}");
        } else if !lines.is_empty()
            && let Err(error) = self
                .pool
                .append_to_trail(&lines, Durability::Process, wait, None)
        {
            tracing::warn!(
                "the audit trail lacks the results of a repair: {}",
                chain(&error)
            );
        }
    }
}
