//! Rows of the ledger whose entry is not in the registry.
//!
//! Others remove entries, too: algocline collects what it does not see running, and whoever
//! clears out temporary files takes the whole registry. While the process of such a row may
//! live, the row is what is left to know it by; or to know that its entry was dropped on
//! purpose.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::process::{Claim, Processes, Question, Record, Standing, Strength};
use crate::store::{Ledger, StoreError};

/// The most rows without an entry that are kept for processes that may live elsewhere, for all
/// that can be told here: those that live in this place come to an end by themselves.
const MOST_ELSEWHERE: usize = 1000;

/// How many workers an error names.
const NAMED: usize = 5;

/// Drops the rows of claims that are not `known`, but for those whose process may live.
///
/// Only who the process is counts here, and not its socket: a later worker of the same session
/// may serve that.
pub(crate) fn drop_the_dead(
    ledger: &mut Ledger,
    known: &HashSet<&Claim>,
    processes: &dyn Processes,
    strength: Strength,
) {
    let rows: Vec<(Claim, Record)> = ledger
        .rows()
        .filter(|(claim, _)| !known.contains(claim))
        .map(|(claim, row)| (claim.clone(), row.record.clone()))
        .collect();
    if rows.is_empty() {
        return;
    }
    let without_socket: Vec<Claim> = rows
        .iter()
        .map(|(claim, _)| Claim {
            sock: String::new(),
            ..claim.clone()
        })
        .collect();
    let questions: Vec<_> = without_socket
        .iter()
        .zip(&rows)
        .map(|(claim, (_, record))| Question {
            claim,
            record: Some(record),
        })
        .collect();
    let inspections = processes.inspect(&questions, strength);
    let mut elsewhere = Vec::new();
    let mut kept = HashSet::new();
    for ((claim, _), inspection) in rows.iter().zip(&inspections) {
        match inspection.finding.standing {
            Standing::Alive => {
                kept.insert(claim);
            }
            standing if standing.is_dead() => {}
            _ => elsewhere.push(claim),
        }
    }
    elsewhere.sort_unstable_by(|one, other| other.created_at.cmp(&one.created_at));
    kept.extend(elsewhere.into_iter().take(MOST_ELSEWHERE));
    ledger.retain(|claim| known.contains(claim) || kept.contains(claim));
}

/// Checks that nobody lost their entries with the registry, where there is none at `path`.
///
/// # Errors
/// [`StoreError::RegistryLost`] when the ledger has a row that is not withdrawn, of a process
/// that is not proven to have ended.
pub(super) fn check_nobody_lost(
    path: PathBuf,
    ledger: &Ledger,
    processes: &dyn Processes,
    strength: Strength,
) -> Result<(), StoreError> {
    let rows: Vec<_> = ledger.rows().filter(|(_, row)| !row.withdrawn).collect();
    let questions: Vec<_> = rows
        .iter()
        .map(|(claim, row)| Question {
            claim,
            record: Some(&row.record),
        })
        .collect();
    if questions.is_empty() {
        return Ok(());
    }
    let inspections = processes.inspect(&questions, strength);
    let judged = rows.iter().zip(&inspections);
    let mut lost: Vec<&Claim> = judged
        .filter(|(_, inspection)| !inspection.finding.standing.is_dead())
        .map(|((claim, _), _)| *claim)
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    lost.sort_unstable_by_key(|claim| (&claim.sid, claim.pid));
    let mut named: Vec<String> = lost
        .iter()
        .take(NAMED)
        .map(|claim| format!("{} (pid {})", claim.sid, claim.pid))
        .collect();
    if lost.len() > NAMED {
        named.push(format!("and {} more", lost.len() - NAMED));
    }
    Err(StoreError::RegistryLost {
        path,
        workers: lost.len(),
        named: named.join(", "),
    })
}
