//! What was found out about a pool.

use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// A pool's state, in the order in which a person wants to know it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Whether nothing is wrong.
    pub healthy: bool,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What is worth knowing, and not wrong.
    pub notes: Vec<String>,
    /// The directory.
    pub pool: DirectoryState,
    /// The lock.
    pub lock: LockState,
    /// The registry.
    pub registry: RegistryState,
    /// The entries; of a registry that cannot be read, those that can be salvaged.
    pub entries: Vec<EntryState>,
    /// Workers that no entry names, and that live or may.
    pub orphans: Vec<Orphan>,
    /// Processes that outlive the worker that started them.
    pub remains: Vec<Remains>,
    /// The ledger.
    pub ledger: LedgerState,
    /// The audit trail.
    pub trail: TrailState,
    /// Other files in the directory.
    pub files: OtherFiles,
    /// The configuration that counts for this pool.
    pub configuration: ConfigurationState,
}

/// Something that is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// With what.
    pub about: About,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
    /// Whether a repair takes care of it.
    pub repairable: bool,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// The directory cannot be used, or should not be.
    Directory,
    /// The lock is held, or cannot be.
    Lock,
    /// The registry cannot be read.
    Registry,
    /// Entries that are in each other's way, or whose worker cannot be stopped.
    Entries,
    /// Living workers without an entry.
    Orphans,
    /// Processes that outlive the worker that started them.
    Remains,
    /// What the machine, or a sandbox, refuses this program.
    Machine,
    /// Sockets that dead workers left.
    Sockets,
    /// What workers have written.
    Logs,
    /// The ledger.
    Ledger,
    /// The audit trail.
    Trail,
    /// A file that somebody left in the middle of writing it.
    Leftover,
    /// The configuration.
    Configuration,
    /// The policy that the configuration names.
    Policy,
}

/// How far a file can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// There is none, which is fine.
    Absent,
    /// There is nothing wrong with it.
    Healthy,
    /// It could be opened, and what is in it is not what should be.
    Damaged,
    /// It could not be used at all.
    Unusable,
}

/// The pool's directory.
#[derive(Clone, Debug, Serialize)]
pub struct DirectoryState {
    /// Its path, absolute.
    #[serde(serialize_with = "readable")]
    pub path: PathBuf,
    /// How far it can be used.
    pub state: State,
    /// User id of its owner.
    pub owner: Option<u32>,
    /// Its permissions, in octal.
    pub mode: Option<String>,
    /// The kind of file system that it is on; a magic number (statfs(2)) where its name is
    /// not known.
    pub file_system: Option<String>,
    /// Bytes that can still be written there.
    pub available: Option<u64>,
    /// Where it leads, if it is a symbolic link.
    #[serde(serialize_with = "readable_if_any")]
    pub link_to: Option<PathBuf>,
}

/// The pool's lock.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum LockState {
    /// There is no lock file: nobody has used the pool yet.
    Absent,
    /// Nobody holds it.
    Free,
    /// Somebody held it for as long as it was waited for.
    Held {
        /// Who.
        #[serde(flatten)]
        holder: LockHolder,
        /// How long it was waited for, in milliseconds.
        waited_ms: u64,
    },
    /// It could not be looked at.
    Unusable {
        /// Why not.
        why: String,
    },
}

/// Who holds the lock.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LockHolder {
    /// In words.
    pub holder: String,
    /// Its pid.
    pub pid: Option<u32>,
    /// Since when it runs: RFC 3339. Since when it holds the lock nobody records.
    pub running_since: Option<String>,
    /// Whether a signal has stopped it (state `T`), so that it will not let go by itself.
    pub stopped: bool,
}

/// The registry.
#[derive(Clone, Debug, Serialize)]
pub struct RegistryState {
    /// Its path.
    #[serde(serialize_with = "readable")]
    pub path: PathBuf,
    /// How far it can be used.
    pub state: State,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// When it was last written: RFC 3339.
    pub written: Option<String>,
    /// What is wrong with its text.
    pub damage: Option<Damage>,
    /// Stretches of a damaged text that no entry can be made of.
    pub lost: Vec<LostText>,
}

/// What is wrong with the registry's text, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// What is wrong.
    pub detail: String,
    /// Line, counted from 1.
    pub line: u64,
    /// Column in bytes, counted from 1.
    pub column: u64,
    /// Bytes from the beginning of the file.
    pub offset: u64,
    /// The few bytes before it, with what is not plain text escaped.
    pub before: String,
    /// The few bytes from there on, likewise; empty at the end of the file.
    pub from_there: String,
    /// What this usually comes from.
    pub cause: String,
}

/// A stretch of a damaged text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostText {
    /// Where it begins, in bytes.
    pub offset: usize,
    /// How many bytes it has.
    pub length: usize,
    /// Its beginning, with what is not plain text escaped.
    pub text: String,
    /// Why nothing can be made of it.
    pub why: String,
}

/// An entry, and what would become of it.
#[derive(Clone, Debug, Serialize)]
pub struct EntryState {
    /// The session.
    pub sid: String,
    /// The process that it names.
    pub pid: u32,
    /// Path of its socket.
    pub sock: String,
    /// When it was made.
    pub created_at: String,
    /// What was proven.
    pub standing: &'static str,
    /// How.
    pub evidence: String,
    /// What `ensure` would do with it.
    pub ensure: &'static str,
    /// What `stop` would do with it.
    pub stop: String,
}

/// A worker that no entry names, and that lives, or may for all that is known here.
#[derive(Clone, Debug, Serialize)]
pub struct Orphan {
    /// The session that it says it is, or the ledger.
    pub sid: String,
    /// Its pid.
    pub pid: u32,
    /// Path of its socket.
    pub sock: String,
    /// Its version.
    pub version: String,
    /// Since when it runs: RFC 3339.
    pub running_since: Option<String>,
    /// Its command line.
    pub command: Vec<String>,
    /// What was proven: `alive` where it runs here.
    pub standing: &'static str,
    /// What says that it belongs to this pool.
    pub evidence: String,
    /// Why a repair makes no entry for it.
    pub kept_out: Option<String>,
}

/// What is left of a worker whose own process has ended.
#[derive(Clone, Debug, Serialize)]
pub struct Remains {
    /// The session that the worker was.
    pub sid: String,
    /// The pid that it had.
    pub leader: u32,
    /// The pid of what runs on.
    pub pid: u32,
    /// Since when it runs: RFC 3339.
    pub running_since: Option<String>,
    /// Its command line.
    pub command: Vec<String>,
}

/// The ledger.
#[derive(Clone, Debug, Serialize)]
pub struct LedgerState {
    /// How far it can be used.
    pub state: State,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Rows that could be read.
    pub rows: usize,
    /// Rows that could not be.
    pub damaged_rows: usize,
    /// What is wrong with it.
    pub detail: Option<String>,
}

/// The audit trail.
#[derive(Clone, Debug, Serialize)]
pub struct TrailState {
    /// How far it can be used. Lines that cannot be read do not count: they are history,
    /// and nothing depends on them.
    pub state: State,
    /// Its files.
    pub files: usize,
    /// Their size in bytes.
    pub size: u64,
    /// Effects that they tell of.
    pub effects: usize,
    /// Lines that cannot be read.
    pub damaged_lines: usize,
}

/// Other files in the pool's directory, by their names.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OtherFiles {
    /// Temporary files of writers that did not live to use them.
    pub leftovers: Vec<String>,
    /// What earlier repairs put aside.
    pub set_aside: Vec<String>,
    /// Sockets that nobody serves and no living worker's entry names.
    pub stale_sockets: Vec<String>,
}

/// The configuration.
#[derive(Clone, Debug, Serialize)]
pub struct ConfigurationState {
    /// How far it can be used.
    pub state: State,
    /// The file that counts; none where nothing is configured.
    #[serde(serialize_with = "readable_if_any")]
    pub file: Option<PathBuf>,
    /// What is wrong with it.
    pub detail: Option<String>,
    /// The policy that it names; none where the shipped one decides.
    pub policy: Option<PolicyState>,
}

/// A policy's file. Nothing of it was run, nor compiled.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyState {
    /// Its path.
    #[serde(serialize_with = "readable")]
    pub path: PathBuf,
    /// How far it can be used.
    pub state: State,
    /// The SHA-256 digest of what is in it, in hexadecimal, where that is what it has to be.
    pub sha256: Option<String>,
    /// What is wrong with it.
    pub detail: Option<String>,
}

/// A path as text, which a name of a file need not be: what is none of it is replaced, as on
/// the page for a person.
fn readable<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.display())
}

fn readable_if_any<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => to.serialize_some(&path.display().to_string()),
        None => to.serialize_none(),
    }
}
