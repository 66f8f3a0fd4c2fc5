//! The directories that the environment names (XDG Base Directory Specification 0.8: a
//! relative path there is to be ignored).

use std::path::PathBuf;

use anyhow::bail;

/// Where a pool is unless the operator says otherwise: `$XDG_STATE_HOME/poolwarden`, by
/// default `~/.local/state/poolwarden`.
///
/// # Errors
/// When the environment names no home.
pub(super) fn default_pool() -> anyhow::Result<PathBuf> {
    match base("XDG_STATE_HOME", ".local/state") {
        Some(state) => Ok(state.join("poolwarden")),
        None => bail!(
            "no pool directory: neither --state-dir nor POOLWARDEN_STATE_DIR is given, and HOME is not set"
        ),
    }
}

/// The user's configuration directory: `$XDG_CONFIG_HOME`, by default `~/.config`.
pub(super) fn configuration() -> Option<PathBuf> {
    base("XDG_CONFIG_HOME", ".config")
}

/// Where compiled policies are kept: `$XDG_CACHE_HOME/poolwarden/policies`, by default
/// `~/.cache/poolwarden/policies`.
pub(super) fn policy_cache() -> Option<PathBuf> {
    Some(base("XDG_CACHE_HOME", ".cache")?.join("poolwarden/policies"))
}

fn base(variable: &str, below_home: &str) -> Option<PathBuf> {
    absolute(variable).or_else(|| Some(absolute("HOME")?.join(below_home)))
}

fn absolute(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}
