//! Looking at everything, and changing nothing.

use std::collections::HashSet;
use std::ffi::OsStr;

use crate::command;
use crate::pool::REGISTRY;
use crate::process::{Claim, Marked, Remaining};
use crate::store::{Facts, LEDGER, Ledger, MAX_REGISTRY, Seen, TRAIL};

use super::added::Added;
use super::candidate::{Candidate, candidates, is_pool};
use super::directory::{self, Directory};
use super::entries::{doubles, states, stuck};
use super::files::{self, DAMAGED, LEFTOVER, LedgerLook, TrailLook};
use super::lock::{self, Look};
use super::plan::{Plan, Step, counted};
use super::report::{LockState, Problem, Report, State};
use super::rewrite::Rewrite;
use super::salvage::Salvage;
use super::steps::Steps;
use super::stuck::Guide;
use super::{Doctor, configuration, logs, machine, orphans, registry, remains, servers};

/// What was found, and what can be done about it.
#[derive(Debug)]
pub struct Examined {
    /// The pool's state.
    pub report: Report,
    /// The repairs that it needs.
    pub plan: Plan,
}

impl Doctor {
    /// Looks at the pool, in whatever state it is. Nothing is made, changed or signalled;
    /// its lock is held for the moment of reading, or not at all where somebody else has it.
    pub fn examine(&self) -> Examined {
        let mut notes = Vec::new();
        let directory = directory::look(&self.path);
        let pool = directory.pool.as_ref();
        // Before the registry is read: a worker is registered before its program runs, so
        // that whoever is seen here has its entry by then.
        let marked = self.marked(&directory, &mut notes);
        let lock = pool.map_or_else(Look::absent, |pool| lock::look(pool, &self.processes));
        let seen = pool.map_or(Seen::Absent, |pool| pool.see(REGISTRY, MAX_REGISTRY));
        let ledger = files::ledger(pool);
        // While the lock is held, nobody uses them.
        let leftovers = match (pool, &lock.still) {
            (Some(pool), Some(_)) => files::leftovers(pool),
            _ => Vec::new(),
        };
        drop(lock.still);
        if matches!(lock.state, LockState::Held { .. }) {
            notes.push(
                "somebody holds the lock, so this was read without it and may be a moment old"
                    .into(),
            );
        }

        let (mut registry, registry_problem) = registry::look(&directory.state.path, &seen);
        // Without the entries nobody can tell who has none.
        let marked = match registry.state {
            State::Unusable => Marked::default(),
            _ => marked,
        };
        let is_lost = matches!(registry.state, State::Absent | State::Damaged);
        let strength = self.strength();
        let candidates = candidates(&self.processes, strength, marked, &ledger.ledger, is_lost);
        let registry_problem =
            registry_problem.or_else(|| registry::gone(&mut registry, &candidates));
        let borrowed: Vec<_> = candidates.iter().collect();
        let rewrite = self.rewrite(registry::held_by(&seen), &ledger.ledger, &borrowed);
        if registry.state == State::Damaged {
            registry.lost = registry::lost(&seen, &rewrite.salvage);
        }
        let trail = files::trail(pool);
        let in_use = sockets_in_use(&rewrite, &candidates);
        let mut files = pool
            .map(|pool| files::others(pool, &in_use))
            .unwrap_or_default();
        let remaining = self.remaining(&directory);
        files.leftovers = leftovers.iter().map(|(name, _)| name.clone()).collect();

        // Where the directory or the lock cannot be used, nothing can be repaired.
        let blocked = directory.state.state == State::Unusable && directory.restrict.is_none()
            || matches!(lock.state, LockState::Unusable { .. });
        let mut plan = Plan::default();
        if !blocked {
            let mut steps = Steps::new(pool);
            plan_files(&mut steps, &directory, &leftovers, &trail, &ledger);
            for name in &files.stale_sockets {
                steps.push(Step::RemoveSocket { name: name.clone() });
            }
            plan_registry(&mut steps, registry.state, &seen, &rewrite, &borrowed);
            plan.steps = steps.done();
        }
        let mut orphans = orphans::of(&rewrite, &candidates);
        let known = candidates.iter().map(|candidate| candidate.claim.pid);
        let known = known.chain(remaining.iter().map(|one| one.identified.process.pid()));
        let known: HashSet<u32> = known.collect();
        if let (Some(pool), true) = (pool, registry.state != State::Unusable) {
            orphans.extend(servers::orphans(&self.processes, pool, &rewrite, &known));
        }
        let remains = remains::of(&remaining);
        let at = directory.state.path.clone();
        let guide = Guide::new(&at, &self.processes);
        let configuration = self.configuration_state();
        notes.extend(configuration::note(&configuration));
        let mut problems: Vec<Problem> = [
            directory.problem,
            lock.problem,
            registry_problem,
            doubles(&guide, &rewrite),
            orphans::problem(&at, &orphans),
            ledger.problem,
            trail.problem,
            files::leftovers_problem(&leftovers),
            files::sockets_problem(&at, &files),
            pool.and_then(logs::problem),
            configuration::problem(&configuration),
        ]
        .into_iter()
        .flatten()
        .collect();
        problems.extend(machine::problems(&self.processes));
        problems.extend(stuck(&guide, &rewrite, &ledger.ledger));
        problems.extend(remains::problems(&remains));
        for problem in &mut problems {
            problem.repairable &= !blocked;
            if problem.repairable {
                let fix = command::on_pool(&at, &["doctor", "--fix"]);
                problem.remedy.push_str(&format!("; repair it: `{fix}`"));
            }
        }
        let entries = states(&rewrite);
        drop(rewrite);
        plan.candidates = candidates;
        Examined {
            report: Report {
                healthy: problems.is_empty(),
                problems,
                notes,
                pool: directory.state,
                lock: lock.state,
                registry,
                entries,
                orphans,
                remains,
                ledger: ledger.state,
                trail: trail.state,
                files,
                configuration,
            },
            plan,
        }
    }

    /// What the registry holds, judged, and what becomes of the candidates.
    pub(super) fn rewrite<'a>(
        &self,
        held: Salvage<'a>,
        ledger: &Ledger,
        candidates: &[&Candidate],
    ) -> Rewrite<'a> {
        Rewrite::new(held, ledger, candidates, &self.processes, self.strength())
    }

    /// The processes that outlive a worker of this pool.
    fn remaining(&self, directory: &Directory) -> Vec<Remaining> {
        let facts = directory.pool.as_ref().and_then(|pool| pool.facts().ok());
        let at = &directory.state.path;
        let found = self
            .processes
            .remaining(|pid, path| is_pool(pid, path, facts.as_ref(), at));
        // That `/proc` cannot be listed is noted already.
        found.unwrap_or_default()
    }

    fn marked(&self, directory: &Directory, notes: &mut Vec<String>) -> Marked {
        let facts = directory.pool.as_ref().and_then(|pool| pool.facts().ok());
        let at = &directory.state.path;
        let found = self
            .processes
            .marked(|pid, path| is_pool(pid, path, facts.as_ref(), at));
        let marked = found.unwrap_or_else(|error| {
            notes.push(format!(
                "workers that have no entry cannot be looked for: /proc: {error}"
            ));
            Marked::default()
        });
        if marked.hidden > 0 {
            notes.push(format!(
                "{} not show the environment by which a worker that has no entry is found",
                counted(
                    marked.hidden,
                    "process of yours does",
                    "processes of yours do"
                )
            ));
        }
        marked
    }
}

fn sockets_in_use<'a>(rewrite: &'a Rewrite<'_>, candidates: &'a [Candidate]) -> HashSet<&'a OsStr> {
    let judged = rewrite.claims().zip(&rewrite.inspections);
    let living = judged.filter(|(_, inspection)| !inspection.finding.standing.is_dead());
    let of_entries = living.map(|(claim, _)| claim);
    let of_candidates = candidates.iter().map(|candidate| &candidate.claim);
    let claims = of_entries.chain(of_candidates);
    claims.filter_map(Claim::socket_name).collect()
}

fn plan_files(
    steps: &mut Steps<'_>,
    directory: &Directory,
    leftovers: &[(String, Facts)],
    trail: &TrailLook,
    ledger: &LedgerLook,
) {
    if let Some(facts) = directory.restrict {
        steps.push(Step::Restrict { facts });
    }
    for (name, facts) in leftovers {
        steps.put_aside(name, *facts, LEFTOVER);
    }
    if let Some(facts) = trail.damaged {
        steps.put_aside(TRAIL, facts, DAMAGED);
    }
    if let Some(facts) = ledger.damaged {
        let aside = steps.aside(LEDGER);
        let rows = ledger.state.rows;
        steps.push(Step::Ledger { facts, aside, rows });
    }
}

fn plan_registry(
    steps: &mut Steps<'_>,
    state: State,
    seen: &Seen,
    rewrite: &Rewrite<'_>,
    candidates: &[&Candidate],
) {
    let added = rewrite.added(candidates);
    let added: Vec<_> = added.into_iter().map(Added::of).collect();
    match (state, seen.facts()) {
        (State::Damaged, Some(facts)) => {
            let aside = steps.aside(REGISTRY);
            steps.push(Step::Registry {
                facts: *facts,
                aside,
                kept: rewrite.kept().count(),
                dropped: rewrite.dropped().count(),
                added,
            });
        }
        // One that is gone is written anew, for as many as can have an entry.
        (State::Damaged, None) => steps.push(Step::Adopt { dropped: 0, added }),
        (State::Healthy | State::Absent, _) if !added.is_empty() => {
            let dropped = rewrite.dropped().count();
            steps.push(Step::Adopt { dropped, added });
        }
        _ => {}
    }
}
