//! What was forced, and what went wrong.

use std::collections::BTreeMap;
use std::fmt;

use super::scenario::{Basis, Scenario, Server, Taker, Verb};

/// Counts of forced reuses, by everything that tells them apart.
#[derive(Default)]
pub(super) struct Tally {
    forced: BTreeMap<(Verb, Basis), usize>,
    takers: BTreeMap<Taker, usize>,
    servers: BTreeMap<Server, usize>,
    points: BTreeMap<&'static str, usize>,
    outcomes: BTreeMap<(Verb, String), usize>,
    total: usize,
    /// Points at which pid or clock tick never fell as they should.
    pub(super) missed: usize,
    /// Signals that a process received which was not the registered worker.
    pub(super) signals: usize,
    /// Entries of living workers that went.
    pub(super) lost: usize,
    /// Every promise that was broken, in words.
    pub(super) broken: Vec<String>,
}

impl Tally {
    /// Counts one.
    pub(super) fn count(&mut self, scenario: Scenario, point: &'static str, outcome: String) {
        *self
            .forced
            .entry((scenario.verb, scenario.basis))
            .or_default() += 1;
        *self.takers.entry(scenario.taker).or_default() += 1;
        *self.servers.entry(scenario.server).or_default() += 1;
        *self.points.entry(point).or_default() += 1;
        *self.outcomes.entry((scenario.verb, outcome)).or_default() += 1;
        self.total += 1;
    }

    /// How many reuses were forced. A pid that nobody took is not among them.
    pub(super) fn reuses(&self) -> usize {
        self.total - self.takers.get(&Taker::Nobody).copied().unwrap_or(0)
    }

    /// How many of them with that verb and basis.
    pub(super) fn of(&self, verb: Verb, basis: Basis) -> usize {
        self.forced.get(&(verb, basis)).copied().unwrap_or(0)
    }

    /// How many of them at points of this name.
    pub(super) fn at(&self, point: &str) -> usize {
        self.points.get(point).copied().unwrap_or(0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "pids given away, by request and proof:")?;
        for ((verb, basis), count) in &self.forced {
            writeln!(f, "  {:<16} {:<14} {count:>6}", word(verb), word(basis))?;
        }
        writeln!(f, "by the point:")?;
        for (point, count) in &self.points {
            writeln!(f, "  {point:<31} {count:>6}")?;
        }
        writeln!(f, "by what became of the request:")?;
        for ((verb, outcome), count) in &self.outcomes {
            writeln!(f, "  {:<16} {outcome:<14} {count:>6}", word(verb))?;
        }
        for (taker, count) in &self.takers {
            writeln!(f, "taken by: {:<21} {count:>6}", word(taker))?;
        }
        for (server, count) in &self.servers {
            writeln!(f, "server: {:<23} {count:>6}", word(server))?;
        }
        if self.missed > 0 {
            writeln!(f, "points missed: {}", self.missed)?;
        }
        write!(
            f,
            "{} reuses forced: {} signals to strangers, {} living workers lost, {} promises broken",
            self.reuses(),
            self.signals,
            self.lost,
            self.broken.len()
        )
    }
}

fn word(value: &impl fmt::Debug) -> String {
    format!("{value:?}")
}
