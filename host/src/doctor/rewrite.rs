//! The registry as it should be: what its text holds, and who lives and stands nowhere.

use crate::error::Error;
use crate::process::{Claim, Inquiry, Inspection, LinuxProcesses, Processes, Question, Strength};
use crate::store::{Ledger, MAX_REGISTRY};

use super::candidate::{Candidate, Evidence};
use super::decide::{Applicant, Verdict, decide, left_out};
use super::salvage::{Salvage, SalvagedEntry};

/// A registry that is to be written.
pub(super) struct Rewrite<'a> {
    /// What the text was found to hold.
    pub(super) salvage: Salvage<'a>,
    /// What was found about each of its entries.
    pub(super) inspections: Vec<Inspection>,
    /// What becomes of each candidate.
    pub(super) verdicts: Vec<Verdict>,
    /// Whether each entry of the text is left out.
    left_out: Vec<bool>,
}

impl<'a> Rewrite<'a> {
    /// Judges the entries of a text as every request does, and decides about the
    /// candidates.
    pub(super) fn new(
        salvage: Salvage<'a>,
        ledger: &Ledger,
        candidates: &[&Candidate],
        processes: &LinuxProcesses,
        strength: Strength,
    ) -> Self {
        let questions: Vec<_> = salvage
            .entries
            .iter()
            .map(|entry| Question {
                claim: &entry.claim,
                record: ledger.get(&entry.claim).map(|row| &row.record),
            })
            .collect();
        // Without a bound, it is not given up.
        let inquiry = Inquiry::new(strength);
        let inspections = processes.inspect(&questions, &inquiry).unwrap_or_default();
        let entries: Vec<_> = salvage
            .entries
            .iter()
            .zip(&inspections)
            .map(|(entry, inspection)| (&entry.claim, inspection.finding.standing))
            .collect();
        // Only now: who runs after the entries were judged did so before. An entry goes
        // only after its process, so that its own is among them, and not found dead.
        let running: Vec<_> = candidates.iter().map(|c| c.is_running()).collect();
        let applicants: Vec<_> = candidates
            .iter()
            .zip(&running)
            .filter(|(_, running)| **running)
            .map(|(candidate, _)| Applicant {
                claim: &candidate.claim,
                standing: candidate.standing,
                is_recorded: candidate.evidence != Evidence::Environment,
                objection: candidate.objection(ledger),
            })
            .collect();
        let mut decided = decide(&entries, &applicants).into_iter();
        let verdicts: Vec<_> = running
            .into_iter()
            .map(|running| running.then(|| decided.next()).flatten())
            .map(|verdict| verdict.unwrap_or(Verdict::Ended))
            .collect();
        let added: Vec<_> = candidates
            .iter()
            .zip(&verdicts)
            .filter(|(_, verdict)| **verdict == Verdict::Added)
            .map(|(candidate, _)| &candidate.claim)
            .collect();
        let left_out = left_out(&entries, &added);
        Self {
            inspections,
            verdicts,
            left_out,
            salvage,
        }
    }

    /// The candidates that get an entry.
    pub(super) fn added<'c>(&self, candidates: &[&'c Candidate]) -> Vec<&'c Candidate> {
        candidates
            .iter()
            .zip(&self.verdicts)
            .filter(|(_, verdict)| **verdict == Verdict::Added)
            .map(|(candidate, _)| *candidate)
            .collect()
    }

    /// The entries of the text that stay.
    pub(super) fn kept(&self) -> impl Iterator<Item = &SalvagedEntry<'a>> {
        let entries = self.salvage.entries.iter().zip(&self.left_out);
        entries
            .filter(|(_, left_out)| !**left_out)
            .map(|(entry, _)| entry)
    }

    /// The entries of the text that go, with what was found about them.
    pub(super) fn dropped(&self) -> impl Iterator<Item = (&SalvagedEntry<'a>, &Inspection)> {
        let entries = self.salvage.entries.iter().zip(&self.inspections);
        entries
            .zip(&self.left_out)
            .filter(|(_, left_out)| **left_out)
            .map(|(entry, _)| entry)
    }

    /// The new registry, read back before anybody trusts it.
    ///
    /// # Errors
    /// When it would be too large. When it does not read as what it was made of, which
    /// would be a mistake of this program.
    pub(super) fn text(&self, candidates: &[&Candidate]) -> Result<Vec<u8>, Error> {
        let added = self.added(candidates);
        let texts: Vec<_> = added
            .iter()
            .map(|candidate| candidate.entry().map_err(|error| wrong(&error)))
            .collect::<Result<_, _>>()?;
        let kept = self.kept().map(|entry| (entry.text.as_ref(), &entry.claim));
        let new = texts.iter().zip(&added);
        let new = new.map(|(text, candidate)| (text.as_str(), &candidate.claim));
        let text = self.salvage.registry(kept.chain(new));
        let text = text.map_err(|error| wrong(&error))?;
        match text.len() as u64 {
            size if size > MAX_REGISTRY => Err(Error::System(format!(
                "nothing was repaired, because the new registry would have {size} bytes, and \
                 {MAX_REGISTRY} is the limit: make it smaller by hand, from a copy of the damaged \
                 file"
            ))),
            _ => Ok(text),
        }
    }

    /// Claims of the text.
    pub(super) fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.salvage.entries.iter().map(|entry| &entry.claim)
    }
}

fn wrong(what: &dyn std::fmt::Display) -> Error {
    Error::System(format!(
        "nothing was repaired, because the new registry cannot be read: {what}; please report \
         this, with the damaged file"
    ))
}
