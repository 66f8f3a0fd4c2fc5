//! A pool of its own for each test.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use nix::sys::signal::{SigHandler, Signal, signal};
use serde_json::Value;
use tempfile::TempDir;

use super::{Entry, Ran, Running};

/// A pool's directory in a temporary directory, and the program's command line on it.
pub(crate) struct TestPool {
    root: TempDir,
    directory: PathBuf,
}

/// Has this process, and so all that it starts, heed SIGINT: a shell that runs the tests in the
/// background has them ignore it.
fn heed_interrupts() {
    static ONCE: Once = Once::new();
    // SAFETY: the default action is restored, and no handler is installed.
    ONCE.call_once(|| unsafe {
        signal(Signal::SIGINT, SigHandler::SigDfl).expect("SIGINT has a default");
    });
}

impl TestPool {
    /// A pool with an empty directory: no registry, no lock file.
    pub(crate) fn new() -> Self {
        let pool = Self::absent();
        DirBuilder::new()
            .mode(0o700)
            .create(&pool.directory)
            .expect("the pool's directory");
        pool
    }

    /// A pool whose directory does not exist.
    pub(crate) fn absent() -> Self {
        Self::absent_at("pool")
    }

    /// A pool whose directory does not exist, at this place in the temporary directory.
    pub(crate) fn absent_at(place: &str) -> Self {
        heed_interrupts();
        let root = tempfile::Builder::new().prefix("poolwarden-").tempdir();
        let root = root.expect("a temporary directory");
        let directory = root.path().join(place);
        Self { root, directory }
    }

    /// A pool with these entries.
    pub(crate) fn with(entries: &[Entry]) -> Self {
        let pool = Self::new();
        pool.seed(entries);
        pool
    }

    /// Writes a registry with these entries, as somebody else would.
    pub(crate) fn seed(&self, entries: &[Entry]) {
        let entries: Vec<_> = entries.iter().map(Entry::text).collect();
        self.write(format!("{{\"sessions\":[{}]}}", entries.join(",")));
    }

    /// Writes the registry, byte for byte.
    pub(crate) fn write(&self, bytes: impl AsRef<[u8]>) {
        let path = self.registry();
        fs::write(&path, bytes).expect("the registry is written");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its mode is set");
    }

    /// The temporary directory that holds the pool and nothing else.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// The pool's directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The registry's path.
    pub(crate) fn registry(&self) -> PathBuf {
        self.directory.join("registry.json")
    }

    /// The registry's bytes as they are on disk.
    #[track_caller]
    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(self.registry()).expect("the registry")
    }

    /// The sids that the registry names on disk, in its order.
    #[track_caller]
    pub(crate) fn sids(&self) -> Vec<String> {
        let registry: Value = serde_json::from_slice(&self.bytes()).expect("the registry is JSON");
        let sessions = registry["sessions"]
            .as_array()
            .expect("the registry has sessions");
        sessions
            .iter()
            .map(|entry| entry["sid"].as_str().expect("a sid").to_owned())
            .collect()
    }

    /// What changes when the registry is written, even with the same bytes: its inode, and
    /// its times of modification and of change.
    #[track_caller]
    pub(crate) fn stamp(&self) -> [i64; 5] {
        let facts = fs::metadata(self.registry()).expect("the registry");
        let inode = i64::try_from(facts.ino()).expect("an inode number");
        [
            inode,
            facts.mtime(),
            facts.mtime_nsec(),
            facts.ctime(),
            facts.ctime_nsec(),
        ]
    }

    /// Takes the pool's lock as another program would, until the file is dropped.
    pub(crate) fn hold_lock(&self) -> File {
        let lock = self.open_lock();
        lock.lock().expect("the lock");
        lock
    }

    /// Whether nobody holds the pool's lock now.
    pub(crate) fn lock_is_free(&self) -> bool {
        self.open_lock().try_lock().is_ok()
    }

    fn open_lock(&self) -> File {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        options
            .open(self.directory.join("registry.lock"))
            .expect("the lock file")
    }

    /// A command of the program on this pool, with an empty environment but for a home.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_on(&self.directory, arguments)
    }

    /// The same on another directory.
    pub(crate) fn command_on(&self, directory: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_poolwarden"));
        command
            .env_clear()
            .env("HOME", self.root())
            .current_dir(self.root())
            .arg("--state-dir")
            .arg(directory)
            .args(arguments);
        command
    }

    /// A command of `run` with these options, and the program behind them.
    pub(crate) fn run_command(&self, options: &[&str], program: &[&str]) -> Command {
        let mut command = self.command(&["run"]);
        command
            .env("PATH", "/usr/bin:/bin")
            .args(options)
            .args(program);
        command
    }

    /// Runs a command to its end.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments))
    }

    /// Starts a command.
    #[track_caller]
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(arguments))
    }

    /// The answer to a command that succeeds and has nothing to warn about.
    #[track_caller]
    pub(crate) fn ask(&self, arguments: &[&str]) -> Value {
        let ran = self.run(arguments);
        assert_eq!(ran.stderr, "", "{arguments:?}");
        ran.answer(0)
    }

    /// The status of one session and its evidence; none when it is not listed.
    #[track_caller]
    pub(crate) fn status(&self, sid: &str) -> Option<(String, String)> {
        let answer = self.run(&["status"]);
        let answer = answer.answer(0);
        let sessions = answer["sessions"].as_array().expect("sessions");
        let session = sessions.iter().find(|session| session["sid"] == sid)?;
        let text = |field| session[field].as_str().unwrap_or_default().to_owned();
        Some((text("status"), text("evidence")))
    }
}
