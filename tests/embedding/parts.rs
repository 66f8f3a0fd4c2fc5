//! What these tests share.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use poolwarden::process::Process;
use poolwarden::store::MemoryStore;
use poolwarden::{Answer, Cancel, Error, Fault, Limits, Policy, Pool, PoolBuilder, Register, Stop};
use serde_json::Value;

use crate::own_parts::processes::{Actor, Stage};

pub(crate) static SHIPPED: LazyLock<Arc<Policy>> =
    LazyLock::new(|| Arc::new(Policy::shipped().expect("the shipped policy loads")));

/// A policy that answers in a way of its own, and tries what its settings say.
pub(crate) static HOSTILE: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/guests/hostile.wasm");
    let bytes = fs::read(path).expect("the hostile guest is built");
    Arc::new(Policy::from_component(&bytes).expect("the hostile guest fits the world"))
});

/// A cancellation that does not happen.
pub(crate) fn cancel() -> Cancel {
    Cancel::new().expect("an eventfd")
}

/// A pool in memory, over processes in memory.
pub(crate) struct Rehearsal {
    pub(crate) store: MemoryStore,
    pub(crate) stage: Arc<Stage>,
}

impl Rehearsal {
    pub(crate) fn new() -> Self {
        Self {
            store: MemoryStore::new(),
            stage: Arc::default(),
        }
    }

    /// What makes a pool over these.
    pub(crate) fn builder(&self) -> PoolBuilder {
        PoolBuilder::new("a rehearsal")
            .store(Arc::new(self.store.clone()))
            .processes(self.stage.clone())
            .limits(Limits {
                lock_wait: Duration::ZERO,
                ..Limits::default()
            })
    }

    /// The pool, decided about by the shipped policy.
    pub(crate) fn pool(&self) -> Pool {
        self.builder().build(SHIPPED.clone())
    }

    /// A process that runs, and its entry.
    pub(crate) fn with_worker(&self, sid: &str, pid: u32) -> Arc<Actor> {
        let actor = self.stage.enter(pid).expect("a pipe");
        let registered = self.pool().register(part(sid, actor.pid()), &cancel());
        registered.expect("it is registered");
        actor
    }

    /// The lines of the trail.
    pub(crate) fn trail(&self) -> Vec<Value> {
        let trail = String::from_utf8(self.store.trail()).expect("text");
        let lines = trail.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("a JSON object"))
            .collect()
    }
}

/// What registers this process.
pub(crate) fn part(sid: &str, pid: u32) -> Register {
    Register {
        sid: sid.into(),
        pid,
        ..Register::default()
    }
}

/// What stops this session.
pub(crate) fn stop(sid: &str) -> Stop {
    Stop {
        sid: Some(sid.into()),
        ..Stop::default()
    }
}

/// A real process. It is ended and reaped when this goes.
pub(crate) struct Worker(Child);

impl Worker {
    pub(crate) fn start() -> Self {
        let mut command = Command::new("sleep");
        let child = command.arg("600").stdin(Stdio::null()).spawn();
        Self(child.expect("a process"))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Ends it, and leaves it unreaped.
    pub(crate) fn end(&mut self) {
        self.0.kill().expect("it is ours");
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("it is ours").is_none()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The one that was reaped already cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the hostile policy reports: it is an answer to no verb.
pub(crate) fn reported(outcome: Result<Answer, Error>) -> Value {
    match outcome {
        Err(Error::Policy(Fault::UnexpectedAnswer { answer, .. })) => answer.value(),
        other => panic!("it reports nothing: {other:?}"),
    }
}
