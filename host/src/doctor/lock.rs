//! Who holds the pool's lock.

use std::time::Duration;

use nix::unistd::geteuid;

use crate::command::{as_root, quoted_path};
use crate::error::chain;
use crate::process::{IdentifyError, LinuxProcesses, Processes};
use crate::store::{Holder, LOCK, PoolDir, Stillness, StoreError};

use super::date;
use super::freezer;
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
        Ok(still) => (LockState::Free, open_to_others(pool), still),
        Err(StoreError::Busy { holder, waited, .. }) => {
            let (holder, remedy) = describe(pool, processes, &holder);
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

/// Whether others can open the lock file, which is all that it takes to hold the lock
/// (flock(2)).
fn open_to_others(pool: &PoolDir) -> Option<Problem> {
    let (directory, lock) = (pool.facts().ok()?, pool.facts_at(LOCK).ok()??);
    if directory.mode & 0o011 == 0 || lock.mode & 0o066 == 0 {
        return None;
    }
    let path = quoted_path(&pool.path_of(LOCK));
    Some(problem(
        format!(
            "other users can hold the lock for as long as they like: {LOCK} has mode {:04o}, and \
             the directory {:04o}",
            lock.mode, directory.mode
        ),
        format!("keep it to yourself: `chmod 600 {path}`"),
    ))
}

fn describe(pool: &PoolDir, processes: &LinuxProcesses, holder: &Holder) -> (LockHolder, String) {
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
            let portrait = portrait.unwrap_or_default();
            described.stopped = portrait.stopped;
            // Only root may signal another user's process.
            let is_ours = portrait.user == Some(geteuid().as_raw());
            let kill = match is_ours {
                true => "kill".to_owned(),
                false => as_root("kill"),
            };
            if let Some(frozen) = freezer::look(*pid, &freezer::mounts()) {
                described
                    .holder
                    .push_str(&format!(", which is {}", frozen.words()));
                format!("let it go on: `{}`", frozen.thaw())
            } else if described.stopped {
                described.holder.push_str(", which a signal has stopped");
                format!("let it go on: `{kill} -CONT {pid}`; or end it: `{kill} -KILL {pid}`")
            } else {
                format!("wait for it, or look at what it does; if it hangs, end it: `{kill} {pid}`")
            }
        }
        Err(IdentifyError::Exited { .. } | IdentifyError::NoSuchProcess { .. }) => {
            described
                .holder
                .push_str(", which has ended and left the lock to a child");
            let path = quoted_path(&pool.path_of(LOCK));
            format!("end the process that it started, which this shows: `fuser -v {path}`")
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
