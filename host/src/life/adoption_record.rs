//! An adoption in the audit trail: it decides whom signals may hit.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::audit::{After, AskedBy, Before, Event, Id};
use crate::cancel::Cancel;
use crate::error::{Error, chain};
use crate::process::{Claim, Finding};
use crate::store::{Durability, StoreErrorKind, Trail};

use super::AdoptError;

/// The two lines of one adoption.
pub(super) struct AdoptionRecord<'a> {
    pub(super) trail: Arc<dyn Trail>,
    pub(super) id: Id,
    /// The entry whose process is adopted.
    pub(super) claim: &'a Claim,
    /// How long others that write the trail are waited for.
    pub(super) wait: Duration,
}

impl AdoptionRecord<'_> {
    /// Writes the line before. `finding` is what was found about the entry, `entry` its text.
    ///
    /// # Errors
    /// When it cannot be written: then nothing may be adopted.
    pub(super) fn begin(
        &self,
        asked_by: &AskedBy,
        finding: &Finding,
        entry: Option<&str>,
        cancel: &Cancel,
    ) -> Result<(), AdoptError> {
        let not_recorded = |why: String| {
            Error::System(format!(
                "nothing was adopted, because it could not be recorded first: {why}"
            ))
        };
        let mut lines = Vec::new();
        let before = Before {
            at: SystemTime::now(),
            id: &self.id,
            event: Event::Adoption,
            sid: &self.claim.sid,
            pid: self.claim.pid,
            signal: None,
            group: false,
            standing: Some(finding.standing),
            evidence: &finding.evidence,
            entry,
            asked_by,
            policy: None,
        };
        before
            .encode(&mut lines)
            .map_err(|error| not_recorded(error.to_string()))?;
        self.trail
            .append(&lines, Durability::Power, self.wait, Some(cancel))
            .map_err(|error| match error.kind() {
                StoreErrorKind::Cancelled => Error::Cancelled,
                _ => not_recorded(chain(&error)),
            })?;
        Ok(())
    }

    /// Writes the line after. What was done is done, whatever becomes of the line.
    pub(super) fn end(&self, adopted: &Result<(), AdoptError>) {
        let result = match adopted {
            Ok(()) => "adopted".to_owned(),
            Err(error) => format!("failed: {}", chain(error)),
        };
        let mut lines = Vec::new();
        let after = After {
            at: SystemTime::now(),
            id: &self.id,
            event: Event::Adoption,
            sid: &self.claim.sid,
            pid: self.claim.pid,
            result: &result,
        };
        let written = after
            .encode(&mut lines)
            .map_err(|error| error.to_string())
            .and_then(|()| {
                let appended = self
                    .trail
                    .append(&lines, Durability::Process, self.wait, None);
                appended.map_err(|error| chain(&error))
            });
        if let Err(why) = written {
            tracing::warn!("the audit trail lacks a result ({result}): {why}");
        }
    }
}
