//! `worker-cap`: a full pool takes nobody.

use std::thread;

use poolwarden::Error;

use crate::example::{Example, cancel, register};
use crate::harness::{Entry, NO_PROCESS, TestPool, Worker};

fn at_most(count: &'static str) -> Example {
    Example::new("worker-cap").with("max-workers", count)
}

#[track_caller]
fn rejection<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Rejected(why)) => why,
        other => panic!("not rejected: {other:?}"),
    }
}

#[test]
fn a_full_pool_takes_nobody_and_stays_as_it_is() {
    let (one, new) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[one.entry("a"), Entry::new("dead", NO_PROCESS)]);
    let (bytes, stamp) = (pool.bytes(), pool.stamp());
    let why = rejection(at_most("1").ask(&pool, register("new", new.pid())));
    assert!(why.contains("the pool has 1 workers"), "{why}");
    assert_eq!((pool.bytes(), pool.stamp()), (bytes, stamp));
}

#[test]
fn the_dead_do_not_count_and_go_when_a_newcomer_comes() {
    let (one, new) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[
        Entry::new("dead", NO_PROCESS),
        one.entry("a"),
        Entry::new("new", 0),
    ]);
    let answer = at_most("2").ask(&pool, register("new", new.pid()));
    let answer = answer.expect("there is room");
    assert_eq!(answer["registered"]["pid"], new.pid());
    assert_eq!(answer["replaced"]["pid"], 0);
    assert_eq!(answer["removed"][0]["sid"], "dead");
    assert_eq!(pool.sids(), ["a", "new"]);
}

#[test]
fn whoever_may_still_run_counts() {
    let (one, new) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[one.entry("a").created_at("2999-01-01T00:00:00Z")]);
    rejection(at_most("1").ask(&pool, register("new", new.pid())));
}

/// The decision is taken under the pool's lock, so that two clients never both get the last
/// place.
#[test]
fn of_many_that_come_at_once_no_more_are_admitted_than_there_is_room_for() {
    let workers: Vec<_> = (0..6).map(|_| Worker::obedient()).collect();
    let pids: Vec<_> = workers.iter().map(Worker::pid).collect();
    let pool = TestPool::new();
    let (policy, pool_ref) = (at_most("4"), &pool);
    let admitted = thread::scope(|scope| {
        let attempts: Vec<_> = pids
            .iter()
            .map(|&pid| {
                // As from another program: with nothing shared but the directory.
                let client = policy.on(pool_ref);
                let request = register(&format!("w{pid}"), pid);
                scope.spawn(move || client.call(request, &cancel()))
            })
            .collect();
        let results = attempts
            .into_iter()
            .map(|attempt| attempt.join().expect("no panic"));
        let (admitted, rejected): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
        rejected
            .into_iter()
            .for_each(|result| drop(rejection(result)));
        admitted.len()
    });
    assert_eq!(admitted, 4);
    assert_eq!(pool.sids().len(), 4);
}

#[test]
fn without_its_setting_any_number_may_come() {
    let (one, new) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[one.entry("a"), Entry::new("dead", NO_PROCESS)]);
    let answer = Example::new("worker-cap").ask(&pool, register("new", new.pid()));
    answer.expect("there is no limit");
    assert_eq!(pool.sids(), ["a", "dead", "new"]);
}

#[test]
fn it_says_what_it_reads() {
    assert_eq!(Example::new("worker-cap").settings(), ["max-workers"]);
}
