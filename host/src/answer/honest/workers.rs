//! What the host knows of each worker, over all that it read in one request.

use std::collections::HashMap;
use std::hash::Hash;

use crate::process::{Claim, Signal, Standing};

use super::Untrue;
use super::facts::{Facts, Known, Standings};

/// What is known of the entries that a key stands for: mostly one.
#[derive(Default)]
pub(super) struct Worker {
    /// What was found about them, any of it.
    pub(super) found: Standings,
    /// How many there are, in the registry that has most of them.
    pub(super) entries: usize,
    /// How many were there all the time, and were neither removed nor found dead.
    pub(super) kept: usize,
    /// How many the policy did not ask about.
    unseen: usize,
    /// How many were removed.
    pub(super) removed: usize,
    /// How many have ended, as far as the host saw.
    pub(super) ended: usize,
    /// How many have ended or were sent a signal that is not CONT.
    pub(super) ended_or_signalled: usize,
    /// What was sent, in this request.
    signals: Vec<Signal>,
    /// Whether one was asked to end, in this request or before.
    pub(super) asked_to_end: bool,
    /// How often the answer has named it; for whoever checks the answer.
    pub(super) named: usize,
}

impl Worker {
    /// Whether a signal went to it that can end it. CONT only lets it act on another one.
    pub(super) fn was_signalled(&self) -> bool {
        self.signals.iter().any(|signal| *signal != Signal::Cont)
    }

    pub(super) fn was_sent(&self, signal: Signal) -> bool {
        self.signals.contains(&signal)
    }

    /// Whether there is an entry of it that nothing was found out about.
    pub(super) fn is_unseen(&self) -> bool {
        self.unseen > 0
    }

    /// What was found, in the middle of a sentence.
    pub(super) fn standing(&self) -> String {
        let names: Vec<_> = self.found.names().map(Standing::name).collect();
        match names.as_slice() {
            [] => "the policy did not ask what its process does".into(),
            names => format!("the host found it {}", names.join(", then ")),
        }
    }

    fn add(&mut self, claim: &Claim, known: Known, facts: &Facts) {
        self.entries += 1;
        self.found.join(known.found);
        self.asked_to_end |= known.asked_to_end;
        let mut ended = known.found.any_dead();
        let mut signalled = false;
        if let Some(deeds) = facts.deeds(claim) {
            ended |= deeds.ended;
            signalled = deeds.signals.iter().any(|signal| *signal != Signal::Cont);
            self.asked_to_end |= deeds.signals.iter().any(|signal| signal.asks_to_end());
            for signal in &deeds.signals {
                if !self.signals.contains(signal) {
                    self.signals.push(*signal);
                }
            }
        }
        self.unseen += usize::from(known.found.is_empty());
        if known.removed {
            self.removed += 1;
        } else if !known.found.any_dead() {
            self.kept += 1;
        }
        self.ended += usize::from(ended);
        self.ended_or_signalled += usize::from(ended || signalled);
    }

    /// Puts what one registry says beside what the ones before it said.
    fn merge(&mut self, other: Self) {
        self.found.join(other.found);
        self.entries = self.entries.max(other.entries);
        self.kept = self.kept.min(other.kept);
        self.unseen += other.unseen;
        self.removed += other.removed;
        self.ended = self.ended.max(other.ended);
        self.ended_or_signalled = self.ended_or_signalled.max(other.ended_or_signalled);
        self.asked_to_end |= other.asked_to_end;
        for signal in other.signals {
            if !self.signals.contains(&signal) {
                self.signals.push(signal);
            }
        }
    }
}

/// The workers, each under a key that the answer gives, too.
pub(super) struct Workers<'a, K> {
    by_key: HashMap<K, Worker>,
    first: Vec<&'a Claim>,
}

impl<'a, K: Hash + Eq> Workers<'a, K> {
    /// # Errors
    /// When the policy did not read any registry.
    pub(super) fn new(facts: &'a Facts, key: impl Fn(&'a Claim) -> K) -> Result<Self, Untrue> {
        let mut workers: Option<Self> = None;
        for read in facts.readings()? {
            let claims = read.reading.claims().unwrap_or_default();
            let mut by_key: HashMap<K, Worker> = HashMap::with_capacity(claims.len());
            for (claim, known) in claims.iter().zip(read.known()) {
                let worker = by_key.entry(key(claim)).or_default();
                worker.add(claim, known, facts);
            }
            match &mut workers {
                None => {
                    workers = Some(Self {
                        by_key,
                        first: claims.iter().collect(),
                    });
                }
                Some(workers) => workers.merge(by_key),
            }
        }
        Ok(workers.unwrap_or_else(|| Self {
            by_key: HashMap::new(),
            first: Vec::new(),
        }))
    }

    fn merge(&mut self, mut next: HashMap<K, Worker>) {
        for (key, worker) in &mut self.by_key {
            worker.merge(next.remove(key).unwrap_or_default());
        }
        // What came meanwhile need not be known to the policy.
        for (key, worker) in next {
            let worker = Worker { kept: 0, ..worker };
            self.by_key.insert(key, worker);
        }
    }

    /// The worker of this key.
    pub(super) fn get(&mut self, key: &K) -> Option<&mut Worker> {
        self.by_key.get_mut(key)
    }

    /// The entries of the first registry, in its order.
    pub(super) fn entries(&self) -> impl Iterator<Item = &'a Claim> {
        self.first.iter().copied()
    }
}
