//! What `ensure` and `status` answer.

use super::object::read_from_object;
use super::{Outcome, RemovedSession, SessionStatus};
use schemars::JsonSchema;

/// The pool after the dead were collected.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename = "EnsureAnswer")]
#[non_exhaustive]
pub struct Ensured {
    /// The workers that are left.
    pub sessions: Vec<EnsuredSession>,
    /// Version of poolwarden.
    pub pool_version: String,
    /// The entries that were removed, or would be with dry_run.
    pub removed: Vec<RemovedSession>,
    /// The workers that the policy wants to end although nobody asked to stop them.
    #[serde(default)]
    #[schemars(
        !default,
        with = "Option<Vec<DismissedSession>>",
        skip_serializing_if = "Option::is_none"
    )]
    pub dismissed: Vec<DismissedSession>,
    /// Present and true where nothing was written because only a forecast was asked for.
    #[serde(default)]
    #[schemars(
        !default,
        with = "Option<bool>",
        skip_serializing_if = "Option::is_none"
    )]
    pub dry_run: bool,
}

/// A session as `ensure` lists it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(description = "")]
#[non_exhaustive]
pub struct EnsuredSession {
    /// Session id.
    pub sid: String,
    /// Process id.
    pub pid: u32,
    /// Path of the worker's Unix socket; empty when it has none.
    pub sock: String,
    /// Version of the worker.
    pub version: String,
    /// running, stopping, unproven, foreign or unknown.
    pub status: SessionStatus,
    /// What was found, where the session is not simply running.
    #[schemars(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// A worker that the policy wants to end, and what it did about that.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(description = "")]
#[non_exhaustive]
pub struct DismissedSession {
    /// Session id.
    pub sid: String,
    /// Process id that the entry names.
    pub pid: u32,
    /// The signal that it was sent, such as SIGTERM.
    pub signal: String,
    /// Why the policy wants it to end.
    pub reason: String,
    /// signalled, already-dead, refused, failed or would-signal.
    pub outcome: Outcome,
    /// Why it was not signalled, where it was not.
    #[schemars(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// The sessions and their standing.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename = "StatusAnswer")]
#[non_exhaustive]
pub struct Listed {
    /// One session or all.
    pub sessions: Vec<Session>,
    /// Version of poolwarden.
    pub pool_version: String,
    /// The entries that were found dead and removed on the way, where there were any.
    #[serde(default)]
    #[schemars(
        !default,
        with = "Option<Vec<RemovedSession>>",
        skip_serializing_if = "Option::is_none"
    )]
    pub removed: Vec<RemovedSession>,
}

/// A session as `status` lists it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(description = "")]
#[non_exhaustive]
pub struct Session {
    /// Session id.
    pub sid: String,
    /// Process id.
    pub pid: u32,
    /// Path of the worker's Unix socket; empty when it has none.
    pub sock: String,
    /// Version of the worker.
    pub version: String,
    /// When the entry was made, RFC 3339.
    pub created_at: String,
    /// running; stopping (asked to exit, still there); unproven (something runs under
    /// the pid, but nothing proves that it is this worker); foreign (on another machine or in
    /// another pid namespace, or another process answers on its socket); unknown (the probe
    /// failed).
    pub status: SessionStatus,
    /// What was found, where the session is not simply running.
    #[schemars(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

read_from_object!(Ensured {
    sessions,
    pool_version,
    removed,
    dismissed or Vec::new(),
    dry_run or false,
});
read_from_object!(EnsuredSession {
    sid,
    pid,
    sock,
    version,
    status,
    evidence or None,
});
read_from_object!(DismissedSession {
    sid,
    pid,
    signal,
    reason,
    outcome,
    evidence or None,
});
read_from_object!(Listed {
    sessions,
    pool_version,
    removed or Vec::new(),
});
read_from_object!(Session {
    sid,
    pid,
    sock,
    version,
    created_at,
    status,
    evidence or None,
});
