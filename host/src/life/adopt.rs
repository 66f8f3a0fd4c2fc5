//! Adopting: the operator says that the process under an unproven entry is its worker.
//!
//! It takes two steps, so that somebody can look and decide in between. The second one
//! proves that everything is still as it was shown before it believes anything.

use crate::audit::Id;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::pool::{Context, Pool};
use crate::process::{Claim, Finding, Identified, Portrait, Proof, Question, Record, Standing};
use crate::store::LedgerWrite;

use super::adoption_record::AdoptionRecord;
use super::survey::{Survey, of_store};
use super::{AdoptError, Examination};

/// What the ledger cannot tell apart without pidfs.
const WEAK: &str = "the ledger holds the start time alone, because this kernel gives processes no \
                    number of their own (Linux 6.9 does), and that proves nothing by itself";

/// A process that was adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// The entry that it was adopted for.
    pub claim: Claim,
    /// What the ledger says of it from now on.
    pub record: Record,
    /// The entry's standing from now on: alive, unless the process has ended since, or the
    /// kernel gives processes no number of their own, which the evidence then says.
    pub standing: Standing,
    /// What that standing rests on.
    pub evidence: String,
}

impl Pool {
    /// Looks at what runs under an entry that is unproven, so that somebody can decide
    /// whether it is the worker. The entry stays as it is.
    ///
    /// # Errors
    /// See [`AdoptError`]: any other standing is refused.
    pub fn examine(&self, sid: &str, cancel: &Cancel) -> Result<Examination, AdoptError> {
        self.check_settings(cancel)?;
        let mut survey = Survey::begin(&self.context, cancel)?;
        let claim = only_entry(&survey, sid)?;
        // Held before it is judged, so that the finding is about the process that is held.
        let identified = self.context.processes.identify(claim.pid);
        let finding = judge(&mut survey, &claim, cancel)?;
        survey.finish();
        if finding.standing != Standing::Unproven {
            return Err(not_unproven(claim, finding));
        }
        let identified = identified.map_err(|source| AdoptError::Unidentified {
            sid: claim.sid.clone(),
            source,
        })?;
        let portrait = look(&claim, &identified)?;
        Ok(Examination {
            claim,
            finding,
            identified,
            portrait,
        })
    }

    /// Adopts the process that was examined: from now on the ledger says that it is the
    /// worker of its entry. The registry is not touched.
    ///
    /// # Errors
    /// [`AdoptError::Changed`] when entry or process are not what was examined, and then
    /// nothing is adopted; the other [`AdoptError`]s as for [`examine`](Self::examine). A
    /// ledger that cannot be written is an error too, and so is a trail that cannot: nothing
    /// is adopted that is not recorded first.
    pub fn adopt(&self, examination: &Examination, cancel: &Cancel) -> Result<Adopted, AdoptError> {
        self.check_settings(cancel)?;
        let claim = &examination.claim;
        let mut survey = Survey::begin(&self.context, cancel)?;
        if only_entry(&survey, &claim.sid)? != *claim {
            return Err(changed(claim, "its entry is another one by now"));
        }
        let finding = judge(&mut survey, claim, cancel)?;
        if finding.standing != Standing::Unproven {
            return Err(not_unproven(claim.clone(), finding));
        }
        self.check_unchanged(examination)?;

        let record = Record {
            identity: examination.process().identity().clone(),
            proof: Proof::Adopted,
        };
        let entry = survey.entry(claim).map(str::to_owned);
        let (mut ledger, mut locked) = survey.into_ledger();
        ledger.insert(claim.clone(), record.clone());
        let adoption = AdoptionRecord {
            trail: locked.trail(),
            id: Id::next(),
            claim,
            wait: self.context.limits.lock_wait,
        };
        adoption.begin(
            &self.asker.asks("adopt"),
            &finding,
            entry.as_deref(),
            cancel,
        )?;
        // The last word on whether the process is still the one that was looked at.
        let written = check_running(examination).and_then(|()| {
            match locked.write_ledger(&mut ledger).map_err(of_store)? {
                LedgerWrite::Written | LedgerWrite::Unchanged => Ok(()),
                LedgerWrite::KeptNewer { version } => Err(AdoptError::NewerLedger { version }),
            }
        });
        adoption.end(&written);
        written?;
        let finding = judge_adopted(&self.context, claim, &record)?;
        let evidence = match finding.standing {
            Standing::Unproven if examination.is_weak() => {
                format!("{WEAK}; {}", finding.evidence)
            }
            _ => finding.evidence.into_owned(),
        };
        Ok(Adopted {
            claim: claim.clone(),
            record,
            standing: finding.standing,
            evidence,
        })
    }

    /// Identifies the process under the entry's pid once more. The pidfd that was held all
    /// the time is what proves that it is no other one: identity alone would not, on a
    /// kernel whose processes have no number of their own.
    fn check_unchanged(&self, examination: &Examination) -> Result<(), AdoptError> {
        let claim = &examination.claim;
        check_running(examination)?;
        let now = self
            .context
            .processes
            .identify(claim.pid)
            .map_err(|source| AdoptError::Unidentified {
                sid: claim.sid.clone(),
                source,
            })?;
        if now.process.identity() != examination.process().identity() {
            return Err(changed(claim, "another process has its pid by now"));
        }
        // The same process may have become another program, or another user's.
        let portrait = look(claim, &now)?;
        if portrait.executable != examination.portrait.executable {
            return Err(changed(claim, "its process runs another program by now"));
        }
        Ok(())
    }
}

/// The one entry of this sid.
fn only_entry(survey: &Survey<'_>, sid: &str) -> Result<Claim, AdoptError> {
    let mut claims = survey.with_sid(sid);
    match (claims.pop(), claims.len()) {
        (None, _) => Err(AdoptError::NoEntry { sid: sid.into() }),
        (Some(claim), 0) => Ok(claim),
        (Some(_), others) => Err(AdoptError::Ambiguous {
            sid: sid.into(),
            entries: others + 1,
        }),
    }
}

fn judge(survey: &mut Survey<'_>, claim: &Claim, cancel: &Cancel) -> Result<Finding, AdoptError> {
    let inspection = survey.inspect(claim, cancel)?;
    Ok(inspection.ok_or_else(no_finding)?.finding)
}

/// What the row makes of the entry. Asked only once it is on disk: what is found alive is
/// remembered, and an adoption that failed must not be.
fn judge_adopted(context: &Context, claim: &Claim, record: &Record) -> Result<Finding, AdoptError> {
    let question = Question {
        claim,
        record: Some(record),
    };
    let inspections = context.inquire(context.strength(), |inquiry| {
        context.processes.inspect(&[question], &inquiry)
    });
    let mut inspections = inspections.unwrap_or_default();
    Ok(inspections.pop().ok_or_else(no_finding)?.finding)
}

/// Looks at a process that might be adopted, and refuses those that never are.
fn look(claim: &Claim, identified: &Identified) -> Result<Portrait, AdoptError> {
    let process = &identified.process;
    if let Some(source) = process.forbidden() {
        return Err(AdoptError::Forbidden {
            sid: claim.sid.clone(),
            source,
        });
    }
    let portrait = process.portrait().map_err(unpollable)?;
    portrait.ok_or_else(|| changed(claim, "its process has ended"))
}

fn check_running(examination: &Examination) -> Result<(), AdoptError> {
    if examination.process().has_ended().map_err(unpollable)? {
        return Err(changed(&examination.claim, "its process has ended"));
    }
    Ok(())
}

fn not_unproven(claim: Claim, finding: Finding) -> AdoptError {
    AdoptError::NotUnproven {
        sid: claim.sid,
        pid: claim.pid,
        standing: finding.standing,
        evidence: finding.evidence.into_owned(),
    }
}

fn changed(claim: &Claim, what: &str) -> AdoptError {
    AdoptError::Changed {
        sid: claim.sid.clone(),
        what: what.into(),
    }
}

fn unpollable(error: std::io::Error) -> AdoptError {
    Error::System(format!(
        "whether a process runs cannot be told: poll(2) of its pidfd: {error}"
    ))
    .into()
}

fn no_finding() -> AdoptError {
    Error::System("there is no finding about the entry".into()).into()
}
