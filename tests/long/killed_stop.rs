//! Stops that are killed at any moment.

use serde_json::Value;

use crate::alone::{alone, say};
use crate::chance::Chance;
use crate::echo::Echo;
use crate::harness::TestPool;
use crate::sizes;
use crate::strike::{End, kill_after, usual_duration};

/// Short, so that the moments fall as well before and behind it.
const GRACE: &str = "20ms";

#[test]
fn leaves_no_entry_of_a_dead_worker_and_loses_no_live_one() {
    let _alone = alone();
    let (kills, seed) = (sizes::kills(), sizes::seed());
    say(&format!("stop, killed {kills} times: seed {seed}"));
    let mut chance = Chance::new(seed);
    let pool = TestPool::new();
    let usual = usual_duration(|| {
        let round = Round::new(&pool, &mut chance);
        (round.command(&pool), round)
    });

    let (mut killed, mut survivors, mut spared) = (0, 0, 0);
    for _ in 0..kills {
        let mut round = Round::new(&pool, &mut chance);
        let moment = chance.up_to(usual * 5 / 4);
        let end = kill_after(round.command(&pool), moment);
        let alive = round.check(&pool, &end);
        survivors += alive;
        if matches!(end, End::Killed) {
            killed += 1;
            spared += usize::from(alive == WORKERS);
        }
    }
    say(&format!(
        "stop, killed {kills} times within {:.1?}: {killed} times before its end, and of these \
         {spared} times before anybody was ended; {survivors} of {} workers lived on",
        usual * 5 / 4,
        kills * WORKERS
    ));
    assert!(killed * 4 > kills, "it was mostly too late");
    assert!(spared < killed, "it was always too early");
}

/// How many workers a round has: two that SIGTERM ends, and a deaf one.
const WORKERS: usize = 3;

/// One pool's population for one stop.
struct Round {
    workers: Vec<Echo>,
    /// Which one is to be stopped; all when there is none.
    named: Option<usize>,
}

impl Round {
    /// Starts workers and writes their entries over whatever the last round left. The
    /// stop may be the first to see them, or not.
    fn new(pool: &TestPool, chance: &mut Chance) -> Self {
        let workers = vec![Echo::obedient(), Echo::obedient(), Echo::deaf()];
        let entries: Vec<_> = workers
            .iter()
            .enumerate()
            .map(|(i, worker)| worker.entry(&sid(i)))
            .collect();
        pool.seed(&entries);
        if chance.once_in(2) {
            pool.ask(&["ensure"]);
        }
        let named = chance.once_in(2).then(|| chance.below(WORKERS));
        Self { workers, named }
    }

    fn command(&self, pool: &TestPool) -> std::process::Command {
        let who = self.named.map_or("--all".to_owned(), sid);
        pool.command(&["stop", &who, "--grace", GRACE, "--force"])
    }

    /// Checks that after one `ensure` the registry names the living and nobody else; how
    /// many live.
    #[track_caller]
    fn check(&mut self, pool: &TestPool, end: &End) -> usize {
        let mut living = Vec::new();
        for (i, worker) in self.workers.iter_mut().enumerate() {
            if worker.answers() {
                living.push((sid(i), worker.pid()));
            } else {
                worker.reap();
                assert!(
                    self.named.is_none_or(|named| named == i),
                    "a worker was ended that nobody wanted to be stopped"
                );
            }
        }
        let answer = pool.ask(&["ensure"]);
        assert_eq!(listed(&answer), living, "{answer}");
        assert_eq!(listed(&pool.ask(&["status"])), living);
        assert_eq!(
            pool.sids(),
            living
                .iter()
                .map(|(sid, _)| sid.as_str())
                .collect::<Vec<_>>()
        );
        if let End::ByItself(output) = end {
            assert!(output.status.success(), "{output:?}");
            let stopped = if self.named.is_some() { 1 } else { WORKERS };
            assert_eq!(living.len(), WORKERS - stopped);
        }
        living.len()
    }
}

fn sid(index: usize) -> String {
    format!("w{index}")
}

/// Sids and pids of an answer's sessions, each of which is proven to run.
#[track_caller]
fn listed(answer: &Value) -> Vec<(String, u32)> {
    let sessions = answer["sessions"].as_array().expect("sessions");
    sessions
        .iter()
        .map(|one| {
            let status = one["status"].as_str().expect("a status");
            assert!(["running", "stopping"].contains(&status), "{answer}");
            let pid = one["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
            let sid = one["sid"].as_str().expect("a sid").to_owned();
            (sid, pid.expect("a pid"))
        })
        .collect()
}
