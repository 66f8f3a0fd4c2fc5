//! The directories that the environment names (XDG Base Directory Specification 0.8: a
//! relative path there is to be ignored).

use std::path::{Path, PathBuf};

use anyhow::bail;
use nix::unistd::{User, geteuid};
use poolwarden::config::{Config, ConfigError};

/// Where a pool is unless the operator says otherwise: `$XDG_STATE_HOME/poolwarden`, by
/// default `~/.local/state/poolwarden`.
///
/// # Errors
/// When neither the environment nor the user's database names a home.
pub(super) fn default_pool() -> anyhow::Result<PathBuf> {
    match base("XDG_STATE_HOME", ".local/state") {
        Some(state) => Ok(state.join("poolwarden")),
        None => bail!(
            "no pool directory: neither --state-dir nor POOLWARDEN_STATE_DIR is given, HOME is not \
             set, and the user's database names no home of user {}; name the directory: \
             poolwarden --state-dir DIR",
            geteuid()
        ),
    }
}

/// The user's configuration directory: `$XDG_CONFIG_HOME`, by default `~/.config`.
pub(super) fn configuration() -> Option<PathBuf> {
    base("XDG_CONFIG_HOME", ".config")
}

/// The configuration that counts for the pool in this directory, with the home in its paths.
///
/// # Errors
/// When it cannot be used.
pub(super) fn configuration_of(pool: &Path, user: Option<&Path>) -> Result<Config, ConfigError> {
    let mut config = Config::of_pool(pool, user)?;
    if let Some(policy) = &mut config.policy {
        policy.path = expand(&policy.path);
    }
    Ok(config)
}

/// Where compiled policies are kept: `$XDG_CACHE_HOME/poolwarden/policies`, by default
/// `~/.cache/poolwarden/policies`.
pub(super) fn policy_cache() -> Option<PathBuf> {
    Some(base("XDG_CACHE_HOME", ".cache")?.join("poolwarden/policies"))
}

/// A path whose leading `~/` is the home, as a shell makes it. Where no shell has read it, as in
/// the configuration of an MCP client, it comes as it was written.
pub(super) fn expand(path: &Path) -> PathBuf {
    let below_home = path.strip_prefix("~").ok();
    let expanded = below_home.and_then(|below| Some(home()?.join(below)));
    // Joined with nothing, a path ends in a slash.
    expanded.map_or_else(|| path.to_owned(), |path| path.components().collect())
}

fn base(variable: &str, below_home: &str) -> Option<PathBuf> {
    absolute(variable).or_else(|| Some(home()?.join(below_home)))
}

/// The user's home: `$HOME`, else what the user's database says (getpwuid(3)). A server is
/// often started with an environment of its own.
fn home() -> Option<PathBuf> {
    absolute("HOME").or_else(|| {
        let user = User::from_uid(geteuid()).ok()??;
        Some(user.dir).filter(|home| home.is_absolute())
    })
}

fn absolute(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}
