//! Real processes to register: this test binary, started again as a worker.
//!
//! So a worker can listen on a socket or take no notice of SIGTERM, and nothing but a
//! Rust toolchain is needed. It ends with the test: it is killed when its [`Worker`] is
//! dropped, and by the kernel when the thread of the test is no more.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio, exit};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getppid};
use tokio::signal::unix::{SignalKind, signal};

use super::{Entry, Lines};

/// The test that is no test: the worker's program.
const PROGRAM: &str = "harness::worker::worker_program";

/// What the worker does about SIGTERM. Its presence makes the program a worker.
const MANNERS: &str = "POOLWARDEN_TEST_WORKER";
const OBEDIENT: &str = "obedient";
const DEAF: &str = "deaf";
const ORDERLY: &str = "orderly";
const HOLDING: &str = "holding";
/// The socket to listen on, or the lock to take, by manners.
const PATH: &str = "POOLWARDEN_TEST_WORKER_PATH";
/// The pid of the test's process.
const PARENT: &str = "POOLWARDEN_TEST_WORKER_PARENT";

/// A running worker, our child.
pub(crate) struct Worker {
    child: Child,
    lines: Lines,
}

impl Worker {
    /// A worker that SIGTERM ends.
    pub(crate) fn obedient() -> Self {
        Self::start(OBEDIENT, None, |_| {})
    }

    /// A worker that SIGTERM ends, listening on a socket.
    pub(crate) fn serving(socket: &Path) -> Self {
        Self::start(OBEDIENT, Some(socket), |_| {})
    }

    /// A worker that says `TERM` when it is asked to end, and goes on.
    pub(crate) fn deaf() -> Self {
        Self::start(DEAF, None, |_| {})
    }

    /// The same, started with changes to its command.
    pub(crate) fn deaf_with(change: impl FnOnce(&mut Command)) -> Self {
        Self::start(DEAF, None, change)
    }

    /// A worker that says `TERM` when it is asked to end, takes this pool's lock, and ends
    /// with exit code 0, as those of algocline do.
    pub(crate) fn orderly(pool: &Path) -> Self {
        Self::start(ORDERLY, Some(&pool.join("registry.lock")), |_| {})
    }

    /// A process that holds this pool's lock for as long as it runs.
    pub(crate) fn holding(pool: &Path) -> Self {
        Self::start(HOLDING, Some(&pool.join("registry.lock")), |_| {})
    }

    /// A worker that SIGTERM ends, started with changes to its command.
    pub(crate) fn obedient_with(change: impl FnOnce(&mut Command)) -> Self {
        Self::start(OBEDIENT, None, change)
    }

    fn start(manners: &str, path: Option<&Path>, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env::current_exe().expect("this program's path"));
        command
            .args([PROGRAM, "--exact", "--nocapture", "--test-threads=1"])
            .env(MANNERS, manners)
            .env(PATH, path.map_or(OsStr::new(""), Path::as_os_str))
            .env(PARENT, std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().expect("the worker starts");
        let lines = Lines::of(child.stdout.take().expect("its standard output"));
        let worker = Self { child, lines };
        worker.await_line("ready");
        worker
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An entry for it, made now.
    pub(crate) fn entry(&self, sid: &str) -> Entry {
        Entry::new(sid, self.pid())
    }

    /// Waits until it says this.
    #[track_caller]
    pub(crate) fn await_line(&self, line: &str) {
        self.lines.await_line(line);
    }

    /// Whether it has not ended. It stays unreaped.
    pub(crate) fn is_running(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        waitid(Id::Pid(self.raw()), flags).expect("our child") == WaitStatus::StillAlive
    }

    /// Sends it a signal. It is our child and not reaped, so the pid is its own.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.raw(), signal).expect("our child");
    }

    /// Stops it, as Ctrl-Z does, and waits until it is.
    pub(crate) fn suspend(&self) {
        self.signal(Signal::SIGSTOP);
        let stopped = waitpid(self.raw(), Some(WaitPidFlag::WUNTRACED)).expect("our child");
        assert_eq!(stopped, WaitStatus::Stopped(self.raw(), Signal::SIGSTOP));
    }

    /// Kills it and leaves it unreaped, a zombie.
    pub(crate) fn become_zombie(&self) {
        self.signal(Signal::SIGKILL);
        waitid(
            Id::Pid(self.raw()),
            WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT,
        )
        .expect("our child");
    }

    /// Kills and reaps it: no process has its pid any more.
    pub(crate) fn vanish(mut self) -> u32 {
        self.signal(Signal::SIGKILL);
        self.reap();
        self.pid()
    }

    /// Waits for its end and reaps it.
    pub(crate) fn reap(&mut self) -> ExitStatus {
        self.child.wait().expect("our child")
    }

    fn raw(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.pid()).expect("a pid"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Fails when it was reaped before, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a worker runs. In a run of the tests it does nothing.
#[test]
fn worker_program() {
    let Some(manners) = env::var_os(MANNERS) else {
        return;
    };
    set_pdeathsig(Signal::SIGKILL).expect("a worker ends with its test");
    let parent = env::var(PARENT).expect("the test's pid");
    if getppid().to_string() != parent {
        // The test ended before the kernel knew that we go with it.
        exit(1);
    }
    work(
        &manners,
        env::var_os(PATH)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from),
    );
    exit(0);
}

/// Serves until a signal ends it.
fn work(manners: &OsString, path: Option<PathBuf>) {
    // Ends the line on which the test runner named the test.
    say("");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    runtime.expect("an event loop").block_on(async {
        if manners == OBEDIENT {
            // Nobody need accept: the kernel completes connections to a listener.
            let socket = path.as_ref();
            let _listener = socket.map(|path| UnixListener::bind(path).expect("it is free"));
            say("ready");
            std::future::pending::<()>().await;
        }
        if manners == HOLDING {
            let lock = OpenOptions::new()
                .write(true)
                .open(path.as_ref().expect("the lock's path"));
            let lock = lock.expect("the lock file");
            lock.lock().expect("the lock");
            say("ready");
            std::future::pending::<()>().await;
        }
        let mut term = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
        say("ready");
        loop {
            term.recv().await;
            say("TERM");
            if manners == ORDERLY {
                let lock = OpenOptions::new()
                    .write(true)
                    .open(path.as_ref().expect("the lock's path"));
                lock.and_then(|lock| lock.lock()).expect("the lock");
                break;
            }
        }
    });
}

fn say(line: &str) {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .expect("somebody listens");
}
