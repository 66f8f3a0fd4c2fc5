//! The JSON answers, field for field in the order in which they are written.

use serde::Serialize;

use crate::decide::{self, Status};
use crate::host::{Error, Failure, Finding};
use crate::registry::Entry;
use crate::sweep::Surveyed;

/// The version that answers give as the pool's.
pub const POOL_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What `ensure` answers.
#[derive(Debug, Serialize)]
pub struct Ensured<'a> {
    /// Who is left, in the order of the registry.
    pub sessions: Vec<Session<'a>>,
    /// [`POOL_VERSION`].
    pub pool_version: &'static str,
    /// Whose entries were dropped, or would be.
    pub removed: Vec<Removed<'a>>,
    /// Who the policy wants to end, and what was done about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dismissed: Vec<Dismissed<'a>>,
    /// Whether nothing was written.
    #[serde(skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

/// What `status` answers.
#[derive(Debug, Serialize)]
pub struct Listing<'a> {
    /// The sessions that were asked for.
    pub sessions: Vec<Session<'a>>,
    /// [`POOL_VERSION`].
    pub pool_version: &'static str,
    /// Whose entries were dropped, of the whole pool.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Removed<'a>>,
}

/// One listed session.
#[derive(Debug, Serialize)]
pub struct Session<'a> {
    sid: &'a str,
    pid: u32,
    sock: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<&'a str>,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<&'a str>,
}

impl<'a> Session<'a> {
    /// A session as `ensure` lists it.
    pub fn brief(surveyed: &'a Surveyed<'_>, status: Status) -> Self {
        let entry = surveyed.entry;
        Self {
            sid: &entry.sid,
            pid: entry.pid,
            sock: &entry.sock,
            version: &entry.version,
            created_at: None,
            status,
            evidence: evidence(&surveyed.finding, status),
        }
    }

    /// A session as `status` lists it.
    pub fn full(surveyed: &'a Surveyed<'_>, status: Status) -> Self {
        Self {
            created_at: Some(&surveyed.entry.created_at),
            ..Self::brief(surveyed, status)
        }
    }
}

/// What an answer says about a session beside its status: always why it is not simply running,
/// and of one that is, what the host has to say.
fn evidence(finding: &Finding, status: Status) -> Option<&str> {
    if status.is_plain() {
        finding.evidence.as_deref()
    } else {
        Some(decide::reason(finding))
    }
}

/// An entry that was dropped, and why it could be.
#[derive(Debug, Serialize)]
pub struct Removed<'a> {
    sid: &'a str,
    pid: u32,
    standing: &'static str,
    evidence: &'a str,
}

impl<'a> Removed<'a> {
    /// The entry and what was found about it.
    pub fn new(surveyed: &'a Surveyed<'_>) -> Self {
        Self {
            sid: &surveyed.entry.sid,
            pid: surveyed.entry.pid,
            standing: decide::name(surveyed.finding.standing),
            evidence: decide::reason(&surveyed.finding),
        }
    }
}

/// A worker that the policy wants to end.
#[derive(Debug, Serialize)]
pub struct Dismissed<'a> {
    /// The session id.
    pub sid: &'a str,
    /// The process id of its entry.
    pub pid: u32,
    /// What it was sent, with `SIG`.
    pub signal: &'static str,
    /// Why the policy wants it to end.
    pub reason: String,
    /// Whether it was signalled, in one word.
    pub outcome: Outcome,
    /// Why not, where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// What `stop` answers.
#[derive(Debug, Default, Serialize)]
pub struct Stopped<'a> {
    /// The sids that are stopped, or were signalled when no wait was asked for.
    pub stopped: Vec<&'a str>,
    /// What went wrong, in words.
    pub errors: Vec<String>,
    /// What became of each session that was to be stopped.
    pub outcomes: Vec<StopOutcome<'a>>,
    /// Whether nothing was written and nobody signalled.
    #[serde(skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

/// What became of one session that was to be stopped.
#[derive(Debug, Serialize)]
pub struct StopOutcome<'a> {
    /// The session id.
    pub sid: &'a str,
    /// The process id of its entry.
    pub pid: u32,
    /// In one word.
    pub outcome: Outcome,
    /// Why, where the word does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<&'a str>,
}

/// What became of a session that was to be stopped, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It ended after the signal.
    Exited,
    /// It ended after it was killed.
    Killed,
    /// It was no more before any signal.
    AlreadyDead,
    /// It was signalled, and whether it ends was not seen.
    Signalled,
    /// It was signalled and is still there.
    StillRunning,
    /// It was not signalled, because that could hit somebody else or is not allowed.
    Refused,
    /// The system did not carry the signal out.
    Failed,
    /// Its pid can belong to no process.
    InvalidPid,
    /// It would be signalled.
    WouldSignal,
}

/// What `register` answers.
#[derive(Debug, Serialize)]
pub struct Registered<'a> {
    /// The entry as it was written.
    pub registered: &'a Entry<'a>,
    /// [`POOL_VERSION`].
    pub pool_version: &'static str,
    /// The dead entry that had the sid before; the last one when there were several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Removed<'a>>,
    /// The dead of other sessions that were dropped on the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Removed<'a>>,
}

/// What `forget` answers.
#[derive(Debug, Serialize)]
pub struct Forgotten<'a> {
    /// The entries that were dropped.
    pub forgotten: Vec<Removed<'a>>,
    /// [`POOL_VERSION`].
    pub pool_version: &'static str,
}

/// Writes an answer as JSON text.
///
/// # Errors
/// None for the answers of this module; the type is the serialiser's.
pub fn to_json(answer: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(answer).map_err(|e| {
        Failure::Host(Error::System(format!(
            "the answer cannot be written as JSON: {e}"
        )))
    })
}

fn is_false(value: &bool) -> bool {
    !value
}
