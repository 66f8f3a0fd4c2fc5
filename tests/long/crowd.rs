//! Many clients on one pool, each asking for whatever comes to its mind.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::alone::{alone, say};
use crate::chance::Chance;
use crate::client::{Client, Place};
use crate::harness::TestPool;
use crate::lifeline::Lifeline;
use crate::listing::listed;
use crate::orphans::{Orphan, adopt, orphans};
use crate::sizes;
use crate::tally::Tally;

/// One client in so many has a server all the time; the others run programs.
const SERVERS: usize = 10;

#[test]
fn of_clients_leaves_a_registry_that_agrees_with_the_processes() {
    let _alone = alone();
    adopt();
    let (clients, time, seed) = (sizes::clients(), sizes::time(), sizes::seed());
    say(&format!("{clients} clients for {time:?}: seed {seed}"));
    let pool = TestPool::new();
    let place = Place {
        lifeline: Lifeline::new(&pool),
        pool,
        started: Started::default(),
        tally: Tally::default(),
    };
    let deadline = Instant::now() + time;
    thread::scope(|scope| {
        for i in 0..clients {
            let (place, chance) = (&place, Chance::new(seed.wrapping_add(i as u64)));
            scope.spawn(move || {
                let mut client = if i % SERVERS == 0 {
                    Client::of_a_server(place, chance)
                } else {
                    Client::of_programs(place, chance)
                };
                while Instant::now() < deadline {
                    client.act();
                    place.started.reap();
                }
            });
        }
    });
    for line in place.tally.lines() {
        say(&line);
    }
    let left = agreement(&place.pool);
    let started = place.tally.count("run", "started");
    say(&format!(
        "  {started} workers were started, {left} are left"
    ));
    assert!(started > clients, "next to nothing was tried");
}

/// Checks that processes and registry agree about who lives and for which session; how
/// many live.
#[track_caller]
fn agreement(pool: &TestPool) -> usize {
    let left = orphans(&[]);
    let workers: Vec<_> = left.iter().filter(|one| one.becomes("cat")).collect();
    // Those that somebody signalled and nobody waited for are about to end.
    for (_, pid) in stopping(pool) {
        let worker = workers.iter().find(|one| one.pid() == pid);
        if let Some(worker) = worker.filter(|one| !one.ignores_term()) {
            worker.await_end();
        }
    }
    let answer = pool.ask(&["ensure"]);
    let living = workers.iter().filter(|one| !one.has_ended());
    let living: Vec<_> = living.map(|one| (one.sid(), one.pid())).collect();
    assert_eq!(listed(&answer), living, "{answer}");
    assert_eq!(pool.sids().len(), living.len());
    living.len()
}

/// Those that were signalled.
fn stopping(pool: &TestPool) -> Vec<(String, u32)> {
    let mut answer = pool.ask(&["status"]);
    let sessions = answer["sessions"].as_array_mut().expect("sessions");
    sessions.retain(|one| one["status"] == "stopping");
    listed(&answer)
}

/// Workers that were started. Somebody has to reap them, or no pid would ever be free.
#[derive(Default)]
pub(crate) struct Started(Mutex<Vec<Orphan>>);

impl Started {
    /// One more.
    pub(crate) fn add(&self, pid: u32) {
        let worker = Orphan::hold(pid);
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(worker);
    }

    /// Reaps those that have ended, unless another thread is at it.
    fn reap(&self) {
        if let Ok(mut workers) = self.0.try_lock() {
            // They are reaped when they go.
            workers.retain(|worker| !worker.has_ended());
        }
    }
}
