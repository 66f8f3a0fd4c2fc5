//! Workers that may have lost their entry.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::process::{
    Claim, Identified, Inquiry, Inspection, LinuxProcesses, Marked, MarkedWorker, Process,
    Processes, Proof, Question, Record, Standing, Strength,
};
use crate::store::{Facts, Ledger, Row};

use super::date;

/// What says that a process is a worker of this pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// Its environment does.
    Environment,
    /// The ledger does.
    Ledger,
    /// Both.
    Both,
}

/// A worker, and the entry that would be its. It lives, or may for all that is known.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) claim: Claim,
    pub(super) version: String,
    pub(super) evidence: Evidence,
    /// What is found about its claim.
    pub(super) standing: Standing,
    /// How, where the process is not the one that the row names.
    found: Option<String>,
    /// Held where it is proven to run here, so that it stays this one.
    process: Option<Arc<dyn Process>>,
    pub(super) started: Option<SystemTime>,
    pub(super) command: Vec<String>,
    /// What stands against it from the beginning.
    contradiction: Option<&'static str>,
}

impl Candidate {
    fn running(claim: Claim, evidence: Evidence, identified: Identified) -> Self {
        Self {
            claim,
            version: String::new(),
            evidence,
            standing: Standing::Alive,
            found: None,
            process: Some(identified.process),
            started: Some(identified.started),
            command: identified.command,
            contradiction: None,
        }
    }

    /// By its row, whose claim is found to be anything but dead.
    fn of_row(
        claim: &Claim,
        record: &Record,
        inspection: Inspection,
        processes: &LinuxProcesses,
    ) -> Self {
        let finding = inspection.finding;
        let runs_here = processes.identify(claim.pid).ok();
        let (named, other) = match runs_here {
            Some(one) if names(record, one.process.as_ref()) => (Some(one), None),
            other => (None, other),
        };
        let contradicts = other.is_some_and(|other| contradicts(record, other.process.as_ref()));
        let is_named = named.is_some();
        let found = (!is_named || finding.standing != Standing::Alive)
            .then(|| format!("the ledger has its row; {}", finding.evidence));
        Self {
            claim: claim.clone(),
            version: String::new(),
            evidence: Evidence::Ledger,
            standing: finding.standing,
            found,
            started: named.as_ref().map(|one| one.started),
            command: named
                .as_ref()
                .map(|one| one.command.clone())
                .unwrap_or_default(),
            process: named.map(|one| one.process).or(inspection.process),
            contradiction: contradicts.then_some(
                "the ledger's row has its number on pidfs and another start time: the row is \
                 damaged, or from another time namespace",
            ),
        }
    }

    /// What says that it is a worker of this pool.
    pub(super) fn words(&self) -> String {
        let words = match self.evidence {
            _ if let Some(found) = &self.found => found,
            Evidence::Environment => "environment: it names this pool and this very process",
            Evidence::Ledger => "ledger: its row names this very process",
            Evidence::Both => {
                "ledger: its row names this very process, and so does the process's environment"
            }
        };
        words.to_owned()
    }

    /// Whether it is not known to have ended.
    pub(super) fn is_running(&self) -> bool {
        let process = self.process.as_ref();
        process.is_none_or(|process| matches!(process.has_ended(), Ok(false)))
    }

    /// What the ledger has against an entry for it.
    pub(super) fn objection(&self, ledger: &Ledger) -> Option<String> {
        if let Some(contradiction) = self.contradiction {
            return Some(contradiction.to_owned());
        }
        if self.evidence != Evidence::Environment {
            return match ledger.get(&self.claim) {
                Some(row) if row.withdrawn => Some(FORGOTTEN.into()),
                Some(_) => None,
                None => Some("the ledger does not have its row any more".into()),
            };
        }
        let process = self.process.as_ref()?;
        let of_its_pid = ledger
            .rows()
            .filter(|(claim, _)| claim.pid == self.claim.pid);
        let (of_itself, of_others): (Vec<_>, Vec<_>) =
            of_its_pid.partition(|(_, row)| names(&row.record, process.as_ref()));
        let why = if of_itself.iter().any(|(_, row)| row.withdrawn) {
            FORGOTTEN
        } else if of_others
            .iter()
            .any(|(claim, _)| claim.sid == self.claim.sid)
        {
            "the ledger knows another process of this sid and pid"
        } else if process.identity().inode.is_none() {
            WEAK
        } else {
            return None;
        };
        Some(why.to_owned())
    }

    /// What the ledger is to say of it, where it says nothing yet: the operator looked at it
    /// and said yes.
    pub(super) fn record(&self) -> Option<Record> {
        let process = self.process.as_ref()?;
        Some(Record {
            identity: process.identity().clone(),
            proof: Proof::Adopted,
        })
    }

    /// Its entry as text.
    ///
    /// # Errors
    /// Never, for a text and a number; the encoder would say it.
    pub(super) fn entry(&self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Entry<'a> {
            sid: &'a str,
            pid: u32,
            sock: &'a str,
            version: &'a str,
            created_at: &'a str,
        }
        serde_json::to_string(&Entry {
            sid: &self.claim.sid,
            pid: self.claim.pid,
            sock: &self.claim.sock,
            version: &self.version,
            created_at: &self.claim.created_at,
        })
    }
}

/// Why nobody gets back what was taken from it.
const FORGOTTEN: &str = "its entry was dropped on purpose, as forget does";
/// Why an environment is not enough.
const WEAK: &str = "its environment proves nothing on this kernel, which gives processes no \
                    number of their own (Linux 6.9 does): a child of a dead worker could have it";

/// Whether the path, as the process with this pid sees it, is the pool: the directory with
/// these facts, or, where that is gone, the path at which it was.
pub(super) fn is_pool(pid: u32, path: &Path, pool: Option<&Facts>, at: &Path) -> bool {
    // Through the process's own root (proc_pid_root(5)): in a container the same path can
    // be another directory.
    let mut seen = std::ffi::OsString::from(format!("/proc/{pid}/root"));
    seen.push(path);
    let seen = nix::sys::stat::stat(seen.as_os_str()).map(Facts::from);
    match (seen, pool) {
        (Ok(seen), Some(pool)) => seen.id == pool.id,
        (Err(_), None) => path == at,
        _ => false,
    }
}

/// The workers that were found by their environment before the registry was read and, where
/// the registry itself is lost, all that the ledger has and that are not proven dead.
pub(super) fn candidates(
    processes: &LinuxProcesses,
    strength: Strength,
    marked: Marked,
    ledger: &Ledger,
    registry_is_lost: bool,
) -> Vec<Candidate> {
    let mut rows: Vec<_> = ledger.rows().filter(|(_, row)| !row.withdrawn).collect();
    rows.sort_unstable_by_key(|(claim, _)| (claim.pid, &claim.sid, &claim.created_at));
    let workers = marked.workers.into_iter();
    let mut found: Vec<_> = workers
        .flat_map(|worker| of_marked(worker, &rows))
        .collect();
    if registry_is_lost {
        let known: HashSet<_> = found
            .iter()
            .map(|candidate| candidate.claim.clone())
            .collect();
        rows.retain(|(claim, _)| !known.contains(*claim));
        let questions: Vec<_> = rows
            .iter()
            .map(|(claim, row)| Question {
                claim,
                record: Some(&row.record),
            })
            .collect();
        // Without a bound, it is not given up.
        let inquiry = Inquiry::new(strength);
        let inspections = processes.inspect(&questions, &inquiry).unwrap_or_default();
        let judged = rows.into_iter().zip(inspections);
        let not_dead = judged.filter(|(_, found)| !found.finding.standing.is_dead());
        found.extend(not_dead.map(|((claim, row), inspection)| {
            Candidate::of_row(claim, &row.record, inspection, processes)
        }));
    }
    found
}

/// What its environment makes of a process: whatever the rows that name it say it is, which
/// was proven once; else what it says itself.
fn of_marked(worker: MarkedWorker, rows: &[(&Claim, &Row)]) -> Vec<Candidate> {
    let MarkedWorker {
        identified,
        sid,
        sock,
        version,
    } = worker;
    let pid = identified.process.pid();
    let from = rows.partition_point(|(claim, _)| claim.pid < pid);
    let of_pid = rows[from..]
        .iter()
        .take_while(|(claim, _)| claim.pid == pid);
    let naming = of_pid.filter(|(_, row)| names(&row.record, identified.process.as_ref()));
    let mut found: Vec<_> = naming
        .map(|(claim, _)| {
            let (evidence, version) = if claim.sid == sid {
                (Evidence::Both, version.clone())
            } else {
                (Evidence::Ledger, String::new())
            };
            Candidate {
                version,
                ..Candidate::running((*claim).clone(), evidence, identified.clone())
            }
        })
        .collect();
    if found.is_empty() {
        let claim = Claim {
            sid,
            pid,
            // An entry is never older than its process.
            created_at: date::seconds(identified.started).unwrap_or_default(),
            sock,
        };
        found.push(Candidate {
            version,
            ..Candidate::running(claim, Evidence::Environment, identified)
        });
    }
    found
}

/// Whether a row names this very process. Without a number on pidfs no row does.
fn names(record: &Record, process: &dyn Process) -> bool {
    record.identity.inode.is_some() && record.identity == *process.identity()
}

/// Whether a row has this process's number, and is not about it all the same.
fn contradicts(record: &Record, process: &dyn Process) -> bool {
    let (row, process) = (&record.identity, process.identity());
    row.inode.is_some() && row.inode == process.inode && row.place == process.place
}

#[cfg(test)]
mod tests;
