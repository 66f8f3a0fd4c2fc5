//! A program that is stopped while it holds the pool's lock, as Ctrl-Z or a debugger does.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use poolwarden::{Cancel, Error, Limits, Policy, PoolBuilder};
use serde_json::json;

use crate::harness::{Mcp, PATIENCE, Rude, Running, TestPool, Worker, await_that};

/// How long others wait for the lock.
const WAIT: Duration = Duration::from_millis(300);

/// A program that has the pool's lock and is stopped.
struct Stopped {
    program: Running,
    trail: File,
}

impl Stopped {
    /// Has the program forget a session, up to where it records that: with the lock on the
    /// pool, it waits there for the one on the trail, which the test holds.
    fn while_it_forgets(pool: &TestPool, sid: &str) -> Self {
        let mut options = File::options();
        let trail = pool.directory().join("audit.jsonl");
        let trail = options.append(true).create(true).mode(0o600).open(trail);
        let trail = trail.expect("the trail");
        trail.lock().expect("its lock");
        let mut program = pool.start(&["forget", sid, "--even-if-alive", "--lock-wait", "1h"]);
        await_that("the program holds the lock", || !pool.lock_is_free());
        assert!(program.is_running());
        program.signal(Signal::SIGSTOP);
        let stat = format!("/proc/{}/stat", program.pid());
        await_that("the program is stopped", || {
            let stat = fs::read_to_string(&stat).expect("our child");
            // The name before may hold anything (proc_pid_stat(5)).
            stat.rsplit_once(") ")
                .is_some_and(|(_, rest)| rest.starts_with('T'))
        });
        Self { program, trail }
    }

    /// Checks that a text tells who it is, what it runs, and how long was waited.
    #[track_caller]
    fn expect_named_in(&self, text: &str) {
        let pid = format!("process {} (", self.program.pid());
        for part in [
            &*pid,
            "forget a --even-if-alive",
            "registry.lock",
            "after 30",
            "ms",
        ] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
    }

    /// Lets it go on; it does what it was to do.
    #[track_caller]
    fn go_on(self) {
        drop(self.trail);
        self.program.signal(Signal::SIGCONT);
        let answer = self.program.finish().answer(0);
        assert_eq!(answer["forgotten"][0]["sid"], "a", "{answer}");
    }
}

#[test]
fn is_named_to_everybody_who_waits_and_all_go_on_with_it() {
    let workers = [Worker::obedient(), Worker::obedient()];
    let pool = TestPool::with(&[workers[0].entry("a"), workers[1].entry("b")]);
    pool.ask(&["ensure"]);
    let mut server = Mcp::open(pool.command(&["mcp", "--lock-wait", "300ms"]));
    server.answer("pool_status", json!({}));
    let mut patient = Mcp::open(pool.command(&["mcp", "--lock-wait", "1h"]));
    patient.answer("pool_status", json!({}));
    let stopped = Stopped::while_it_forgets(&pool, "a");

    let begun = Instant::now();
    let mut status = pool.command(&["status"]);
    status.env("POOLWARDEN_LOCK_WAIT", "300ms");
    stopped.expect_named_in(Running::start(status).finish().error(5));

    let result = server.call("pool_stop", json!({"force": true}));
    assert_eq!(result["isError"], true, "{result}");
    stopped.expect_named_in(result["content"][0]["text"].as_str().expect("a text"));

    let limits = Limits {
        lock_wait: WAIT,
        ..Limits::default()
    };
    let library = PoolBuilder::new(pool.directory())
        .limits(limits)
        .build(Policy::shipped().expect("the shipped policy"));
    let cancel = Cancel::new().expect("a descriptor");
    match library.status(None, &cancel) {
        Err(Error::Busy(text)) => stopped.expect_named_in(&text),
        other => panic!("{other:?}"),
    }
    let took = begun.elapsed();
    assert!(took >= 3 * WAIT && took < PATIENCE / 2, "{took:?}");

    // Those that wait longer than it is stopped are none the worse for it.
    let begun = patient.begin(
        "tools/call",
        json!({"name": "pool_ensure", "arguments": {}}),
    );
    let waiting: Vec<_> = (0..3)
        .map(|_| pool.start(&["status", "b", "--lock-wait", "1h"]))
        .collect();
    stopped.go_on();
    for program in waiting {
        assert_eq!(
            program.finish().answer(0)["sessions"][0]["status"],
            "running"
        );
    }
    assert_eq!(patient.next()["id"], begun);
    for server in [&mut server, &mut patient] {
        let answer = server.answer("pool_status", json!({}));
        assert_eq!(answer["sessions"][0]["sid"], "b");
        assert!(server.close().success());
    }
    assert!(workers.iter().all(Worker::is_running));
    assert_eq!(pool.sids(), ["b"]);
}

#[test]
fn leaves_no_thread_behind_in_a_server_whose_requests_give_up() {
    const TIMES: usize = 200;

    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let mut client = Rude::open(pool.command(&["mcp", "--lock-wait", "2ms"]));
    let stopped = Stopped::while_it_forgets(&pool, "a");
    let mut first = None;
    for id in 1..=TIMES {
        client.call(&json!(id), "pool_status", &json!({}));
        let answer = client.await_answer(&json!(id));
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        let (threads, descriptors) = (client.threads(), client.descriptors());
        let (threads_first, descriptors_first) = *first.get_or_insert((threads, descriptors));
        assert_eq!(descriptors, descriptors_first, "after {id} requests");
        // A request can come while the thread of the one before it is about to rest.
        assert!(
            threads <= threads_first + 1,
            "{threads} threads after {id} requests"
        );
    }
    stopped.go_on();
    client.call(&json!("last"), "pool_status", &json!({}));
    let answer = client.await_answer(&json!("last"));
    assert_eq!(answer["result"]["isError"], false, "{answer}");
}
