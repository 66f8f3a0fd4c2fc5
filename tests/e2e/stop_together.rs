//! Several stops of one pool, stops that are broken off, and more workers than
//! descriptors.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
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

/// Runs a command until the worker is asked to end, and sends the command these signals.
fn interrupted(mut command: Command, worker: &Worker, signals: &[Signal]) -> Output {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    worker.await_line("TERM");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    for signal in signals {
        kill(pid, *signal).expect("our child");
    }
    child.wait_with_output().expect("its output")
}

/// Asserts that a command ended by a signal after it had said that its request was cancelled, and
/// that the kill of worker `a` stands in the trail and in the next status as withdrawn.
#[track_caller]
fn assert_withdrawn(pool: &TestPool, worker: &Worker, ended: &Output, signal: Signal) {
    assert_eq!(ended.status.signal(), Some(signal as i32), "{ended:?}");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("the request was cancelled"), "{said}");
    let log = pool.run(&["log"]).stdout;
    assert!(log.contains("withdrawn: the client cancelled"), "{log}");
    let (status, evidence) = pool.status("a").expect("it is listed");
    assert_eq!(status, "stopping");
    assert!(
        evidence.contains("the kill that was to follow was withdrawn"),
        "{evidence}"
    );
    assert!(worker.is_running() && pool.lock_is_free());
}

const FORCED: [&str; 5] = ["stop", "a", "--grace", "50s", "--force"];

#[test]
fn a_stop_that_is_interrupted_says_that_it_kills_nobody_and_ends_by_the_signal() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let worker = Worker::deaf();
        let pool = TestPool::with(&[worker.entry("a")]);
        let ended = interrupted(pool.command(&FORCED), &worker, &[signal]);
        assert_withdrawn(&pool, &worker, &ended, signal);
    }
}

#[test]
fn a_replacement_that_is_interrupted_kills_nobody_and_starts_nobody() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let options = ["--sid", "a", "--replace", "--grace", "50s", "--force"];
    let run = pool.run_command(&options, &["--", "sleep", "600"]);
    let ended = interrupted(run, &worker, &[Signal::SIGINT]);
    assert_withdrawn(&pool, &worker, &ended, Signal::SIGINT);
    assert_eq!(
        pool.ask(&["status", "a"])["sessions"][0]["pid"],
        worker.pid()
    );
}

#[test]
fn a_second_signal_ends_a_stop_that_cannot_record_what_it_withdraws() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    // It makes the trail, which is then held.
    pool.run(&["stop", "a", "--grace", "1ms"]).answer(1);
    worker.await_line("TERM");
    let mut command = pool.command(&["--lock-wait", "3000s"]);
    command.args(FORCED);
    let child = Running::start(command);
    worker.await_line("TERM");
    // The stop has recorded its signal once it lets go of the lock to wait for the worker.
    let _lock = pool.hold_lock();
    let trail = File::open(pool.directory().join("audit.jsonl")).expect("the trail");
    trail.lock().expect("the trail's lock");
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        child.signal(signal);
    }
    assert_eq!(child.ended_by(), Some(Signal::SIGTERM as i32));
}

#[test]
fn a_stop_that_was_started_to_ignore_sigint_goes_on() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let command = pool.command(&FORCED);
    let mut deaf = Command::new("/bin/sh");
    deaf.env_clear()
        .args(["-c", "trap '' INT; exec \"$@\"", "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    let stop = Running::start(deaf);
    worker.await_line("TERM");
    stop.signal(Signal::SIGINT);
    worker.become_zombie();
    let answer = stop.finish().answer(0);
    assert_eq!(answer["outcomes"][0]["outcome"], "exited");
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
