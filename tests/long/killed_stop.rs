//! Stops that are killed at any moment.

use std::process::Command;

use crate::alone::{alone, say};
use crate::chance::Chance;
use crate::echo::Echo;
use crate::harness::TestPool;
use crate::listing::listed;
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

    let (mut killed, mut rounds, mut spared, mut finished) = (0, 0, 0, 0);
    while killed < kills {
        rounds += 1;
        assert!(rounds < kills * 8, "it was mostly too late");
        let mut round = Round::new(&pool, &mut chance);
        let moment = chance.up_to(usual * 5 / 4);
        let end = kill_after(round.command(&pool), moment);
        let alive = round.check(&pool, &end);
        if matches!(end, End::Killed) {
            killed += 1;
            spared += usize::from(alive == WORKERS);
            finished += usize::from(alive == WORKERS - round.wanted());
        }
    }
    say(&format!(
        "stop, killed {killed} times within {:.1?} (and {} times too late): {spared} times \
         before anybody had ended, {finished} times when everybody had who was to end",
        usual * 5 / 4,
        rounds - killed
    ));
    assert!(spared < killed, "it was always too early");
}

/// How many workers a round has: one is deaf, so that the grace period passes, and SIGTERM
/// ends the others.
const WORKERS: usize = 3;

/// One pool's population for one stop.
struct Round {
    workers: Vec<Echo>,
    /// The deaf one, if only that is to be stopped; otherwise all are.
    named: Option<usize>,
}

impl Round {
    /// Starts workers and writes their entries over whatever the last round left. The
    /// stop may be the first to see them, or not.
    fn new(pool: &TestPool, chance: &mut Chance) -> Self {
        let deaf = chance.below(WORKERS);
        let worker = |i| match i == deaf {
            true => Echo::deaf(),
            false => Echo::obedient(),
        };
        let workers: Vec<_> = (0..WORKERS).map(worker).collect();
        let entries: Vec<_> = workers
            .iter()
            .enumerate()
            .map(|(i, worker)| worker.entry(&sid(i)))
            .collect();
        pool.seed(&entries);
        if chance.once_in(2) {
            pool.ask(&["ensure"]);
        }
        let named = chance.once_in(2).then_some(deaf);
        Self { workers, named }
    }

    fn command(&self, pool: &TestPool) -> Command {
        let who = self.named.map_or("--all".to_owned(), sid);
        pool.command(&["stop", &who, "--grace", GRACE, "--force"])
    }

    /// How many are to be stopped.
    fn wanted(&self) -> usize {
        self.named.map_or(WORKERS, |_| 1)
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
        living.sort_by_key(|&(_, pid)| pid);
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
            assert_eq!(living.len(), WORKERS - self.wanted());
        }
        living.len()
    }
}

fn sid(index: usize) -> String {
    format!("w{index}")
}
