//! Reading the pool beside the watch: whoever holds the lock does not keep it from seeing
//! a worker end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, Scope};

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::stat::fstatat;

use crate::cancel::Cancel;
use crate::error::Error;
use crate::life::survey::{Survey, of_store};
use crate::pool::Context;
use crate::store::{Guarded, PoolDir, StoreError};

use super::roster::Seen;

/// What a reading of the pool gave.
pub(super) type Surveyed = Result<Vec<Seen>, Failure>;

/// Why the pool was not read.
pub(super) enum Failure {
    /// The path leads elsewhere by now.
    Moved(Error),
    /// Anything else.
    Other(Error),
}

/// Reads the pool on a thread of its own, once at a time.
pub(super) struct Surveyor<'a> {
    context: &'a Context,
    pool: PoolDir,
    cancel: Cancel,
    done: EventFd,
    result: Mutex<Option<Surveyed>>,
}

impl<'a> Surveyor<'a> {
    /// # Errors
    /// When the process has no descriptor left for the eventfd.
    pub(super) fn new(context: &'a Context, pool: PoolDir, cancel: Cancel) -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Self {
            context,
            pool,
            cancel,
            done: EventFd::from_flags(flags)?,
            result: Mutex::default(),
        })
    }

    /// Begins to read. Readable when that is done.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(super) fn begin<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) -> io::Result<()> {
        let survey = || {
            let surveyed = self.survey();
            *self.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(surveyed);
            // It fails only when the counter is full, and then it is readable already.
            let _ = self.done.write(1);
        };
        Builder::new()
            .name("survey".into())
            .spawn_scoped(scope, survey)
            .map(drop)
    }

    /// What was read; to be asked once this is readable.
    pub(super) fn take(&self) -> Option<Surveyed> {
        // Makes it unreadable again, which it can be already.
        let _ = self.done.read();
        self.result
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn survey(&self) -> Surveyed {
        if self.is_unused() {
            return Ok(Vec::new());
        }
        let wait = self.context.limits.lock_wait;
        let locked = self.pool.lock(wait, &self.cancel).map_err(failure)?;
        let locked = Guarded::new(Box::new(locked));
        let mut survey = Survey::of(self.context, locked).map_err(Failure::Other)?;
        let claims = survey.claims().to_vec();
        let inspections = survey
            .inspect_all(&claims, &self.cancel)
            .map_err(Failure::Other)?;
        survey.finish();
        let seen = claims.into_iter().zip(inspections);
        Ok(seen
            .map(|(claim, inspection)| Seen {
                claim,
                finding: inspection.finding,
                process: inspection.process,
            })
            .collect())
    }

    /// Whether there is neither registry nor lock, nor a ledger that knows of one. Locking would
    /// make a file, and be in the way of whoever is removing the directory.
    fn is_unused(&self) -> bool {
        let missing = |name: &str| {
            let found = fstatat(self.pool.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW);
            matches!(found, Err(Errno::ENOENT))
        };
        ["registry.json", "registry.lock", "ledger.json"]
            .into_iter()
            .all(missing)
    }
}

impl AsFd for Surveyor<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }
}

fn failure(error: StoreError) -> Failure {
    let moved = matches!(error, StoreError::Moved { .. });
    let error = of_store(error);
    if moved {
        Failure::Moved(error)
    } else {
        Failure::Other(error)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;
    use crate::life::tests::support::*;

    fn surveyed(machine: &Machine) -> Surveyed {
        let context = &machine.pool.context;
        let pool = context.directory().expect("a pool");
        let surveyor = Surveyor::new(context, pool, cancel()).expect("an eventfd");
        std::thread::scope(|scope| {
            surveyor.begin(scope).expect("a thread");
            let mut fds = [PollFd::from_borrowed_fd(surveyor.as_fd(), PollFlags::IN)];
            poll(&mut fds, None).expect("poll(2)");
            surveyor.take().expect("it is done")
        })
    }

    #[test]
    fn a_pool_is_read_and_the_ledger_learns() {
        let machine = Machine::with(&[claim("a"), unproven("b")]);
        let Ok(seen) = surveyed(&machine) else {
            panic!("it is read")
        };
        let claims: Vec<_> = seen.into_iter().map(|seen| seen.claim).collect();
        assert_eq!(claims, [claim("a"), unproven("b")]);
        assert!(machine.ledger().get(&claim("a")).is_some());
    }

    #[test]
    fn a_pool_that_nobody_uses_stays_untouched() {
        let machine = Machine::with(&[]);
        for file in ["registry.json", "registry.lock"] {
            fs::remove_file(machine.file(file)).expect("it was there");
        }
        let seen = surveyed(&machine);
        assert!(seen.is_ok_and(|seen| seen.is_empty()));
        let left = fs::read_dir(machine.pool.path()).expect("the directory");
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn a_pool_that_was_moved_is_told_from_one_that_cannot_be_read() {
        let machine = Machine::with(&[]);
        fs::write(machine.file("registry.json"), "{").expect("it is written");
        assert!(matches!(surveyed(&machine), Err(Failure::Other(_))));
        let path = machine.pool.path();
        fs::rename(path, path.with_file_name("elsewhere")).expect("it is moved");
        assert!(matches!(surveyed(&machine), Err(Failure::Moved(_))));
    }
}
