//! What the tools take, as JSON schemas for clients. What they answer is described by the
//! library's own types.

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
    /// Only this session; an unknown sid stops nobody, and the answer's lists are empty.
    /// Without it, every worker of the pool is stopped.
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
