//! The policy under test, and how it is asked.
//!
//! This is the only place that knows how a policy is run. Another way, such as a program
//! that takes `--policy FILE`, needs the same of it: a request, what is granted, and back
//! either an answer or the kind of failure with its text.

use std::env;
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use poolwarden::{
    Answer, Cancel, Error, Grants, Policy, Pool, PoolBuilder, Register, Request, Stop,
};
use serde_json::{Value, json};

use crate::case::Ask;
use crate::scene::Scene;

/// Names the component to test; absent, the shipped policy is.
const POLICY: &str = "POOLWARDEN_CONFORMANCE_POLICY";
/// Its settings, `name=value`, one a line.
const SETTINGS: &str = "POOLWARDEN_CONFORMANCE_SETTINGS";

/// How long a stop waits where its case says nothing: no worker takes as long to end.
const GRACE: Duration = Duration::from_secs(60);

static SUBJECT: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let policy = match env::var_os(POLICY) {
        None => Policy::shipped(),
        Some(path) => {
            let bytes = fs::read(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", Path::new(&path).display()));
            Policy::from_component(&bytes)
        }
    };
    Arc::new(policy.unwrap_or_else(|error| panic!("the policy does not load: {error}")))
});

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    /// `corrupted`, `rejected`, `denied`, or another word that no case expects.
    pub(crate) kind: &'static str,
    /// The line, where the registry is corrupted and the policy knows it.
    pub(crate) line: u64,
    /// The text.
    pub(crate) text: String,
}

/// Asks the policy, with these grants.
pub(crate) fn ask(scene: &Scene, ask: &Ask, grants: &Grants) -> Result<Value, Failure> {
    let mut builder = PoolBuilder::new(scene.pool.directory()).grants(grants.clone());
    for (name, value) in settings() {
        builder = builder.setting(name, value);
    }
    let pool = builder.build(SUBJECT.clone());
    let cancel = Cancel::new().expect("an eventfd");
    match request(ask, scene) {
        Some(request) => pool
            .call(request, &cancel)
            .map(|answer: Answer| answer.value()),
        None => describe(&pool, &cancel),
    }
    .map_err(Failure::from)
}

/// What is granted where a case says nothing.
pub(crate) fn usual_grants() -> Grants {
    Grants::shipped()
}

fn settings() -> Vec<(String, String)> {
    let text = env::var(SETTINGS).unwrap_or_default();
    let pair = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| pair(line).unwrap_or_else(|| panic!("{SETTINGS}: {line:?} is no name=value")))
        .collect()
}

fn describe(pool: &Pool, cancel: &Cancel) -> Result<Value, Error> {
    let description = pool.describe(cancel)?;
    let settings = description.settings.iter();
    let settings: Vec<_> = settings
        .map(|setting| json!({"name": setting.name, "description": setting.description}))
        .collect();
    Ok(json!({
        "name": description.name,
        "version": description.version,
        "settings": settings,
    }))
}

/// The request; none for the question what the policy is.
fn request(ask: &Ask, scene: &Scene) -> Option<Request> {
    Some(match ask.clone() {
        Ask::Describe {} => return None,
        Ask::Ensure { dry_run } => Request::Ensure { dry_run },
        Ask::Status { sid } => Request::Status { sid },
        Ask::Stop {
            sid,
            signal,
            grace_ms,
            force,
            dry_run,
        } => Request::Stop(Stop {
            sid,
            signal: signal
                .as_deref()
                .unwrap_or("term")
                .parse()
                .expect("a signal"),
            grace: grace_ms.map_or(GRACE, Duration::from_millis),
            force,
            dry_run,
            ..Stop::default()
        }),
        Ask::Register {
            sid,
            process,
            pid,
            sock,
            version,
        } => Request::Register(Register {
            sid,
            pid: process
                .map(|name| scene.pid(&name))
                .or(pid)
                .expect("a process or a pid"),
            sock,
            version,
        }),
        Ask::Forget { sid, even_if_alive } => Request::Forget { sid, even_if_alive },
    })
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (kind, line) = match &error {
            Error::Corrupted { line, .. } => ("corrupted", *line),
            Error::Rejected(_) => ("rejected", 0),
            Error::Denied(_) => ("denied", 0),
            Error::Refused(_) => ("refused", 0),
            Error::Policy(_) => ("broken", 0),
            _ => ("other", 0),
        };
        Self {
            kind,
            line,
            text: error.to_string(),
        }
    }
}
