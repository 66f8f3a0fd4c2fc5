//! Many clients that wait for one pool: nobody waits much longer than the others.
//!
//! A wait is the whole time of a request as its client sees it. Most of it is spent in the
//! queue for the lock: the programs here hold it while the disk syncs, and everybody asks
//! again at once. The longest wait of all, whoever had it, is held against the usual one,
//! which is the median over all requests of the same kind of client.
//!
//! Time is printed. What is asserted is the same in turns: how many requests of others were
//! answered during the wait. A disk that stands still for seconds, because of somebody else
//! on this machine, makes everybody wait and is nobody's turn.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::alone::{alone, say};
use crate::echo::Echo;
use crate::harness::{Mcp, Ran, TestPool};
use crate::sizes;

/// How many clients there are, and how many of them have a server all the time.
const CLIENTS: usize = 64;
const SERVERS: usize = 16;

/// How many times longer than usual anybody may wait.
const FAIR: usize = 10;
/// For how long a client waits for the lock: a slow disk is no failure.
const PATIENCE: &str = "60s";

/// How long one request took.
#[derive(Clone, Copy)]
struct Wait {
    time: Duration,
    /// How many requests of all clients were answered meanwhile, this one among them.
    turns: usize,
}

/// Requests that were answered, of everybody.
#[derive(Default)]
struct Answered(AtomicUsize);

impl Answered {
    /// Makes a request, and counts it.
    fn count<T>(&self, request: impl FnOnce() -> T) -> (T, Wait) {
        let (begun, before) = (Instant::now(), self.0.load(Ordering::Relaxed));
        let answer = request();
        let turns = self.0.fetch_add(1, Ordering::Relaxed) + 1 - before;
        let time = begun.elapsed();
        (answer, Wait { time, turns })
    }
}

#[test]
fn nobody_waits_ten_times_as_long_as_usual() {
    let _alone = alone();
    let time = sizes::waiting();
    let (pool, worker) = (TestPool::new(), Echo::obedient());
    pool.ask(&[
        "register",
        "--sid",
        "stays",
        "--pid",
        &worker.pid().to_string(),
    ]);
    let servers: Vec<_> = (0..SERVERS)
        .map(|_| Mcp::open(pool.command(&["--lock-wait", PATIENCE, "mcp"])))
        .collect();
    let answered = Answered::default();
    let deadline = Instant::now() + time;
    let (programs, servers) = thread::scope(|scope| {
        let (pool, worker, answered) = (&pool, &worker, &answered);
        let programs: Vec<_> = (SERVERS..CLIENTS)
            .map(|i| scope.spawn(move || waits_of_programs(pool, worker, answered, i, deadline)))
            .collect();
        let servers: Vec<_> = servers
            .into_iter()
            .map(|server| scope.spawn(move || waits_of_a_server(server, answered, deadline)))
            .collect();
        let join = |threads: Vec<thread::ScopedJoinHandle<'_, Vec<Wait>>>| {
            let waits = threads.into_iter().map(|one| one.join().expect("a client"));
            waits.collect::<Vec<_>>()
        };
        (join(programs), join(servers))
    });
    say(&format!("{CLIENTS} clients for {time:?}:"));
    let fair = [("programs", programs), ("servers", servers)].map(|(who, waits)| fair(who, &waits));
    assert_eq!(fair, [true, true], "somebody has waited for too long");
}

/// Registers a session and forgets it, again and again: each holds the lock while the disk
/// writes. How long each of them took.
fn waits_of_programs(
    pool: &TestPool,
    worker: &Echo,
    answered: &Answered,
    i: usize,
    deadline: Instant,
) -> Vec<Wait> {
    let (pid, mut waits) = (worker.pid().to_string(), Vec::new());
    while Instant::now() < deadline {
        let sid = format!("s{i}-{}", waits.len());
        let register = ["register", "--sid", &sid, "--pid", &pid];
        let forget = ["forget", &sid, "--even-if-alive"];
        for arguments in [&register[..], &forget] {
            let arguments = [&["--lock-wait", PATIENCE], arguments].concat();
            let (ran, wait): (Ran, _) = answered.count(|| pool.run(&arguments));
            waits.push(wait);
            assert_eq!((ran.code, &*ran.stderr), (0, ""), "{ran:?}");
        }
    }
    waits
}

/// Calls a server, again and again, which only looks. How long each call took.
fn waits_of_a_server(mut server: Mcp, answered: &Answered, deadline: Instant) -> Vec<Wait> {
    let mut waits = Vec::new();
    while Instant::now() < deadline {
        let (answer, wait) = answered.count(|| server.answer("pool_ensure", json!({})));
        waits.push(wait);
        let sessions = answer["sessions"].as_array().expect("sessions");
        assert!(sessions.iter().any(|one| one["sid"] == "stays"), "{answer}");
    }
    waits
}

/// Prints how long these clients have waited; whether nobody was passed over for much longer
/// than usual.
fn fair(who: &str, waits: &[Vec<Wait>]) -> bool {
    let all = waits.concat();
    let (median, longest) = usual_and_most(all.iter().map(|wait| wait.time));
    let (usual, most) = usual_and_most(all.iter().map(|wait| wait.turns));
    let counts = || waits.iter().map(Vec::len);
    say(&format!(
        "  {} {who}: {} requests, {} to {} each; median wait {median:.1?}, longest {longest:.1?} \
         ({:.1} times); usually during {usual} answers to all, at most {most}",
        waits.len(),
        all.len(),
        counts().min().unwrap_or(0),
        counts().max().unwrap_or(0),
        longest.as_secs_f64() / median.as_secs_f64(),
    ));
    most <= usual * FAIR
}

/// The median and the greatest.
fn usual_and_most<T: Ord + Copy>(all: impl Iterator<Item = T>) -> (T, T) {
    let mut all: Vec<_> = all.collect();
    all.sort_unstable();
    (all[all.len() / 2], all[all.len() - 1])
}
