//! Asking a policy through the library.

use std::env;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use poolwarden::{
    Answer, Cancel, CodeCache, Error, Grants, Policy, PolicyLoader, Pool, PoolBuilder, Register,
    Request, Stop,
};
use serde_json::{Value, json};

use crate::case::{Ask, GRACE};
use crate::scene::Scene;
use crate::subject::{self, Failure};

/// May name a folder with the code of policies that were compiled before.
const CODE: &str = "POOLWARDEN_TEST_CODE_CACHE";

/// Compiled once for all cases.
static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let policy = match subject::named_component() {
        None => Policy::shipped(),
        Some(path) => match env::var_os(CODE) {
            Some(folder) => PolicyLoader::new().cache(CodeCache::at(folder)),
            None => PolicyLoader::new(),
        }
        .file(&path),
    };
    Arc::new(policy.unwrap_or_else(|error| panic!("the policy does not load: {error}")))
});

/// Asks the policy, with these grants.
pub(crate) fn ask(scene: &Scene, ask: &Ask, grants: &[String]) -> Result<Value, Failure> {
    let grants = Grants::named(grants).expect("grants that there are");
    let mut builder = PoolBuilder::new(scene.pool.directory()).grants(grants);
    for (name, value) in subject::settings() {
        builder = builder.setting(name, value);
    }
    let pool = builder.build(POLICY.clone());
    let cancel = Cancel::new().expect("an eventfd");
    match request(ask, scene) {
        Some(request) => pool
            .call(request, &cancel)
            .map(|answer: Answer| answer.value()),
        None => describe(&pool, &cancel),
    }
    .map_err(Failure::from)
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
            grace: Duration::from_millis(grace_ms.unwrap_or(GRACE)),
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
            pid: scene.named_pid(process.as_deref(), pid),
            sock,
            version,
        }),
        Ask::Forget { sid, even_if_alive } => Request::Forget {
            sid,
            even_if_alive,
            pid: None,
        },
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
