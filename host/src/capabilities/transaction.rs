//! An open transaction: the lock, the registry as it was read, and what was found since.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::floor::{Change, Reading};
use crate::pool::{Context, drop_the_dead};
use crate::process::{Claim, Finding, Process, Record, SendError, Signal, Standing};
use crate::store::{Guarded, Ledger, LedgerWrite, SentSignal, StoreError, StoreErrorKind};

use super::held::Held;

/// What one transaction holds. Dropping it writes what the ledger learned and releases
/// the lock, also when the guest trapped.
pub(super) struct OpenTransaction {
    context: Arc<Context>,
    pub(super) locked: Guarded,
    /// The registry as read at `begin`. Signals and replacements are measured against it.
    pub(super) reading: Arc<Reading>,
    pub(super) ledger: Ledger,
    /// By index in the reading: what was found in this transaction.
    found: Vec<Option<Found>>,
    /// How many more processes are kept with their descriptors.
    spare: usize,
    /// Who runs under the pid that a register request names.
    pub(super) registering: Option<Record>,
    /// The claim of the entry that was added.
    added: Option<Claim>,
    /// A transaction replaces the registry at most once.
    pub(super) replaced: bool,
    /// Whether anything may be written.
    writes: bool,
}

/// A standing with its evidence, and the verified process where it is alive.
struct Found {
    standing: Standing,
    evidence: Cow<'static, str>,
    process: Option<Held>,
}

impl OpenTransaction {
    pub(super) fn new(
        mut locked: Guarded,
        reading: Arc<Reading>,
        writes: bool,
        context: &Arc<Context>,
    ) -> Self {
        if writes {
            locked.remove_leftovers();
        }
        let entries = reading.claims().map_or(0, <[Claim]>::len);
        Self {
            ledger: locked.read_ledger(),
            found: std::iter::repeat_with(|| None).take(entries).collect(),
            locked,
            reading,
            spare: context.processes.spare(),
            context: context.clone(),
            registering: None,
            added: None,
            replaced: false,
            writes,
        }
    }

    /// Remembers what was found about an entry. A process that comes with another standing
    /// than alive, or that is not the entry's, is none that a signal may go to.
    pub(super) fn note(
        &mut self,
        index: usize,
        finding: &Finding,
        process: Option<Arc<dyn Process>>,
    ) {
        let pid = self.reading.claims().map_or(0, |claims| claims[index].pid);
        let process =
            process.filter(|process| finding.standing == Standing::Alive && process.pid() == pid);
        let process = process.map(|process| {
            let held = Held::new(process, self.spare == 0);
            self.spare = self.spare.saturating_sub(1);
            held
        });
        self.found[index] = Some(Found {
            standing: finding.standing,
            evidence: finding.evidence.clone(),
            process,
        });
    }

    /// What was found about an entry in this transaction, and how.
    pub(super) fn finding(&self, index: usize) -> Option<(Standing, Cow<'static, str>)> {
        let found = self.found[index].as_ref()?;
        Some((found.standing, found.evidence.clone()))
    }

    /// Those of these entries whose process was found alive, and has ended since.
    pub(super) fn ended_since(&self, indices: &[usize]) -> Vec<Claim> {
        let claims = self.reading.claims().unwrap_or_default();
        let ended = indices.iter().filter(|index| {
            let process = self.process(**index).map(|held| held.reopen());
            match process {
                Some(Ok(process)) => process.has_ended().is_ok_and(|ended| ended),
                Some(Err(SendError::Ended)) => true,
                Some(Err(_)) | None => false,
            }
        });
        ended.map(|index| claims[*index].clone()).collect()
    }

    /// Whether the entry's process was found dead in this transaction.
    pub(super) fn is_dead(&self, index: usize) -> bool {
        self.found[index]
            .as_ref()
            .is_some_and(|found| found.standing.is_dead())
    }

    /// The entry's process, where it was proven alive in this transaction.
    pub(super) fn process(&self, index: usize) -> Option<Held> {
        self.found[index]
            .as_ref()
            .and_then(|found| found.process.clone())
    }

    /// Remembers in the ledger that a claim's process was signalled.
    pub(super) fn note_signal(&mut self, claim: &Claim, signal: Signal, at: SystemTime) {
        self.ledger.note_signal(claim, SentSignal { signal, at });
    }

    /// Removes the sockets that dead workers left in the pool, before their entries go:
    /// whoever is interrupted in between leaves an entry that is collected, and not a
    /// socket that nobody remembers. One whose name an entry has that is kept stays, however
    /// that entry spells the path to it: no path is followed while the pool is locked.
    pub(super) fn remove_stale_sockets(&mut self, change: &Change) {
        let claims = self.reading.claims().unwrap_or_default();
        let dropped: HashSet<usize> = change.dropped.iter().copied().collect();
        let stays: HashSet<&OsStr> = claims
            .iter()
            .enumerate()
            .filter(|(index, _)| !dropped.contains(index))
            .filter_map(|(_, claim)| claim.socket_name())
            .collect();
        for &index in &change.dropped {
            let Some(name) = claims[index].socket_name() else {
                continue;
            };
            if stays.contains(name) || !self.is_dead(index) {
                continue;
            }
            let sock = claims[index].sock.as_str();
            match self.locked.remove_stale_socket(Path::new(sock)) {
                Ok(true) => tracing::info!("removed the socket that a worker left behind: {sock}"),
                Ok(false) => {}
                Err(error) => tracing::warn!(
                    "the socket that a worker left behind was not removed: {}",
                    crate::error::chain(&error)
                ),
            }
        }
    }

    /// Replaces the registry; before it the ledger, where an entry comes or one goes whose
    /// process may live. A row without its entry is harmless once it says that nobody gets one
    /// for it; an entry without its row has lost its strongest proof. What else the ledger
    /// learned, and that the rows of the dead go with their entries, is written after it.
    ///
    /// # Errors
    /// When the registry is not replaced. So it is when the ledger cannot say of an entry that
    /// it goes while its process may live: it could bring that entry back.
    pub(super) fn replace(&mut self, bytes: &[u8], change: &Change) -> Result<(), StoreError> {
        let may_live = change.dropped.iter().any(|index| !self.is_dead(*index));
        if let (Some(claim), Some(record)) = (&change.added, self.registering.take()) {
            self.ledger.insert(claim.clone(), record);
            if self.reading.bytes().is_none() {
                // Without a registry a row is taken for what is left of one. Until its entry
                // stands, this row is not.
                self.ledger.withdraw(claim);
            }
            self.added = Some(claim.clone());
        }
        if may_live || self.added.is_some() {
            self.withdraw(change);
            match self.write_ledger() {
                Ok(LedgerWrite::KeptNewer { version }) if may_live => {
                    return Err(newer(version));
                }
                Err(error) if may_live => return Err(error),
                written => told(written),
            }
        }
        self.replaced = true;
        self.locked.replace_registry(bytes)?;
        self.settle(change);
        Ok(())
    }

    /// Has the ledger say of the entries that go that they do. Should they stay all the same,
    /// the next request that looks at them takes it back.
    fn withdraw(&mut self, change: &Change) {
        let reading = self.reading.clone();
        let claims = reading.claims().unwrap_or_default();
        for index in &change.dropped {
            self.ledger.withdraw(&claims[*index]);
        }
    }

    /// Has the ledger follow the registry, which is replaced by now.
    fn settle(&mut self, change: &Change) {
        if let Some(claim) = &self.added {
            self.ledger.reinstate(claim);
        }
        let reading = self.reading.clone();
        let claims = reading.claims().unwrap_or_default();
        let dropped: HashSet<usize> = change.dropped.iter().copied().collect();
        let (gone, stay): (Vec<_>, Vec<_>) = claims
            .iter()
            .enumerate()
            .partition(|(index, _)| dropped.contains(index) && self.is_dead(*index));
        if gone.is_empty() {
            return;
        }
        // Two entries can make the same claim.
        let stay: HashSet<&Claim> = stay.into_iter().map(|(_, claim)| claim).collect();
        let gone: HashSet<&Claim> = gone.into_iter().map(|(_, claim)| claim).collect();
        self.ledger
            .retain(|claim| stay.contains(claim) || !gone.contains(claim));
    }

    /// Writes the ledger where it changed.
    fn write_ledger(&mut self) -> Result<LedgerWrite, StoreError> {
        if !self.writes || !self.ledger.is_changed() {
            return Ok(LedgerWrite::Unchanged);
        }
        self.drop_rows_without_entry();
        self.locked.write_ledger(&mut self.ledger)
    }

    /// Drops the rows of entries that were gone before this transaction and whose process is
    /// dead.
    fn drop_rows_without_entry(&mut self) {
        let Ok(claims) = self.reading.claims() else {
            return;
        };
        let known = claims.iter().chain(&self.added).collect();
        let processes = self.context.processes.as_ref();
        drop_the_dead(&mut self.ledger, &known, processes, self.context.strength());
    }
}

/// A ledger that was not written costs proof and never the request. The store says itself
/// that it keeps a newer one.
fn told(written: Result<LedgerWrite, StoreError>) {
    if let Err(error) = written {
        tracing::warn!(
            "the ledger was not written: {}",
            crate::error::chain(&error)
        );
    }
}

/// Why no entry goes whose process may live.
fn newer(version: u64) -> StoreError {
    StoreError::own(
        StoreErrorKind::System,
        format!(
            "the pool's ledger has format {version}, which is newer than this program: it cannot \
             note there that the entry was dropped while its process may live, and without that \
             the entry could come back; nothing was changed: use the program that wrote the \
             ledger, or upgrade poolwarden"
        ),
    )
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        told(self.write_ledger());
    }
}
