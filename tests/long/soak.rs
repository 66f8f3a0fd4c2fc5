//! One server and a great many calls: it ends up as it began.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::alone::{alone, say};
use crate::chance::Chance;
use crate::echo::Echo;
use crate::harness::{TestPool, await_that};
use crate::sizes;

/// How many requests are under way at once.
const AT_ONCE: usize = 16;

/// After so many requests, somebody else changes the pool.
const CHANGE: usize = 512;

/// How much larger the server may be at the end than after a tenth, in percent.
const GROWTH: u64 = 5;

/// How often its size is looked at.
const TENTHS: usize = 10;

#[test]
fn a_server_is_no_larger_after_a_million_calls() {
    let _alone = alone();
    let (calls, seed) = (sizes::calls(), sizes::seed());
    say(&format!("{calls} calls of one server: seed {seed}"));
    let stays = [Echo::obedient(), Echo::deaf()];
    let pool = TestPool::with(&[stays[0].entry("s0"), stays[1].entry("s1")]);
    let mut server = Server::open(&pool);
    let mut others = Others::new(&pool);
    let mut chance = Chance::new(seed);
    server.call("pool_ensure", &json!({}));
    let first = server.size();
    let (begun, mut sizes) = (Instant::now(), Vec::new());
    while sizes.len() < TENTHS {
        while server.serial < calls * (sizes.len() + 1) / TENTHS {
            server.make_some_requests(&mut chance);
            if server.serial % CHANGE < AT_ONCE {
                others.change(&mut server);
            }
        }
        others.withdraw(&mut server);
        sizes.push(server.size());
    }
    let took = begun.elapsed();
    let (tenth, last) = (&sizes[0], &sizes[TENTHS - 1]);
    let memory: Vec<_> = sizes.iter().map(|size| size.memory).collect();
    say(&format!(
        "  {} requests in {took:.1?}, {:.0} a second, {} changes by others; resident memory \
         {} KiB after the first, then {memory:?} KiB after each tenth: {:+.2} % from the first \
         of these to the last",
        server.serial,
        server.serial as f64 / took.as_secs_f64(),
        others.changes,
        first.memory,
        (last.memory as f64 / tenth.memory as f64 - 1.0) * 100.0
    ));
    assert!(last.memory * 100 <= tenth.memory * (100 + GROWTH));
    // A thread that has nothing to do is kept for some seconds.
    await_that("threads without work end", || {
        server.size().threads <= first.threads
    });
    server.call("pool_ensure", &json!({}));
    let end = server.size();
    assert_eq!(
        (end.threads, end.descriptors),
        (first.threads, tenth.descriptors)
    );
    say(&format!(
        "  {} threads and {} descriptors, before and after",
        end.threads, end.descriptors
    ));
    for mut worker in stays {
        assert!(
            worker.answers(),
            "a worker was ended that nobody wanted to end"
        );
    }
    assert_eq!(pool.sids(), ["s0", "s1"]);
}

/// The server, and how much it uses.
struct Server {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    serial: usize,
}

/// What a process uses.
struct Size {
    /// Resident, in KiB.
    memory: u64,
    threads: usize,
    descriptors: usize,
}

impl Server {
    fn open(pool: &TestPool) -> Self {
        let mut command = pool.command(&["mcp"]);
        let command = command
            .env("POOLWARDEN_LOG", "error")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let mut server = Self {
            input: child.stdin.take().expect("its standard input"),
            output: BufReader::new(child.stdout.take().expect("its standard output")),
            child,
            serial: 0,
        };
        let open = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "soak", "version": "1"},
        });
        let open = server.request("initialize", &open);
        let opened = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        server.send(&format!("{open}{opened}\n"));
        server.await_all(HashSet::from([server.serial]));
        server
    }

    /// The line of the next request.
    fn request(&mut self, method: &str, params: &Value) -> String {
        self.serial += 1;
        let id = self.serial;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        format!("{request}\n")
    }

    fn send(&mut self, lines: &str) {
        self.input.write_all(lines.as_bytes()).expect("it reads");
    }

    /// Reads answers until all of these have come; the last of them.
    fn await_all(&mut self, mut ids: HashSet<usize>) -> Value {
        let mut message = Value::Null;
        let mut line = String::new();
        while !ids.is_empty() {
            line.clear();
            let read = self.output.read_line(&mut line).expect("our end of a pipe");
            assert!(read > 0, "the server has ended");
            message = serde_json::from_str(&line).expect("a message");
            if let Some(id) = message["id"].as_u64() {
                ids.remove(&usize::try_from(id).expect("an id"));
            }
        }
        message
    }

    /// Calls a tool; its answer.
    #[track_caller]
    fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let call = self.request("tools/call", &json!({"name": tool, "arguments": arguments}));
        self.send(&call);
        let mut message = self.await_all(HashSet::from([self.serial]));
        assert_eq!(message["result"]["isError"], false, "{message}");
        message["result"]["structuredContent"].take()
    }

    /// Makes requests of all kinds at once, and reads their answers. Those that are
    /// withdrawn may have one or not.
    fn make_some_requests(&mut self, chance: &mut Chance) {
        let (mut lines, mut ids) = (String::new(), HashSet::new());
        for _ in 0..AT_ONCE {
            let (method, params) = any_request(chance);
            lines += &self.request(method, &params);
            if chance.once_in(30) {
                let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
                    "params": {"requestId": self.serial, "reason": "enough"}});
                lines += &format!("{cancel}\n");
            } else {
                ids.insert(self.serial);
            }
        }
        self.send(&lines);
        self.await_all(ids);
    }

    fn size(&self) -> Size {
        let place = format!("/proc/{}", self.child.id());
        let count = |folder| {
            let folder = fs::read_dir(format!("{place}/{folder}"));
            folder.expect("our child").count()
        };
        let status = fs::read_to_string(format!("{place}/status")).expect("our child");
        let mut lines = status.lines();
        let resident = lines.find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|text| text.trim().strip_suffix(" kB"));
        Size {
            memory: resident.and_then(|kib| kib.parse().ok()).expect("a size"),
            threads: count("task"),
            descriptors: count("fd"),
        }
    }
}

/// A request of any kind, right or wrong. None of them changes anything.
fn any_request(chance: &mut Chance) -> (&'static str, Value) {
    let (tool, arguments) = match chance.below(100) {
        0..25 => ("pool_status", json!({})),
        25..35 => ("pool_status", json!({"sid": "s0"})),
        35..40 => (
            "pool_status",
            json!({"sid": format!("no-{}", chance.below(1000))}),
        ),
        40..55 => ("pool_ensure", json!({})),
        55..60 => ("pool_ensure", json!({"dry_run": true})),
        60..70 => (
            "pool_stop",
            json!({"sid": format!("no-{}", chance.below(1000))}),
        ),
        70..73 => ("pool_stop", json!({"dry_run": true})),
        73..77 => ("pool_stop", json!({"session": "s0"})),
        77..80 => ("pool_stop", json!({"sid": ["s0"], "grace_ms": -1})),
        80..85 => ("pool_start", json!({"sid": "x".repeat(chance.below(5000))})),
        85..87 => return ("no/such/method", json!({})),
        87..90 => return ("tools/list", json!({})),
        _ => return ("ping", json!({})),
    };
    ("tools/call", json!({"name": tool, "arguments": arguments}))
}

/// Somebody who changes the pool beside the server, by one more worker that comes and goes.
struct Others<'a> {
    pool: &'a TestPool,
    changes: usize,
    guest: Option<(String, Echo)>,
}

impl<'a> Others<'a> {
    fn new(pool: &'a TestPool) -> Self {
        Self {
            pool,
            changes: 0,
            guest: None,
        }
    }

    /// Registers a worker, or has the last one go in one of many ways.
    fn change(&mut self, server: &mut Server) {
        self.changes += 1;
        let Some((sid, mut worker)) = self.guest.take() else {
            let (sid, worker) = (format!("guest-{}", self.changes), Echo::obedient());
            let pid = worker.pid().to_string();
            self.pool.ask(&["register", "--sid", &sid, "--pid", &pid]);
            let answer = server.call("pool_status", &json!({"sid": sid}));
            assert_eq!(answer["sessions"][0]["status"], "running", "{answer}");
            self.guest = Some((sid, worker));
            return;
        };
        match self.changes % 6 {
            0 => {
                let answer = server.call("pool_stop", &json!({"sid": sid, "grace_ms": 60_000}));
                assert_eq!(answer["stopped"], json!([sid]), "{answer}");
            }
            2 => drop(self.pool.ask(&["forget", &sid, "--even-if-alive"])),
            _ => {
                worker.kill();
                let answer = server.call("pool_ensure", &json!({}));
                assert_eq!(answer["removed"][0]["sid"], *sid, "{answer}");
            }
        }
    }

    /// Leaves the pool as it was at first.
    fn withdraw(&mut self, server: &mut Server) {
        if self.guest.is_some() {
            self.change(server);
        }
        server.call("pool_ensure", &json!({}));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The test is over, whether or not it has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
