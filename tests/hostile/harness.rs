//! A pool under attack: a real directory, real workers, the hostile policy.

use std::cell::RefCell;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use poolwarden::{
    Answer, Cancel, Error, Fault, Grants, Limits, Policy, Pool, PoolBuilder, Request,
};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) static HOSTILE: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/guests/hostile.wasm");
    let bytes = fs::read(path).expect("the hostile guest is built");
    Arc::new(Policy::from_component(&bytes).expect("the hostile guest fits the world"))
});

pub(crate) static SHIPPED: LazyLock<Arc<Policy>> =
    LazyLock::new(|| Arc::new(Policy::shipped().expect("the shipped policy loads")));

/// What another program keeps beside `sessions`.
const OTHER: &str = "of another program";

/// A pool in a directory of its own.
pub(crate) struct Attacked {
    root: TempDir,
    workers: Vec<Worker>,
    /// Whether another program keeps something in the registry, too.
    is_shared: bool,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
}

impl Attacked {
    /// A pool with this many live workers, `w0`, `w1`, …, already known to the ledger.
    pub(crate) fn with_workers(count: usize) -> Self {
        Self::with((0..count).map(|_| Worker::start()).collect())
    }

    /// The same, each leading a process group of its own.
    pub(crate) fn with_leaders(count: usize) -> Self {
        Self::with((0..count).map(|_| Worker::start_leading()).collect())
    }

    /// The same, each taking no notice of TERM.
    pub(crate) fn with_stubborn_workers(count: usize) -> Self {
        Self::with((0..count).map(|_| Worker::start_stubborn()).collect())
    }

    /// A pool with two live workers whose registry holds what poolwarden does not know: a field
    /// of each entry, and a key of another program.
    pub(crate) fn shared() -> Self {
        let mut pool = Self::with_workers(2);
        pool.is_shared = true;
        pool.register();
        pool
    }

    fn with(workers: Vec<Worker>) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let pool = Self {
            workers,
            is_shared: false,
            root,
            grants: Grants::shipped().with_dismiss(),
            limits: Limits::default(),
        };
        fs::DirBuilder::new()
            .mode(0o700)
            .create(pool.directory())
            .expect("the pool directory");
        pool.register();
        pool
    }

    /// Writes a registry with an entry for each worker.
    fn register(&self) {
        let entries: Vec<_> = (0..self.workers.len())
            .map(|index| self.entry(index))
            .collect();
        self.write(&if self.is_shared {
            json!({ "other": OTHER, "sessions": entries })
        } else {
            json!({ "sessions": entries })
        });
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.root.path().join("pool")
    }

    pub(crate) fn write(&self, registry: &Value) {
        let path = self.directory().join("registry.json");
        fs::write(&path, registry.to_string()).expect("the registry");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    }

    pub(crate) fn registry(&self) -> Value {
        let text = fs::read(self.directory().join("registry.json")).expect("the registry");
        serde_json::from_slice(&text).expect("the registry is whole")
    }

    /// Inode and content: a replacement, even by the same bytes, shows.
    pub(crate) fn registry_file(&self) -> (u64, Vec<u8>) {
        let path = self.directory().join("registry.json");
        let inode = fs::metadata(&path).expect("the registry").ino();
        (inode, fs::read(path).expect("the registry"))
    }

    pub(crate) fn entry(&self, index: usize) -> Value {
        let mut entry = self.bare_entry(index);
        if self.is_shared {
            entry["note"] = json!(["kept", 1.5]);
        }
        entry
    }

    /// An entry with the fields that poolwarden knows.
    fn bare_entry(&self, index: usize) -> Value {
        json!({
            "sid": format!("w{index}"),
            "pid": self.pid(index),
            "sock": "",
            "version": "1",
            "created_at": self.workers[index].created_at,
        })
    }

    pub(crate) fn pid(&self, index: usize) -> u32 {
        self.workers[index].pid()
    }

    pub(crate) fn worker(&self, index: usize) -> &Worker {
        &self.workers[index]
    }

    pub(crate) fn created_at(&self, index: usize) -> &str {
        &self.workers[index].created_at
    }

    /// Puts another worker in the place of one that ended, and both entries into the registry.
    pub(crate) fn renew(&mut self, index: usize) {
        self.put(index, Worker::start());
    }

    /// Puts this worker in the place of another one, and both entries into the registry.
    pub(crate) fn put(&mut self, index: usize, worker: Worker) {
        self.workers[index] = worker;
        self.register();
    }

    /// A setting of an attack on this pool.
    pub(crate) fn fill(&self, value: &str) -> String {
        value
            .replace("$pid0", &self.pid(0).to_string())
            .replace("$pid1", &self.pid(1).to_string())
            .replace("$entry0", &self.entry(0).to_string())
            .replace("$entry1", &self.entry(1).to_string())
            .replace("$bare0", &self.bare_entry(0).to_string())
            .replace("$made0", self.created_at(0))
            .replace("$other", &format!("\"other\":{}", json!(OTHER)))
    }

    /// Tries an attack with its settings.
    pub(crate) fn attack(
        &self,
        name: &str,
        settings: &[(&str, &str)],
        request: Request,
    ) -> Result<Answer, Error> {
        let mut builder = PoolBuilder::new(self.directory())
            .grants(self.grants.clone())
            .limits(self.limits.clone())
            .setting("attack", name);
        for (name, value) in settings {
            builder = builder.setting(*name, *value);
        }
        call(&builder.build(HOSTILE.clone()), request)
    }

    /// Tries an attack and returns what the host said to the guest.
    pub(crate) fn said(&self, name: &str, settings: &[(&str, &str)]) -> String {
        self.said_to(name, settings, Request::Ensure { dry_run: false })
    }

    pub(crate) fn said_to(
        &self,
        name: &str,
        settings: &[(&str, &str)],
        request: Request,
    ) -> String {
        let outcome = self.attack(name, settings, request);
        let answer = answer(&outcome).expect("the guest answers");
        answer.value()["said"]
            .as_str()
            .expect("what the host said")
            .to_owned()
    }

    /// The next request, by the shipped policy and with no time to wait for a lock, lists
    /// these workers as running.
    pub(crate) fn assert_sound(&self, running: &[usize]) {
        let limits = Limits {
            lock_wait: Duration::from_millis(1),
            ..Limits::default()
        };
        let pool = PoolBuilder::new(self.directory())
            .limits(limits)
            .build(SHIPPED.clone());
        let answer = call(&pool, Request::Status { sid: None }).expect("the pool is sound");
        let sessions = answer.value()["sessions"].take();
        let sessions = sessions.as_array().expect("sessions");
        let listed: Vec<_> = sessions
            .iter()
            .map(|s| (s["sid"].clone(), s["status"].clone()))
            .collect();
        let expected: Vec<_> = running
            .iter()
            .map(|index| (json!(format!("w{index}")), json!("running")))
            .collect();
        assert_eq!(listed, expected);
        for index in running {
            assert!(self.workers[*index].is_running(), "w{index} was ended");
        }
    }
}

/// What a guest answered. A report on what it tried is an answer to no verb.
pub(crate) fn answer(outcome: &Result<Answer, Error>) -> Option<&Answer> {
    match outcome {
        Ok(answer) | Err(Error::Policy(Fault::UnexpectedAnswer { answer, .. })) => Some(answer),
        Err(_) => None,
    }
}

/// Asks a pool.
pub(crate) fn call(pool: &Pool, request: Request) -> Result<Answer, Error> {
    pool.call(request, &Cancel::new().expect("an eventfd"))
}

/// A real process. It is ended when this goes.
pub(crate) struct Worker {
    child: RefCell<Child>,
    created_at: String,
}

impl Worker {
    pub(crate) fn start() -> Self {
        Self::spawn(&mut Command::new("sleep"))
    }

    /// A process that leads a group of its own.
    pub(crate) fn start_leading() -> Self {
        Self::spawn(Command::new("sleep").process_group(0))
    }

    /// A process that takes no notice of TERM.
    pub(crate) fn start_stubborn() -> Self {
        // What a process ignores, it ignores also as the next program.
        let script = "trap '' TERM; echo ready; exec sleep $0";
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        let worker = Self::spawn(&mut command);
        let mut said = [0; 6];
        let mut child = worker.child.borrow_mut();
        let output = child.stdout.as_mut().expect("a pipe");
        output
            .read_exact(&mut said)
            .expect("it says that it is ready");
        drop(child);
        worker
    }

    fn spawn(command: &mut Command) -> Self {
        let child = command
            .arg("600")
            .stdin(Stdio::null())
            .spawn()
            .expect("a worker process");
        let created_at = jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        Self {
            child: RefCell::new(child),
            created_at,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.borrow().id()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.child
            .borrow_mut()
            .try_wait()
            .expect("the worker's status")
            .is_none()
    }

    pub(crate) fn end(&self) {
        // It fails only for a process that was reaped already.
        let mut child = self.child.borrow_mut();
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Waits for the worker to end by itself.
    pub(crate) fn ended(&self) {
        self.child.borrow_mut().wait().expect("the worker's end");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}
