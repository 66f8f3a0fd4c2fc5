//! Several stops of one pool, stops that are broken off, and more workers than
//! descriptors.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::{Ran, Running, TestPool, Worker};

#[test]
fn two_stops_of_one_worker_both_see_it_end() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let stops: Vec<_> = (0..2)
        .map(|_| {
            let stop = pool.start(&["stop", "a", "--grace", "50s"]);
            worker.await_line("TERM");
            stop
        })
        .collect();
    worker.become_zombie();
    for stop in stops {
        let answer = stop.finish().answer(0);
        assert_eq!(answer["stopped"], json!(["a"]));
        assert_eq!(answer["errors"], json!([]));
    }
    assert_eq!(pool.sids(), Vec::<String>::new());
}

#[test]
fn a_stop_that_was_broken_off_is_taken_up_by_the_next() {
    let mut worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let stop = pool.start(&["stop", "a", "--grace", "50s", "--force"]);
    worker.await_line("TERM");
    // Whoever asks now waits for the lock, and so until it only waits for the exit.
    assert_eq!(pool.status("a").expect("it is listed").0, "stopping");
    // Dropping it kills it: nobody confirms, nobody kills, and the lock is free.
    drop(stop);
    assert!(worker.is_running());
    let answer = pool.ask(&["stop", "a", "--grace", "1ms", "--force"]);
    assert_eq!(answer["outcomes"][0]["outcome"], "killed");
    assert_eq!(worker.reap().signal(), Some(Signal::SIGKILL as i32));
    assert_eq!(pool.sids(), Vec::<String>::new());
}

/// A command that may open this many files and no more.
fn with_descriptors(count: u32, command: &Command) -> Command {
    let mut limited = Command::new("/bin/sh");
    limited
        .env_clear()
        .args(["-c", &format!("ulimit -n {count}; exec \"$@\""), "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    limited
}

#[test]
fn more_workers_than_descriptors_are_stopped_in_one_call() {
    let mut workers: Vec<_> = (0..78).map(|_| Worker::obedient()).collect();
    let deaf = [Worker::deaf(), Worker::deaf()];
    let mut entries: Vec<_> = workers
        .iter()
        .enumerate()
        .map(|(index, worker)| worker.entry(&format!("w{index}")))
        .collect();
    // One among the first, which are held, and one among the last, which are not.
    entries.insert(0, deaf[0].entry("first"));
    entries.push(deaf[1].entry("last"));
    let pool = TestPool::with(&entries);
    let stop = ["stop", "--all", "--grace", "5s", "--force"];
    let ran = Ran::of(with_descriptors(64, &pool.command(&stop)));
    let answer = ran.answer(0);
    assert_eq!(answer["errors"], json!([]), "{ran:?}");
    assert_eq!(answer["stopped"].as_array().map(Vec::len), Some(80));
    assert_eq!(answer["outcomes"][0]["outcome"], "killed");
    assert_eq!(answer["outcomes"][79]["outcome"], "killed");
    for worker in &mut workers {
        assert_eq!(worker.reap().signal(), Some(Signal::SIGTERM as i32));
    }
    assert!(!deaf[0].is_running() && !deaf[1].is_running());
    assert_eq!(pool.sids(), Vec::<String>::new());
}

#[test]
fn a_parked_worker_whose_pid_is_free_counts_as_ended() {
    // Few enough descriptors that most are let go and found again at each step.
    let workers: Vec<_> = (0..40).map(|_| Worker::deaf()).collect();
    let entries: Vec<_> = workers
        .iter()
        .enumerate()
        .map(|(index, worker)| worker.entry(&format!("w{index}")))
        .collect();
    let pool = TestPool::with(&entries);
    let stop = pool.command(&["stop", "--all", "--grace", "50s"]);
    let stop = Running::start(with_descriptors(64, &stop));
    for worker in &workers {
        worker.await_line("TERM");
    }
    for worker in workers {
        worker.vanish();
    }
    let answer = stop.finish().answer(0);
    assert_eq!(answer["stopped"].as_array().map(Vec::len), Some(40));
    assert_eq!(pool.sids(), Vec::<String>::new());
}
