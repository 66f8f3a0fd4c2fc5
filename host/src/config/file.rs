//! What `poolwarden.toml` says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::position;
use crate::floor::{Grants, UnknownGrant};
use crate::process::UnknownStrength;
use crate::settings;
use crate::store::advice;

/// An operator's configuration, read and checked.
///
/// ```toml
/// # What is not named is not granted.
/// [policy]
/// path = "age-limit.wasm"          # relative to this file
/// sha256 = "…"                     # optional: this very component and no other
/// grants = ["registry-write", "signal-term"]
///
/// [settings]
/// max-age = "8h"
/// ```
///
/// Without `[policy]` the shipped policy decides, with its own grants and these settings.
/// Each setting has to be one that the policy says it reads, or the host's own `proof`
/// (`strong` or `any`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Another policy than the shipped one.
    pub policy: Option<PolicyConfig>,
    /// Settings, for the policy and for the host.
    pub settings: BTreeMap<String, String>,
    /// The file that says so.
    pub source: Option<PathBuf>,
}

/// A policy from a file, and what it is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyConfig {
    /// The component's file. A leading `~/` stands there as it was written.
    pub path: PathBuf,
    /// The component's SHA-256 digest in hexadecimal, where the operator pins it.
    pub sha256: Option<String>,
    /// What it may do. Nothing, unless the operator names it.
    pub grants: Grants,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The system refused a call on the file.
    #[error("the configuration {} cannot be read{}", .path.display(), advice(.source, .path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others could change it, and with it what a policy may do.
    #[error("the configuration {} is not safe to use: {danger}", .path.display())]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        danger: String,
    },
    /// It is no TOML, or says what means nothing here.
    #[error(
        "the configuration {} is not understood{}: {detail}",
        .path.display(), position(*.line, *.column)
    )]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1; 0 when it is about no place in particular.
        line: u64,
        /// Column in characters, counted from 1; 0 like the line.
        column: u64,
        /// What is wrong there.
        detail: String,
    },
    /// A grant that does not exist.
    #[error("the configuration {} gives a grant that there is not: {grant}", .path.display())]
    Grant {
        /// The file.
        path: PathBuf,
        /// Which, and what there is.
        grant: UnknownGrant,
    },
    /// A value of the host's own setting that there is not.
    #[error("the configuration {} sets what there is not: {unknown}", .path.display())]
    Proof {
        /// The file.
        path: PathBuf,
        /// What it says, and what there is.
        unknown: UnknownStrength,
    },
    /// A digest that is none.
    #[error(
        "the configuration {} pins the policy to {digest:?}, which is no SHA-256 digest: \
         it has 64 hexadecimal digits, as sha256sum(1) prints them",
        .path.display()
    )]
    Digest {
        /// The file.
        path: PathBuf,
        /// What it says.
        digest: String,
    },
}

// An unknown key is most likely a known one, misspelt, and a grant or a pin that silently
// does not count would be worse than an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    policy: Option<Policy>,
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    path: PathBuf,
    sha256: Option<String>,
    #[serde(default)]
    grants: Vec<String>,
}

impl Config {
    /// Reads the text of a configuration; `path` is where it was found.
    ///
    /// # Errors
    /// [`ConfigError::Syntax`], [`ConfigError::Proof`], [`ConfigError::Grant`] and
    /// [`ConfigError::Digest`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(text).map_err(|error| {
            let (line, column) = error.span().map_or((0, 0), |span| place(text, span.start));
            ConfigError::Syntax {
                path: path.to_owned(),
                line,
                column,
                detail: error.message().to_owned(),
            }
        })?;
        settings::strength(&file.settings).map_err(|unknown| ConfigError::Proof {
            path: path.to_owned(),
            unknown,
        })?;
        let policy = file.policy.map(|policy| policy.checked(path)).transpose()?;
        Ok(Self {
            policy,
            settings: file.settings,
            source: Some(path.to_owned()),
        })
    }
}

/// Line and column of a byte of this text, both counted from 1, the column in characters.
pub(super) fn place(text: &str, at: usize) -> (u64, u64) {
    // The end of the text is a place as well.
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    let lines = before.matches('\n').count();
    (lines as u64 + 1, line.chars().count() as u64 + 1)
}

impl Policy {
    fn checked(self, file: &Path) -> Result<PolicyConfig, ConfigError> {
        let grants = Grants::named(&self.grants).map_err(|grant| ConfigError::Grant {
            path: file.to_owned(),
            grant,
        })?;
        if let Some(digest) = self.sha256.as_ref().filter(|digest| !is_digest(digest)) {
            return Err(ConfigError::Digest {
                path: file.to_owned(),
                digest: digest.clone(),
            });
        }
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        // Below the home, which the program that reads this knows.
        let path = match self.path.starts_with("~") {
            true => self.path,
            false => folder.join(self.path),
        };
        Ok(PolicyConfig {
            path,
            sha256: self.sha256.map(|digest| digest.to_ascii_lowercase()),
            grants,
        })
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use toml::{Table, Value};

    use super::*;
    use crate::process::Signal;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("/etc/pool/poolwarden.toml"))
    }

    #[test]
    fn a_whole_configuration_is_read() {
        let digest = "AB".repeat(32);
        let text = format!(
            "[policy]\npath = \"limit.wasm\"\nsha256 = \"{digest}\"\n\
             grants = [\"registry-write\", \"signal-term\"]\n[settings]\nmax-age = \"8h\"\n"
        );
        let config = parse(&text).expect("it is accepted");
        let policy = config.policy.expect("a policy");
        assert_eq!(policy.path, Path::new("/etc/pool/limit.wasm"));
        assert_eq!(policy.sha256, Some("ab".repeat(32)));
        let grants = Grants::none()
            .with_registry_write()
            .with_signal(Signal::Term);
        assert_eq!(policy.grants, grants);
        assert_eq!(config.settings["max-age"], "8h");
    }

    #[test]
    fn nothing_is_granted_that_is_not_named() {
        let config = parse("[policy]\npath = \"/opt/p.wasm\"").expect("it is accepted");
        let policy = config.policy.expect("a policy");
        assert_eq!(policy.path, Path::new("/opt/p.wasm"));
        assert_eq!(policy.grants, Grants::none());
    }

    #[test]
    fn an_empty_configuration_changes_nothing() {
        let config = parse("").expect("it is accepted");
        assert_eq!((config.policy, config.settings), (None, BTreeMap::new()));
    }

    #[test]
    fn what_means_nothing_is_an_error_with_its_place() {
        for (text, part) in [
            (
                "[policy]\npath = \"p\"\ngrant = []",
                "unknown field `grant`",
            ),
            ("[polcy]\npath = \"p\"", "unknown field `polcy`"),
            ("[policy]\nsha256 = \"\"", "missing field `path`"),
            (
                "[settings]\nmax-age = 8",
                "is not understood at line 2, column 11: invalid type: integer `8`, expected a \
                 string",
            ),
            ("[policy", "is not understood at line 1, column 8: "),
            ("a = 1\r\n# ä\n\"ä\" = ?", "at line 3, column 7: "),
            (
                "[settings]\nproof = \"strng\"",
                "sets what there is not: `proof` is \"strng\", and there are only `strong`, with \
                 which time alone proves nothing, and `any`",
            ),
            ("[settings]\nproof = \"\"", "`proof` is \"\""),
            (
                "[policy]\npath = \"p\"\ngrants = [\"signal-segv\"]",
                "signal-segv",
            ),
            (
                "[policy]\npath = \"p\"\ngrants = [\"registry\"]",
                "registry-write",
            ),
            (
                "[policy]\npath = \"p\"\nsha256 = \"12\"",
                "64 hexadecimal digits",
            ),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
            assert!(error.contains("/etc/pool/poolwarden.toml"), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    fn text(value: impl Into<String>) -> Value {
        Value::String(value.into())
    }

    /// A policy's table, and what it says: its grants, and its digest.
    fn any_policy() -> impl Strategy<Value = (Table, Vec<String>, Option<String>)> {
        let names = Grants::all_names();
        let grants = prop::sample::subsequence(names.clone(), 0..=names.len()).prop_shuffle();
        let digest = prop::option::of("[0-9a-fA-F]{64}");
        (any::<String>(), grants, digest).prop_map(|(path, grants, digest)| {
            let mut table = Table::new();
            table.insert("path".into(), text(path));
            let named = grants.iter().map(text).collect();
            table.insert("grants".into(), Value::Array(named));
            if let Some(digest) = &digest {
                table.insert("sha256".into(), text(digest));
            }
            (table, grants, digest)
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_nothing_else_is_granted(
            (table, mut grants, digest) in any_policy(),
            settings in prop::collection::btree_map(any::<String>(), any::<String>(), 0..4),
        ) {
            let path = table["path"].as_str().expect("text").to_owned();
            let said = settings.iter().map(|(name, value)| (name.clone(), text(value)));
            let file = Table::from_iter([
                ("policy".to_owned(), Value::Table(table)),
                ("settings".to_owned(), Value::Table(said.collect())),
            ]);
            let config = parse(&file.to_string()).expect("it is accepted");
            prop_assert_eq!(config.settings, settings);
            let policy = config.policy.expect("a policy");
            prop_assert_eq!(policy.path, Path::new("/etc/pool").join(path));
            prop_assert_eq!(policy.sha256, digest.map(|digest| digest.to_lowercase()));
            let mut given = policy.grants.names();
            given.sort();
            grants.sort();
            prop_assert_eq!(given, grants);
        }

        #[test]
        fn what_is_not_known_never_passes(
            (mut table, _, _) in any_policy(),
            name in "[a-z0-9]{1,8}",
            within: bool,
        ) {
            prop_assume!(!["policy", "settings", "path", "sha256", "grants"].contains(&name.as_str()));
            let mut file = Table::new();
            let place = if within { &mut table } else { &mut file };
            place.insert(name.clone(), text(""));
            file.insert("policy".into(), Value::Table(table));
            let error = parse(&file.to_string()).expect_err("it is refused").to_string();
            let unknown = format!("unknown field `{name}`");
            prop_assert!(error.contains(&unknown), "{}", error);
        }
    }
}
