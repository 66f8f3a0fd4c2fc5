//! `wait`: until a worker has ended.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use poolwarden::life::Waited;
use poolwarden::{Cancel, Error, Limits};
use serde::Serialize;
use serde_json::Value;

use super::arguments::duration;
use super::{
    Exit, Options, as_json, exit, open_without_policy, output, table, tell_of_absent_pool,
};
use crate::stderr::say;

#[derive(Debug, Args)]
pub(crate) struct WaitArguments {
    /// The session
    sid: String,
    /// How long to wait at most [default: as long as it runs]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
}

#[derive(Serialize)]
struct Answer<'a> {
    sid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<String>,
    pool_version: &'static str,
}

/// Carries out the verb.
pub(super) fn run(options: &Options, arguments: &WaitArguments) -> anyhow::Result<Exit> {
    let pool = open_without_policy(options)?;
    let cancel = Cancel::new().context("cannot start the request")?;
    let sid = arguments.sid.as_str();
    let waited = match pool.wait(sid, arguments.timeout, &cancel) {
        Ok(waited) => waited,
        Err(error) => {
            complain(options, arguments, &error, pool.path());
            return Ok(exit::of_error(&error));
        }
    };
    let (exit, pid, outcome, evidence) = match waited {
        Waited::Ended { pid, evidence } => (Exit::Ok, Some(pid), "ended", evidence),
        Waited::Absent => (Exit::Ok, None, "absent", None),
        Waited::StillRunning { pid } => (Exit::Failed, Some(pid), "still-running", None),
        Waited::Undecided {
            pid,
            standing,
            evidence,
        } => (
            Exit::Undecidable,
            Some(pid),
            standing.name(),
            Some(evidence),
        ),
        Waited::Ambiguous { entries } => (
            Exit::Undecidable,
            None,
            "ambiguous",
            Some(format!("{entries} entries have this sid")),
        ),
        _ => anyhow::bail!("the wait came out in an unknown way"),
    };
    let answer = Answer {
        sid,
        pid,
        outcome,
        evidence,
        pool_version: output::POOL_VERSION,
    };
    output::print_own(&answer, as_json(options), record)?;
    tell_of_absent_pool(options, pool.path());
    if let (Exit::Failed, Some(timeout)) = (exit, arguments.timeout) {
        say!(
            "error: sid={}: it still runs after {timeout:?}; wait longer, or stop it",
            output::line(sid)
        );
    }
    Ok(exit)
}

/// Says why it failed. The lock is waited for no longer than the worker, so that it may be
/// the shorter time of the two that was over.
fn complain(options: &Options, arguments: &WaitArguments, error: &Error, pool: &Path) {
    let lock_wait = options.lock_wait.unwrap_or(Limits::default().lock_wait);
    match (error, arguments.timeout) {
        (Error::Busy(_), Some(timeout)) if timeout < lock_wait => say!(
            "error: {}\nhint: the first look takes the lock, and waits for it within --timeout; \
             try again when the holder is done, or give a longer one",
            output::line(&error.to_string())
        ),
        _ => output::complain(error, pool),
    }
}

fn record(answer: &Value) -> String {
    table::record(&[
        ("SID", &answer["sid"]),
        ("PID", &answer["pid"]),
        ("OUTCOME", &answer["outcome"]),
        ("EVIDENCE", &answer["evidence"]),
    ])
}
