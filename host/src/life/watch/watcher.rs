//! The loop of a watch: one poll(2) for everything that can happen.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::thread::Scope;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::cancel::Cancel;
use crate::error::Error;
use crate::life::survey::of_store;
use crate::pool::{Context, Pool};
use crate::store::StoreError;

use super::directory::{Change, Directory};
use super::roster::Roster;
use super::surveyor::{Failure, Surveyor};
use super::{Event, Report, Trouble};

/// The least time after which a busy pool is tried again, so that a lock wait of zero
/// does not become a busy loop.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// After what time a pool is read again that could not be read for another reason.
const PAUSE: Duration = Duration::from_secs(5);

impl Pool {
    /// Watches the pool until `cancel`, or until `report` breaks off: tells who is there,
    /// and from then on, at once, who appears, exits, is replaced, removed, or found in
    /// another standing. See [`EventKind`](super::EventKind) for the order.
    ///
    /// It waits for changes of the pool's directory and for the end of processes, without
    /// polling. The registry is read under the lock, on a thread of its own, and not
    /// touched; that it cannot be read is told, and the watch goes on: it is read again when it
    /// changes, and after a while.
    ///
    /// Holds a pidfd for each running worker, at most half as many as this program may
    /// open files.
    ///
    /// # Errors
    /// When the pool or a setting cannot be used to begin with, when its directory is removed
    /// or moved, and when the system refuses to be waited for.
    pub fn watch(
        &self,
        cancel: &Cancel,
        mut report: impl FnMut(Report) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.check_settings(cancel)?;
        let pool = self.context.directory().map_err(of_store)?;
        let refused =
            |error: io::Error| Error::System(format!("a pool cannot be watched: {error}"));
        // Before the first reading, so that no change falls between the two.
        let directory = Directory::watch(&pool).map_err(refused)?;
        // The thread that reads ends with the watch, whatever ends that.
        let reading = Ending(Cancel::new().map_err(refused)?);
        let surveyor = Surveyor::new(&self.context, pool, reading.0.clone()).map_err(refused)?;
        let watcher = Watcher {
            context: &self.context,
            directory,
            surveyor: &surveyor,
            cancel,
            limit: most_held(),
            roster: Roster::default(),
            read: Read::Wanted,
            told: None,
            told_too_many: false,
            report: &mut report,
        };
        std::thread::scope(|scope| {
            let _ending = reading;
            watcher.run(scope)
        })
    }
}

/// Cancels when it is dropped.
struct Ending(Cancel);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// How many processes may be held: half of what this program may open (getrlimit(2)).
fn most_held() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit / 2).unwrap_or(usize::MAX)
}

/// Whether the pool is to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    /// What was read last is all there is.
    Done,
    /// It is to be read.
    Wanted,
    /// It is being read; and whether it has changed since that began.
    Begun { again: bool },
    /// It could not be read, and is to be then, or when it changes.
    Later(Instant),
}

struct Watcher<'a> {
    context: &'a Context,
    directory: Directory,
    surveyor: &'a Surveyor<'a>,
    cancel: &'a Cancel,
    limit: usize,
    roster: Roster,
    read: Read,
    /// The last trouble with reading, until the pool was read.
    told: Option<String>,
    told_too_many: bool,
    report: &'a mut dyn FnMut(Report) -> ControlFlow<()>,
}

/// Why a watch ends: as it was asked to, or not.
type End = Result<(), Error>;

/// What one poll(2) found.
struct Awake {
    directory: bool,
    surveyor: bool,
    ended: Vec<usize>,
}

impl<'a> Watcher<'a> {
    fn run<'scope>(mut self, scope: &'scope Scope<'scope, '_>) -> End
    where
        'a: 'scope,
    {
        loop {
            if let Read::Later(at) = self.read
                && Instant::now() >= at
            {
                self.read = Read::Wanted;
            }
            if self.read == Read::Wanted {
                self.surveyor.begin(scope).map_err(unwatchable)?;
                self.read = Read::Begun { again: false };
            }
            let awake = self.sleep().map_err(unwatchable)?;
            if self.cancel.is_cancelled() {
                return Ok(());
            }
            if let ControlFlow::Break(end) = self.act(awake) {
                return end;
            }
        }
    }

    /// Waits until something happens.
    fn sleep(&self) -> io::Result<Awake> {
        let timeout = match self.read {
            Read::Later(at) => {
                Timespec::try_from(at.saturating_duration_since(Instant::now())).ok()
            }
            _ => None,
        };
        let watched = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let mut fds = vec![
            watched(self.cancel.as_fd()),
            watched(self.directory.as_fd()),
            watched(self.surveyor.as_fd()),
        ];
        let others = fds.len();
        fds.extend(self.roster.held().map(|(_, held)| watched(held.as_fd())));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => {
                return Ok(Awake {
                    directory: false,
                    surveyor: false,
                    ended: Vec::new(),
                });
            }
            Err(error) => return Err(error.into()),
        }
        let is_awake = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let held = self.roster.held().zip(&fds[others..]);
        Ok(Awake {
            directory: is_awake(&fds[1]),
            surveyor: is_awake(&fds[2]),
            ended: held
                .filter(|(_, fd)| is_awake(fd))
                .map(|((index, _), _)| index)
                .collect(),
        })
    }

    /// Tells what happened: ends first, since an entry goes after its process.
    fn act(&mut self, awake: Awake) -> ControlFlow<End> {
        for index in awake.ended {
            match self.roster.end(index, self.context.processes.as_ref()) {
                Some(event) => self.tell([event])?,
                None => self.want(),
            }
        }
        if awake.directory {
            match self.directory.read() {
                Ok(Change::Nothing) => {}
                Ok(Change::Files) => self.want(),
                Ok(Change::Gone) => {
                    let path = self.context.registry_path();
                    let path = path.parent().unwrap_or(&path).to_owned();
                    return self.lost(of_store(StoreError::Moved { path }));
                }
                Err(error) => return ControlFlow::Break(Err(unwatchable(error))),
            }
        }
        if awake.surveyor {
            self.take_over()?;
        }
        ControlFlow::Continue(())
    }

    /// Has the pool read, once more when it is being read already.
    fn want(&mut self) {
        self.read = match self.read {
            Read::Begun { .. } => Read::Begun { again: true },
            _ => Read::Wanted,
        };
    }

    /// Takes over what was read.
    fn take_over(&mut self) -> ControlFlow<End> {
        let Some(surveyed) = self.surveyor.take() else {
            return ControlFlow::Continue(());
        };
        let begun = matches!(self.read, Read::Begun { again: false });
        self.read = if begun { Read::Done } else { Read::Wanted };
        let processes = self.context.processes.as_ref();
        let error = match surveyed {
            Ok(seen) => {
                let events = self.roster.update(seen, processes, self.limit);
                if self.roster.hold_unproven(processes, self.limit) {
                    self.want();
                }
                self.told = None;
                self.tell(events)?;
                return self.tell_too_many();
            }
            Err(Failure::Moved(error)) => return self.lost(error),
            // Only this watch itself withdraws its readings.
            Err(Failure::Other(Error::Cancelled)) => return ControlFlow::Break(Ok(())),
            Err(Failure::Other(error)) => error,
        };
        let passing = matches!(error, Error::Busy(_) | Error::Corrupted { .. });
        if !passing && !self.roster.has_begun() {
            return ControlFlow::Break(Err(error));
        }
        // Not every error passes with a change that can be heard of. What changes between two
        // waits for the lock has the wait begin anew.
        if self.read == Read::Done {
            let pause = match error {
                Error::Busy(_) => self.context.limits.lock_wait.max(LEAST_PAUSE),
                _ => PAUSE,
            };
            self.read = Instant::now()
                .checked_add(pause)
                .map_or(Read::Done, Read::Later);
        }
        // That of a busy pool says how long it took, and is another one each time.
        let text = match &error {
            Error::Busy(_) => "busy".into(),
            other => other.to_string(),
        };
        if self.told.as_ref() == Some(&text) {
            return ControlFlow::Continue(());
        }
        self.told = Some(text);
        self.say(Report::Trouble(Trouble::Unread(error)))
    }

    /// Ends the watch of a pool that is no more.
    fn lost(&mut self, error: Error) -> ControlFlow<End> {
        let events = self.roster.clear(self.context.processes.as_ref());
        self.tell(events)?;
        ControlFlow::Break(Err(error))
    }

    fn tell_too_many(&mut self) -> ControlFlow<End> {
        let count = self.roster.unheld();
        if count == 0 || std::mem::replace(&mut self.told_too_many, true) {
            return ControlFlow::Continue(());
        }
        let limit = self.limit;
        self.say(Report::Trouble(Trouble::TooMany { count, limit }))
    }

    fn tell(&mut self, events: impl IntoIterator<Item = Event>) -> ControlFlow<End> {
        events
            .into_iter()
            .try_for_each(|event| self.say(Report::Event(event)))
    }

    fn say(&mut self, report: Report) -> ControlFlow<End> {
        (self.report)(report).map_break(|()| Ok(()))
    }
}

fn unwatchable(error: io::Error) -> Error {
    Error::System(format!("the pool cannot be watched any longer: {error}"))
}
