//! Watching a pool that cannot be read, or changes while it is.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::support::*;
use super::watching::{Watching, write_unlocked};
use crate::cancel::Cancel;
use crate::error::Error;
use crate::life::{EventKind, Trouble};
use crate::process::{
    Identified, IdentifyError, Inquiry, Inspection, Interrupted, LinuxProcesses, Process,
    Processes, Question, WaitError,
};
use crate::runtime::Limits;

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

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
}

/// Nothing else happens: the permissions alone say that it can be read again.
#[test]
fn a_registry_that_others_could_write_for_a_while_is_watched_on() {
    for name in ["registry.json", "registry.lock", ""] {
        let machine = Machine::with(&[claim("a")]);
        let path = machine.file(name);
        set_mode(machine.pool.path(), 0o755);
        thread::scope(|scope| {
            let watching = Watching::start(scope, &machine);
            watching.expect(&[(EventKind::Present, "a")]);
            set_mode(&path, 0o777);
            let trouble = watching.trouble();
            let unsafe_ = trouble.to_string().contains("others can write it");
            assert!(unsafe_, "{name}: {trouble}");
            // Hidden from whoever reads the pool: its error comes first.
            fs::write(machine.file("registry.json"), "{\"sessions\":[]}").expect("written");
            set_mode(&path, 0o700);
            watching.expect(&[(EventKind::Removed, "a")]);
            watching.end();
        });
    }
}

/// The process that kept the pool from being an empty one ends, which no file tells.
#[test]
fn a_trouble_that_passes_in_silence_is_found_over() {
    let machine = Machine::with(&[claim("a")]);
    thread::scope(|scope| {
        let watching = Watching::start(scope, &machine);
        watching.expect(&[(EventKind::Present, "a")]);
        fs::remove_file(machine.file("registry.json")).expect("it is removed");
        let trouble = watching.trouble();
        assert!(
            matches!(trouble, Trouble::Unread(Error::Corrupted { .. })),
            "{trouble}"
        );
        machine.fake.end(PID);
        watching.expect(&[(EventKind::Exited, "a"), (EventKind::Removed, "a")]);
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

/// Changes the registry while it is being read, once it was read.
struct Meddling {
    processes: LinuxProcesses,
    meddle: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Processes for Meddling {
    fn inspect(
        &self,
        questions: &[Question<'_>],
        inquiry: &Inquiry<'_>,
    ) -> Result<Vec<Inspection>, Interrupted> {
        let meddle = self.meddle.lock().expect("no panic").take();
        if let Some(meddle) = meddle {
            meddle();
        }
        self.processes.inspect(questions, inquiry)
    }

    fn identify(&self, pid: u32) -> Result<Identified, IdentifyError> {
        self.processes.identify(pid)
    }

    fn wait(
        &self,
        processes: &[Arc<dyn Process>],
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
