//! What the contract does not ask of a policy, and the complete ones do.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::time::Duration;

use poolwarden::process::Signal;
use poolwarden::{Request, Stop};
use serde_json::json;

use crate::example::Example;
use crate::harness::{TestPool, Worker};

/// The policies that were written from nothing, each in its language.
const COMPLETE: [&str; 2] = ["max-age", "version-skew"];

const TERM: Option<i32> = Some(15);
const KILL: Option<i32> = Some(9);

fn stop(grace: Duration) -> Stop {
    Stop {
        grace,
        ..Stop::default()
    }
}

#[test]
fn a_group_is_stopped_with_what_its_leader_leaves_behind() {
    for policy in COMPLETE {
        let mut leader = Worker::obedient_with(|command| {
            command.process_group(0);
        });
        let group = i32::try_from(leader.pid()).expect("a pid");
        let mut member = Worker::deaf_with(|command| {
            command.process_group(group);
        });
        let pool = TestPool::with(&[leader.entry("a")]);
        let request = Request::Stop(Stop {
            group: true,
            force: true,
            ..stop(Duration::from_secs(60))
        });
        let answer = Example::new(policy).ask(&pool, request).expect("an answer");
        assert_eq!(answer["outcomes"][0]["outcome"], "exited", "{answer}");
        assert_eq!(leader.reap().signal(), TERM);
        assert_eq!(member.reap().signal(), KILL);
        assert_eq!(pool.sids(), Vec::<String>::new());
    }
}

#[test]
fn a_suspended_worker_is_continued_so_that_it_can_end() {
    for policy in COMPLETE {
        let mut worker = Worker::obedient();
        worker.suspend();
        let pool = TestPool::with(&[worker.entry("a")]);
        let request = Request::Stop(stop(Duration::from_secs(60)));
        let answer = Example::new(policy).ask(&pool, request).expect("an answer");
        assert_eq!(answer["stopped"], json!(["a"]), "{answer}");
        assert_eq!(worker.reap().signal(), TERM);
    }
}

#[test]
fn whoever_is_killed_at_once_is_killed() {
    for policy in COMPLETE {
        let mut worker = Worker::deaf();
        let pool = TestPool::with(&[worker.entry("a")]);
        let request = Request::Stop(Stop {
            signal: Signal::Kill,
            ..stop(Duration::from_secs(60))
        });
        let answer = Example::new(policy).ask(&pool, request).expect("an answer");
        assert_eq!(answer["outcomes"][0]["outcome"], "killed", "{answer}");
        assert_eq!(worker.reap().signal(), KILL);
    }
}

#[test]
fn a_signal_that_ends_nobody_is_rejected() {
    for policy in COMPLETE {
        let worker = Worker::obedient();
        let pool = TestPool::with(&[worker.entry("a")]);
        let request = Request::Stop(Stop {
            signal: Signal::Stop,
            ..Stop::default()
        });
        let example = Example::new(policy).granted(&["registry-write", "signal-stop"]);
        let answer = example.ask(&pool, request);
        let error = answer.expect_err("it is rejected").to_string();
        assert!(error.contains("SIGSTOP asks nobody to end"), "{error}");
    }
}
