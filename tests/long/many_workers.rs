//! Thousands of workers, stopped in one call.

use std::io::{PipeReader, PipeWriter, pipe};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::alone::{alone, say};
use crate::echo::Echo;
use crate::harness::{Entry, Ran, Running, TestPool};
use crate::sizes;

#[test]
fn one_call_takes_one_grace_period_and_others_are_answered_meanwhile() {
    let _alone = alone();
    let (count, grace) = (sizes::workers(), sizes::grace());
    let obedient = unforced(count, None);

    let mut crowd = Crowd::new(count, sizes::deaf());
    let pool = crowd.pool();
    let started = Instant::now();
    let mut stop = Running::start(forced(&pool, grace));
    // Everybody else has ended only when everybody was signalled.
    crowd.reap_the_obedient();
    let (all_ended, asked) = (started.elapsed(), Instant::now());
    let answer = pool.ask(&["status"]);
    let answered = asked.elapsed();
    assert!(stop.is_running(), "the status waited for the stop");
    let ran = stop.finish();
    let took = started.elapsed();

    let sessions = answer["sessions"].as_array().expect("sessions");
    assert_eq!(sessions.len(), crowd.deaf.len(), "the others have ended");
    assert!(sessions.iter().all(|one| one["status"] == "stopping"));
    crowd.confirm(&ran);
    assert_eq!(pool.sids(), Vec::<String>::new());
    say(&format!(
        "stop of {count} workers, {} of them deaf: {took:.2?} with a grace period of {grace:?}; \
         the obedient had ended after {all_ended:.2?}, and a status then took {answered:.2?}; \
         {count} obedient ones alone take {obedient:.2?}",
        crowd.deaf.len()
    ));
    assert_one_grace_period(took, grace, obedient);
}

#[test]
fn one_call_does_it_with_few_descriptors() {
    /// Of each process, and far fewer than workers.
    const DESCRIPTORS: u32 = 256;

    let _alone = alone();
    let (count, grace) = (sizes::workers(), sizes::grace());
    assert!(count > DESCRIPTORS as usize, "too few workers to matter");
    let obedient = unforced(count, Some(DESCRIPTORS));

    let mut crowd = Crowd::new(count, sizes::deaf());
    let pool = crowd.pool();
    let started = Instant::now();
    let stop = limited(&forced(&pool, grace), DESCRIPTORS);
    let ran = Running::start(stop).finish();
    let took = started.elapsed();
    crowd.reap_the_obedient();
    crowd.confirm(&ran);
    assert_eq!(pool.sids(), Vec::<String>::new());
    say(&format!(
        "the same with {DESCRIPTORS} descriptors: {took:.2?}; {count} obedient ones alone take \
         {obedient:.2?}"
    ));
    assert_one_grace_period(took, grace, obedient);
}

/// A second grace period, or one for each worker, would be longer than this.
#[track_caller]
fn assert_one_grace_period(took: Duration, grace: Duration, obedient: Duration) {
    assert!(took >= grace, "the deaf were not waited for: {took:?}");
    assert!(took < grace * 2 + obedient, "it took {took:?}");
}

/// How long it takes to stop this many workers that all end at once.
fn unforced(count: usize, descriptors: Option<u32>) -> Duration {
    let mut crowd = Crowd::new(count, 0);
    let pool = crowd.pool();
    let stop = pool.command(&["stop", "--all", "--grace", "1h"]);
    let stop = match descriptors {
        Some(descriptors) => limited(&stop, descriptors),
        None => stop,
    };
    let started = Instant::now();
    let ran = Running::start(stop).finish();
    let took = started.elapsed();
    crowd.reap_the_obedient();
    crowd.confirm(&ran);
    took
}

fn forced(pool: &TestPool, grace: Duration) -> Command {
    let mut stop = pool.command(&["stop", "--all", "--force", "--grace"]);
    stop.arg(format!("{}s", grace.as_secs()));
    stop
}

/// A command that may open this many files and no more.
fn limited(command: &Command, descriptors: u32) -> Command {
    let script = format!("ulimit -n {descriptors}; exec \"$@\"");
    let mut limited = Command::new("/bin/sh");
    limited
        .env_clear()
        .args(["-c", &script, "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    limited
}

/// Workers, and how each of them ended.
struct Crowd {
    obedient: Vec<Child>,
    ended: Vec<ExitStatus>,
    deaf: Vec<Echo>,
    /// All of the obedient read from this pipe and hear nothing, until the test ends.
    _lifeline: PipeWriter,
}

impl Crowd {
    /// So many workers in all, so many of them deaf.
    fn new(count: usize, deaf: usize) -> Self {
        let (input, lifeline) = pipe().expect("a pipe");
        Self {
            obedient: (deaf..count).map(|_| reader(&input)).collect(),
            ended: Vec::new(),
            deaf: (0..deaf).map(|_| Echo::deaf()).collect(),
            _lifeline: lifeline,
        }
    }

    /// A pool of them that knows all of them. The deaf stand among the others, the first
    /// of them first.
    fn pool(&self) -> TestPool {
        let mut pids: Vec<u32> = self.obedient.iter().map(Child::id).collect();
        let distance = pids.len().checked_div(self.deaf.len()).unwrap_or(0);
        for (i, worker) in self.deaf.iter().enumerate() {
            pids.insert(i * (distance + 1), worker.pid());
        }
        let entries: Vec<_> = pids
            .iter()
            .enumerate()
            .map(|(i, &pid)| Entry::new(&format!("w{i}"), pid))
            .collect();
        let pool = TestPool::with(&entries);
        let answer = pool.ask(&["ensure"]);
        assert_eq!(
            answer["sessions"].as_array().map(Vec::len),
            Some(pids.len())
        );
        pool
    }

    /// Waits for the end of all that are not deaf.
    fn reap_the_obedient(&mut self) {
        let ends = self.obedient.iter_mut();
        self.ended = ends.map(|child| child.wait().expect("our child")).collect();
    }

    /// Checks that the stop has confirmed the end of every one, and by what it ended.
    #[track_caller]
    fn confirm(&mut self, ran: &Ran) {
        let answer: Value = ran.answer(0);
        let count = self.obedient.len() + self.deaf.len();
        assert_eq!((&answer["errors"], &*ran.stderr), (&json!([]), ""));
        assert_eq!(answer["stopped"].as_array().map(Vec::len), Some(count));
        let outcomes = |wanted: &str| {
            let outcomes = answer["outcomes"].as_array().expect("outcomes").iter();
            outcomes.filter(|one| one["outcome"] == wanted).count()
        };
        let obedient = self.obedient.len();
        assert_eq!(
            (outcomes("exited"), outcomes("killed")),
            (obedient, self.deaf.len())
        );
        let term = Some(Signal::SIGTERM as i32);
        assert!(self.ended.iter().all(|status| status.signal() == term));
        assert_eq!(self.ended.len(), obedient);
        for worker in &mut self.deaf {
            assert_eq!(worker.reap().signal(), Some(Signal::SIGKILL as i32));
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.obedient {
            // Both fail for those that were reaped, and then there is nothing to do.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A worker that SIGTERM ends, as cheap as they come.
fn reader(input: &PipeReader) -> Child {
    Command::new("/bin/cat")
        .env_clear()
        .stdin(input.try_clone().expect("a descriptor"))
        .stdout(Stdio::null())
        .spawn()
        .expect("the worker starts")
}
