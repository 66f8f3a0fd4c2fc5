//! Whether one release keeps what an earlier one promised. `wit/README.md` is the rule.

use std::path::Path;

use wit_parser::{PackageId, PackageName, Resolve};

use crate::compare::{Change, compare};

/// A WIT package with what it uses.
pub(crate) struct Package {
    resolve: Resolve,
    id: PackageId,
}

impl Package {
    /// Reads the package in a folder, with those in `deps/`.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut resolve = Resolve::default();
        let read = resolve.push_dir(folder);
        let (id, _) = read.unwrap_or_else(|e| panic!("{}: {e:#}", folder.display()));
        Self { resolve, id }
    }

    /// Reads a package from its text.
    pub(crate) fn parse(text: &str) -> Self {
        let mut resolve = Resolve::default();
        let id = resolve.push_str("inline.wit", text);
        let id = id.unwrap_or_else(|e| panic!("{e:#}: {text}"));
        Self { resolve, id }
    }

    pub(crate) fn resolve(&self) -> &Resolve {
        &self.resolve
    }

    pub(crate) fn name(&self) -> &PackageName {
        &self.resolve.packages[self.id].name
    }
}

/// Holds a package against an earlier release of it.
///
/// # Errors
/// What is broken, and what to do about it.
pub(crate) fn keeps(frozen: &Package, shipped: &Package) -> Result<(), String> {
    let (Some(before), Some(after)) = (&frozen.name().version, &shipped.name().version) else {
        return Err("a package has no version".to_owned());
    };
    if after < before {
        return Err(format!("the version went back from {before} to {after}"));
    }
    let track = PackageName::version_compat_track;
    if track(before) != track(after) {
        // Another interface, which no policy that was built before asks for.
        return Ok(());
    }
    let changes = compare(&frozen.resolve, &shipped.resolve);
    let (broken, added): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.breaks());
    let next = format!("{}.{}", after.major, after.minor + 1);
    if !broken.is_empty() {
        return Err(format!(
            "policies that were built for {before} would not load any more:\n{}\nTake this \
             back, or make it {next}.0, another interface (wit/README.md says how)",
            listed(&broken)
        ));
    }
    if !added.is_empty() && after == before {
        return Err(format!(
            "{before} was released without this:\n{}\nGive the package the version {}.{}.{}: no \
             policy breaks, but one that uses it needs a host that has it",
            listed(&added),
            after.major,
            after.minor,
            after.patch + 1
        ));
    }
    Ok(())
}

fn listed(changes: &[&Change]) -> String {
    let lines: Vec<_> = changes.iter().map(|change| format!("  {change}")).collect();
    lines.join("\n")
}
