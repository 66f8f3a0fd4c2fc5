//! Putting a pool together.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::clock::{Clock, SystemClock};
use crate::floor::Grants;
use crate::mandate::{CurrentMandate, Mandate};
use crate::process::{LinuxProcesses, Processes};
use crate::recording::RecordingFile;
use crate::runtime::Limits;
use crate::store::{DirectoryStore, Store};

use super::context::Context;
use super::handle::Pool;

/// Puts a [`Pool`] together.
///
/// Everything but the directory and the policy has a default: files for a store, this
/// machine's processes and clock, the grants of the [`Mandate`], [`Limits::default`].
///
/// ```
/// use std::sync::Arc;
/// use poolwarden::{Cancel, Policy, PoolBuilder, store::MemoryStore};
///
/// let pool = PoolBuilder::new("a pool in memory")
///     .store(Arc::new(MemoryStore::new()))
///     .build(Policy::shipped()?);
/// assert!(pool.status(None, &Cancel::new()?)?.sessions.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PoolBuilder {
    path: PathBuf,
    store: Option<Arc<dyn Store>>,
    clock: Arc<dyn Clock>,
    processes: Option<Arc<dyn Processes>>,
    grants: Option<Grants>,
    limits: Limits,
    settings: Vec<(String, String)>,
    recordings: Option<RecordingFile>,
}

impl PoolBuilder {
    /// A pool in this directory, which need not exist yet. With a [`store`](Self::store) of
    /// its own, this is only what errors and recordings call the pool.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            store: None,
            clock: Arc::new(SystemClock),
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

    /// Another place to keep the pool than the files of a directory.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Another way to see processes than this machine's kernel.
    #[must_use]
    pub fn processes(mut self, processes: Arc<dyn Processes>) -> Self {
        self.processes = Some(processes);
        self
    }

    /// Another clock than this machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
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
        let files = || Arc::new(DirectoryStore::new(&self.path));
        Pool::new(Context {
            store: self.store.unwrap_or_else(|| files()),
            clock: self.clock,
            processes: self
                .processes
                .unwrap_or_else(|| Arc::new(LinuxProcesses::new())),
            limits: self.limits,
            recordings: self.recordings,
            mandate: CurrentMandate::new(mandate),
            last_reading: Mutex::new(None),
            last_rows: Mutex::new(None),
            path: self.path,
        })
    }
}
