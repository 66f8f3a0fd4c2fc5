//! An example policy on a pool.

use std::collections::HashMap;
use std::env;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};

use poolwarden::{
    Cancel, CodeCache, Error, Grants, Policy, PolicyLoader, Pool, PoolBuilder, Register, Request,
};
use serde_json::Value;

use crate::harness::TestPool;

/// Names the folder of the built examples.
const FOLDER: &str = "POOLWARDEN_EXAMPLE_POLICIES";
/// May name a folder with the code of policies that were compiled before.
const CODE: &str = "POOLWARDEN_TEST_CODE_CACHE";

/// Each is compiled once.
static COMPILED: LazyLock<Mutex<HashMap<&'static str, Arc<Policy>>>> =
    LazyLock::new(Mutex::default);

/// A pool that an example decides about.
pub(crate) struct Example {
    policy: Arc<Policy>,
    settings: Vec<(&'static str, &'static str)>,
    grants: Grants,
}

impl Example {
    /// The policy of this name, with the grants that the shipped one needs, and with the one to
    /// dismiss workers.
    pub(crate) fn new(name: &'static str) -> Self {
        let mut compiled = COMPILED.lock().expect("no test panicked while it compiled");
        let policy = compiled.entry(name).or_insert_with(|| {
            let folder = env::var_os(FOLDER).unwrap_or_else(|| panic!("{FOLDER} is not set"));
            let path = PathBuf::from(folder).join(name).with_extension("wasm");
            let loader = match env::var_os(CODE) {
                Some(folder) => PolicyLoader::new().cache(CodeCache::at(folder)),
                None => PolicyLoader::new(),
            };
            Arc::new(loader.file(&path).expect("the example fits the world"))
        });
        Self {
            policy: policy.clone(),
            settings: Vec::new(),
            grants: Grants::shipped().with_dismiss(),
        }
    }

    /// With this setting.
    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.settings.push((name, value));
        self
    }

    /// With just these grants.
    pub(crate) fn granted(mut self, names: &[&str]) -> Self {
        self.grants = Grants::named(names).expect("grants that there are");
        self
    }

    /// This policy on a pool.
    pub(crate) fn on(&self, pool: &TestPool) -> Pool {
        let builder = PoolBuilder::new(pool.directory()).grants(self.grants.clone());
        let builder = self
            .settings
            .iter()
            .fold(builder, |builder, (name, value)| {
                builder.setting(*name, *value)
            });
        builder.build(self.policy.clone())
    }

    /// What it answers.
    pub(crate) fn ask(&self, pool: &TestPool, request: Request) -> Result<Value, Error> {
        let answer = self.on(pool).call(request, &cancel())?;
        Ok(answer.value())
    }

    /// What it answers to `ensure`.
    #[track_caller]
    pub(crate) fn ensure(&self, pool: &TestPool) -> Value {
        self.ask(pool, Request::Ensure { dry_run: false })
            .expect("an answer")
    }

    /// The settings that it says it reads.
    pub(crate) fn settings(&self) -> Vec<String> {
        let description = self.on(&TestPool::new()).describe(&cancel());
        let settings = description.expect("a description").settings;
        settings.into_iter().map(|setting| setting.name).collect()
    }
}

/// A client that waits.
pub(crate) fn cancel() -> Cancel {
    Cancel::new().expect("an eventfd")
}

/// A request to register a process.
pub(crate) fn register(sid: &str, pid: u32) -> Request {
    Request::Register(Register {
        sid: sid.to_owned(),
        pid,
        sock: String::new(),
        version: String::new(),
    })
}
