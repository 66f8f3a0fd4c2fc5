//! Explaining a pool in whatever state it is, and repairing what can be.
//!
//! A [`Doctor`] [examines](Doctor::examine) a pool without changing it, and says what is
//! wrong and what it would do. Once somebody has agreed to that [`Plan`], it
//! [carries it out](Doctor::repair). It needs no policy, signals nobody, removes no entry
//! of a living worker and no byte of a file.
//!
//! An unreadable registry is written anew from three sources: the entries that its damaged
//! text still holds, the living workers whose environment names the pool and that very
//! process, and those whom the ledger knows and who are not proven dead. Where these disagree,
//! the ledger and the entries count, and an environment by itself proves nothing that they deny.

mod added;
mod advise;
mod candidate;
mod configuration;
mod damage;
mod date;
mod decide;
mod directory;
mod entries;
mod examine;
mod files;
mod freezer;
mod lock;
mod logs;
mod machine;
mod orphans;
mod plan;
mod record;
mod registry;
mod remains;
mod repair;
mod report;
mod rewrite;
pub(crate) mod salvage;
mod servers;
mod steps;
mod stuck;

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Config, ConfigError};
use crate::error::chain;
use crate::process::{LinuxProcesses, Strength};
use crate::runtime::Limits;
use crate::settings;

pub use examine::Examined;
pub use plan::Plan;
pub use repair::Repaired;
pub use report::{
    About, ConfigurationState, Damage, DirectoryState, EntryState, LedgerState, LockHolder,
    LockState, LostText, Orphan, OtherFiles, PolicyState, Problem, RegistryState, Remains, Report,
    State, TrailState,
};

/// Looks after one pool.
pub struct Doctor {
    path: PathBuf,
    processes: LinuxProcesses,
    configuration: Result<Config, String>,
    proof: Option<Strength>,
    lock_wait: Duration,
}

impl Doctor {
    /// For the pool in this directory, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            processes: LinuxProcesses::new(),
            configuration: Ok(Config::default()),
            proof: None,
            lock_wait: Limits::default().lock_wait,
        }
    }

    /// The configuration that counts for the pool, or what is wrong with it.
    #[must_use]
    pub fn with_configuration(mut self, configuration: Result<Config, ConfigError>) -> Self {
        self.configuration = configuration.map_err(|error| chain(&error));
        self
    }

    /// The setting `proof`, where it is not the configured one.
    #[must_use]
    pub fn with_proof(mut self, proof: Strength) -> Self {
        self.proof = Some(proof);
        self
    }

    /// How long a repair waits for the pool's lock. An examination never waits for longer
    /// than a moment.
    #[must_use]
    pub fn with_lock_wait(mut self, wait: Duration) -> Self {
        self.lock_wait = wait;
        self
    }

    /// What is accepted as a proof. A configuration that cannot be used may ask for strong
    /// ones.
    fn strength(&self) -> Strength {
        let configured = || match &self.configuration {
            Ok(config) => settings::strength(&config.settings).unwrap_or(Strength::Strong),
            Err(_) => Strength::Strong,
        };
        self.proof.unwrap_or_else(configured)
    }
}
