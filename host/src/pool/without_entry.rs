//! Rows of the ledger whose entry is not in the registry.
//!
//! Others remove entries, too: algocline collects what it does not see running, and whoever
//! clears out temporary files takes the whole registry. While the process of such a row may
//! live, the row is what is left to know it by; or to know that its entry was dropped on
//! purpose.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::process::{Claim, Inquiry, Processes, Question, Record, Standing, Strength};
use crate::store::{Ledger, StoreError, StoreErrorKind};

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
    // They are few, and nobody is asked for their sockets.
    let Ok(inspections) = processes.inspect(&questions, &Inquiry::new(strength)) else {
        return;
    };
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
/// that is not proven to have ended; [`StoreErrorKind::Cancelled`] when the inquiry is.
pub(super) fn check_nobody_lost(
    path: PathBuf,
    ledger: &Ledger,
    processes: &dyn Processes,
    inquiry: &Inquiry<'_>,
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
    let inspections = processes
        .inspect(&questions, inquiry)
        .map_err(|interrupted| StoreError::own(StoreErrorKind::Cancelled, interrupted))?;
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::process::fake::FakeKernel;
    use crate::process::{Identity, LinuxProcesses, Proof};

    const PID: u32 = 4711;
    const START: u64 = 360_000;

    fn claim(sid: &str, pid: u32) -> Claim {
        Claim {
            sid: sid.into(),
            pid,
            created_at: "2026-11-23T11:00:00Z".into(),
            sock: String::new(),
        }
    }

    /// The row of a process that runs, or ran, as the fake machine starts them.
    fn record(pid: u32) -> Record {
        Record {
            identity: Identity {
                place: FakeKernel::place(),
                inode: Some(1000 + u64::from(pid)),
                start_ticks: START,
            },
            proof: Proof::Registered,
        }
    }

    fn on_another_machine() -> Record {
        let mut record = record(PID);
        record.identity.place.machine = "another".into();
        record.identity.place.boot = "another".into();
        record
    }

    fn machine() -> (Arc<FakeKernel>, LinuxProcesses) {
        let fake = Arc::new(FakeKernel::new());
        fake.run(PID, START, 1);
        let processes = LinuxProcesses::with_kernel(fake.clone(), 100);
        (fake, processes)
    }

    fn left(ledger: &Ledger) -> Vec<String> {
        let mut sids: Vec<_> = ledger.rows().map(|(claim, _)| claim.sid.clone()).collect();
        sids.sort();
        sids
    }

    #[test]
    fn the_ledger_keeps_the_row_of_a_worker_that_may_live_and_drops_that_of_a_dead_one() {
        let (fake, processes) = machine();
        let mut ledger = Ledger::default();
        ledger.insert(claim("lives", PID), record(PID));
        ledger.insert(claim("forgotten", PID), record(PID));
        ledger.withdraw(&claim("forgotten", PID));
        ledger.insert(claim("elsewhere", PID), on_another_machine());
        // A later worker of the session serves the socket.
        let served = Claim {
            sock: "/run/served.sock".into(),
            ..claim("dead", 4712)
        };
        fake.listen(PID, "/run/served.sock");
        ledger.insert(served, record(4712));
        ledger.insert(claim("known", 4712), record(4712));
        let known = claim("known", 4712);
        let known = HashSet::from([&known]);
        drop_the_dead(&mut ledger, &known, &processes, Strength::Any);
        assert_eq!(left(&ledger), ["elsewhere", "forgotten", "known", "lives"]);
        let withdrawn = ledger
            .get(&claim("forgotten", PID))
            .map(|row| row.withdrawn);
        assert_eq!(withdrawn, Some(true));

        // Another process has the pid by now.
        fake.reap(PID);
        fake.run_with_inode(PID, START + 5, 1, 77);
        drop_the_dead(&mut ledger, &known, &processes, Strength::Any);
        assert_eq!(left(&ledger), ["elsewhere", "known"]);
    }

    #[test]
    fn rows_of_other_machines_do_not_grow_without_end() {
        let (_fake, processes) = machine();
        let mut ledger = Ledger::default();
        for number in 0..MOST_ELSEWHERE + 50 {
            let mut claim = claim(&format!("{number:04}"), PID);
            claim.created_at = format!("2026-11-23T11:00:00.{number:04}Z");
            ledger.insert(claim, on_another_machine());
        }
        ledger.insert(claim("lives", PID), record(PID));
        drop_the_dead(&mut ledger, &HashSet::new(), &processes, Strength::Any);
        let left = left(&ledger);
        assert_eq!(left.len(), MOST_ELSEWHERE + 1);
        // The oldest went.
        assert_eq!(
            (left[0].as_str(), left.last().map(String::as_str)),
            ("0050", Some("lives"))
        );
    }

    #[test]
    fn a_registry_is_lost_while_a_row_that_is_not_withdrawn_may_be_of_the_living() {
        let (fake, processes) = machine();
        let check = |ledger: &Ledger| {
            check_nobody_lost(
                "/pool/registry.json".into(),
                ledger,
                &processes,
                &Inquiry::new(Strength::Any),
            )
        };
        let mut ledger = Ledger::default();
        check(&ledger).expect("a pool that nobody used");
        ledger.insert(claim("dead", 4712), record(4712));
        ledger.insert(claim("a0", PID), record(PID));
        ledger.withdraw(&claim("a0", PID));
        check(&ledger).expect("nobody lives but the forgotten");
        ledger.insert(claim("elsewhere", PID), on_another_machine());
        let text = check(&ledger).expect_err("it may live").to_string();
        assert!(text.starts_with("/pool/registry.json is gone"), "{text}");
        assert!(
            text.ends_with("1 worker that lives or may live: elsewhere (pid 4711)"),
            "{text}"
        );
        for number in 1..7 {
            ledger.insert(claim(&format!("a{number}"), PID), record(PID));
        }
        let text = check(&ledger).expect_err("they live").to_string();
        assert!(
            text.contains("7 workers that live or may live: a1 (pid 4711), "),
            "{text}"
        );
        assert!(text.ends_with("a5 (pid 4711), and 2 more"), "{text}");
        fake.reap(PID);
        assert!(
            check(&ledger)
                .expect_err("one elsewhere")
                .to_string()
                .contains("1 worker")
        );
    }
}
