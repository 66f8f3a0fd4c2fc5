//! Who holds the pool's lock.

use std::time::Duration;

use crate::error::chain;
use crate::process::{IdentifyError, LinuxProcesses, Processes};
use crate::store::{Holder, LOCK, PoolDir, Stillness, StoreError};

use super::date;
use super::report::{About, LockHolder, LockState, Problem};

/// A moment: longer than a request holds the lock.
const MOMENT: Duration = Duration::from_millis(500);

/// The lock, held for a look where that was possible, and what is wrong with it.
pub(super) struct Look {
    pub(super) state: LockState,
    pub(super) problem: Option<Problem>,
    pub(super) still: Option<Stillness>,
}

impl Look {
    /// Where there is no directory.
    pub(super) fn absent() -> Self {
        Self {
            state: LockState::Absent,
            problem: None,
            still: None,
        }
    }
}

/// Tries to take the lock, for no longer than a moment.
pub(super) fn look(pool: &PoolDir, processes: &LinuxProcesses) -> Look {
    let (state, problem, still) = match pool.hold_still(MOMENT) {
        Ok(None) => (LockState::Absent, None, None),
        Ok(still) => (LockState::Free, None, still),
        Err(StoreError::Busy { holder, waited, .. }) => {
            let (holder, remedy) = describe(processes, &holder);
            let what = format!(
                "every request waits for the lock, which is held by {}",
                holder.holder
            );
            let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            (
                LockState::Held { holder, waited_ms },
                Some(problem(what, remedy)),
                None,
            )
        }
        Err(error) => {
            let why = chain(&error);
            let remedy = format!(
                "no request can be made until then; nobody who holds {LOCK} now is waited for any \
                 more once it is moved, so end who uses the pool first"
            );
            let state = LockState::Unusable { why: why.clone() };
            (state, Some(problem(why, remedy)), None)
        }
    };
    Look {
        state,
        problem,
        still,
    }
}

fn describe(processes: &LinuxProcesses, holder: &Holder) -> (LockHolder, String) {
    let mut described = LockHolder {
        holder: holder.to_string(),
        ..LockHolder::default()
    };
    let Holder::Process { pid, .. } = holder else {
        let remedy = match holder {
            Holder::Elsewhere => "look in the other containers that use this directory",
            _ => "try again; if it stays so, look on the other machines that use this directory",
        };
        return (described, remedy.into());
    };
    described.pid = Some(*pid);
    let remedy = match processes.identify(*pid) {
        Ok(identified) => {
            described.running_since = date::seconds(identified.started);
            let portrait = identified.process.portrait().ok().flatten();
            described.stopped = portrait.is_some_and(|portrait| portrait.stopped);
            if described.stopped {
                described.holder.push_str(", which a signal has stopped");
                format!("let it go on: kill -CONT {pid}; or end it: kill -KILL {pid}")
            } else {
                format!("wait for it, or look at what it does; if it hangs, end it: kill {pid}")
            }
        }
        Err(IdentifyError::Exited { .. } | IdentifyError::NoSuchProcess { .. }) => {
            described
                .holder
                .push_str(", which has ended and left the lock to a child");
            format!("end the process that it started: fuser -v {LOCK} in the pool shows it")
        }
        Err(_) => "wait for it, or look at what it does".into(),
    };
    (described, remedy)
}

fn problem(what: String, remedy: String) -> Problem {
    Problem {
        about: About::Lock,
        what,
        remedy,
        repairable: false,
    }
}
