//! The proofs on the kernel that the tests run on.

use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::support::{ask, assert_finding};
use crate::cancel::Cancel;
use crate::process::time::text;
use crate::process::{
    Claim, Forbidden, IdentifyError, LinuxProcesses, Processes, Proof, Record, SendError, Signal,
    Standing, Strength, WaitError,
};

/// A child that is killed and reaped with the test.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Self {
        let child = Command::new("sleep")
            .arg("600")
            .stdin(Stdio::null())
            .spawn();
        Self(child.expect("sleep(1) is there"))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn claim(&self) -> Claim {
        claim(self.pid(), "")
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // Both fail only when the test has done it already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A claim that is made now.
fn claim(pid: u32, sock: &str) -> Claim {
    claim_at(pid, sock, SystemTime::now())
}

fn claim_at(pid: u32, sock: &str, created_at: SystemTime) -> Claim {
    Claim {
        sid: "w".into(),
        pid,
        created_at: text(created_at),
        sock: sock.into(),
    }
}

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn a_child_is_alive_by_time_and_then_by_the_ledger() {
    let sleeper = Sleeper::new();
    let first = ask(
        &LinuxProcesses::new(),
        &sleeper.claim(),
        None,
        Strength::Any,
    );
    assert_finding(&first.finding, Standing::Alive, "time");
    let row = first.learned.expect("a row");
    assert_eq!(row.proof, Proof::Time);
    assert_eq!(first.process.expect("held").identity(), &row.identity);

    let registered = Record {
        proof: Proof::Registered,
        ..*row
    };
    let claim = claim_at(sleeper.pid(), "", SystemTime::now() - DAY);
    let second = ask(
        &LinuxProcesses::new(),
        &claim,
        Some(&registered),
        Strength::Strong,
    );
    // Before Linux 6.9 the row needs a weaker proof beside it, and this claim has none.
    if registered.identity.inode.is_some() {
        assert_finding(&second.finding, Standing::Alive, "ledger");
        assert_eq!(second.learned, None);
    } else {
        assert_finding(&second.finding, Standing::Unproven, "proof = strong");
    }
}

#[test]
fn a_start_time_is_right_to_the_second() {
    let before = SystemTime::now();
    let sleeper = Sleeper::new();
    let after = SystemTime::now();
    let identified = LinuxProcesses::new()
        .identify(sleeper.pid())
        .expect("it runs");
    let tick = Duration::from_millis(20);
    assert!(identified.started >= before - tick, "{identified:?}");
    assert!(identified.started <= after + tick, "{identified:?}");
}

#[test]
fn a_child_that_began_after_the_entry_has_reused_its_pid() {
    let sleeper = Sleeper::new();
    let claim = claim_at(
        sleeper.pid(),
        "",
        SystemTime::now() - Duration::from_secs(10),
    );
    let finding = ask(&LinuxProcesses::new(), &claim, None, Strength::Any).finding;
    // On a machine that booted within these seconds, the entry is older than the boot.
    assert!(
        matches!(finding.standing, Standing::Reused | Standing::Gone),
        "{finding:?}"
    );
    assert!(finding.evidence.contains(&claim.created_at), "{finding:?}");
}

#[test]
fn an_entry_older_than_the_boot_is_gone() {
    let sleeper = Sleeper::new();
    let claim = claim_at(sleeper.pid(), "", SystemTime::UNIX_EPOCH + DAY);
    let finding = ask(&LinuxProcesses::new(), &claim, None, Strength::Any).finding;
    assert_finding(&finding, Standing::Gone, "this machine booted at");
}

#[test]
fn a_row_of_another_process_is_reused() {
    let (one, other) = (Sleeper::new(), Sleeper::new());
    let processes = LinuxProcesses::new();
    let identified = processes.identify(one.pid()).expect("it runs");
    let row = Record {
        identity: identified.process.identity().clone(),
        proof: Proof::Registered,
    };
    let finding = ask(&processes, &other.claim(), Some(&row), Strength::Strong).finding;
    if row.identity.inode.is_some() {
        assert_finding(&finding, Standing::Reused, "pidfs inode");
    } else {
        assert_eq!(finding.standing, Standing::Unproven, "{finding:?}");
    }
}

#[test]
fn a_child_is_alive_then_a_zombie_then_gone() {
    let mut sleeper = Sleeper::new();
    let claim = sleeper.claim();
    let processes = LinuxProcesses::new();
    let find = || ask(&processes, &claim, None, Strength::Any).finding;
    assert_finding(&find(), Standing::Alive, "time");

    let process = processes.identify(sleeper.pid()).expect("it runs").process;
    process.send(Signal::Kill).expect("it runs");
    // Waits for the end and leaves the zombie.
    let pid = Pid::from_raw(sleeper.pid().try_into().expect("a pid"));
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(pid), flags).expect("it is a child");
    let own = format!(
        "waits for its parent, pid {}, to reap it",
        std::process::id()
    );
    assert_finding(&find(), Standing::Exited, &own);
    let error = processes.identify(sleeper.pid()).expect_err("a zombie");
    assert!(matches!(error, IdentifyError::Exited { .. }), "{error}");
    assert!(matches!(process.send(Signal::Term), Err(SendError::Ended)));

    sleeper.0.wait().expect("it is a child");
    // Nothing keeps its pid from being given away at once.
    assert!(find().standing.is_dead(), "{:?}", find());
    assert!(matches!(process.send(Signal::Term), Err(SendError::Ended)));
}

#[test]
fn a_thread_is_no_process() {
    let (send, receive) = mpsc::channel();
    let (done, wait) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        send.send(nix::unistd::gettid().as_raw())
            .expect("the test waits");
        // Ends when the test drops its end.
        let _ = wait.recv();
    });
    let tid = u32::try_from(receive.recv().expect("the thread runs")).expect("positive");
    let own = std::process::id();
    let finding = ask(&LinuxProcesses::new(), &claim(tid, ""), None, Strength::Any).finding;
    let evidence = format!("pid {tid} is a thread of process {own}");
    assert_finding(&finding, Standing::Gone, &evidence);
    let error = LinuxProcesses::new().identify(tid).expect_err("a thread");
    assert!(
        matches!(error, IdentifyError::Thread { process, .. } if process == own),
        "{error}"
    );
    drop(done);
    thread.join().expect("no panic");
}

#[test]
fn who_holds_the_socket_is_alive_however_the_path_is_spelled() {
    let directory = tempfile::tempdir().expect("a directory");
    let real = directory.path().join("real");
    std::fs::create_dir(&real).expect("a directory");
    std::os::unix::fs::symlink(&real, directory.path().join("alias")).expect("a link");
    let _listener = UnixListener::bind(real.join("w x.sock")).expect("a socket");
    for spelling in ["real/w x.sock", "alias/w x.sock", "real/../real/w x.sock"] {
        let sock = directory.path().join(spelling);
        let sock = sock.to_str().expect("UTF-8");
        let claim = claim_at(std::process::id(), sock, SystemTime::UNIX_EPOCH);
        let inspection = ask(&LinuxProcesses::new(), &claim, None, Strength::Strong);
        assert_finding(&inspection.finding, Standing::Alive, "socket");
        assert_eq!(inspection.learned.map(|row| row.proof), Some(Proof::Socket));
    }
}

#[test]
fn a_socket_of_somebody_else_is_foreign_and_a_stale_one_proves_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("w.sock");
    let sock = path.to_str().expect("UTF-8");
    let listener = UnixListener::bind(&path).expect("a socket");
    let mut sleeper = Sleeper::new();
    let find = |created_at| {
        let claim = claim_at(sleeper.pid(), sock, created_at);
        ask(&LinuxProcesses::new(), &claim, None, Strength::Any).finding
    };
    assert_finding(
        &find(SystemTime::now()),
        Standing::Foreign,
        "another process serves it",
    );

    drop(listener);
    assert_finding(
        &find(SystemTime::now()),
        Standing::Unproven,
        "nobody answers there",
    );
    let finding = find(SystemTime::UNIX_EPOCH + DAY);
    assert!(finding.standing.is_dead(), "{finding:?}");

    // Dead, and yet served.
    let claim = sleeper.claim();
    sleeper.0.kill().expect("it runs");
    sleeper.0.wait().expect("it is a child");
    std::fs::remove_file(&path).expect("the stale socket");
    let _listener = UnixListener::bind(&path).expect("a socket");
    let claim = Claim {
        sock: sock.into(),
        ..claim
    };
    let finding = ask(&LinuxProcesses::new(), &claim, None, Strength::Any).finding;
    assert_finding(&finding, Standing::Foreign, "still answers");
}

#[test]
fn a_term_ends_a_child_and_the_wait_for_it() {
    let sleeper = Sleeper::new();
    let processes = LinuxProcesses::new();
    let cancel = Cancel::new().expect("an eventfd");
    let claim = sleeper.claim();
    let process = ask(&processes, &claim, None, Strength::Any)
        .process
        .expect("held");
    let held = [Arc::clone(&process)];
    assert_eq!(
        processes
            .wait(&held, Duration::ZERO, &cancel)
            .expect("poll"),
        [false]
    );
    assert_eq!(process.forbidden(), None);
    process.send(Signal::Term).expect("it runs");
    assert_eq!(processes.wait(&held, DAY, &cancel).expect("poll"), [true]);
    assert!(process.has_ended().expect("poll"));
    let finding = ask(&processes, &claim, None, Strength::Any).finding;
    assert_finding(&finding, Standing::Exited, "has terminated");
}

#[test]
fn a_withdrawn_request_stops_waiting() {
    let sleeper = Sleeper::new();
    let processes = LinuxProcesses::new();
    let held = [processes.identify(sleeper.pid()).expect("it runs").process];
    let cancel = Cancel::new().expect("an eventfd");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| processes.wait(&held, DAY, &cancel));
        cancel.cancel();
        assert!(matches!(
            waiting.join().expect("no panic"),
            Err(WaitError::Cancelled)
        ));
    });
}

#[test]
fn this_program_and_its_parent_get_no_signal() {
    let processes = LinuxProcesses::new();
    let own = std::process::id();
    let process = processes.identify(own).expect("it runs").process;
    assert_eq!(process.forbidden(), Some(Forbidden::Itself { pid: own }));
    let parent = std::os::unix::process::parent_id();
    // A container's first process has a parent that cannot be seen, or pid 1.
    if let Ok(identified) = processes.identify(parent) {
        assert!(identified.process.forbidden().is_some());
    }
}

#[test]
fn a_command_line_is_told_word_by_word() {
    let sleeper = Sleeper::new();
    let words = || {
        LinuxProcesses::new()
            .identify(sleeper.pid())
            .expect("it runs")
            .command
    };
    // While it executes the new program, it has no command line.
    let deadline = Instant::now() + Duration::from_secs(60);
    while words().is_empty() && Instant::now() < deadline {
        thread::yield_now();
    }
    assert_eq!(words(), ["sleep", "600"]);
}
