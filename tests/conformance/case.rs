//! The cases as they are written down.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// One file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

/// One case: a pool, and what is asked of it in turn.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// Its name, unique in the contract.
    pub(crate) name: String,
    /// What holds, in one sentence.
    pub(crate) means: String,
    /// The real processes, by the name that the case has for each.
    #[serde(default)]
    pub(crate) processes: BTreeMap<String, Manners>,
    /// The registry's entries. Absent: there is no registry.
    pub(crate) entries: Option<Vec<EntryOf>>,
    /// The registry's bytes instead, as text with placeholders.
    pub(crate) file: Option<String>,
    /// What is asked, in turn.
    pub(crate) steps: Vec<Step>,
}

/// How long a stop waits where its case says nothing, in milliseconds: no worker takes as
/// long to end.
pub(crate) const GRACE: u64 = 60_000;

/// What a process is, and does about SIGTERM.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Manners {
    /// SIGTERM ends it.
    Obedient,
    /// It goes on after SIGTERM.
    Deaf,
    /// On SIGTERM it takes the pool's lock once, and then exits with 0.
    Orderly,
    /// It has ended and is not reaped.
    Zombie,
}

/// One entry.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntryOf {
    pub(crate) sid: String,
    /// Which process it names.
    pub(crate) process: Option<String>,
    /// Or a pid that is no process of the case's.
    pub(crate) pid: Option<u32>,
    /// When it was made; absent: now.
    pub(crate) created_at: Option<String>,
    /// Whether its socket is one that a stranger serves.
    #[serde(default)]
    pub(crate) strange_socket: bool,
}

/// One request, and what holds after it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) ask: Ask,
    /// What is granted; absent: all that the shipped policy needs.
    pub(crate) grants: Option<Vec<String>>,
    /// The answer, as a pattern; absent: none, but a failure.
    pub(crate) answer: Option<String>,
    /// The failure; absent: none, but an answer.
    pub(crate) fails: Option<Fails>,
    /// Which processes the request ends, and by what: a signal's name, or `exit`.
    #[serde(default)]
    pub(crate) ends: BTreeMap<String, String>,
    /// The registry afterwards. Absent: untouched, not even written with the same bytes.
    pub(crate) leaves: Option<Leaves>,
}

/// A request.
#[derive(Clone, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Ask {
    Describe {},
    Ensure {
        #[serde(default)]
        dry_run: bool,
    },
    Status {
        sid: Option<String>,
    },
    Stop {
        sid: Option<String>,
        signal: Option<String>,
        /// Absent: [`GRACE`].
        grace_ms: Option<u64>,
        #[serde(default)]
        force: bool,
        #[serde(default)]
        dry_run: bool,
    },
    Register {
        sid: String,
        process: Option<String>,
        pid: Option<u32>,
        #[serde(default)]
        sock: String,
        #[serde(default)]
        version: String,
    },
    Forget {
        sid: String,
        #[serde(default)]
        even_if_alive: bool,
    },
}

/// A failure.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fails {
    /// `corrupted`, `rejected` or `denied`.
    pub(crate) kind: String,
    /// Words of its text.
    #[serde(default)]
    pub(crate) says: Vec<String>,
    /// The line, where the registry is corrupted.
    pub(crate) line: Option<u64>,
}

/// What the registry is after a request that changes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) enum Leaves {
    /// Its sids, in order.
    Sids(Vec<String>),
    /// Its content, as a pattern.
    Json(String),
    /// Its bytes, as text with placeholders.
    Bytes(String),
}

/// Where the contract is.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance")
}

/// The cases of one file.
pub(crate) fn read(name: &str) -> Vec<Case> {
    let path = folder().join("cases").join(name).with_extension("toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file: File = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    file.case
}
