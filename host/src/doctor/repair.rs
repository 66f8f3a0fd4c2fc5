//! Carrying out a plan, under the pool's lock.

use crate::audit::Asker;
use crate::cancel::Cancel;
use crate::error::{Error, chain};
use crate::floor::Reading;
use crate::life::of_store;
use crate::pool::REGISTRY;
use crate::store::{
    Facts, LEDGER, Ledger, LedgerWrite, LockedPool, MAX_REGISTRY, PoolDir, Seen, StoreError, TRAIL,
    write_ledger,
};

use super::added::Added;
use super::candidate::Candidate;
use super::plan::{Plan, Step};
use super::record::Record;
use super::registry::held_by;
use super::rewrite::Rewrite;
use super::salvage::Salvage;
use super::{Doctor, files};

impl Doctor {
    /// Carries out a plan: all of it, or nothing where the pool is not what was examined.
    /// Each step leaves the pool whole, so that after one that fails, or that this program
    /// does not survive, another examination finds what is left to do.
    ///
    /// Returns what was done, in words and in that order: less than was planned where less
    /// was left to do.
    ///
    /// # Errors
    /// [`Error::Busy`] when somebody holds the lock for too long, [`Error::Rejected`] when
    /// the pool was changed since, [`Error::System`]. Where the directory is no longer
    /// others' to write all the same, the text says so.
    pub fn repair(
        &self,
        plan: &Plan,
        asker: &Asker,
        cancel: &Cancel,
    ) -> Result<Vec<String>, Error> {
        let directory = PoolDir::look(&self.path).map_err(of_store)?;
        // Looking through a large file takes its time, in which nobody has to wait. If the
        // file is the same under the lock, so is what it holds.
        let ahead = directory
            .as_ref()
            .zip(plan.damaged())
            .map(|(pool, planned)| (pool.see(REGISTRY, MAX_REGISTRY), planned))
            .filter(|(seen, planned)| seen.facts() == Some(*planned));
        let ahead = ahead.as_ref().map(|(seen, _)| held_by(seen));
        let (locked, restricted) = self.lock(plan, directory, cancel)?;
        let repair = Repair {
            doctor: self,
            plan,
            asker,
            locked,
            restricted,
            trail_aside: false,
        };
        let done = repair.carry_out(ahead, cancel).map_err(|error| {
            match plan.restricted().filter(|_| restricted) {
                Some(was) => although_restricted(error, was),
                None => error,
            }
        })?;
        Ok(done.iter().map(Step::words).collect())
    }

    /// Locks the pool, and takes the permissions on the directory from others where that is
    /// planned: whether that was done.
    fn lock(
        &self,
        plan: &Plan,
        directory: Option<PoolDir>,
        cancel: &Cancel,
    ) -> Result<(LockedPool, bool), Error> {
        let wait = self.lock_wait;
        match plan.restricted() {
            Some(planned) => {
                let pool = directory.ok_or_else(|| rejected("the directory is gone"))?;
                let locked = pool.lock_and_restrict(planned, wait, cancel);
                locked.map_err(changed)
            }
            None => {
                let pool = PoolDir::open(&self.path).map_err(of_store)?;
                let locked = pool.lock(wait, cancel).map_err(of_store)?;
                Ok((locked, false))
            }
        }
    }
}

/// A repair under the lock.
struct Repair<'a> {
    doctor: &'a Doctor,
    plan: &'a Plan,
    asker: &'a Asker,
    locked: LockedPool,
    /// Whether others have lost their permissions on the directory just now.
    restricted: bool,
    /// Whether what stood in the trail's place was put aside.
    trail_aside: bool,
}

impl Repair<'_> {
    /// The steps that were done. `ahead` is what the damaged registry holds, where that is
    /// known already.
    fn carry_out(
        mut self,
        ahead: Option<Salvage<'_>>,
        cancel: &Cancel,
    ) -> Result<Vec<Step>, Error> {
        let (doctor, plan) = (self.doctor, self.plan);
        let pool = self.locked.pool().clone();
        let new_record = || Record::new(&pool, self.asker, doctor.lock_wait);
        let mut record = new_record();
        let checked = self.check();
        // What stands in the trail's place goes first: without a trail nothing is done.
        let checked = checked.and_then(|()| self.put_trail_aside());
        // Whatever comes of the rest. It could not be recorded sooner: a trail that others
        // can replace is not written.
        let recorded = match self.restricted {
            true => {
                let mut record = new_record();
                record.files(&of_directory(plan));
                record.begin(cancel).map(|()| record.end(None))
            }
            false => Ok(()),
        };
        checked.map_err(changed)?;
        recorded?;

        let mut ledger = files::ledger(Some(&pool)).ledger;
        let fresh;
        let held = match ahead {
            Some(held) => held,
            None => {
                fresh = pool.see(REGISTRY, MAX_REGISTRY);
                let adopts = |step: &Step| matches!(step, Step::Adopt { .. });
                if plan.steps.iter().any(adopts) && !is_readable(&fresh) {
                    return Err(rejected("the registry cannot be read by now"));
                }
                held_by(&fresh)
            }
        };
        let candidates: Vec<_> = plan.candidates.iter().collect();
        let rewrite = doctor.rewrite(held, &ledger, &candidates);
        let added = rewrite.added(&candidates);
        let rows = ledger.rows().len();
        let steps = plan.steps.iter();
        let steps: Vec<_> = steps
            .filter_map(|step| self.still_to_do(step, &rewrite, &added, rows))
            .collect();
        record.files(&steps);
        let mut text = None;
        if steps.iter().any(|step| step.added().is_some()) {
            let agreed = plan.steps.iter().find_map(Step::added).unwrap_or_default();
            if !added
                .iter()
                .all(|candidate| agreed.iter().any(|one| one.claim == candidate.claim))
            {
                return Err(rejected("other workers than before are without an entry"));
            }
            for candidate in &added {
                if let (None, Some(record)) = (ledger.get(&candidate.claim), candidate.record()) {
                    ledger.insert(candidate.claim.clone(), record);
                }
            }
            record.entries(&rewrite, &candidates);
            text = Some(rewrite.text(&candidates)?);
        }
        record.begin(cancel)?;
        let done = self.write(steps, &mut ledger, text.as_deref());
        record.end(done.as_ref().err());
        let mut all = if self.restricted {
            of_directory(plan)
        } else {
            Vec::new()
        };
        all.extend(done.map_err(changed)?);
        Ok(all)
    }

    /// Checks that what is to be written anew is what was looked at.
    fn check(&self) -> Result<(), StoreError> {
        let mut files = self.plan.steps.iter().filter_map(Step::file);
        files.try_for_each(|(name, facts)| self.locked.check_planned(name, facts))
    }

    fn put_trail_aside(&mut self) -> Result<(), StoreError> {
        for step in &self.plan.steps {
            if let Step::PutAside { name, facts, aside } = step
                && name == TRAIL
            {
                self.trail_aside = self.locked.set_aside(name, facts, aside)?;
            }
        }
        Ok(())
    }

    /// A step as it is under the lock; none where it is done, or there is nothing to do.
    fn still_to_do(
        &self,
        step: &Step,
        rewrite: &Rewrite<'_>,
        found: &[&Candidate],
        rows_found: usize,
    ) -> Option<Step> {
        let mut step = step.clone();
        let now = || found.iter().copied().map(Added::of).collect();
        match &mut step {
            Step::Restrict { .. } => return None,
            Step::PutAside { name, .. } if name == TRAIL => self.trail_aside.then_some(())?,
            Step::PutAside { name, .. } => {
                let gone = matches!(self.locked.pool().facts_at(name), Ok(None));
                (!gone).then_some(())?;
            }
            Step::Ledger { rows, .. } => *rows = rows_found,
            Step::Registry {
                kept,
                dropped,
                added,
                ..
            } => {
                *kept = rewrite.kept().count();
                *dropped = rewrite.dropped().count();
                *added = now();
            }
            Step::Adopt { .. } if found.is_empty() && self.has_registry() => return None,
            Step::Adopt { dropped, added } => {
                *dropped = rewrite.dropped().count();
                *added = now();
            }
        }
        Some(step)
    }

    fn has_registry(&self) -> bool {
        !matches!(self.locked.pool().facts_at(REGISTRY), Ok(None))
    }

    /// Does these steps, but for the trail's, which is done. Returns those that were done.
    fn write(
        &mut self,
        steps: Vec<Step>,
        ledger: &mut Ledger,
        text: Option<&[u8]>,
    ) -> Result<Vec<Step>, StoreError> {
        let locked = &mut self.locked;
        let mut done = Vec::new();
        for step in steps {
            let is_done = match (&step, text) {
                (Step::Restrict { .. }, _) => true,
                (Step::PutAside { name, .. }, _) if name == TRAIL => true,
                (Step::PutAside { name, facts, aside }, _) => {
                    locked.set_aside(name, facts, aside)?
                }
                (Step::Ledger { facts, aside, .. }, _) => {
                    let rows = write_ledger(ledger).map_err(|error| StoreError::Step {
                        step: "write",
                        path: locked.pool().path().join(LEDGER),
                        source: error.into(),
                    })?;
                    locked.exchange(LEDGER, facts, aside.names(), &rows)?;
                    ledger.clone_from(&locked.read_ledger());
                    true
                }
                (Step::Registry { facts, aside, .. }, Some(text)) => {
                    keep(locked, ledger);
                    locked.exchange(REGISTRY, facts, aside.names(), text)?;
                    true
                }
                (Step::Adopt { .. }, Some(text)) => {
                    keep(locked, ledger);
                    locked.replace_registry(text)?;
                    true
                }
                (Step::Registry { .. } | Step::Adopt { .. }, None) => false,
            };
            if is_done {
                done.push(step);
            }
        }
        Ok(done)
    }
}

/// Writes the ledger before the registry: a row without its entry is harmless.
fn keep(locked: &mut LockedPool, ledger: &mut Ledger) {
    match locked.write_ledger(ledger) {
        Ok(LedgerWrite::Written | LedgerWrite::Unchanged) => {}
        // It costs proof, and never an entry.
        Ok(LedgerWrite::KeptNewer { version }) => {
            tracing::warn!("the ledger has format {version}: what was repaired is not in it");
        }
        Err(error) => tracing::warn!("the ledger was not written: {}", chain(&error)),
    }
}

fn of_directory(plan: &Plan) -> Vec<Step> {
    let restrict = plan.restricted().map(|&facts| Step::Restrict { facts });
    restrict.into_iter().collect()
}

fn is_readable(seen: &Seen) -> bool {
    match seen {
        Seen::Absent => true,
        Seen::Whole { bytes, .. } => Reading::new(Some(bytes.clone())).claims().is_ok(),
        Seen::TooLarge { .. } | Seen::Unusable { .. } => false,
    }
}

fn rejected(why: &str) -> Error {
    Error::Rejected(format!("{why}, so nothing was repaired: look again"))
}

/// What a failure of the store means for a repair.
fn changed(error: StoreError) -> Error {
    match error {
        StoreError::Changed { .. } => Error::Rejected(chain(&error)),
        error => of_store(error),
    }
}

/// An error after a step that was done, and says so.
fn although_restricted(error: Error, was: &Facts) -> Error {
    let also = |text| {
        format!(
            "{text}; but others cannot write the directory any more: its mode was {:04o} and is \
             0700",
            was.mode
        )
    };
    match error {
        Error::Busy(text) => Error::Busy(also(text)),
        Error::Rejected(text) => Error::Rejected(also(text)),
        Error::System(text) => Error::System(also(text)),
        other => other,
    }
}
