//! What the manifests say about a guest's build.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::canonical;
use crate::error::{Error, Result};

/// The tables of a manifest whose packages end up in the component or take part in
/// building it. What only tests use does not.
const DEPENDENCY_TABLES: [&str; 2] = ["dependencies", "build-dependencies"];

/// The manifest of the workspace, and where its members are.
pub(crate) struct Workspace {
    path: PathBuf,
    table: Table,
    members: BTreeMap<String, PathBuf>,
}

/// The manifest of one member.
pub(crate) struct Member {
    /// The folder that it is in.
    pub(crate) folder: PathBuf,
    table: Table,
}

impl Workspace {
    /// Reads the workspace's manifest and the names of its members.
    ///
    /// # Errors
    /// When a manifest cannot be read, or a member has no name.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let path = root.join("Cargo.toml");
        let table = canonical::read_table(&path)?;
        let mut members = BTreeMap::new();
        let listed = lookup(&table, &["workspace", "members"]).and_then(Value::as_array);
        for member in listed.into_iter().flatten().filter_map(Value::as_str) {
            let folder = root.join(member);
            let manifest = folder.join("Cargo.toml");
            let name = lookup(&canonical::read_table(&manifest)?, &["package", "name"])
                .and_then(Value::as_str)
                .ok_or_else(|| lacks(&manifest, "package.name"))?
                .to_owned();
            members.insert(name, folder);
        }
        Ok(Self {
            path,
            table,
            members,
        })
    }

    /// The manifest of a member, by its package name.
    ///
    /// # Errors
    /// When no member has this name, or its manifest cannot be read.
    pub(crate) fn member(&self, package: &str) -> Result<Member> {
        let folder = self
            .members
            .get(package)
            .ok_or_else(|| lacks(&self.path, &format!("a workspace member named {package}")))?;
        let table = canonical::read_table(&folder.join("Cargo.toml"))?;
        Ok(Member {
            folder: folder.clone(),
            table,
        })
    }

    /// The package names of what a member depends on, tests left out. The key of a
    /// dependency is an alias when it, or the workspace's entry for it, names a package.
    pub(crate) fn dependencies(&self, member: &Member) -> BTreeSet<String> {
        member
            .dependencies()
            .map(|(key, value)| {
                let inherited = lookup(&self.table, &["workspace", "dependencies", key]);
                [Some(value), inherited]
                    .into_iter()
                    .flatten()
                    .find_map(|value| value.get("package").and_then(Value::as_str))
                    .unwrap_or(key)
                    .to_owned()
            })
            .collect()
    }

    /// What the workspace's manifest adds to a member's: the package fields and the
    /// dependencies that it inherits, the resolver, and the profile that guests are built with.
    pub(crate) fn inherited(&self, member: &Member) -> Value {
        let mut inherited = Table::new();
        for (group, keys) in [
            ("package", member.inherited_fields()),
            (
                "dependencies",
                member.dependencies().map(|(key, _)| key).collect(),
            ),
        ] {
            for key in keys {
                if let Some(value) = lookup(&self.table, &["workspace", group, key]) {
                    inherited.insert(format!("{group}.{key}"), value.clone());
                }
            }
        }
        if let Some(resolver) = lookup(&self.table, &["workspace", "resolver"]) {
            inherited.insert("resolver".to_owned(), resolver.clone());
        }
        inherited.insert("profile".to_owned(), Value::Table(self.profile("guest")));
        Value::Table(inherited)
    }

    /// A profile with what it inherits from others, its own settings winning.
    fn profile(&self, name: &str) -> Table {
        let own = lookup(&self.table, &["profile", name]).and_then(Value::as_table);
        let own = own.cloned().unwrap_or_default();
        let mut profile = match own.get("inherits").and_then(Value::as_str) {
            Some(parent) if parent != name => self.profile(parent),
            _ => Table::new(),
        };
        profile.extend(own);
        profile
    }
}

impl Member {
    /// The whole manifest, without layout.
    pub(crate) fn text(&self) -> String {
        canonical::text(&Value::Table(self.table.clone()))
    }

    /// The entries of the dependency tables, those for single targets included.
    fn dependencies(&self) -> impl Iterator<Item = (&str, &Value)> {
        let targets = self.table.get("target").and_then(Value::as_table);
        std::iter::once(&self.table)
            .chain(
                targets
                    .into_iter()
                    .flatten()
                    .filter_map(|(_, value)| value.as_table()),
            )
            .flat_map(|table| {
                DEPENDENCY_TABLES.map(|name| table.get(name).and_then(Value::as_table))
            })
            .flatten()
            .flatten()
            .map(|(key, value)| (key.as_str(), value))
    }

    /// The keys of `[package]` that say `workspace = true`.
    fn inherited_fields(&self) -> Vec<&str> {
        let package = self.table.get("package").and_then(Value::as_table);
        package
            .into_iter()
            .flatten()
            .filter(|(_, value)| value.get("workspace").is_some())
            .map(|(key, _)| key.as_str())
            .collect()
    }
}

fn lookup<'t>(table: &'t Table, path: &[&str]) -> Option<&'t Value> {
    let (first, rest) = path.split_first()?;
    rest.iter()
        .try_fold(table.get(*first)?, |value, key| value.get(key))
}

fn lacks(path: &Path, what: &str) -> Error {
    Error::Lacks {
        path: path.to_owned(),
        what: what.to_owned(),
    }
}
