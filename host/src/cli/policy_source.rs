//! Which policy decides, and what it may do: from the command line and the configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use poolwarden::config::{Config, ConfigError, PolicyConfig};
use poolwarden::process::Signal;
use poolwarden::{CodeCache, Compiler, Grants, Mandate, Policy, PolicyLoader};

use super::{Options, directories};

/// What a policy from a file is given where it decides about a pool.
pub(super) struct Given {
    pub(super) grants: Grants,
    /// Those of them that the configuration alone gives, by their names.
    pub(super) by_configuration: Vec<String>,
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
            by_configuration: Vec::new(),
            settings: options.settings.iter().cloned().collect(),
            pin: None,
            configuration: None,
        }
    }

    /// With what the shipped policy has by itself.
    pub(super) fn and_shipped(mut self) -> Self {
        self.grants = Grants::shipped().union(&self.grants);
        self
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
            file: options.policy.as_deref().map(directories::expand),
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
        for (name, value) in self.settings(config, self.file.is_none()) {
            mandate = mandate.with_setting(name, value);
        }
        self.warn_of_unused(config);
        Ok(mandate)
    }

    /// What a verb goes by that asks no policy. Where another policy than the shipped one
    /// decides, only the host's own of the settings count: the others are for that one.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub(super) fn mandate_of_nobody(&self) -> anyhow::Result<Mandate> {
        let config = self.config()?;
        let is_shipped = self.file.is_none() && config.policy.is_none();
        let mut mandate = Mandate::new(Policy::shipped()?);
        for (name, value) in self.settings(&config, false) {
            if is_shipped || name == Mandate::PROOF {
                mandate = mandate.with_setting(name, value);
            }
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
        let is_configured = self.file.is_none() && chosen.is_some();
        let (grants, pin) = chosen.map_or_else(
            || (Grants::none(), None),
            |chosen| (chosen.grants, chosen.sha256),
        );
        let settings = self.settings(&config, is_configured);
        let named = self.grants.names();
        let mut by_configuration = grants.names();
        by_configuration.retain(|grant| !named.contains(grant));
        Ok(Given {
            grants: grants.union(&self.grants),
            by_configuration,
            settings: settings.map(|(n, v)| (n.clone(), v.clone())).collect(),
            pin,
            configuration: config.source,
        })
    }

    /// What the shipped policy is given where it decides.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub(super) fn given_shipped(&self) -> Result<Given, ConfigError> {
        let config = self.config()?;
        let settings = self.settings(&config, false);
        let given = Given {
            grants: self.grants.clone(),
            by_configuration: Vec::new(),
            settings: settings.map(|(n, v)| (n.clone(), v.clone())).collect(),
            pin: None,
            configuration: config.source,
        };
        Ok(given.and_shipped())
    }

    /// The policy's file, where it is not the shipped one.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub(crate) fn policy_file(&self) -> Result<Option<PathBuf>, ConfigError> {
        Ok(self.chosen(&self.config()?).map(|chosen| chosen.path))
    }

    /// What the policy may do, as far as that is known before it is loaded.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub(crate) fn grants(&self) -> Result<Grants, ConfigError> {
        let chosen = self.chosen(&self.config()?);
        let own = chosen.map_or_else(Grants::shipped, |chosen| chosen.grants);
        Ok(own.union(&self.grants))
    }

    /// The files that a configuration is looked for in.
    pub(crate) fn configuration_files(&self) -> Vec<PathBuf> {
        Config::places(&self.pool, self.user.as_deref())
    }

    /// The settings of a policy, which is the configured one or not. The last of several with
    /// one name counts.
    ///
    /// A configuration that names a policy has its settings for that one, as its grants; only
    /// the host's own counts for every other.
    fn settings<'a>(
        &'a self,
        config: &'a Config,
        is_configured: bool,
    ) -> impl Iterator<Item = (&'a String, &'a String)> {
        let for_all = is_configured || config.policy.is_none();
        let configured = config.settings.iter();
        let configured = configured.filter(move |(name, _)| for_all || *name == Mandate::PROOF);
        let named = self.settings.iter().map(|(name, value)| (name, value));
        configured.chain(named)
    }

    /// Says which settings do not count because the command line names another policy.
    fn warn_of_unused(&self, config: &Config) {
        let (Some(named), Some(of), Some(source)) = (&self.file, &config.policy, &config.source)
        else {
            return;
        };
        let names = config.settings.keys().map(String::as_str);
        let unused: Vec<_> = names.filter(|name| *name != Mandate::PROOF).collect();
        if !unused.is_empty() {
            tracing::warn!(
                "the settings of {} are for {} and not for {}, which is not given {}",
                source.display(),
                of.path.display(),
                named.display(),
                unused.join(", ")
            );
        }
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// When it cannot be used.
    pub(crate) fn config(&self) -> Result<Config, ConfigError> {
        directories::configuration_of(&self.pool, self.user.as_deref())
    }

    /// The file on the command line counts before the configured one, and has none of
    /// that one's grants and settings.
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

/// The only argument of this program where it compiles a policy for another process of it.
const COMPILER: &str = "compile-policy-on-stdin";

/// Whether this process is to compile a policy, and nothing else.
pub(crate) fn is_compiler() -> bool {
    std::env::args_os().skip(1).eq([COMPILER])
}

/// How this program compiles a policy: in a process of its own, by this very file, also when
/// another one has taken its place meanwhile.
pub(super) fn compiler() -> Compiler {
    Compiler::new("/proc/self/exe").argument(COMPILER)
}

/// How this program loads every policy from a file: its compiled code is kept in the user's
/// cache.
pub(super) fn loader() -> PolicyLoader {
    let loader = PolicyLoader::new().compiler(compiler());
    match directories::policy_cache() {
        Some(cache) => loader.cache(CodeCache::at(cache)),
        None => loader,
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
