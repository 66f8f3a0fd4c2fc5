//! `policy check`: whether a component will load as a policy and take requests, and if not,
//! why.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use poolwarden::store::MemoryStore;
use poolwarden::{
    Cancel, Description, Error, Fault, Mandate, PoolBuilder, Register, Request, Stop, Unusable,
};
use serde::Serialize;
use serde_json::Value;

use super::super::policy_source::Given;
use super::super::{Exit, Options, as_json, output, table};
use super::{given, inspect, load, reason};

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
    let given = given(options, file)?;
    let (policy, problem) = match check(file, &given) {
        Ok(policy) => (Some(policy), failing_verb(file, &given)?),
        Err(unusable) => (None, Some(reason(unusable))),
    };
    let exit = match &problem {
        None => Exit::Ok,
        Some(_) => Exit::Policy,
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

/// Asks the policy for every verb on an empty pool in memory, and says which of them it breaks
/// off at. Some mistakes show only when a function runs, such as a method in Python that takes
/// the wrong parameters.
///
/// # Errors
/// When the policy cannot be loaded again, or the system refuses.
fn failing_verb(file: &Path, given: &Given) -> anyhow::Result<Option<String>> {
    let mut mandate = Mandate::new(load(file)?).with_grants(given.grants.clone());
    for (name, value) in &given.settings {
        mandate = mandate.with_setting(name, value);
    }
    let pool = PoolBuilder::new("an empty pool in memory")
        .store(Arc::new(MemoryStore::new()))
        .build(mandate);
    let cancel = Cancel::new().context("cannot ask the policy")?;
    let sid = || "checked".to_owned();
    let requests = [
        ("ensure", Request::Ensure { dry_run: false }),
        ("status", Request::Status { sid: None }),
        ("stop", Request::Stop(Stop::default())),
        (
            "forget",
            Request::Forget {
                sid: sid(),
                pid: None,
                even_if_alive: false,
            },
        ),
        (
            "register",
            Request::Register(Register {
                sid: sid(),
                // Nobody but this process knows of the pool.
                pid: std::process::id(),
                sock: String::new(),
                version: String::new(),
            }),
        ),
    ];
    for (verb, request) in requests {
        if let Err(Error::Policy(fault)) = pool.call(request, &cancel)
            && breaks_off(&fault)
        {
            let problem = format!("it loads, but breaks off at `{verb}` on an empty pool: {fault}");
            return Ok(Some(output::line(&problem)));
        }
    }
    Ok(None)
}

/// Whether a policy that failed so did not come to an answer at all.
fn breaks_off(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Trap(_)
            | Fault::Exited(_)
            | Fault::DeadEnd(_)
            | Fault::Stack
            | Fault::OutOfBounds
            | Fault::Cpu(_)
            | Fault::Memory(_)
    )
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
