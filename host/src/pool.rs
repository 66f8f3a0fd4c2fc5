//! A pool, the policy that decides about it, and what that policy may do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::answer::Answer;
use crate::cancel::Cancel;
use crate::capabilities::RequestState;
use crate::error::Error;
use crate::floor::{Grants, Reading};
use crate::process::{LinuxProcesses, Processes, Strength};
use crate::request::Request;
use crate::runtime::{self, Description, Limits, Policy};
use crate::store::{Ledger, LockedPool, PoolDir, Row, StoreError};

/// The registry's name within the pool directory.
const REGISTRY: &str = "registry.json";

/// A pool directory served by a policy.
///
/// It can be shared between threads; each request runs on the thread that asks, in an
/// instance of its own.
pub struct Pool {
    pub(crate) context: Arc<Context>,
    policy: Arc<Policy>,
}

/// What all requests on one pool share.
pub(crate) struct Context {
    path: PathBuf,
    directory: Mutex<Option<PoolDir>>,
    last_reading: Mutex<Option<Arc<Reading>>>,
    last_rows: Mutex<Option<Arc<Rows>>>,
    pub(crate) processes: Arc<dyn Processes>,
    pub(crate) strength: Strength,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
    pub(crate) settings: BTreeMap<String, String>,
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
    processes: Option<Arc<dyn Processes>>,
    grants: Grants,
    limits: Limits,
    settings: BTreeMap<String, String>,
}

impl PoolBuilder {
    /// A pool in this directory, which need not exist yet, with the grants that the
    /// shipped policy needs.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            processes: None,
            grants: Grants::shipped(),
            limits: Limits::default(),
            settings: BTreeMap::new(),
        }
    }

    /// What the policy may do.
    #[must_use]
    pub fn grants(mut self, grants: Grants) -> Self {
        self.grants = grants;
        self
    }

    /// What one request may use.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// A setting that the policy can read. The host itself reads `proof`: with `strong`,
    /// the time at which a process started proves nothing.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// Another way to see processes than this machine's kernel.
    #[must_use]
    pub fn processes(mut self, processes: Arc<dyn Processes>) -> Self {
        self.processes = Some(processes);
        self
    }

    /// The pool, with this policy. Nothing is touched before the first request.
    pub fn build(self, policy: impl Into<Arc<Policy>>) -> Pool {
        let strength = match self.settings.get("proof").map(String::as_str) {
            Some("strong") => Strength::Strong,
            _ => Strength::Any,
        };
        let context = Context {
            path: self.path,
            directory: Mutex::new(None),
            last_reading: Mutex::new(None),
            last_rows: Mutex::new(None),
            processes: self
                .processes
                .unwrap_or_else(|| Arc::new(LinuxProcesses::new())),
            strength,
            grants: self.grants,
            limits: self.limits,
            settings: self.settings,
        };
        Pool {
            context: Arc::new(context),
            policy: policy.into(),
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
        runtime::call(&self.policy, self.state(request, cancel))
    }

    /// What the policy says about itself.
    ///
    /// # Errors
    /// When it fails to.
    pub fn describe(&self, cancel: &Cancel) -> Result<Description, Error> {
        let request = Request::Status { sid: None };
        runtime::describe(&self.policy, self.state(request, cancel))
    }

    /// The pool's directory.
    pub fn path(&self) -> &Path {
        &self.context.path
    }

    fn state(&self, request: Request, cancel: &Cancel) -> RequestState {
        RequestState::new(self.context.clone(), request, cancel.clone())
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
            None => known.insert(PoolDir::open(&self.path)?).clone(),
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

    pub(crate) fn registry_path(&self) -> PathBuf {
        self.path.join(REGISTRY)
    }
}
