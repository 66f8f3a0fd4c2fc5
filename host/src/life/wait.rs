//! Waiting until a worker has ended.

use std::time::{Duration, Instant};

use crate::cancel::Cancel;
use crate::error::{Error, chain};
use crate::pool::Pool;
use crate::process::{Standing, WaitError};

use super::survey::Survey;

/// How a wait for a worker came out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Waited {
    /// Its process is no more.
    Ended {
        /// The process.
        pid: u32,
        /// What was found, when it had ended before the wait began.
        evidence: Option<String>,
    },
    /// There is no entry of this sid: it never had one, or somebody has collected it.
    Absent,
    /// It runs on, and the time is over.
    StillRunning {
        /// The process.
        pid: u32,
    },
    /// Whether the worker runs cannot be told, so there is nothing to wait for.
    Undecided {
        /// The pid that the entry names.
        pid: u32,
        /// Unproven, foreign or unknown.
        standing: Standing,
        /// How that was found.
        evidence: String,
    },
    /// Several entries have the sid, and which of them is meant cannot be told.
    Ambiguous {
        /// How many.
        entries: usize,
    },
}

impl Pool {
    /// Waits until the worker that has this sid now has ended, at most for `timeout`;
    /// without one it waits until `cancel`.
    ///
    /// It waits for the process that is held when it begins, by its pidfd, without
    /// polling and without the lock. One that is registered anew under the same sid
    /// meanwhile is another one and does not prolong it. The registry is not touched.
    ///
    /// Only the first look takes the lock, and waits for it no longer than `timeout` and
    /// [`Limits::lock_wait`](crate::Limits::lock_wait).
    ///
    /// # Errors
    /// [`Error::Cancelled`] when it was withdrawn, [`Error::Busy`], [`Error::Corrupted`]
    /// and [`Error::System`] when the pool cannot be read, and those of
    /// [`check_settings`](Self::check_settings).
    pub fn wait(
        &self,
        sid: &str,
        timeout: Option<Duration>,
        cancel: &Cancel,
    ) -> Result<Waited, Error> {
        let begun = Instant::now();
        self.check_settings(cancel)?;
        let timeout = timeout.unwrap_or(Duration::MAX);
        let mut survey = Survey::begin_within(&self.context, timeout, cancel)?;
        let claims = survey.with_sid(sid);
        let claim = match claims.as_slice() {
            [] => return Ok(Waited::Absent),
            [claim] => claim,
            several => {
                let entries = several.len();
                return Ok(Waited::Ambiguous { entries });
            }
        };
        let pid = claim.pid;
        let Some(inspection) = survey.inspect(claim, cancel)? else {
            return Err(Error::System("there is no finding about the entry".into()));
        };
        // Releases the lock: the worker may need it to end.
        survey.finish();

        let finding = inspection.finding;
        let evidence = finding.evidence.into_owned();
        let process = match (finding.standing, inspection.process) {
            (Standing::Alive, Some(process)) => process,
            (standing, _) if standing.is_dead() => {
                let evidence = Some(evidence);
                return Ok(Waited::Ended { pid, evidence });
            }
            (standing, _) => {
                return Ok(Waited::Undecided {
                    pid,
                    standing,
                    evidence,
                });
            }
        };
        let left = timeout.saturating_sub(begun.elapsed());
        let ended = self.context.processes.wait(&[process], left, cancel);
        match ended.as_deref() {
            Ok([true]) => Ok(Waited::Ended {
                pid,
                evidence: None,
            }),
            Ok(_) => Ok(Waited::StillRunning { pid }),
            Err(WaitError::Cancelled) => Err(Error::Cancelled),
            Err(error @ WaitError::Io(_)) => Err(Error::System(chain(error))),
        }
    }
}
