//! Errors and findings as the WIT package and as a recording have them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::process::Standing;
use crate::recording::{CallError, ErrorKind, LastSignal, Observed};

use super::HostError;
use super::bindings::poolwarden::pool::types;
use super::processes::instant;

impl From<types::Error> for CallError {
    fn from(error: types::Error) -> Self {
        let (kind, text) = match error {
            types::Error::Busy(text) => (ErrorKind::Busy, text),
            types::Error::Denied(text) => (ErrorKind::Denied, text),
            types::Error::Refused(text) => (ErrorKind::Refused, text),
            types::Error::Misuse(text) => (ErrorKind::Misuse, text),
            types::Error::TooLarge(text) => (ErrorKind::TooLarge, text),
            types::Error::Ended(text) => (ErrorKind::Ended, text),
            types::Error::System(text) => (ErrorKind::System, text),
            types::Error::Cancelled(text) => (ErrorKind::Cancelled, text),
        };
        Self { kind, text }
    }
}

impl From<CallError> for HostError {
    fn from(CallError { kind, text }: CallError) -> Self {
        Self::Guest(match kind {
            ErrorKind::Busy => types::Error::Busy(text),
            ErrorKind::Denied => types::Error::Denied(text),
            ErrorKind::Refused => types::Error::Refused(text),
            ErrorKind::Misuse => types::Error::Misuse(text),
            ErrorKind::TooLarge => types::Error::TooLarge(text),
            ErrorKind::Ended => types::Error::Ended(text),
            ErrorKind::System => types::Error::System(text),
            ErrorKind::Cancelled => types::Error::Cancelled(text),
        })
    }
}

impl From<&types::Finding> for Observed {
    fn from(finding: &types::Finding) -> Self {
        Self {
            standing: finding.standing.into(),
            evidence: finding.evidence.clone(),
            started: finding.started.and_then(time),
            last_signal: finding.last_signal.and_then(|sent| {
                let signal = sent.signal.into();
                time(sent.at).map(|at| LastSignal { signal, at })
            }),
        }
    }
}

impl From<&Observed> for types::Finding {
    fn from(observed: &Observed) -> Self {
        Self {
            standing: observed.standing.into(),
            evidence: observed.evidence.clone(),
            started: observed.started.map(instant),
            last_signal: observed.last_signal.map(|sent| types::SentSignal {
                signal: sent.signal.into(),
                at: instant(sent.at),
            }),
        }
    }
}

impl From<types::Standing> for Standing {
    fn from(standing: types::Standing) -> Self {
        match standing {
            types::Standing::Alive => Self::Alive,
            types::Standing::Unproven => Self::Unproven,
            types::Standing::Reused => Self::Reused,
            types::Standing::Exited => Self::Exited,
            types::Standing::Gone => Self::Gone,
            types::Standing::Foreign => Self::Foreign,
            types::Standing::Unknown => Self::Unknown,
        }
    }
}

fn time(at: types::Instant) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::new(at.seconds, at.nanoseconds))
}
