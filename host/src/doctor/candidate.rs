//! Living workers that may have lost their entry.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::process::{
    Claim, Identified, LinuxProcesses, Marked, Process, Processes, Proof, Record,
};
use crate::store::{Facts, Ledger};

use super::date;

/// What says that a process is a worker of this pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// Its environment does.
    Environment,
    /// The ledger does, which names this very process.
    Ledger,
    /// Both.
    Both,
}

impl Evidence {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Environment => "environment: it names this pool and the process's own pid",
            Self::Ledger => "ledger: its row names this very process",
            Self::Both => {
                "ledger: its row names this very process, and so does the process's environment"
            }
        }
    }

    /// Whether it stands against another process that says it is the same session.
    pub(super) fn is_proof(self) -> bool {
        matches!(self, Self::Ledger | Self::Both)
    }
}

/// A living worker, held, and the entry that would be its.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) claim: Claim,
    pub(super) version: String,
    pub(super) evidence: Evidence,
    pub(super) process: Arc<dyn Process>,
    pub(super) started: SystemTime,
    pub(super) command: Vec<String>,
}

impl Candidate {
    fn new(claim: Claim, version: String, evidence: Evidence, identified: Identified) -> Self {
        Self {
            claim,
            version,
            evidence,
            process: identified.process,
            started: identified.started,
            command: identified.command,
        }
    }

    /// Whether it has not ended.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.process.has_ended(), Ok(false))
    }

    /// What the ledger is to say of it: the operator looked at it and said yes.
    pub(super) fn record(&self) -> Record {
        Record {
            identity: self.process.identity().clone(),
            proof: Proof::Adopted,
        }
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

/// The workers that were found by their environment before the registry was read and, where the registry itself is
/// lost, by the ledger.
pub(super) fn candidates(
    processes: &LinuxProcesses,
    marked: Marked,
    ledger: &Ledger,
    registry_is_lost: bool,
) -> Vec<Candidate> {
    let mut found: Vec<_> = marked
        .workers
        .into_iter()
        .map(|worker| {
            let pid = worker.identified.process.pid();
            let row = ledger.rows().find(|(claim, row)| {
                claim.sid == worker.sid
                    && claim.pid == pid
                    && names(&row.record, worker.identified.process.as_ref())
            });
            let (claim, evidence) = match row {
                Some((claim, _)) => (claim.clone(), Evidence::Both),
                None => {
                    let claim = Claim {
                        sid: worker.sid,
                        pid,
                        // An entry is never older than its process.
                        created_at: date::seconds(worker.identified.started).unwrap_or_default(),
                        sock: worker.sock,
                    };
                    (claim, Evidence::Environment)
                }
            };
            Candidate::new(claim, worker.version, evidence, worker.identified)
        })
        .collect();
    if registry_is_lost {
        let known: HashSet<u32> = found.iter().map(|candidate| candidate.claim.pid).collect();
        let mut rows: Vec<_> = ledger.rows().collect();
        rows.sort_unstable_by_key(|(claim, _)| (claim.pid, &claim.sid));
        found.extend(rows.into_iter().filter_map(|(claim, row)| {
            let identified = (!known.contains(&claim.pid))
                .then(|| processes.identify(claim.pid).ok())
                .flatten()?;
            names(&row.record, identified.process.as_ref())
                .then(|| Candidate::new(claim.clone(), String::new(), Evidence::Ledger, identified))
        }));
    }
    found
}

/// Whether a row names this very process. Without a number on pidfs no row does.
fn names(record: &Record, process: &dyn Process) -> bool {
    record.identity.inode.is_some() && record.identity == *process.identity()
}
