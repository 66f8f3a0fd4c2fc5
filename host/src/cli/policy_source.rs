//! Which policy decides, and what it may do: from the command line and the configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use poolwarden::config::{Config, ConfigError, PolicyConfig};
use poolwarden::process::Signal;
use poolwarden::{CodeCache, Grants, Mandate, Policy, PolicyLoader};

use super::{Options, directories};

/// What a policy from a file is given where it decides about a pool.
pub(super) struct Given {
    pub(super) grants: Grants,
    pub(super) settings: BTreeMap<String, String>,
    /// The one digest that it may have.
    pub(super) pin: Option<String>,
    /// The configuration that counts, where there is one.
    pub(super) configuration: Option<PathBuf>,
}

impl Given {
    /// What the command line alone gives it.
    pub(super) fn by(options: &Options) -> Self {
        Self {
            grants: options.grants.iter().fold(Grants::none(), Grants::union),
            settings: options.settings.iter().cloned().collect(),
            pin: None,
            configuration: None,
        }
    }
}

/// Where the operator says which policy decides. A server asks it again when one of its
/// files changes.
pub(crate) struct PolicySource {
    pool: PathBuf,
    user: Option<PathBuf>,
    file: Option<PathBuf>,
    grants: Grants,
    signal: Option<Signal>,
    settings: Vec<(String, String)>,
}

impl PolicySource {
    /// What the options say about the policy of the pool in this directory.
    pub(super) fn new(options: &Options, pool: &Path) -> Self {
        Self {
            pool: pool.to_owned(),
            user: directories::configuration(),
            file: options.policy.clone(),
            grants: options.grants.iter().fold(Grants::none(), Grants::union),
            signal: None,
            settings: options.settings.clone(),
        }
    }

    /// Also with a signal that the operator asks for himself, which the shipped policy may
    /// then send. A policy from a file has its grants by name only.
    pub(super) fn with_signal(mut self, signal: Signal) -> Self {
        self.signal = Some(signal);
        self
    }

    /// Reads the configuration and loads the policy.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub(crate) fn mandate(&self) -> anyhow::Result<Mandate> {
        self.mandate_of(&self.config()?)
    }

    /// Loads the policy under a configuration that was read.
    ///
    /// # Errors
    /// When it cannot be used.
    pub(crate) fn mandate_of(&self, config: &Config) -> anyhow::Result<Mandate> {
        let mut mandate = match self.chosen(config) {
            Some(chosen) => {
                let policy = load(&chosen)?;
                Mandate::new(policy).with_grants(chosen.grants.union(&self.grants))
            }
            None => {
                let mandate = Mandate::new(Policy::shipped()?);
                let named = match self.signal {
                    Some(signal) => self.grants.clone().with_signal(signal),
                    None => self.grants.clone(),
                };
                let grants = mandate.grants().clone().union(&named);
                mandate.with_grants(grants)
            }
        };
        for (name, value) in self.settings(config) {
            mandate = mandate.with_setting(name, value);
        }
        Ok(mandate)
    }

    /// What a policy from this file is given: as the configured one when it is that, else
    /// as one that the command line names.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub(super) fn given(&self, file: &Path) -> Result<Given, ConfigError> {
        let config = self.config()?;
        let chosen = self.chosen(&config);
        let chosen = chosen.filter(|chosen| is_same_file(&chosen.path, file));
        let (grants, pin) = chosen.map_or_else(
            || (Grants::none(), None),
            |chosen| (chosen.grants, chosen.sha256),
        );
        let settings = self.settings(&config);
        Ok(Given {
            grants: grants.union(&self.grants),
            settings: settings.map(|(n, v)| (n.clone(), v.clone())).collect(),
            pin,
            configuration: config.source,
        })
    }

    /// The policy's file, where it is not the shipped one.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub(crate) fn policy_file(&self) -> Result<Option<PathBuf>, ConfigError> {
        Ok(self.chosen(&self.config()?).map(|chosen| chosen.path))
    }

    /// The files that a configuration is looked for in.
    pub(crate) fn configuration_files(&self) -> Vec<PathBuf> {
        Config::places(&self.pool, self.user.as_deref())
    }

    /// All settings. The last of several with one name counts.
    fn settings<'a>(
        &'a self,
        config: &'a Config,
    ) -> impl Iterator<Item = (&'a String, &'a String)> {
        let named = self.settings.iter().map(|(name, value)| (name, value));
        config.settings.iter().chain(named)
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// When it cannot be used.
    pub(crate) fn config(&self) -> Result<Config, ConfigError> {
        Config::of_pool(&self.pool, self.user.as_deref())
    }

    /// The file on the command line counts before the configured one, and has none of
    /// that one's grants.
    fn chosen(&self, config: &Config) -> Option<PolicyConfig> {
        match &self.file {
            Some(path) => Some(PolicyConfig {
                path: path.clone(),
                sha256: None,
                grants: Grants::none(),
            }),
            None => config.policy.clone(),
        }
    }
}

/// How this program loads every policy from a file: its compiled code is kept in the user's
/// cache.
pub(super) fn loader() -> PolicyLoader {
    match directories::policy_cache() {
        Some(cache) => PolicyLoader::new().cache(CodeCache::at(cache)),
        None => PolicyLoader::new(),
    }
}

/// Whether two paths lead to one file.
fn is_same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

fn load(chosen: &PolicyConfig) -> anyhow::Result<Policy> {
    let mut loader = loader();
    if let Some(sha256) = &chosen.sha256 {
        loader = loader.pin(sha256);
    }
    loader
        .file(&chosen.path)
        .with_context(|| format!("cannot load {}", chosen.path.display()))
}
