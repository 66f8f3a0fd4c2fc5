//! Many clients that wait for one pool: nobody waits much longer than the others.
//!
//! A wait is the whole time of a request as its client sees it. Most of it is spent in the
//! queue for the lock: the programs here hold it while the disk syncs, and everybody asks
//! again at once. The longest wait of all, whoever had it, is held against the usual one,
//! which is the median over all requests of the same kind of client.

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
const FAIR: u32 = 10;

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
        .map(|_| Mcp::open(pool.command(&["mcp"])))
        .collect();
    let deadline = Instant::now() + time;
    let (programs, servers) = thread::scope(|scope| {
        let (pool, worker) = (&pool, &worker);
        let programs: Vec<_> = (SERVERS..CLIENTS)
            .map(|i| scope.spawn(move || waits_of_programs(pool, worker, i, deadline)))
            .collect();
        let servers: Vec<_> = servers
            .into_iter()
            .map(|server| scope.spawn(move || waits_of_a_server(server, deadline)))
            .collect();
        let join = |threads: Vec<thread::ScopedJoinHandle<'_, Vec<Duration>>>| {
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
fn waits_of_programs(pool: &TestPool, worker: &Echo, i: usize, deadline: Instant) -> Vec<Duration> {
    let (pid, mut waits) = (worker.pid().to_string(), Vec::new());
    while Instant::now() < deadline {
        let sid = format!("s{i}-{}", waits.len());
        let register = ["register", "--sid", &sid, "--pid", &pid];
        let forget = ["forget", &sid, "--even-if-alive"];
        for arguments in [&register[..], &forget] {
            let begun = Instant::now();
            let ran: Ran = pool.run(arguments);
            waits.push(begun.elapsed());
            assert_eq!((ran.code, &*ran.stderr), (0, ""), "{ran:?}");
        }
    }
    waits
}

/// Calls a server, again and again, which only looks. How long each call took.
fn waits_of_a_server(mut server: Mcp, deadline: Instant) -> Vec<Duration> {
    let mut waits = Vec::new();
    while Instant::now() < deadline {
        let begun = Instant::now();
        let answer = server.answer("pool_ensure", json!({}));
        waits.push(begun.elapsed());
        let sessions = answer["sessions"].as_array().expect("sessions");
        assert!(sessions.iter().any(|one| one["sid"] == "stays"), "{answer}");
    }
    waits
}

/// Prints how long these clients have waited; whether nobody has waited for much longer
/// than usual.
fn fair(who: &str, waits: &[Vec<Duration>]) -> bool {
    let mut all: Vec<_> = waits.concat();
    all.sort_unstable();
    let (median, longest) = (all[all.len() / 2], all[all.len() - 1]);
    let counts = || waits.iter().map(Vec::len);
    say(&format!(
        "  {} {who}: {} requests, {} to {} each; median wait {median:.1?}, longest {longest:.1?} \
         ({:.1} times)",
        waits.len(),
        all.len(),
        counts().min().unwrap_or(0),
        counts().max().unwrap_or(0),
        longest.as_secs_f64() / median.as_secs_f64(),
    ));
    longest <= median * FAIR
}
