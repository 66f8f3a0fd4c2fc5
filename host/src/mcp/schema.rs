//! What the tools take and answer, as JSON schemas for clients.
//!
//! The answers are the policy's; these types only describe them. A policy may add
//! fields, so nothing here forbids more than is named.

#![expect(dead_code, reason = "the answer types exist for their schemas")]

use schemars::JsonSchema;
use serde::Deserialize;

/// Arguments of `pool_ensure`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EnsureArguments {
    /// Only say what would be removed; write nothing.
    #[serde(default)]
    pub(super) dry_run: bool,
}

/// Arguments of `pool_status`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusArguments {
    /// Only this session. An unknown sid gives an empty list.
    #[serde(default)]
    pub(super) sid: Option<String>,
}

/// Arguments of `pool_stop`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StopArguments {
    /// Only this session. Without it, every worker of the pool is stopped.
    #[serde(default)]
    pub(super) sid: Option<String>,
    /// How long to wait for the workers to exit, in milliseconds (default 2000, at most
    /// 3600000). 0 does not wait.
    #[serde(default)]
    #[schemars(range(max = 3_600_000))]
    pub(super) grace_ms: Option<u64>,
    /// Kill (SIGKILL) the workers that are still there after the grace period.
    #[serde(default)]
    pub(super) force: bool,
    /// Only say what would be signalled and removed; do neither.
    #[serde(default)]
    pub(super) dry_run: bool,
}

/// The pool after the dead were collected.
#[derive(JsonSchema)]
pub(super) struct EnsureAnswer {
    /// The workers that are left.
    sessions: Vec<EnsuredSession>,
    /// Version of poolwarden.
    pool_version: String,
    /// The entries that were removed, or would be with dry_run.
    removed: Vec<RemovedSession>,
    /// The workers that the policy wants to end although nobody asked to stop them.
    #[schemars(skip_serializing_if = "Option::is_none")]
    dismissed: Option<Vec<DismissedSession>>,
    /// Present and true where nothing was written because only a forecast was asked for.
    #[schemars(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
}

#[derive(JsonSchema)]
struct EnsuredSession {
    /// Session id.
    sid: String,
    /// Process id.
    pid: u32,
    /// Path of the worker's Unix socket; empty when it has none.
    sock: String,
    /// Version of the worker.
    version: String,
    /// running, stopping, unproven, foreign or unknown.
    status: String,
    /// What was found, where the session is not simply running.
    #[schemars(skip_serializing_if = "Option::is_none")]
    evidence: Option<String>,
}

#[derive(JsonSchema)]
struct RemovedSession {
    /// Session id.
    sid: String,
    /// Process id that the entry named.
    pid: u32,
    /// What was proven: reused, exited or gone.
    standing: String,
    /// The evidence in words.
    evidence: String,
}

#[derive(JsonSchema)]
struct DismissedSession {
    /// Session id.
    sid: String,
    /// Process id that the entry names.
    pid: u32,
    /// The signal that it was sent, such as SIGTERM.
    signal: String,
    /// Why the policy wants it to end.
    reason: String,
    /// signalled, already-dead, refused, failed or would-signal.
    outcome: String,
    /// Why it was not signalled, where it was not.
    #[schemars(skip_serializing_if = "Option::is_none")]
    evidence: Option<String>,
}

/// The sessions and their standing.
#[derive(JsonSchema)]
pub(super) struct StatusAnswer {
    /// One session or all.
    sessions: Vec<Session>,
    /// Version of poolwarden.
    pool_version: String,
    /// The entries that were found dead and removed on the way, where there were any.
    #[schemars(skip_serializing_if = "Option::is_none")]
    removed: Option<Vec<RemovedSession>>,
}

#[derive(JsonSchema)]
struct Session {
    /// Session id.
    sid: String,
    /// Process id.
    pid: u32,
    /// Path of the worker's Unix socket; empty when it has none.
    sock: String,
    /// Version of the worker.
    version: String,
    /// When the entry was made, RFC 3339.
    created_at: String,
    /// running; stopping (asked to exit, still there); unproven (something runs under
    /// the pid, but nothing proves that it is this worker); foreign (on another machine or in
    /// another pid namespace); unknown (the probe failed).
    status: String,
    /// What was found, where the session is not simply running.
    #[schemars(skip_serializing_if = "Option::is_none")]
    evidence: Option<String>,
}

/// What became of the workers.
#[derive(JsonSchema)]
pub(super) struct StopAnswer {
    /// Sessions that are gone, or were signalled where grace_ms is 0.
    stopped: Vec<String>,
    /// What failed or was refused, one text for each session, with what to do next.
    errors: Vec<String>,
    /// Each session's outcome.
    outcomes: Vec<Outcome>,
    /// Present and true where nothing was done because only a forecast was asked for.
    #[schemars(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
}

#[derive(JsonSchema)]
struct Outcome {
    /// Session id.
    sid: String,
    /// Process id that the entry named.
    pid: u32,
    /// exited, killed, already-dead, signalled, still-running, refused, failed,
    /// invalid-pid or would-signal.
    outcome: String,
    /// The evidence in words, where there is some.
    #[schemars(skip_serializing_if = "Option::is_none")]
    evidence: Option<String>,
}
