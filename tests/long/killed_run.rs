//! Starts of workers that are killed at any moment.

use std::process::Command;

use crate::alone::{alone, say};
use crate::chance::Chance;
use crate::echo::Echo;
use crate::harness::TestPool;
use crate::lifeline::Lifeline;
use crate::listing::listed;
use crate::orphans::{Orphan, adopt, orphans};
use crate::sizes;
use crate::strike::{End, kill_after, usual_duration};

/// The session that all of them are started for.
const SID: &str = "a";

#[test]
fn leaves_no_unregistered_worker_and_loses_no_live_one() {
    let _alone = alone();
    adopt();
    let (kills, seed) = (sizes::kills(), sizes::seed());
    say(&format!("run, killed {kills} times: seed {seed}"));
    let mut chance = Chance::new(seed);
    let place = Place::new();
    for kind in [Kind::Fresh, Kind::Replacing] {
        let usual = usual_duration(|| {
            let round = Round::new(&place, kind);
            (round.command(), round)
        });
        let (mut killed, mut rounds, mut registered, mut started) = (0, 0, 0, 0);
        while killed < kills / 2 {
            rounds += 1;
            assert!(rounds < kills * 8, "it was mostly too late");
            let mut round = Round::new(&place, kind);
            let moment = chance.up_to(usual * 5 / 4);
            let end = kill_after(round.command(), moment);
            let reached = round.check(&end);
            if matches!(end, End::Killed) {
                killed += 1;
                registered += usize::from(reached == Reached::Registered);
                started += usize::from(reached == Reached::Started);
            }
        }
        say(&format!(
            "run ({kind:?}), killed {killed} times within {:.1?} (and {} times too late): \
             {registered} times when the worker was registered and not started, {started} times \
             when it was started",
            usual * 5 / 4,
            rounds - killed
        ));
        assert!(started < killed, "it was always too late");
    }
}

/// How far a start had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// Nobody has heard of it.
    Nothing,
    /// The worker had an entry, and its program never ran.
    Registered,
    /// The program runs.
    Started,
}

/// Whether the session id is free.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// No worker has it.
    Fresh,
    /// One has, and is to be replaced.
    Replacing,
}

/// Where all rounds take place: one pool, and one worker in it that nobody touches.
struct Place {
    pool: TestPool,
    lifeline: Lifeline,
    bystander: Echo,
}

impl Place {
    fn new() -> Self {
        let (pool, bystander) = (TestPool::new(), Echo::obedient());
        pool.seed(&[bystander.entry("bystander")]);
        Self {
            lifeline: Lifeline::new(&pool),
            pool,
            bystander,
        }
    }
}

/// One start of a worker.
struct Round<'a> {
    place: &'a Place,
    predecessor: Option<Echo>,
}

impl<'a> Round<'a> {
    fn new(place: &'a Place, kind: Kind) -> Self {
        let predecessor = matches!(kind, Kind::Replacing).then(Echo::obedient);
        if let Some(worker) = &predecessor {
            let pid = worker.pid().to_string();
            let register = ["register", "--sid", SID, "--pid", &pid];
            place.pool.ask(&register);
        }
        Self { place, predecessor }
    }

    fn command(&self) -> Command {
        let mut command = self.place.pool.command(&["run", "--sid", SID]);
        if self.predecessor.is_some() {
            command.arg("--replace");
        }
        command.arg("--").args(self.place.lifeline.obedient());
        command
    }

    /// Everything that was started and is not reaped, but for what we have started.
    fn orphans(&self) -> Vec<Orphan> {
        let mut known = vec![self.place.bystander.pid()];
        known.extend(self.predecessor.as_ref().map(Echo::pid));
        orphans(&known)
    }

    /// Checks that after one `ensure` the registry names the living and nobody else; how
    /// far the start had come.
    #[track_caller]
    fn check(&mut self, end: &End) -> Reached {
        let pool = &self.place.pool;
        let mut living = vec![("bystander".to_owned(), self.place.bystander.pid())];
        if let Some(predecessor) = &mut self.predecessor {
            if predecessor.answers() {
                living.push((SID.to_owned(), predecessor.pid()));
            } else {
                predecessor.reap();
            }
        }
        let orphans = self.orphans();
        // One that waits for the word now would do so for ever.
        let (started, ended): (Vec<_>, Vec<_>) = orphans.iter().partition(|o| o.becomes("cat"));
        living.extend(started.iter().map(|one| (one.sid(), one.pid())));
        living.sort_by_key(|&(_, pid)| pid);

        let answer = pool.ask(&["ensure"]);
        assert_eq!(listed(&answer), living, "{answer}");
        assert_eq!(listed(&pool.ask(&["status"])), living);
        assert_eq!(pool.sids().len(), living.len());
        assert!(living.len() <= 2, "two have one session id: {living:?}");
        if let End::ByItself(output) = end {
            assert!(output.status.success(), "{output:?}");
            assert_eq!(started.len(), 1);
        }
        let removed = answer["removed"].as_array().expect("a list");
        if !started.is_empty() {
            Reached::Started
        } else if removed
            .iter()
            .any(|one| ended.iter().any(|o| one["pid"] == o.pid()))
        {
            Reached::Registered
        } else {
            Reached::Nothing
        }
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        // Its worker ends with it, and its entry becomes that of a dead one.
        drop(self.orphans());
    }
}
