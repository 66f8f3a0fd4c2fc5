//! A real process whose first thread has ended while another goes on.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::SystemTime;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal as KernelSignal;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};

use super::support::{ask, assert_finding};
use crate::process::procfs::Stat;
use crate::process::time::text;
use crate::process::{Claim, LinuxProcesses, Signal, Standing, Strength};

/// The socket to listen on. Its presence makes [`headless_program`] more than a test.
const SOCK: &str = "POOLWARDEN_TEST_HEADLESS_SOCK";

/// This program started anew, so that what is forked in it holds no descriptor of another
/// test. In a run of the tests it does nothing.
#[test]
fn headless_program() {
    let Some(sock) = env::var_os(SOCK) else {
        return;
    };
    set_pdeathsig(KernelSignal::SIGKILL).expect("it goes with the test");
    // SAFETY: the child is a copy of this thread alone. Of what the other, the test
    // runner's, may have held it uses nothing but the allocator, which glibc makes usable
    // after a fork.
    match unsafe { fork() }.expect("a process") {
        ForkResult::Child => live_headless(Path::new(&sock)),
        ForkResult::Parent { child } => {
            println!("\npid {child}");
            waitpid(child, None).expect("it is a child");
        }
    }
}

/// Ends its first thread, and the whole process at the end of standard input.
fn live_headless(sock: &Path) -> ! {
    set_pdeathsig(KernelSignal::SIGKILL).expect("it goes with its parent");
    let listener = UnixListener::bind(sock).expect("a socket");
    thread::spawn(move || {
        // Nobody writes to it: this is the end.
        let _ = std::io::stdin().read(&mut [0]);
        drop(listener);
        // SAFETY: it takes any status and does not return.
        unsafe { libc::_exit(0) }
    });
    // SAFETY: `exit` ends the calling thread and takes any status (exit(2)).
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("this thread has ended")
}

/// Waits until the first thread of a process has ended.
fn await_zombie(pid: u32) {
    loop {
        let text = std::fs::read(format!("/proc/{pid}/stat")).expect("its state");
        if Stat::parse(&text).expect("its fields").is_zombie() {
            return;
        }
        thread::yield_now();
    }
}

#[test]
fn a_process_lives_on_without_its_first_thread() {
    let directory = tempfile::tempdir().expect("a directory");
    let sock = directory.path().join("w.sock");
    let mut program = Command::new(env::current_exe().expect("this program's path"))
        .args(["process::tests::headless::headless_program", "--exact"])
        .args(["--nocapture", "--test-threads=1"])
        .env(SOCK, &sock)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(program.stdout.take().expect("its output")).lines();
    let pid = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("pid ")?.parse().ok())
        .expect("it says which");
    await_zombie(pid);

    let processes = LinuxProcesses::new();
    let claim = |sock: &str| Claim {
        sid: "w".into(),
        pid,
        created_at: text(SystemTime::now()),
        sock: sock.into(),
    };
    let inspection = ask(&processes, &claim(""), None, Strength::Any);
    assert_finding(&inspection.finding, Standing::Alive, "time");
    // Its files are those of the other thread.
    let claim = claim(sock.to_str().expect("UTF-8"));
    let inspection = ask(&processes, &claim, None, Strength::Strong);
    assert_finding(&inspection.finding, Standing::Alive, "socket");

    let process = inspection.process.expect("held");
    process.send(Signal::Kill).expect("it runs");
    // Its parent waits for it, and has a result to tell.
    lines.for_each(drop);
    program.wait().expect("it is a child");
    assert!(process.has_ended().expect("poll"));
}
