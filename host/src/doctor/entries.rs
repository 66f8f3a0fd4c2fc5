//! What each entry's standing means.

use std::collections::HashMap;

use crate::process::{Claim, Inspection, Standing};
use crate::store::Ledger;

use super::report::{About, EntryState, Problem};
use super::rewrite::Rewrite;
use super::stuck::{Entry, Guide};

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

/// How many entries are told of that their user is stuck with. Each costs a look at processes.
const TOLD: usize = 20;

/// Entries that no verb deals with as they are.
pub(super) fn stuck(guide: &Guide<'_>, rewrite: &Rewrite<'_>, ledger: &Ledger) -> Vec<Problem> {
    let with_sid = counts(rewrite);
    let entries = rewrite.claims().zip(&rewrite.inspections);
    // One sid of several entries is a problem of its own.
    let entries = entries.filter(|(claim, _)| with_sid.get(claim.sid.as_str()) == Some(&1));
    let (living, others): (Vec<_>, Vec<_>) =
        entries.partition(|(_, inspection)| inspection.finding.standing == Standing::Alive);
    let entries = others.into_iter().take(TOLD).chain(living);
    let ways_out = entries.filter_map(|(claim, inspection)| {
        guide.way_out(Entry {
            claim,
            record: ledger.get(claim).map(|row| &row.record),
            inspection,
            with_sid: 1,
        })
    });
    let problems = ways_out.filter(|way_out| way_out.is_problem);
    let problems = problems.filter_map(|way_out| {
        Some(Problem {
            about: About::Entries,
            what: way_out.what?,
            remedy: way_out.remedy,
            repairable: false,
        })
    });
    problems.take(TOLD).collect()
}

/// How many entries of each sid may live.
fn counts<'a>(rewrite: &'a Rewrite<'_>) -> HashMap<&'a str, usize> {
    let mut with_sid: HashMap<&str, usize> = HashMap::new();
    for (claim, inspection) in rewrite.claims().zip(&rewrite.inspections) {
        if !inspection.finding.standing.is_dead() {
            *with_sid.entry(&claim.sid).or_default() += 1;
        }
    }
    with_sid
}

/// Sids that more than one entry has whose process may live.
pub(super) fn doubles(guide: &Guide<'_>, rewrite: &Rewrite<'_>) -> Option<Problem> {
    let mut found: HashMap<&str, Vec<(&Claim, &Inspection)>> = HashMap::new();
    for (claim, inspection) in rewrite.claims().zip(&rewrite.inspections) {
        if !inspection.finding.standing.is_dead() {
            found
                .entry(&claim.sid)
                .or_default()
                .push((claim, inspection));
        }
    }
    let mut doubles: Vec<_> = found
        .into_iter()
        .filter(|(_, entries)| entries.len() > 1)
        .collect();
    doubles.sort_unstable_by_key(|(sid, _)| *sid);
    let (sid, entries) = doubles.first()?;
    let pids: Vec<_> = entries.iter().map(|(claim, _)| claim.pid).collect();
    let (claim, inspection) = entries.first()?;
    let way_out = guide.way_out(Entry {
        claim,
        record: None,
        inspection,
        with_sid: entries.len(),
    })?;
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
        remedy: format!("none of them can be stopped by its sid: {}", way_out.remedy),
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
