//! algocline in a pid namespace of its own, which shares the pool's directory with us.
//!
//! The pids of its workers mean other processes here, or none. These tests need the right
//! to make a pid namespace and to choose its next pid (`CAP_SYS_ADMIN`), and fail without.

use std::fs;
use std::io::ErrorKind;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::algocline::Algocline;
use crate::echo::Echo;
use crate::harness::await_that;

/// Who shall be the next process of a pid namespace (pid_namespaces(7)).
const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";

/// How many pids in a row are made to be those of our processes. algocline starts threads
/// of its own before a worker, and each of them takes one.
const ROW: usize = 40;

#[test]
fn its_workers_are_kept_whoever_had_their_pids_here_before() {
    let mut victims: Vec<_> = (0..ROW).map(|_| Echo::obedient()).collect();
    let mut peer = Contained::start();
    let (sid, pid) = peer.start_worker_among(&victims);
    peer.expect_foreign(&sid, pid);
    assert!(victims.iter_mut().all(Echo::answers));

    // Not even when the worker is gone and its socket proves nothing any more: our
    // process is older than the entry, and could be the worker by its age alone.
    peer.end();
    let answer = peer
        .algocline
        .pool
        .run(&["stop", "--all", "--force"])
        .answer(1);
    let outcomes = answer["outcomes"].as_array().expect("outcomes");
    let outcome = outcomes.iter().find(|one| one["sid"] == sid.as_str());
    assert_eq!(
        outcome.expect("it is there")["outcome"],
        "refused",
        "{answer}"
    );
    assert!(peer.algocline.pool.sids().contains(&sid));
    assert!(victims.iter_mut().all(Echo::answers));
}

#[test]
fn its_workers_are_kept_whoever_gets_their_pids_here_later() {
    let mut peer = Contained::start();
    // As far from those that are given out here now as can be.
    let far = (last_pid() + pid_max() / 2) % pid_max();
    let (sid, pid) = peer.start_worker_from(far.max(pid_max() / 4));
    assert_eq!(peer.standing(&sid), "foreign", "nobody has the pid here");
    let mut victim = process_with(pid);
    peer.expect_foreign(&sid, pid);
    assert!(victim.answers());

    // Nor when the worker is gone. Whether our process came later can be told only once
    // it is some seconds younger than the entry, and until then nobody is signalled.
    peer.end();
    let ran = peer.algocline.pool.run(&["stop", &sid, "--force"]);
    let answer: Value = serde_json::from_str(&ran.stdout).expect("an answer");
    let outcome = answer["outcomes"][0]["outcome"].as_str();
    assert!(
        matches!(outcome, Some("refused" | "already-dead")),
        "{answer}"
    );
    assert!(victim.answers());
}

#[test]
fn our_workers_are_kept_unless_algocline_is_asked_about_them_there() {
    let mut ours = Echo::obedient();
    let mut peer = Contained::start();
    let pid = ours.pid().to_string();
    let register = ["register", "--sid", "ours", "--pid", &pid];
    peer.algocline.pool.ask(&register);
    // It reads and rewrites the file for that.
    let theirs = peer.algocline.start_worker();
    assert_eq!(peer.algocline.pool.sids(), ["ours".to_owned(), theirs]);
    assert_eq!(peer.standing("ours"), "running");

    // poolwarden there knows from the ledger that it cannot see our worker.
    let answer = peer.poolwarden(&["stop", "ours", "--force"]);
    assert_eq!(answer["outcomes"][0]["outcome"], "refused", "{answer}");
    assert_eq!(peer.standing("ours"), "running");

    // algocline there finds no process with that pid, and drops the entry. No signal
    // leaves its namespace, so the worker runs on and can be registered once more.
    assert!(!peer.algocline.sids().contains(&"ours".to_owned()));
    assert!(!peer.algocline.pool.sids().contains(&"ours".to_owned()));
    assert!(ours.answers());
    peer.algocline.pool.ask(&register);
    assert_eq!(peer.standing("ours"), "running");
}

/// algocline in a pid namespace of its own, whose first process it is.
struct Contained {
    algocline: Algocline,
    /// Its pid here.
    pid: u32,
}

impl Contained {
    fn start() -> Self {
        let unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
        let tried = Command::new(unshare[0])
            .args(&unshare[1..])
            .arg("true")
            .output()
            .expect("unshare(1) of util-linux");
        assert!(
            tried.status.success(),
            "this test needs the right to make a pid namespace (CAP_SYS_ADMIN): {}",
            String::from_utf8_lossy(&tried.stderr)
        );
        let algocline = Algocline::start_under(&unshare);
        let parent = algocline.mcp.pid();
        let children = format!("/proc/{parent}/task/{parent}/children");
        let children = fs::read_to_string(children).expect("the children of unshare(1)");
        let pid = children.trim().parse().expect("one child");
        Self { algocline, pid }
    }

    /// Runs a command inside; what it wrote.
    fn inside(&self, command: &[&str]) -> Vec<u8> {
        let output = Command::new("nsenter")
            .args(["--pid", "--mount", "--target", &self.pid.to_string(), "--"])
            .args(command)
            .stdin(Stdio::null())
            .output()
            .expect("nsenter(1) of util-linux");
        assert!(!output.stdout.is_empty(), "{command:?}: {output:?}");
        output.stdout
    }

    /// What poolwarden answers that runs inside.
    fn poolwarden(&self, arguments: &[&str]) -> Value {
        let command = self.algocline.pool.command(arguments);
        let words: Vec<_> = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| word.to_str().expect("a text"))
            .collect();
        serde_json::from_slice(&self.inside(&words)).expect("an answer")
    }

    /// Starts a worker whose pid there is that of one of our processes here; its sid and
    /// that pid.
    fn start_worker_among(&mut self, ours: &[Echo]) -> (String, u32) {
        let mut pids = ours.iter().map(Echo::pid);
        let first = pids.next().expect("a process");
        // Somebody else here may have the very one that comes up; then another worker does.
        for _ in 0..ROW {
            let (sid, pid) = self.start_worker_from(first);
            if ours.iter().any(|process| process.pid() == pid) {
                return (sid, pid);
            }
            let stop = json!({ "sid": sid });
            self.algocline.mcp.answer("alc_pool_stop", stop);
        }
        panic!("no worker got a pid from {first} on");
    }

    /// Starts a worker whose pid there is this one, or as near above as can be.
    fn start_worker_from(&mut self, pid: u32) -> (String, u32) {
        let script = format!("echo {} > {LAST_PID} && echo done", pid - 1);
        self.inside(&["sh", "-c", &script]);
        let sid = self.algocline.start_worker();
        let registry: Value =
            serde_json::from_slice(&self.algocline.pool.bytes()).expect("the registry is JSON");
        let sessions = registry["sessions"].as_array().expect("sessions");
        let entry = sessions.iter().find(|entry| entry["sid"] == sid.as_str());
        let pid = entry.expect("its entry")["pid"].as_u64().expect("a pid");
        (sid, u32::try_from(pid).expect("a pid"))
    }

    fn standing(&self, sid: &str) -> String {
        let status = self.algocline.pool.status(sid);
        status.unwrap_or_else(|| panic!("{sid} is not listed")).0
    }

    /// Checks that nothing we can ask for touches the worker or the entry, and that the
    /// worker still works.
    #[track_caller]
    fn expect_foreign(&mut self, sid: &str, pid: u32) {
        let pool = &self.algocline.pool;
        let before = pool.bytes();
        let answer = pool.ask(&["ensure"]);
        assert_eq!(answer["removed"], json!([]), "{answer}");
        assert_eq!(self.standing(sid), "foreign");
        for stop in [&["stop", "--all", "--force"][..], &["stop", sid, "--group"]] {
            let answer = pool.run(stop).answer(1);
            let outcomes = answer["outcomes"].as_array().expect("outcomes");
            assert!(outcomes.iter().all(|one| one["outcome"] == "refused"));
            assert!(outcomes.iter().any(|one| one["pid"] == pid), "{answer}");
            assert_eq!(answer["stopped"], json!([]));
        }
        assert_eq!(pool.bytes(), before);
        let answer = self.algocline.mcp.answer(
            "alc_continue",
            json!({"session_id": sid, "response": "hello"}),
        );
        assert_eq!(answer["result"], "hello", "{answer}");
    }

    /// Kills the namespace's first process and so all of it, and waits until it is gone:
    /// its sockets are closed then.
    fn end(&mut self) {
        self.algocline.mcp.end();
        let process = format!("/proc/{}", self.pid);
        await_that("the pid namespace is gone", || {
            !fs::exists(&process).expect("/proc")
        });
    }
}

fn last_pid() -> u32 {
    number(LAST_PID)
}

fn pid_max() -> u32 {
    number("/proc/sys/kernel/pid_max")
}

fn number(path: &str) -> u32 {
    let text = fs::read_to_string(path).expect(path);
    text.trim().parse().expect("a number")
}

/// Starts a process here that has this pid, which nobody has.
fn process_with(pid: u32) -> Echo {
    for _ in 0..1000 {
        fs::write(LAST_PID, (pid - 1).to_string()).unwrap_or_else(|error| {
            assert_ne!(
                error.kind(),
                ErrorKind::PermissionDenied,
                "this test needs the right to choose the next pid (CAP_SYS_ADMIN)"
            );
            panic!("{LAST_PID}: {error}")
        });
        // Somebody else may be faster, and then the pid is free again when he ends.
        let process = Echo::obedient();
        if process.pid() == pid {
            return process;
        }
    }
    panic!("pid {pid} cannot be had here");
}
