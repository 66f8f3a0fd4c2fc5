//! Carrying out a plan, under the pool's lock.

use nix::sys::stat::{Mode, fchmod};
use nix::unistd::geteuid;

use crate::audit::Asker;
use crate::cancel::Cancel;
use crate::error::{Error, chain};
use crate::floor::Reading;
use crate::life::of_store;
use crate::pool::REGISTRY;
use crate::store::{
    Facts, LEDGER, Ledger, LedgerWrite, LockedPool, MAX_REGISTRY, PoolDir, Seen, StoreError, TRAIL,
    check_directory, write_ledger,
};

use super::plan::{Plan, Step};
use super::record::Record;
use super::{Doctor, files};

impl Doctor {
    /// Carries out a plan: all of it, or nothing where the pool is not what was examined.
    /// Each step leaves the pool whole, so that after one that fails, or that this program
    /// does not survive, another examination finds what is left to do.
    ///
    /// # Errors
    /// [`Error::Busy`] when somebody holds the lock for too long, [`Error::Rejected`] when
    /// the pool was changed since, [`Error::System`].
    pub fn repair(&self, plan: &Plan, asker: &Asker, cancel: &Cancel) -> Result<(), Error> {
        for step in &plan.steps {
            if let Step::Restrict { facts } = step {
                self.restrict(facts)?;
            }
        }
        let pool = PoolDir::open(&self.path).map_err(of_store)?;
        let mut locked = pool.lock(self.lock_wait, cancel).map_err(of_store)?;
        for step in &plan.steps {
            if let Some((name, facts)) = step.file() {
                locked.check_planned(name, facts).map_err(changed)?;
            }
        }
        // What stands in the trail's place goes first: without a trail nothing is done.
        put_aside(plan, &mut locked, |name| name == TRAIL).map_err(changed)?;

        let mut ledger = files::ledger(Some(&pool)).ledger;
        let seen = pool.see(REGISTRY, MAX_REGISTRY);
        let candidates: Vec<_> = plan.candidates.iter().collect();
        let rewrite = self.rewrite(&seen, &ledger, &candidates);
        let mut record = Record::new(&pool, asker, self.lock_wait);
        record.files(plan);
        let mut text = None;
        if let Some(agreed) = plan.steps.iter().find_map(Step::added) {
            let added = rewrite.added(&candidates);
            if !added
                .iter()
                .all(|candidate| agreed.iter().any(|one| one.claim == candidate.claim))
            {
                return Err(rejected("other workers than before are without an entry"));
            }
            for candidate in added {
                if let (None, Some(record)) = (ledger.get(&candidate.claim), candidate.record()) {
                    ledger.insert(candidate.claim.clone(), record);
                }
            }
            record.entries(&rewrite, &candidates);
            text = Some(rewrite.text(&candidates)?);
        }
        let adopts = plan
            .steps
            .iter()
            .any(|step| matches!(step, Step::Adopt { .. }));
        if adopts && !is_readable(&seen) {
            return Err(rejected("the registry cannot be read by now"));
        }
        record.begin(cancel)?;
        let done = write(plan, &mut locked, &mut ledger, text.as_deref());
        record.end(&done);
        done.map_err(changed)
    }

    /// Takes the permissions on the directory from everybody else.
    fn restrict(&self, planned: &Facts) -> Result<(), Error> {
        let pool = PoolDir::look(&self.path).map_err(of_store)?;
        let pool = pool.ok_or_else(|| rejected("the directory is gone"))?;
        let facts = pool.facts().map_err(of_store)?;
        if facts.id != planned.id || facts.owner != geteuid().as_raw() {
            return Err(rejected("the directory is another one by now"));
        }
        if check_directory(&facts, geteuid().as_raw()).is_ok() {
            return Ok(());
        }
        fchmod(&pool, Mode::S_IRWXU).map_err(|errno| {
            of_store(StoreError::Step {
                step: "change the mode of",
                path: pool.path().to_owned(),
                source: errno.into(),
            })
        })
    }
}

/// Writes the ledger, then the registry: a row without its entry is harmless.
fn write(
    plan: &Plan,
    locked: &mut LockedPool,
    ledger: &mut Ledger,
    text: Option<&[u8]>,
) -> Result<(), StoreError> {
    put_aside(plan, locked, |name| name != TRAIL)?;
    for step in &plan.steps {
        if let Step::Ledger { facts, aside, .. } = step {
            let rows = write_ledger(ledger).map_err(|error| StoreError::Step {
                step: "write",
                path: locked.pool().path().join(LEDGER),
                source: error.into(),
            })?;
            locked.exchange(LEDGER, facts, aside, &rows)?;
            ledger.clone_from(&locked.read_ledger());
        }
    }
    match locked.write_ledger(ledger) {
        Ok(LedgerWrite::Written | LedgerWrite::Unchanged) => {}
        // It costs proof, and never an entry.
        Ok(LedgerWrite::KeptNewer { version }) => {
            tracing::warn!("the ledger has format {version}: what was repaired is not in it");
        }
        Err(error) => tracing::warn!("the ledger was not written: {}", chain(&error)),
    }
    let Some(text) = text else {
        return Ok(());
    };
    for step in &plan.steps {
        match step {
            Step::Registry { facts, aside, .. } => {
                locked.exchange(REGISTRY, facts, aside, text)?;
            }
            Step::Adopt { .. } => locked.replace_registry(text)?,
            Step::Restrict { .. } | Step::PutAside { .. } | Step::Ledger { .. } => {}
        }
    }
    Ok(())
}

fn put_aside(
    plan: &Plan,
    locked: &mut LockedPool,
    which: impl Fn(&str) -> bool,
) -> Result<(), StoreError> {
    for step in &plan.steps {
        match step {
            Step::PutAside { name, facts, aside } if which(name) => {
                locked.set_aside(name, facts, aside)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_readable(seen: &Seen) -> bool {
    match seen {
        Seen::Absent => true,
        Seen::Whole { bytes, .. } => Reading::new(Some(bytes.clone())).claims().is_ok(),
        Seen::Unusable { .. } => false,
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
