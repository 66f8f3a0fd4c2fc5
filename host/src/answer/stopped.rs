//! What `stop` answers.

use super::Outcome;
use super::object::read_from_object;
use schemars::JsonSchema;

/// What became of the workers.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename = "StopAnswer")]
#[non_exhaustive]
pub struct Stopped {
    /// Sessions that are gone, or were signalled where grace_ms is 0.
    pub stopped: Vec<String>,
    /// What failed or was refused, one text for each session, with what to do next.
    pub errors: Vec<String>,
    /// Each session's outcome.
    pub outcomes: Vec<StopOutcome>,
    /// Present and true where nothing was done because only a forecast was asked for.
    #[serde(default)]
    #[schemars(
        !default,
        with = "Option<bool>",
        skip_serializing_if = "Option::is_none"
    )]
    pub dry_run: bool,
}

/// What became of one worker.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename = "Outcome", description = "")]
#[non_exhaustive]
pub struct StopOutcome {
    /// Session id.
    pub sid: String,
    /// Process id that the entry named.
    pub pid: u32,
    /// exited, killed, already-dead, signalled, still-running, refused, failed,
    /// invalid-pid or would-signal.
    pub outcome: Outcome,
    /// The evidence in words, where there is some.
    #[schemars(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

read_from_object!(Stopped {
    stopped,
    errors,
    outcomes,
    dry_run or false,
});
read_from_object!(StopOutcome {
    sid,
    pid,
    outcome,
    evidence or None,
});
