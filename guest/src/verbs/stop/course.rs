//! How far the stop of one session has come, and what the answer says about it.

use crate::answer::{Outcome, StopOutcome, Stopped};
use crate::registry::Entry;

/// One session that is to be stopped.
pub(super) struct Worker<'a, T> {
    /// Its entry's place in the file, from 0.
    pub(super) index: usize,
    /// Its entry, as it was when the request began.
    pub(super) entry: &'a Entry<'a>,
    /// How far its stop has come.
    pub(super) course: Course,
    /// Its process, once it was signalled.
    pub(super) target: Option<T>,
}

/// How far a stop has come. Texts are evidence, or what went wrong.
#[derive(Clone, Debug)]
pub(in crate::verbs) enum Course {
    /// It was no more before any signal.
    AlreadyDead(String),
    /// Its pid can belong to no process.
    ImpossiblePid(String),
    /// Not signalled: the process is not proven to be this worker, or it is refused.
    Refused {
        /// Why.
        why: String,
        /// What a person can do about it, where that is told.
        next: Option<&'static str>,
    },
    /// Not signalled: the operator did not grant it.
    Denied(String),
    /// The system did not carry the signal out.
    Failed {
        /// Which one, with `SIG`.
        signal: &'static str,
        /// The system's words.
        why: String,
    },
    /// A dry run's last station.
    WouldSignal,
    /// Signalled, and not known to have ended.
    Signalled,
    /// Signalled, and waiting for it failed.
    Unwatched(String),
    /// Ended after the signal that asked for it.
    Exited,
    /// Ended after SIGKILL.
    Killed,
    /// Signalled, waited for, and still there.
    StillRunning(String),
}

impl Course {
    /// Whether a signal went out to it.
    pub(in crate::verbs) fn was_signalled(&self) -> bool {
        matches!(
            self,
            Self::Signalled
                | Self::Unwatched(_)
                | Self::Exited
                | Self::Killed
                | Self::StillRunning(_)
        )
    }

    /// Whether its entry can go at once, without a signal.
    pub(super) fn needs_no_signal(&self) -> bool {
        matches!(self, Self::AlreadyDead(_) | Self::ImpossiblePid(_))
    }

    /// Whether it was seen to end after a signal.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self, Self::Exited | Self::Killed)
    }

    /// Whether the answer counts it as stopped. A signalled session that nobody waits
    /// for does, as in algocline.
    fn counts_as_stopped(&self) -> bool {
        matches!(
            self,
            Self::AlreadyDead(_) | Self::Signalled | Self::Exited | Self::Killed
        )
    }

    /// What the answer says became of the session.
    pub(in crate::verbs) fn outcome(&self) -> Outcome {
        match self {
            Self::AlreadyDead(_) => Outcome::AlreadyDead,
            Self::ImpossiblePid(_) => Outcome::InvalidPid,
            Self::Refused { .. } | Self::Denied(_) => Outcome::Refused,
            Self::Failed { .. } => Outcome::Failed,
            Self::WouldSignal => Outcome::WouldSignal,
            Self::Signalled | Self::Unwatched(_) => Outcome::Signalled,
            Self::Exited => Outcome::Exited,
            Self::Killed => Outcome::Killed,
            Self::StillRunning(_) => Outcome::StillRunning,
        }
    }

    /// The evidence for that, where there is some.
    pub(in crate::verbs) fn evidence(&self) -> Option<&str> {
        match self {
            Self::AlreadyDead(why)
            | Self::Refused { why, .. }
            | Self::Denied(why)
            | Self::Failed { why, .. } => Some(why),
            _ => None,
        }
    }

    /// What the answer's list of errors says, if anything.
    fn error(&self, sid: &str) -> Option<String> {
        match self {
            // The sid is in that text already.
            Self::ImpossiblePid(error) => Some(error.clone()),
            Self::Refused { why, next: None } | Self::Denied(why) => Some(format!(
                "sid={sid}: not signalled, its entry is kept: {why}"
            )),
            Self::Refused {
                why,
                next: Some(next),
            } => Some(format!(
                "sid={sid}: not signalled, its entry is kept: {why}; {next}"
            )),
            // algocline's words.
            Self::Failed { signal, why } => Some(format!("sid={sid}: {signal} failed: {why}")),
            Self::Unwatched(why) => Some(format!(
                "sid={sid}: signalled, but waiting for it failed, so its entry is kept until it \
                 is found dead: {why}"
            )),
            Self::StillRunning(stays) => Some(format!(
                "sid={sid}: {stays}; its entry is kept until it is found dead"
            )),
            _ => None,
        }
    }
}

impl<T> Worker<'_, T> {
    /// The process to wait for, while it is not known to have ended.
    pub(super) fn awaited(&self) -> Option<&T> {
        match self.course {
            Course::Signalled => self.target.as_ref(),
            _ => None,
        }
    }

    /// Adds to the answer what became of this session.
    pub(super) fn report<'w: 'o, 'o>(&'w self, answer: &mut Stopped<'o>) {
        let sid = self.entry.sid.as_ref();
        if self.course.counts_as_stopped() {
            answer.stopped.push(sid);
        }
        answer.errors.extend(self.course.error(sid));
        answer.outcomes.push(StopOutcome {
            sid,
            pid: self.entry.pid,
            outcome: self.course.outcome(),
            evidence: self.course.evidence(),
        });
    }
}
