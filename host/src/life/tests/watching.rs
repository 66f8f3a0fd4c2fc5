//! A watch as a program that embeds this library runs it.

use std::fs;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, ScopedJoinHandle};

use super::support::*;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::life::{Event, EventKind, Report, Trouble};

/// A watch on a thread of its own. It ends with the test, also with one that fails.
pub(super) struct Watching<'scope> {
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
    pub(super) fn start(
        scope: &'scope thread::Scope<'scope, '_>,
        machine: &'scope Machine,
    ) -> Self {
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

    pub(super) fn report(&self) -> Report {
        self.reports.recv_timeout(LONG).expect("something happens")
    }

    #[track_caller]
    pub(super) fn event(&self) -> Event {
        match self.report() {
            Report::Event(event) => event,
            Report::Trouble(trouble) => panic!("{trouble}"),
        }
    }

    #[track_caller]
    pub(super) fn trouble(&self) -> Trouble {
        match self.report() {
            Report::Trouble(trouble) => trouble,
            Report::Event(event) => panic!("{event:?}"),
        }
    }

    /// Checks the next events, each a kind and a sid.
    #[track_caller]
    pub(super) fn expect(&self, expected: &[(EventKind, &str)]) {
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
    pub(super) fn ended(&mut self) -> Result<(), Error> {
        let thread = self.thread.take().expect("it is waited for once");
        thread.join().expect("no panic")
    }

    /// Ends the watch; it had no more to tell.
    pub(super) fn end(mut self) {
        self.cancel.cancel();
        self.ended().expect("it was asked to end");
        if let Ok(report) = self.reports.try_recv() {
            panic!("nobody expected {report:?}");
        }
    }
}

/// Replaces the registry without a lock, which no program should do.
pub(super) fn write_unlocked(machine: &Machine, text: &str) {
    let path = machine.file("registry.json");
    let new = machine.file("other.json");
    fs::write(&new, text).expect("it is written");
    fs::rename(new, path).expect("it is renamed");
}
