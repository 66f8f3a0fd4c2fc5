//! What the host found and did in one request.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::floor::{Reading, Unreadable};
use crate::process::{Claim, Signal, Standing};
use crate::recording::CallError;

use super::Untrue;

/// How many readings of the registry are kept: the first, and the last ones. A policy needs
/// one or two.
const READINGS: usize = 4;

/// How many different errors of the host are remembered.
const ERRORS: usize = 10_000;

/// What the host found and did in one request. The host calls fill it.
#[derive(Default)]
pub(crate) struct Facts {
    readings: Vec<Read>,
    deeds: HashMap<Claim, Deeds>,
    added: Option<Claim>,
    errors: HashSet<u64>,
    hasher: RandomState,
}

/// A registry as a transaction read it, and what is known of each entry.
pub(super) struct Read {
    pub(super) reading: Arc<Reading>,
    pub(super) entries: Vec<Known>,
}

impl Read {
    /// What is known of each entry. Entries that make the same claim are about one process:
    /// what was found out about one of them holds for all.
    pub(super) fn known(&self) -> Vec<Known> {
        let mut known = self.entries.clone();
        let claims = self.reading.claims().unwrap_or_default();
        if known.iter().all(|entry| !entry.found.is_empty()) {
            return known;
        }
        let seen: HashMap<&Claim, Known> = claims
            .iter()
            .zip(&self.entries)
            .filter(|(_, entry)| !entry.found.is_empty())
            .map(|(claim, entry)| (claim, *entry))
            .collect();
        for (claim, entry) in claims.iter().zip(&mut known) {
            if entry.found.is_empty()
                && let Some(twin) = seen.get(claim)
            {
                entry.found = twin.found;
                entry.asked_to_end = twin.asked_to_end;
            }
        }
        known
    }
}

/// What one request learned about an entry.
#[derive(Clone, Copy, Default)]
pub(super) struct Known {
    pub(super) found: Standings,
    /// Whether its process was found to have been asked to end, by any poolwarden.
    pub(super) asked_to_end: bool,
    pub(super) removed: bool,
}

/// What a request did to a worker, and saw of it.
#[derive(Default)]
pub(super) struct Deeds {
    pub(super) signals: Vec<Signal>,
    /// Whether it was seen to have ended: by a wait, or when it was to be signalled.
    pub(super) ended: bool,
}

/// Several standings: a worker can be found alive, and dead a moment later.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Standings(u8);

impl Standings {
    pub(super) fn add(&mut self, standing: Standing) {
        self.0 |= 1 << standing as u8;
    }

    pub(super) fn join(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(super) fn has(self, standing: Standing) -> bool {
        self.0 & (1 << standing as u8) != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn names(self) -> impl Iterator<Item = Standing> {
        use Standing::{Alive, Exited, Foreign, Gone, Reused, Unknown, Unproven};
        [Alive, Unproven, Reused, Exited, Gone, Foreign, Unknown]
            .into_iter()
            .filter(move |standing| self.has(*standing))
    }

    pub(super) fn any_dead(self) -> bool {
        self.names().any(Standing::is_dead)
    }
}

/// What calls the host.
impl Facts {
    /// A transaction began, and read this registry.
    pub(crate) fn begin(&mut self, reading: &Arc<Reading>) {
        if let Some(last) = self.readings.last()
            && Arc::ptr_eq(&last.reading, reading)
        {
            return;
        }
        if self.readings.len() == READINGS {
            self.readings.remove(1);
        }
        let entries = reading.claims().map_or(0, <[Claim]>::len);
        self.readings.push(Read {
            reading: reading.clone(),
            entries: vec![Known::default(); entries],
        });
    }

    /// This was found about the entry with this index in the registry that was read last.
    pub(crate) fn found(&mut self, index: usize, standing: Standing, asked_to_end: bool) {
        if let Some(entry) = self.entry(index) {
            entry.found.add(standing);
            entry.asked_to_end |= asked_to_end;
        }
    }

    /// The registry that was read last was replaced: these entries of it went, and this one
    /// came.
    pub(crate) fn replaced(&mut self, dropped: &[usize], added: Option<&Claim>) {
        for index in dropped {
            if let Some(entry) = self.entry(*index) {
                entry.removed = true;
            }
        }
        if let Some(added) = added {
            self.added = Some(added.clone());
        }
    }

    /// A worker was sent a signal.
    pub(crate) fn signalled(&mut self, claim: &Claim, signal: Signal) {
        let signals = &mut self.deeds.entry(claim.clone()).or_default().signals;
        if !signals.contains(&signal) {
            signals.push(signal);
        }
    }

    /// A worker was seen to have ended.
    pub(crate) fn ended(&mut self, claim: &Claim) {
        self.deeds.entry(claim.clone()).or_default().ended = true;
    }

    /// The policy was told this error.
    pub(crate) fn told(&mut self, error: &CallError) {
        if self.errors.len() < ERRORS {
            let hash = self.hasher.hash_one((error.kind, &error.text));
            self.errors.insert(hash);
        }
    }

    fn entry(&mut self, index: usize) -> Option<&mut Known> {
        self.readings.last_mut()?.entries.get_mut(index)
    }
}

/// What an answer or a failure is held against.
impl Facts {
    /// Whether a signal was sent to the process of this claim.
    pub(crate) fn was_sent(&self, claim: &Claim, signal: Signal) -> bool {
        self.deeds(claim)
            .is_some_and(|deeds| deeds.signals.contains(&signal))
    }

    /// Whether any signal was.
    pub(crate) fn was_signalled(&self, claim: &Claim) -> bool {
        self.deeds(claim)
            .is_some_and(|deeds| !deeds.signals.is_empty())
    }

    /// The claims whose process was sent a signal, also of an entry that came meanwhile.
    pub(super) fn signalled_claims(&self) -> impl Iterator<Item = &Claim> {
        let signalled = |(_, deeds): &(&Claim, &Deeds)| !deeds.signals.is_empty();
        self.deeds.iter().filter(signalled).map(|(claim, _)| claim)
    }

    /// Whether the host told the policy this very error.
    pub(crate) fn has_told(&self, error: &CallError) -> bool {
        let hash = self.hasher.hash_one((error.kind, &error.text));
        self.errors.contains(&hash)
    }

    /// Why a registry that was read is none, where one is none.
    pub(crate) fn unreadable(&self) -> Option<Unreadable> {
        self.readings
            .iter()
            .find_map(|read| read.reading.claims().err())
    }

    /// The entry that was added.
    pub(super) fn added(&self) -> Option<&Claim> {
        self.added.as_ref()
    }

    /// Whether anybody was signalled, or seen to end.
    pub(super) fn has_deeds(&self) -> bool {
        !self.deeds.is_empty()
    }

    /// How many workers were signalled in this request, and how many of those that it was about
    /// were seen to end.
    pub(crate) fn progress(&self) -> (usize, usize) {
        let deeds = self.deeds.values();
        let signalled = deeds.clone().filter(|deeds| !deeds.signals.is_empty());
        (signalled.count(), deeds.filter(|deeds| deeds.ended).count())
    }

    pub(super) fn deeds(&self, claim: &Claim) -> Option<&Deeds> {
        // Mostly nobody was signalled.
        if self.deeds.is_empty() {
            return None;
        }
        self.deeds.get(claim)
    }

    /// The registries that were read.
    ///
    /// # Errors
    /// When there is none: the policy cannot know what it says.
    pub(super) fn readings(&self) -> Result<impl Iterator<Item = &Read>, Untrue> {
        let said = "this is the pool";
        if self.readings.is_empty() {
            return Err(Untrue::new(said, "it did not look at the registry"));
        }
        let readable = |read: &&Read| read.reading.claims().is_ok();
        if !self.readings.iter().any(|read| readable(&read))
            && let Some(why) = self.unreadable()
        {
            let so = format!("the registry cannot be read: {why}");
            return Err(Untrue::new(said, so));
        }
        Ok(self.readings.iter().filter(readable))
    }
}
