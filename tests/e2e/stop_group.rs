//! Stopping whole process groups, and asking with another signal.

use std::os::unix::process::{CommandExt, ExitStatusExt};

use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use serde_json::json;

use crate::harness::{Ran, TestPool, Worker};

/// A worker that leads a process group of its own.
fn leader() -> Worker {
    Worker::obedient_with(|command| {
        command.process_group(0);
    })
}

/// A deaf worker in the group of another.
fn deaf_member_of(leader: &Worker) -> Worker {
    Worker::deaf_with(in_group_of(leader))
}

fn in_group_of(leader: &Worker) -> impl FnOnce(&mut std::process::Command) + use<> {
    let group = i32::try_from(leader.pid()).expect("a pid");
    move |command| {
        command.process_group(group);
    }
}

#[test]
fn a_group_is_signalled_only_when_that_is_asked_for() {
    let mut leader = leader();
    let mut member = Worker::obedient_with(in_group_of(&leader));
    let pool = TestPool::with(&[leader.entry("a")]);
    assert_eq!(pool.ask(&["stop", "a"])["stopped"], json!(["a"]));
    assert_eq!(leader.reap().signal(), Some(Signal::SIGTERM as i32));
    assert!(member.is_running());

    let leader = self::leader();
    let mut other = Worker::obedient_with(in_group_of(&leader));
    pool.seed(&[leader.entry("a")]);
    assert_eq!(pool.ask(&["stop", "a", "--group"])["stopped"], json!(["a"]));
    assert_eq!(other.reap().signal(), Some(Signal::SIGTERM as i32));
    assert!(member.is_running());
    member.signal(Signal::SIGTERM);
    member.reap();
}

#[test]
fn what_a_group_leaves_behind_is_killed_by_force() {
    let leader = leader();
    let mut member = deaf_member_of(&leader);
    let pool = TestPool::with(&[leader.entry("a")]);
    let answer = pool.ask(&["stop", "a", "--group", "--force"]);
    assert_eq!(answer["outcomes"][0]["outcome"], "exited");
    // Whether it had time to say so or not: it does not end by SIGTERM.
    assert_eq!(member.reap().signal(), Some(Signal::SIGKILL as i32));
    assert_eq!(pool.sids(), Vec::<String>::new());
}

#[test]
fn who_leads_no_group_is_not_signalled() {
    let leader = leader();
    let member = Worker::obedient_with(in_group_of(&leader));
    let pool = TestPool::with(&[member.entry("a")]);
    let ran = pool.run(&["stop", "a", "--group", "--force"]);
    let answer = ran.answer(1);
    let error = answer["errors"][0].as_str().expect("an error");
    assert!(error.contains("does not lead a process group"), "{error}");
    assert!(leader.is_running() && member.is_running());
    assert_eq!(pool.sids(), ["a"]);
}

#[test]
fn a_group_that_the_one_who_asks_is_in_is_not_signalled() {
    let leader = leader();
    let pool = TestPool::with(&[leader.entry("a")]);
    let mut command = pool.command(&["stop", "a", "--group", "--force"]);
    in_group_of(&leader)(&mut command);
    let answer = Ran::of(command).answer(1);
    let error = answer["errors"][0].as_str().expect("an error");
    assert!(error.contains("in the process group of"), "{error}");
    assert!(leader.is_running());
}

#[test]
fn a_group_with_another_users_process_in_it_is_not_signalled() {
    if !geteuid().is_root() {
        eprintln!("only root can start a process for somebody else; nothing was tested");
        return;
    }
    let leader = leader();
    let group = i32::try_from(leader.pid()).expect("a pid");
    let stranger = Worker::obedient_with(|command| {
        command.uid(65534).process_group(group);
    });
    let pool = TestPool::with(&[leader.entry("a")]);
    let answer = pool.run(&["stop", "a", "--group"]).answer(1);
    let error = answer["errors"][0].as_str().expect("an error");
    assert!(error.contains("belongs to another user"), "{error}");
    assert!(leader.is_running() && stranger.is_running());
}

#[test]
fn another_signal_can_ask() {
    let mut worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    // It is deaf to SIGTERM alone.
    let answer = pool.ask(&["stop", "a", "--signal", "SIGINT"]);
    assert_eq!(answer["outcomes"][0]["outcome"], "exited");
    assert_eq!(worker.reap().signal(), Some(Signal::SIGINT as i32));
}

#[test]
fn a_signal_that_ends_nobody_is_wrong_usage() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    for signal in ["stop", "CONT", "segv", "9"] {
        let ran = pool.run(&["stop", "a", "--signal", signal]);
        assert_eq!(ran.code, 2, "{ran:?}");
    }
    assert!(worker.is_running());
}
