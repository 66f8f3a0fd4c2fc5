//! Carrying out a plan, under the pool's lock.

use crate::audit::Asker;
use crate::cancel::Cancel;
use crate::error::{Error, chain};
use crate::floor::Reading;
use crate::life::of_store;
use crate::pool::REGISTRY;
use crate::store::{
    LEDGER, Ledger, LedgerWrite, LockedPool, MAX_REGISTRY, PoolDir, Seen, StoreError, TRAIL,
    write_ledger,
};

use super::added::Added;
use super::candidate::Candidate;
use super::plan::{Plan, Step};
use super::record::{Record, StepResult};
use super::registry::held_by;
use super::rewrite::Rewrite;
use super::salvage::Salvage;
use super::{Doctor, files};

/// What a repair has done, and why it went no further.
#[derive(Debug)]
pub struct Repaired {
    /// The steps that were done, in words and in their order: less than was planned where less
    /// was left to do.
    pub done: Vec<String>,
    /// Why the rest was not done: as the errors of [`Doctor::repair`].
    pub failed: Option<Error>,
}

impl Doctor {
    /// Carries out a plan: all of it, or nothing where the pool is not what was examined.
    /// Each step leaves the pool whole, so that after one that fails, or that this program
    /// does not survive, another examination finds what is left to do.
    ///
    /// # Errors
    /// When nothing was done: [`Error::Busy`] when somebody holds the lock for too long,
    /// [`Error::Rejected`] when the pool was changed since, [`Error::System`].
    pub fn repair(&self, plan: &Plan, asker: &Asker, cancel: &Cancel) -> Result<Repaired, Error> {
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
        let mut repair = Repair {
            doctor: self,
            plan,
            asker,
            locked,
            restricted,
            trail_aside: false,
            done: if restricted {
                of_directory(plan)
            } else {
                Vec::new()
            },
        };
        let failed = match repair.carry_out(ahead, cancel) {
            Err(error) if repair.done.is_empty() => return Err(error),
            carried_out => carried_out.err(),
        };
        let done = repair.done.iter().map(Step::words).collect();
        Ok(Repaired { done, failed })
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
    /// The steps that were done.
    done: Vec<Step>,
}

impl Repair<'_> {
    /// Does what is left to do. `ahead` is what the damaged registry holds, where that is
    /// known already.
    fn carry_out(&mut self, ahead: Option<Salvage<'_>>, cancel: &Cancel) -> Result<(), Error> {
        let (doctor, plan) = (self.doctor, self.plan);
        let pool = self.locked.pool().clone();
        let asker = self.asker;
        let new_record = || Record::new(&pool, asker, doctor.lock_wait);
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
                let begun = record.begin(cancel);
                begun.map(|()| record.end(&[StepResult::Done]))
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
        if let Some(number) = steps.iter().position(|step| step.added().is_some()) {
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
            record.entries(number, &rewrite, &candidates);
            text = Some(rewrite.text(&candidates)?);
        }
        record.begin(cancel)?;
        let mut results = vec![StepResult::NotTried; steps.len()];
        let mut failed = None;
        for (step, result) in steps.into_iter().zip(&mut results) {
            match self.write(&step, &mut ledger, text.as_deref()) {
                Ok(true) => {
                    *result = StepResult::Done;
                    let is_trail = matches!(&step, Step::PutAside { name, .. } if name == TRAIL);
                    if !is_trail {
                        self.done.push(step);
                    }
                }
                Ok(false) => *result = StepResult::Idle,
                Err(error) => {
                    *result = StepResult::Failed(chain(&error));
                    failed = Some(changed(error));
                    break;
                }
            }
        }
        record.end(&results);
        failed.map_or(Ok(()), Err)
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
                if self.trail_aside {
                    self.done.push(step.clone());
                }
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
            Step::RemoveSocket { name } => {
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

    /// Does one step, but for the trail's, which is done. Whether there was something to do.
    fn write(
        &mut self,
        step: &Step,
        ledger: &mut Ledger,
        text: Option<&[u8]>,
    ) -> Result<bool, StoreError> {
        let locked = &mut self.locked;
        Ok(match (step, text) {
            (Step::Restrict { .. }, _) => true,
            (Step::PutAside { name, .. }, _) if name == TRAIL => true,
            (Step::PutAside { name, facts, aside }, _) => locked.set_aside(name, facts, aside)?,
            (Step::RemoveSocket { name }, _) => {
                let path = locked.pool().path_of(name);
                locked.remove_stale_socket(&path)?
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
        })
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
