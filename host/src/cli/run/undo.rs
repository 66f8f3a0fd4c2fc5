//! Leaving nothing behind of a worker that failed to start.

use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use poolwarden::process::{LinuxProcesses, Process, Processes, WaitError};
use poolwarden::{Cancel, Error, Mandate, Policy, Pool, Request, Stop};

use super::ask;
use super::failure::{Failure, Reason};

/// Ends the worker and what is left of its process group, and reaps it; how it ended.
///
/// By an ordinary stop, which stands in the audit trail. Where that does not do, as with a
/// policy that may not stop it, the group is signalled directly: it is the worker's own,
/// since it began a session of its own, and nobody else can have its number, since the
/// worker is our child and is not reaped before.
///
/// # Errors
/// When it is still there after SIGKILL, as in an uninterruptible sleep.
pub(super) fn end(
    pool: &Pool,
    sid: &str,
    mut child: Child,
    process: &Arc<dyn Process>,
) -> Result<ExitStatus, Failure> {
    let immortal = |source| Reason::Immortal {
        pid: process.pid(),
        source,
    };
    let ended = |within| await_end(process, within).map_err(immortal);
    if !ended(Duration::ZERO)? {
        let stop = Stop {
            sid: Some(sid.to_owned()),
            pid: Some(process.pid()),
            group: true,
            force: true,
            ..Stop::default()
        };
        // What it did or did not do shows in the process.
        let _ = ask(pool, Request::Stop(stop));
    }
    if !ended(Duration::ZERO)? {
        send(&child, Signal::SIGTERM);
        // A stopped process acts on it only once it is continued.
        send(&child, Signal::SIGCONT);
        ended(Stop::GRACE)?;
    }
    // Also when it ended by itself: what it started is known to nobody.
    send(&child, Signal::SIGKILL);
    if !ended(Stop::CONFIRMATION)? {
        let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
        return Err(immortal(late.into()).into());
    }
    child.wait().map_err(|error| immortal(error.into()).into())
}

fn await_end(process: &Arc<dyn Process>, within: Duration) -> Result<bool, WaitError> {
    let cancel = Cancel::new()?;
    let ended = LinuxProcesses::new().wait(std::slice::from_ref(process), within, &cancel)?;
    Ok(ended == [true])
}

fn send(child: &Child, signal: Signal) {
    let group = i32::try_from(child.id()).ok().filter(|&group| group > 1);
    if let Some(group) = group {
        // It fails only where none of the group may be signalled; then it is still there,
        // and that is what is told.
        let _ = killpg(Pid::from_raw(group), signal);
    }
}

/// Drops the entry of a worker that is no more, also where somebody else listens on its
/// socket. One that is gone was dropped by somebody else, and one that names another
/// process is somebody else's.
pub(super) fn forget(pool: &Pool, sid: &str, pid: u32, failure: &mut Failure) {
    if matches!(failure.reason, Reason::Immortal { .. }) {
        return;
    }
    let forget = || {
        let request = Request::Forget {
            sid: sid.to_owned(),
            even_if_alive: true,
            pid: Some(pid),
        };
        ask(pool, request).map_err(|failure| failure.reason)
    };
    let mut forgotten = forget();
    // A policy that fails at this, or says that it did what it did not, leaves an entry that
    // this program caused. The shipped one, which does as it is asked, decides about it.
    if matches!(forgotten, Err(Reason::Pool(Error::Policy(_)))) && use_shipped(pool) {
        forgotten = forget();
    }
    match forgotten {
        Ok(_) | Err(Reason::Pool(Error::Rejected(_) | Error::Refused(_))) => {}
        Err(reason) => failure.notes.push(format!(
            "warning: its entry is left, and goes with the next ensure: {reason}"
        )),
    }
}

/// Lets the shipped policy decide from now on, in this process.
fn use_shipped(pool: &Pool) -> bool {
    let (Ok(policy), Ok(cancel)) = (Policy::shipped(), Cancel::new()) else {
        return false;
    };
    pool.swap(Mandate::new(policy), &cancel).is_ok()
}
