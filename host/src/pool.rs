//! A pool, the policy that decides about it, and what that policy may do.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::answer::Answer;
use crate::audit::Asker;
use crate::cancel::Cancel;
use crate::capabilities::{Origin, RequestState};
use crate::error::Error;
use crate::floor::{Grants, Reading};
use crate::mandate::{CurrentMandate, Mandate};
use crate::process::{LinuxProcesses, Processes, Strength};
use crate::recording::RecordingFile;
use crate::request::Request;
use crate::runtime::{self, Description, Limits};
use crate::store::{Disk, Ledger, LockedPool, PoolDir, Row, StoreError, SystemDisk};

/// The registry's name within the pool directory.
pub(crate) const REGISTRY: &str = "registry.json";

/// A pool directory served by a policy.
///
/// It can be shared between threads; each request runs on the thread that asks, in an
/// instance of its own.
pub struct Pool {
    pub(crate) context: Arc<Context>,
    asker: Arc<Asker>,
}

/// What all requests on one pool share.
pub(crate) struct Context {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    directory: Mutex<Option<PoolDir>>,
    last_reading: Mutex<Option<Arc<Reading>>>,
    last_rows: Mutex<Option<Arc<Rows>>>,
    pub(crate) processes: Arc<dyn Processes>,
    pub(crate) limits: Limits,
    recordings: Option<RecordingFile>,
    mandate: CurrentMandate,
}

/// What the ledger knows about each entry of a registry, by the entry's index.
pub(crate) struct Rows {
    reading: Arc<Reading>,
    ledger: Ledger,
    rows: Vec<Option<Row>>,
}

impl Rows {
    fn new(reading: &Arc<Reading>, ledger: &Ledger) -> Self {
        let claims = reading.claims().unwrap_or_default();
        Self {
            rows: claims
                .iter()
                .map(|claim| ledger.get(claim).cloned())
                .collect(),
            reading: reading.clone(),
            ledger: ledger.clone(),
        }
    }

    /// Both are held here, so that what is at the same place is the same.
    fn are_of(&self, reading: &Arc<Reading>, ledger: &Ledger) -> bool {
        Arc::ptr_eq(&self.reading, reading) && self.ledger.shares_rows(ledger)
    }

    /// The row of the entry with this index.
    pub(crate) fn get(&self, index: usize) -> Option<&Row> {
        self.rows.get(index)?.as_ref()
    }
}

/// Puts a [`Pool`] together.
pub struct PoolBuilder {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    processes: Option<Arc<dyn Processes>>,
    grants: Option<Grants>,
    limits: Limits,
    settings: Vec<(String, String)>,
    recordings: Option<RecordingFile>,
}

impl PoolBuilder {
    /// A pool in this directory, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            disk: Arc::new(SystemDisk),
            processes: None,
            grants: None,
            limits: Limits::default(),
            settings: Vec::new(),
            recordings: None,
        }
    }

    /// The pool's directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the policy may do. Without this, what its mandate says: the shipped policy what
    /// it needs, any other one nothing.
    #[must_use]
    pub fn grants(mut self, grants: Grants) -> Self {
        self.grants = Some(grants);
        self
    }

    /// What one request may use.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// A setting that the policy can read; see [`Mandate::with_setting`].
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Another way to see processes than this machine's kernel.
    #[must_use]
    pub fn processes(mut self, processes: Arc<dyn Processes>) -> Self {
        self.processes = Some(processes);
        self
    }

    /// Another way to the pool's files than the system's own.
    #[cfg(test)]
    pub(crate) fn disk(mut self, disk: Arc<dyn Disk>) -> Self {
        self.disk = disk;
        self
    }

    /// Records every request in this file. What cannot be recorded is carried out all the
    /// same; see [`recording`](crate::recording).
    #[must_use]
    pub fn record(mut self, file: RecordingFile) -> Self {
        self.recordings = Some(file);
        self
    }

    /// The pool, with this policy or this mandate. Nothing is touched before the first
    /// request.
    pub fn build(self, mandate: impl Into<Mandate>) -> Pool {
        let mut mandate = mandate.into();
        if let Some(grants) = self.grants {
            mandate = mandate.with_grants(grants);
        }
        for (name, value) in self.settings {
            mandate = mandate.with_setting(name, value);
        }
        let context = Context {
            path: self.path,
            disk: self.disk,
            directory: Mutex::new(None),
            last_reading: Mutex::new(None),
            last_rows: Mutex::new(None),
            processes: self
                .processes
                .unwrap_or_else(|| Arc::new(LinuxProcesses::new())),
            limits: self.limits,
            recordings: self.recordings,
            mandate: CurrentMandate::new(mandate),
        };
        Pool {
            context: Arc::new(context),
            asker: Arc::new(Asker::library()),
        }
    }
}

impl Pool {
    /// Carries out one request, on this thread.
    ///
    /// # Errors
    /// See [`Error`]; whatever fails, the lock is free afterwards and the registry whole.
    pub fn call(&self, request: Request, cancel: &Cancel) -> Result<Answer, Error> {
        let span = tracing::debug_span!("request", verb = request.verb());
        let _entered = span.enter();
        let origin = self.origin();
        let policy = origin.mandate.policy().clone();
        let mut state = RequestState::new(self.context.clone(), origin, request, cancel.clone());
        let Some(file) = &self.context.recordings else {
            return runtime::call(&policy, state);
        };
        let started = state.record();
        let answered = runtime::call(&policy, state);
        file.keep(started.ended(&answered, file));
        answered
    }

    /// What the policy says about itself.
    ///
    /// # Errors
    /// When it fails to.
    pub fn describe(&self, cancel: &Cancel) -> Result<Description, Error> {
        self.describe_with(self.origin(), cancel)
    }

    /// Puts another policy in place, with its grants and settings, once it has said what it
    /// is. Requests that have begun end as they began, and none of them fails for this.
    ///
    /// # Errors
    /// When the new policy fails to describe itself. The old one stays.
    pub fn swap(&self, mandate: Mandate, cancel: &Cancel) -> Result<Description, Error> {
        let origin = Origin {
            asker: self.asker.clone(),
            mandate: Arc::new(mandate.clone()),
        };
        let described = self.describe_with(origin, cancel)?;
        self.context.mandate.set(mandate);
        Ok(described)
    }

    fn describe_with(&self, origin: Origin, cancel: &Cancel) -> Result<Description, Error> {
        let policy = origin.mandate.policy().clone();
        let state = RequestState::describing(self.context.clone(), origin, cancel.clone());
        runtime::describe(&policy, state)
    }

    /// The state in which the policy is asked what it is.
    #[cfg(test)]
    pub(crate) fn describing(&self, cancel: &Cancel) -> RequestState {
        RequestState::describing(self.context.clone(), self.origin(), cancel.clone())
    }

    /// Who asks, and what decides from now to the end of a request.
    fn origin(&self) -> Origin {
        Origin {
            asker: self.asker.clone(),
            mandate: self.context.mandate.get(),
        }
    }

    /// What decides now, and what it may do.
    pub fn mandate(&self) -> Arc<Mandate> {
        self.context.mandate.get()
    }

    /// The pool's directory.
    pub fn path(&self) -> &Path {
        &self.context.path
    }

    /// The same pool, for requests of this asker: what is done for them is recorded with
    /// its name.
    #[must_use]
    pub fn asked_by(&self, asker: Asker) -> Self {
        Self {
            context: self.context.clone(),
            asker: Arc::new(asker),
        }
    }
}

impl Context {
    /// The pool's directory, opened where that has not happened yet.
    pub(crate) fn directory(&self) -> Result<PoolDir, StoreError> {
        let mut known = self
            .directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(match known.as_ref() {
            Some(directory) => directory.clone(),
            None => known
                .insert(PoolDir::open_on(&self.path, self.disk.clone())?)
                .clone(),
        })
    }

    /// Takes the pool's lock, opening the directory where that has not happened yet.
    pub(crate) fn lock(&self, cancel: &Cancel) -> Result<LockedPool, StoreError> {
        // The lock is waited for without holding up other requests of this process.
        self.directory()?
            .lock(self.limits.lock_wait, cancel)
            .inspect_err(|_| {
                // It may have been replaced: the next request looks again.
                *self
                    .directory
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = None;
            })
    }

    /// The host's reading of these bytes; the last one where they are the same.
    pub(crate) fn reading(&self, bytes: Option<Vec<u8>>) -> Arc<Reading> {
        let mut last = self
            .last_reading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match last.as_ref() {
            Some(reading) if reading.bytes() == bytes.as_deref() => reading.clone(),
            _ => last.insert(Arc::new(Reading::new(bytes))).clone(),
        }
    }

    /// The ledger's row of each entry; the last ones where neither registry nor ledger
    /// changed, which for a busy server is nearly always.
    pub(crate) fn rows(&self, reading: &Arc<Reading>, ledger: &Ledger) -> Arc<Rows> {
        let mut last = self
            .last_rows
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match last.as_ref() {
            Some(rows) if rows.are_of(reading, ledger) => rows.clone(),
            _ => last.insert(Arc::new(Rows::new(reading, ledger))).clone(),
        }
    }

    pub(crate) fn directory_path(&self) -> &Path {
        &self.path
    }

    /// What is accepted as a proof now.
    pub(crate) fn strength(&self) -> Strength {
        self.mandate.get().strength()
    }

    pub(crate) fn registry_path(&self) -> PathBuf {
        self.path.join(REGISTRY)
    }
}
