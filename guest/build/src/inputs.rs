//! Everything that a guest's component depends on, as digests.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::canonical::{self, Digester};
use crate::error::{Error, Result};
use crate::guests::Guest;
use crate::lock::Lock;
use crate::manifest::Workspace;

/// This package: the encoder that it is locked to shapes the component too.
const ENCODER: (&str, &str) = (env!("CARGO_PKG_NAME"), "wit-component");

/// Digests (SHA-256, hexadecimal) of what a guest is built from.
///
/// They depend on names and contents alone: not on the order of files, on time stamps, on
/// where the checkout is, on line endings, or on files that no build reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// The Rust sources of the guest and of the packages of this repository that it uses.
    pub sources: String,
    /// All of `wit/`.
    pub interfaces: String,
    /// The manifests of those packages, and what they take from the workspace's.
    pub manifests: String,
    /// The locked packages that the guest is built from, and the encoder.
    pub packages: String,
}

impl Inputs {
    /// Digests the inputs of one guest as they are in this checkout.
    ///
    /// # Errors
    /// When a file cannot be read, or the lock file does not fit the manifests.
    pub fn of(root: &Path, guest: &Guest<'_>) -> Result<Self> {
        let workspace = Workspace::read(root)?;
        let lock = Lock::read(root)?;
        let closure = lock.closure(&workspace, guest.package)?;

        let mut sources = BTreeMap::new();
        let mut manifests = Digester::default();
        for package in &closure.local {
            let member = workspace.member(package)?;
            collect(root, &member.folder.join("src"), "rs", &mut sources)?;
            let script = member.folder.join("build.rs");
            if script.exists() {
                sources.insert(name(root, &script), script);
            }
            manifests.add(package, &member.text());
            manifests.add("workspace", &canonical::text(&workspace.inherited(&member)));
        }

        let mut interfaces = BTreeMap::new();
        collect(root, &root.join("wit"), "wit", &mut interfaces)?;

        let mut packages = Digester::default();
        for line in &closure.locked {
            packages.add("package", line);
        }
        packages.add("encoder", &lock.dependency(ENCODER.0, ENCODER.1)?);

        Ok(Self {
            sources: digest(&sources)?,
            interfaces: digest(&interfaces)?,
            manifests: manifests.finish(),
            packages: packages.finish(),
        })
    }

    /// The names of the digests that differ.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        [
            ("sources", &self.sources, &other.sources),
            ("interfaces", &self.interfaces, &other.interfaces),
            ("manifests", &self.manifests, &other.manifests),
            ("packages", &self.packages, &other.packages),
        ]
        .into_iter()
        .filter(|(_, ours, theirs)| ours != theirs)
        .map(|(name, ..)| name)
        .collect()
    }
}

/// Finds the files with an extension under a folder, by their name in the checkout.
fn collect(
    root: &Path,
    folder: &Path,
    extension: &str,
    files: &mut BTreeMap<String, PathBuf>,
) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::read(folder))? {
        let path = entry.map_err(Error::read(folder))?.path();
        if path.is_dir() {
            collect(root, &path, extension, files)?;
        } else if path.extension() == Some(OsStr::new(extension)) {
            files.insert(name(root, &path), path);
        }
    }
    Ok(())
}

fn name(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned()
}

fn digest(files: &BTreeMap<String, PathBuf>) -> Result<String> {
    let mut digester = Digester::default();
    for (name, path) in files {
        digester.add(name, &canonical::read_text(path)?);
    }
    Ok(digester.finish())
}
