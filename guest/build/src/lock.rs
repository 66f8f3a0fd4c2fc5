//! The packages of `Cargo.lock` that a guest is built from.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use crate::canonical;
use crate::error::{Error, Result};
use crate::manifest::Workspace;

/// `Cargo.lock`, as far as it matters here.
#[derive(Deserialize)]
pub(crate) struct Lock {
    #[serde(rename = "package")]
    packages: Vec<Package>,
}

/// One locked package. One without a source is part of this repository.
#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// What can be reached from one package.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Closure {
    /// The packages of this repository, by name.
    pub(crate) local: BTreeSet<String>,
    /// The others: name, version and checksum, or source where there is no checksum.
    pub(crate) locked: BTreeSet<String>,
}

impl Lock {
    /// Reads the lock file of the workspace.
    ///
    /// # Errors
    /// When it cannot be read or has another shape.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let path = root.join("Cargo.lock");
        toml::from_str(&canonical::read_text(&path)?).map_err(|source| Error::Parse {
            path,
            source: Box::new(source),
        })
    }

    /// Everything reachable from a package of this repository.
    ///
    /// The lock file does not tell dependencies from dev-dependencies, so for packages of
    /// this repository their manifests do: a test tool's update makes no guest stale.
    ///
    /// # Errors
    /// When the lock file does not fit the manifests, or a manifest cannot be read.
    pub(crate) fn closure(&self, workspace: &Workspace, package: &str) -> Result<Closure> {
        let mut closure = Closure::default();
        let mut queue = vec![self.find(package)?];
        while let Some(package) = queue.pop() {
            let wanted = if package.source.is_none() {
                if !closure.local.insert(package.name.clone()) {
                    continue;
                }
                Some(workspace.dependencies(&workspace.member(&package.name)?))
            } else {
                if !closure.locked.insert(package.line()) {
                    continue;
                }
                None
            };
            for dependency in &package.dependencies {
                let found = self.find(dependency)?;
                if wanted
                    .as_ref()
                    .is_none_or(|wanted| wanted.contains(&found.name))
                {
                    queue.push(found);
                }
            }
        }
        Ok(closure)
    }

    /// The line of one direct dependency of a package of this repository.
    ///
    /// # Errors
    /// When the lock file has no such dependency.
    pub(crate) fn dependency(&self, package: &str, dependency: &str) -> Result<String> {
        let package = self.find(package)?;
        for candidate in &package.dependencies {
            let found = self.find(candidate)?;
            if found.name == dependency {
                return Ok(found.line());
            }
        }
        Err(Error::Locked {
            wanted: dependency.to_owned(),
            count: 0,
        })
    }

    /// The package that a dependency entry means: "name", "name version" or
    /// "name version (source)", as much as is needed to tell it from others.
    fn find(&self, wanted: &str) -> Result<&Package> {
        let mut parts = wanted.splitn(3, ' ');
        let (name, version, source) = (parts.next(), parts.next(), parts.next());
        let source = source.map(|source| source.trim_matches(['(', ')']));
        let fits = |package: &&Package| {
            name == Some(&package.name)
                && version.is_none_or(|version| version == package.version)
                && source.is_none_or(|source| Some(source) == package.source.as_deref())
        };
        let mut candidates = self.packages.iter().filter(fits);
        match (candidates.next(), candidates.count()) {
            (Some(package), 0) => Ok(package),
            (first, rest) => Err(Error::Locked {
                wanted: wanted.to_owned(),
                count: usize::from(first.is_some()) + rest,
            }),
        }
    }
}

impl Package {
    fn line(&self) -> String {
        let proof = self.checksum.as_ref().or(self.source.as_ref());
        format!(
            "{} {} {}",
            self.name,
            self.version,
            proof.map_or("-", String::as_str)
        )
    }
}
