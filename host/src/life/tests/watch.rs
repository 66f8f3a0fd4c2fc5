//! Watching a pool, as a program that embeds this library does.

use std::fs;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::support::*;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::life::{Event, EventKind, Report, Trouble};
use crate::process::{
    Claim, Identified, IdentifyError, Inspection, LinuxProcesses, Process, Processes, Question,
    Standing, Strength, WaitError,
};
use crate::runtime::Limits;

/// A watch on a thread of its own. It ends with the test, also with one that fails.
struct Watching<'scope> {
    reports: Receiver<Report>,
    thread: Option<ScopedJoinHandle<'scope, Result<(), Error>>>,
    cancel: Cancel,
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl<'scope> Watching<'scope> {
    fn start(scope: &'scope thread::Scope<'scope, '_>, machine: &'scope Machine) -> Self {
        let (sender, reports) = channel();
        let withdrawn = cancel();
        Self {
            cancel: withdrawn.clone(),
            thread: Some(scope.spawn(move || {
                machine.pool.watch(&withdrawn, |report| {
                    match sender.send(report) {
                        Ok(()) => ControlFlow::Continue(()),
                        // Nobody listens any more.
                        Err(_) => ControlFlow::Break(()),
                    }
                })
            })),
            reports,
        }
    }

    fn report(&self) -> Report {
        self.reports.recv_timeout(LONG).expect("something happens")
    }

    #[track_caller]
    fn event(&self) -> Event {
        match self.report() {
            Report::Event(event) => event,
            Report::Trouble(trouble) => panic!("{trouble}"),
        }
    }

    #[track_caller]
    fn trouble(&self) -> Trouble {
        match self.report() {
            Report::Trouble(trouble) => trouble,
            Report::Event(event) => panic!("{event:?}"),
        }
    }

    /// Checks the next events, each a kind and a sid.
    #[track_caller]
    fn expect(&self, expected: &[(EventKind, &str)]) {
        for (kind, sid) in expected {
            let event = self.event();
            assert_eq!(
                (event.kind, event.claim.sid.as_str()),
                (*kind, *sid),
                "{event:?}"
            );
        }
    }

    /// How the watch ended.
    fn ended(&mut self) -> Result<(), Error> {
        let thread = self.thread.take().expect("it is waited for once");
        thread.join().expect("no panic")
    }

    /// Ends the watch; it had no more to tell.
    fn end(mut self) {
        self.cancel.cancel();
        self.ended().expect("it was asked to end");
        if let Ok(report) = self.reports.try_recv() {
            panic!("nobody expected {report:?}");
        }
    }
}

/// Replaces the registry without a lock, which no program should do.
fn write_unlocked(machine: &Machine, text: &str) {
    let path = machine.file("registry.json");
    let new = machine.file("other.json");
    fs::write(&new, text).expect("it is written");
    fs::rename(new, path).expect("it is renamed");
}

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
fn a_busy_pool_is_read_later() {
    let machine = Machine::configured(&[claim("a")], |builder| {
        builder.limits(Limits {
            lock_wait: Duration::ZERO,
            ..Limits::default()
        })
    });
    thread::scope(|scope| {
        let locked = machine.lock();
        let watching = Watching::start(scope, &machine);
        let trouble = watching.trouble();
        assert!(
            matches!(trouble, Trouble::Unread(Error::Busy(_))),
            "{trouble}"
        );
        drop(locked);
        // Nothing happens in the directory: it is tried again all the same.
        watching.expect(&[(EventKind::Present, "a")]);
        watching.end();
    });
}

#[test]
fn a_busy_pool_is_told_once() {
    let machine = Machine::configured(&[claim("a")], |builder| {
        builder.limits(Limits {
            lock_wait: Duration::ZERO,
            ..Limits::default()
        })
    });
    let attempts = Attempts::on(&machine);
    thread::scope(|scope| {
        let _locked = machine.lock();
        let watching = Watching::start(scope, &machine);
        assert!(matches!(watching.trouble(), Trouble::Unread(_)));
        // Each attempt begins only when the one before was dealt with.
        for _ in 0..3 {
            attempts.await_one();
            write_unlocked(&machine, "{\"sessions\":[]}");
        }
        watching.end();
    });
}

/// Tells when somebody has tried to lock a pool in vain: then its lock file is closed.
struct Attempts(Inotify);

impl Attempts {
    fn on(machine: &Machine) -> Self {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC).expect("inotify");
        let lock = machine.file("registry.lock");
        inotify
            .add_watch(&lock, AddWatchFlags::IN_CLOSE_WRITE)
            .expect("the lock file is there");
        Self(inotify)
    }

    fn await_one(&self) {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        let patience = PollTimeout::try_from(LONG).expect("it can be counted");
        assert_eq!(poll(&mut fds, patience), Ok(1), "nobody tries to lock");
        self.0.read_events().expect("inotify");
    }
}

#[test]
fn a_registry_that_cannot_be_read_is_told_and_watched_on() {
    let machine = Machine::with(&[claim("a")]);
    thread::scope(|scope| {
        let watching = Watching::start(scope, &machine);
        watching.expect(&[(EventKind::Present, "a")]);
        write_unlocked(&machine, "{");
        let trouble = watching.trouble();
        assert!(
            matches!(trouble, Trouble::Unread(Error::Corrupted { .. })),
            "{trouble}"
        );
        write_unlocked(&machine, "{");
        machine.fake.end(PID);
        watching.expect(&[(EventKind::Exited, "a")]);
        machine.fake.run(4712, START, 1);
        machine.write(&[claim("a"), of("b", 4712)]);
        watching.expect(&[(EventKind::Appeared, "b")]);
        write_unlocked(&machine, "{");
        assert!(matches!(watching.trouble(), Trouble::Unread(_)));
        watching.end();
    });
}

#[test]
fn one_that_cannot_be_read_at_first_is_present_later() {
    let machine = Machine::with(&[]);
    write_unlocked(&machine, "");
    thread::scope(|scope| {
        let watching = Watching::start(scope, &machine);
        assert!(matches!(watching.trouble(), Trouble::Unread(_)));
        machine.write(&[claim("a")]);
        watching.expect(&[(EventKind::Present, "a")]);
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

/// Changes the registry while it is being read, once it was read.
struct Meddling {
    processes: LinuxProcesses,
    meddle: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Processes for Meddling {
    fn inspect(&self, questions: &[Question<'_>], strength: Strength) -> Vec<Inspection> {
        let meddle = self.meddle.lock().expect("no panic").take();
        if let Some(meddle) = meddle {
            meddle();
        }
        self.processes.inspect(questions, strength)
    }

    fn identify(&self, pid: u32) -> Result<Identified, IdentifyError> {
        self.processes.identify(pid)
    }

    fn wait(
        &self,
        processes: &[Arc<Process>],
        timeout: Duration,
        cancel: &Cancel,
    ) -> Result<Vec<bool>, WaitError> {
        self.processes.wait(processes, timeout, cancel)
    }
}

#[test]
fn a_change_while_the_pool_is_read_is_not_lost() {
    let meddling = Arc::new(Meddling {
        processes: LinuxProcesses::new(),
        meddle: Mutex::new(None),
    });
    let dead = of("dead", i32::MAX as u32);
    let machine = Machine::configured(std::slice::from_ref(&dead), |builder| {
        builder.processes(meddling.clone())
    });
    let registry = machine.file("registry.json");
    let other = machine.file("other.json");
    fs::write(&other, "{\"sessions\":[]}").expect("it is written");
    *meddling.meddle.lock().expect("no panic") = Some(Box::new(move || {
        fs::rename(other, registry).expect("it is renamed");
    }));
    thread::scope(|scope| {
        let watching = Watching::start(scope, &machine);
        watching.expect(&[(EventKind::Present, "dead"), (EventKind::Removed, "dead")]);
        watching.end();
    });
}
