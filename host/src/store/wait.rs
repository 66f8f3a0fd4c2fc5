//! Waiting for a lock on a file of the pool, no longer than was asked.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use super::alarm::Alarm;
use super::directory::PoolDir;
use super::disk::again;
use super::error::StoreError;
use super::holder::Holder;
use crate::cancel::Cancel;

/// The longest wait; longer ones are cut, since the clock cannot represent any time.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// A bounded wait for a lock.
///
/// It is one blocking call, in which the kernel queues everybody in order of arrival:
/// whoever polls instead can starve beside those who block.
pub(super) struct Wait<'a> {
    pool: &'a PoolDir,
    name: &'a str,
    cancel: Option<&'a Cancel>,
    started: Instant,
    deadline: Instant,
    /// Set when it is first needed: most locks are free.
    alarm: Option<Alarm>,
}

impl<'a> Wait<'a> {
    pub(super) fn new(
        pool: &'a PoolDir,
        name: &'a str,
        wait: Duration,
        cancel: Option<&'a Cancel>,
    ) -> Self {
        let started = Instant::now();
        Self {
            pool,
            name,
            cancel,
            started,
            deadline: started + wait.min(LONGEST_WAIT),
            alarm: None,
        }
    }

    /// Locks the file, within what is left of the wait.
    pub(super) fn lock(&mut self, file: &File) -> Result<(), StoreError> {
        self.take(file)?;
        if self.cancel.is_some_and(Cancel::is_cancelled) {
            // The lock became free as the request was withdrawn: it must have no effect.
            // An unlock that fails is made up for when the file is closed.
            let _ = again(|| self.pool.disk().unlock(file));
            let lock = self.pool.path_of(self.name);
            return Err(StoreError::Cancelled { lock });
        }
        Ok(())
    }

    fn take(&mut self, file: &File) -> Result<(), StoreError> {
        let failed = |error| StoreError::step("lock", &self.pool.path_of(self.name), error);
        match again(|| self.pool.disk().try_lock(file)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done.map_err(failed),
        }
        self.go_on(file)?;
        if self.alarm.is_none() {
            let alarm = Alarm::set(self.deadline, self.cancel).map_err(|error| {
                StoreError::step("bound the wait for", &self.pool.path_of(self.name), error)
            })?;
            self.alarm = Some(alarm);
        }
        loop {
            self.go_on(file)?;
            match self.pool.disk().lock(file) {
                // By the alarm, or by a signal that has nothing to do with us.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done.map_err(failed),
            }
        }
    }

    /// Whether there is time left and nobody withdrew the request.
    pub(super) fn go_on(&self, file: &File) -> Result<(), StoreError> {
        let lock = || self.pool.path_of(self.name);
        if self.cancel.is_some_and(Cancel::is_cancelled) {
            return Err(StoreError::Cancelled { lock: lock() });
        }
        if Instant::now() < self.deadline {
            return Ok(());
        }
        Err(StoreError::Busy {
            lock: lock(),
            waited: self.started.elapsed(),
            holder: Holder::find(file),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc;
    use std::thread;

    use fs2::FileExt;
    use nix::unistd::{Pid, gettid};

    use super::super::error::StoreErrorKind;
    use super::super::lock::LOCK;
    use super::super::testing::{
        LONG, TestPool, cancel, is_free, lock_from_outside, until, until_awaited,
    };
    use super::*;

    /// How often a thread of this process went to sleep (proc_pid_status(5)).
    fn sleeps_of(thread: Pid) -> u64 {
        let status = fs::read_to_string(format!("/proc/self/task/{thread}/status"));
        let status = status.expect("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.expect("voluntary_ctxt_switches")
            .trim()
            .parse()
            .expect("number")
    }

    #[test]
    fn the_wait_is_bounded_and_the_error_names_the_holder() {
        let pool = TestPool::new();
        let _held = lock_from_outside(&pool);
        for wait in [Duration::ZERO, Duration::from_millis(100)] {
            let started = Instant::now();
            let error = pool.dir.lock(wait, &cancel()).expect_err("busy");
            assert!(started.elapsed() >= wait);
            assert!(started.elapsed() < LONG / 2, "{:?}", started.elapsed());
            assert_eq!(error.kind(), StoreErrorKind::Busy);
            let StoreError::Busy {
                waited, ref holder, ..
            } = error
            else {
                panic!("{error}")
            };
            assert!(waited >= wait);
            assert!(matches!(holder, Holder::Process { pid, .. } if *pid == std::process::id()));
            let text = error.to_string();
            let program = std::env::current_exe().expect("this program");
            let program = program.file_name().expect("name").to_string_lossy();
            for part in [&pool.file(LOCK).display().to_string(), program.as_ref()] {
                assert!(text.contains(part), "{part} in {text}");
            }
        }
    }

    #[test]
    fn a_lock_that_is_released_in_time_is_taken() {
        let pool = TestPool::new();
        let held = lock_from_outside(&pool);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| pool.dir.lock(LONG, &cancel()).map(drop));
            until_awaited(&held);
            FileExt::unlock(&held).expect("unlock");
            waiting.join().expect("thread").expect("lock");
        });
    }

    #[test]
    fn cancellation_ends_the_wait() {
        let pool = TestPool::new();
        let held = lock_from_outside(&pool);
        let cancel = cancel();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| pool.dir.lock(Duration::MAX, &cancel).map(drop));
            until_awaited(&held);
            cancel.cancel();
            let error = waiting.join().expect("thread").expect_err("cancelled");
            assert_eq!(error.kind(), StoreErrorKind::Cancelled);
        });
        FileExt::unlock(&held).expect("unlock");
        let error = pool.dir.lock(LONG, &cancel).expect_err("cancelled before");
        assert_eq!(error.kind(), StoreErrorKind::Cancelled);
        assert!(is_free(&pool.file(LOCK)));
    }

    #[test]
    fn a_signal_that_means_nothing_does_not_end_the_wait() {
        let pool = TestPool::new();
        let held = lock_from_outside(&pool);
        let (tell, thread) = mpsc::channel();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                // Interrupts this thread again and again, for no reason of the wait's.
                let _noise = Alarm::set(Instant::now(), Some(&cancel())).expect("alarm");
                tell.send(gettid()).expect("tell");
                pool.dir.lock(LONG, &cancel()).map(drop)
            });
            let thread = thread.recv().expect("thread");
            until_awaited(&held);
            let before = sleeps_of(thread);
            until("the wait was interrupted", || {
                sleeps_of(thread) > before + 5
            });
            until_awaited(&held);
            FileExt::unlock(&held).expect("unlock");
            waiting.join().expect("thread").expect("lock");
        });
    }
}
