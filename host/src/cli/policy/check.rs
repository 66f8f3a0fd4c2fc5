//! `policy check`: whether a component will load as a policy, and if not, why.

use std::path::Path;

use poolwarden::{Description, Unusable};
use serde::Serialize;
use serde_json::Value;

use super::super::policy_source::Given;
use super::super::{Exit, Options, as_json, output, table};
use super::{given, inspect, reason};

/// What the check says.
#[derive(Serialize)]
struct Verdict {
    file: String,
    loads: bool,
    #[serde(flatten)]
    policy: Option<Loadable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// The policy that the component is.
#[derive(Serialize)]
struct Loadable {
    name: String,
    version: String,
    sha256: String,
}

/// Checks the component and prints the verdict.
///
/// # Errors
/// When a configuration cannot be used, or standard output cannot be written.
pub(super) fn run(options: &Options, file: &Path) -> anyhow::Result<Exit> {
    let checked = check(file, &given(options, file)?);
    let exit = match &checked {
        Ok(_) => Exit::Ok,
        Err(_) => Exit::Policy,
    };
    let (policy, problem) = match checked {
        Ok(policy) => (Some(policy), None),
        Err(unusable) => (None, Some(reason(unusable))),
    };
    let verdict = Verdict {
        file: file.display().to_string(),
        loads: policy.is_some(),
        policy,
        problem,
    };
    output::print_own(&verdict, as_json(options), record)?;
    Ok(exit)
}

/// Does all that is done to a policy before it takes a request.
fn check(file: &Path, given: &Given) -> Result<Loadable, Unusable> {
    let inspected = inspect(file, given)?;
    let Description { name, version, .. } = inspected.verdict?;
    inspected.settings?;
    Ok(Loadable {
        name,
        version,
        sha256: inspected.sha256,
    })
}

fn record(verdict: &Value) -> String {
    let loads = match verdict["loads"] {
        Value::Bool(true) => "yes",
        _ => "no",
    };
    table::record(&[
        ("FILE", &verdict["file"]),
        ("LOADS", &loads.into()),
        ("NAME", &verdict["name"]),
        ("VERSION", &verdict["version"]),
        ("SHA256", &verdict["sha256"]),
        ("PROBLEM", &verdict["problem"]),
    ])
}
