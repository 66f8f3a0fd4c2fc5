//! What each entry's standing means.

use std::collections::HashMap;

use crate::process::{Claim, Inspection, Standing};

use super::report::{About, EntryState, Problem};
use super::rewrite::Rewrite;

/// Each entry with what would become of it.
pub(super) fn states(rewrite: &Rewrite<'_>) -> Vec<EntryState> {
    let mut with_sid: HashMap<&str, usize> = HashMap::new();
    for claim in rewrite.claims() {
        *with_sid.entry(&claim.sid).or_default() += 1;
    }
    rewrite
        .claims()
        .zip(&rewrite.inspections)
        .map(|(claim, inspection)| EntryState {
            sid: claim.sid.clone(),
            pid: claim.pid,
            sock: claim.sock.clone(),
            created_at: claim.created_at.clone(),
            standing: inspection.finding.standing.name(),
            evidence: inspection.finding.evidence.clone().into_owned(),
            ensure: if inspection.finding.standing.is_dead() {
                "removes it"
            } else {
                "keeps it"
            },
            stop: stop(claim, inspection, with_sid[claim.sid.as_str()]),
        })
        .collect()
}

/// Sids that more than one entry has whose process may live.
pub(super) fn doubles(rewrite: &Rewrite<'_>) -> Option<Problem> {
    let mut pids: HashMap<&str, Vec<u32>> = HashMap::new();
    for (claim, inspection) in rewrite.claims().zip(&rewrite.inspections) {
        if !inspection.finding.standing.is_dead() {
            pids.entry(&claim.sid).or_default().push(claim.pid);
        }
    }
    let mut doubles: Vec<_> = pids
        .into_iter()
        .filter(|(_, pids)| pids.len() > 1)
        .collect();
    doubles.sort_unstable();
    let (sid, pids) = doubles.first()?;
    let more = match doubles.len() {
        1 => String::new(),
        count => format!(", and so with {} more sids", count - 1),
    };
    Some(Problem {
        about: About::Entries,
        what: format!(
            "{} entries have the sid {sid:?} (pids {pids:?}){more}",
            pids.len()
        ),
        remedy: "none of them can be stopped by its sid: forget the sid with --even-if-alive, and \
                 register each process under a sid of its own"
            .into(),
        repairable: false,
    })
}

fn stop(claim: &Claim, inspection: &Inspection, with_sid: usize) -> String {
    match inspection.finding.standing {
        Standing::Alive if with_sid > 1 => format!("refuses: {with_sid} entries have this sid"),
        Standing::Alive => match inspection.process.as_ref().and_then(|p| p.forbidden()) {
            Some(why) => format!("refuses: {why}"),
            None => "asks it to end".into(),
        },
        Standing::Unproven if claim.pid == 1 => "refuses".into(),
        Standing::Unproven => "refuses; adopt it if it is the one".into(),
        Standing::Reused | Standing::Exited | Standing::Gone => "removes it, signals nobody".into(),
        Standing::Foreign => "refuses here; stop it where it runs".into(),
        Standing::Unknown => "refuses".into(),
    }
}
