//! What a watch tells.

use std::fs;
use std::ops::ControlFlow;
use std::thread;

use super::support::*;
use super::watching::Watching;
use crate::life::EventKind;
use crate::process::{Claim, Standing};

#[test]
fn a_life_is_told_in_order() {
    let machine = Machine::with(&[claim("a"), unproven("b"), of("dead", 4712)]);
    thread::scope(|scope| {
        let watching = Watching::start(scope, &machine);
        let present = [watching.event(), watching.event(), watching.event()];
        let standings = present.map(|event| {
            assert_eq!(event.kind, EventKind::Present);
            (event.claim.sid, event.standing)
        });
        let standing = |sid: &str, standing| (sid.to_owned(), standing);
        assert_eq!(
            standings,
            [
                standing("a", Standing::Alive),
                standing("b", Standing::Unproven),
                standing("dead", Standing::Gone),
            ]
        );

        machine.fake.run(4713, START, 1);
        machine.write(&[claim("a"), of("new", 4713)]);
        watching.expect(&[
            (EventKind::Removed, "b"),
            (EventKind::Removed, "dead"),
            (EventKind::Appeared, "new"),
        ]);
        machine.fake.end(4713);
        let exited = watching.event();
        assert_eq!(exited.kind, EventKind::Exited);
        assert_eq!(exited.standing, Standing::Exited, "it was not reaped");
        assert!(exited.evidence.contains("4713"), "{exited:?}");

        machine.fake.run(4714, START, 1);
        machine.write(&[of("new", 4714)]);
        watching.expect(&[(EventKind::Removed, "a")]);
        let replaced = watching.event();
        assert_eq!(replaced.kind, EventKind::Replaced);
        assert_eq!(replaced.claim, of("new", 4714));
        assert_eq!(replaced.previous, Some(of("new", 4713)));
        watching.end();
    });
}

#[test]
fn an_adoption_is_told() {
    let machine = Machine::with(&[unproven("a")]);
    thread::scope(|scope| {
        let watching = Watching::start(scope, &machine);
        watching.expect(&[(EventKind::Present, "a")]);
        let examination = machine.pool.examine("a", &cancel());
        let examination = examination.expect("it is unproven");
        machine
            .pool
            .adopt(&examination, &cancel())
            .expect("nothing changed");
        let changed = watching.event();
        assert_eq!(changed.kind, EventKind::Changed);
        assert_eq!(changed.standing, Standing::Alive);
        machine.fake.end(PID);
        watching.expect(&[(EventKind::Exited, "a")]);
        watching.end();
    });
}

/// It runs as well, whoever it is.
#[test]
fn the_end_of_a_process_that_is_unproven_is_told() {
    let machine = Machine::with(&[unproven("a")]);
    thread::scope(|scope| {
        let watching = Watching::start(scope, &machine);
        watching.expect(&[(EventKind::Present, "a")]);
        machine.fake.reap(PID);
        let exited = watching.event();
        assert_eq!(exited.kind, EventKind::Exited);
        assert_eq!(exited.standing, Standing::Gone);
        watching.end();
    });
}

#[test]
fn whoever_holds_the_lock_keeps_nobody_from_seeing_an_end() {
    let machine = Machine::with(&[claim("a")]);
    thread::scope(|scope| {
        let watching = Watching::start(scope, &machine);
        watching.expect(&[(EventKind::Present, "a")]);
        let mut locked = machine.lock();
        let text = fs::read(machine.file("registry.json")).expect("the registry");
        // Now the registry is to be read, and cannot be.
        locked.replace_registry(&text).expect("it is replaced");
        machine.fake.end(PID);
        watching.expect(&[(EventKind::Exited, "a")]);
        drop(locked);
        machine.write(&[]);
        watching.expect(&[(EventKind::Removed, "a")]);
        watching.end();
    });
}

#[test]
fn a_pool_that_goes_ends_the_watch() {
    let machine = Machine::with(&[claim("a")]);
    thread::scope(|scope| {
        let mut watching = Watching::start(scope, &machine);
        watching.expect(&[(EventKind::Present, "a")]);
        let path = machine.pool.path();
        fs::rename(path, path.with_file_name("elsewhere")).expect("it is moved");
        let removed = watching.event();
        assert_eq!(removed.kind, EventKind::Removed);
        assert_eq!(removed.standing, Standing::Alive, "its process runs on");
        let error = watching.ended().expect_err("nobody asked for it");
        assert!(error.to_string().contains("moved, removed"), "{error}");
        assert!(!path.exists(), "it is not made anew");
    });
}

#[test]
fn whoever_has_heard_enough_ends_the_watch() {
    let machine = Machine::with(&[claim("a"), of("b", 4712)]);
    let mut told = 0;
    let watched = machine.pool.watch(&cancel(), |_| {
        told += 1;
        ControlFlow::Break(())
    });
    assert!(watched.is_ok() && told == 1, "{watched:?} {told}");
}

#[test]
fn a_change_of_what_nobody_asked_for_is_none() {
    let machine = Machine::with(&[claim("a")]);
    thread::scope(|scope| {
        let watching = Watching::start(scope, &machine);
        watching.expect(&[(EventKind::Present, "a")]);
        let others: Vec<Claim> = (0..20).map(|n| of(&format!("w{n}"), 5000 + n)).collect();
        for _ in 0..20 {
            machine.write(&[claim("a")]);
        }
        // In another order it is the same pool.
        machine.write(&[others.as_slice(), &[claim("a")]].concat());
        for other in &others {
            watching.expect(&[(EventKind::Appeared, &other.sid)]);
        }
        let reversed: Vec<_> = others.iter().rev().cloned().chain([claim("a")]).collect();
        machine.write(&reversed);
        machine.write(&[claim("a")]);
        for _ in &others {
            assert_eq!(watching.event().kind, EventKind::Removed);
        }
        watching.end();
    });
}
