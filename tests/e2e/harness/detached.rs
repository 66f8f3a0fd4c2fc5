//! Workers that the program started itself: no children of the test.

use std::env;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::Value;

use super::{PATIENCE, TestPool};

/// The test that is no test: a worker's program.
const PROGRAM: &str = "harness::detached::detached_program";
/// What the program does. Its presence makes it a worker.
const MANNERS: &str = "POOLWARDEN_TEST_DETACHED";
/// The pid of the test's process, with which it ends.
const TEST: &str = "POOLWARDEN_TEST_DETACHED_TEST";
/// A FIFO: once it is opened for writing, a program that binds listens.
const CUE: &str = "POOLWARDEN_TEST_DETACHED_CUE";

/// A process that is no child of ours, held by its pidfd. It is killed when this goes.
pub(crate) struct Detached {
    pidfd: OwnedFd,
    pid: u32,
}

impl Detached {
    /// The worker of an answer to `run`.
    #[track_caller]
    pub(crate) fn of(answer: &Value) -> Self {
        let pid = answer["started"]["pid"].as_u64().expect("a pid");
        Self::with_pid(u32::try_from(pid).expect("a pid")).expect("it runs")
    }

    /// The process that has this pid now; none when there is none.
    pub(crate) fn with_pid(pid: u32) -> Option<Self> {
        let raw = Pid::from_raw(i32::try_from(pid).ok()?)?;
        let pidfd = pidfd_open(raw, PidfdFlags::empty()).ok()?;
        Some(Self { pidfd, pid })
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// A file of `/proc` about it.
    #[track_caller]
    pub(crate) fn fact(&self, name: &str) -> String {
        let bytes = fs::read(format!("/proc/{}/{name}", self.pid)).expect("a file in /proc");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A variable of its environment.
    #[track_caller]
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let environment = self.fact("environ");
        let mut variables = environment
            .split('\0')
            .filter_map(|one| one.split_once('='));
        variables.find_map(|(key, value)| (key == name).then(|| value.to_owned()))
    }

    /// Whether it has not ended.
    pub(crate) fn is_running(&self) -> bool {
        !self.has_ended_within(0)
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn await_end(&self) {
        let patience = i64::try_from(PATIENCE.as_secs()).expect("a time");
        assert!(self.has_ended_within(patience), "it goes on");
    }

    fn has_ended_within(&self, seconds: i64) -> bool {
        let timeout = Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        poll(&mut fds, Some(&timeout)).expect("poll(2)") > 0
    }

    /// Kills it.
    pub(crate) fn kill(&self) {
        // Fails when it has ended and was reaped.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The pids of all processes that have this pool in their environment: its workers, and
/// what is to become one.
pub(crate) fn processes_of(pool: &TestPool) -> Vec<u32> {
    let mark = format!("POOLWARDEN_STATE_DIR={}", pool.directory().display());
    let has_mark = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|&byte| byte == 0)
            .any(|variable| variable == mark.as_bytes())
    };
    let processes = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(has_mark)
        .collect()
}

/// Lets a command of `run` start the program of this module.
///
/// `serve` listens on the worker's socket and says `connected` for every connection;
/// `undumpable` does so and lets nobody look into it, and `undumpable-idle` does not even
/// listen; `child` lets a child do so; `bind` binds it and listens on cue only; `deep` makes its
/// directory first.
pub(crate) fn as_worker(command: &mut Command, manners: &str, cue: Option<&Path>) {
    command
        .env(MANNERS, manners)
        .env(TEST, std::process::id().to_string())
        .env(CUE, cue.unwrap_or(Path::new("")))
        .arg("--")
        .arg(env::current_exe().expect("this program's path"))
        .args([PROGRAM, "--exact", "--nocapture", "--test-threads=1"]);
}

/// What such a worker runs. In a run of the tests it does nothing.
#[test]
fn detached_program() {
    let Ok(manners) = env::var(MANNERS) else {
        return;
    };
    end_with_the_test();
    let sock = PathBuf::from(env::var_os("POOLWARDEN_SOCK").expect("a socket"));
    match manners.as_str() {
        "serve" => serve(&UnixListener::bind(sock).expect("it is free")),
        "undumpable" => {
            nix::sys::prctl::set_dumpable(false).expect("prctl(2)");
            serve(&UnixListener::bind(sock).expect("it is free"));
        }
        "undumpable-idle" => {
            nix::sys::prctl::set_dumpable(false).expect("prctl(2)");
            loop {
                std::thread::park();
            }
        }
        "deep" => {
            fs::create_dir_all(sock.parent().expect("a directory")).expect("directories");
            serve(&UnixListener::bind(sock).expect("it is free"));
        }
        "child" => {
            let mut child = Command::new("/proc/self/exe");
            child.args(env::args_os().skip(1)).env(MANNERS, "serve");
            child.status().expect("a child");
        }
        "bind" => listen_on_cue(&sock),
        _ => panic!("{manners}"),
    }
    exit(0);
}

/// Ends this process with the one that runs the test.
fn end_with_the_test() {
    let test = env::var(TEST).expect("the test's pid").parse();
    let test = Detached::with_pid(test.expect("a pid")).unwrap_or_else(|| exit(1));
    std::thread::spawn(move || {
        let mut fds = [PollFd::new(&test.pidfd, PollFlags::IN)];
        let _ = poll(&mut fds, None);
        exit(1);
    });
}

fn serve(listener: &UnixListener) {
    for connection in listener.incoming() {
        connection.expect("a connection");
        let mut stdout = std::io::stdout();
        writeln!(stdout, "connected")
            .and_then(|()| stdout.flush())
            .expect("the log");
    }
}

fn listen_on_cue(sock: &Path) {
    let socket = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .expect("a socket");
    let address = UnixAddr::new(sock).expect("an address");
    bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &address).expect("it is free");
    let mut cue = File::open(env::var_os(CUE).expect("a cue")).expect("the cue");
    let _ = cue.read(&mut [0]);
    listen(&socket, Backlog::MAXCONN).expect("it is bound");
    serve(&UnixListener::from(socket));
}
