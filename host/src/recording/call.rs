//! One call of a policy to its host, with what the host answered.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::process::{Claim, Signal, Standing};

use super::Bytes;
use crate::visible;

/// A host call. Where there is an `error`, that was the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// The pool's lock was asked for.
    Begin {
        /// The registry as the host read it under the lock; none where there is no file.
        registry: Option<Bytes>,
        /// Why there is no transaction.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<CallError>,
    },
    /// The registry was read: what `begin` has.
    Read,
    /// The registry was to be replaced.
    Replace {
        /// By these bytes.
        registry: Bytes,
        /// Why it was not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<CallError>,
    },
    /// The transaction was dropped and the lock released.
    End,
    /// The policy asked about processes.
    Inspect {
        /// Each claim that it asked about, in order.
        found: Vec<Found>,
    },
    /// The host looked at a process for itself, within the call that follows: one that the
    /// policy did not ask about, or one that ended before it could be signalled.
    Look {
        /// What it found.
        found: Vec<Found>,
    },
    /// A worker was to be opened.
    Open {
        /// The session.
        sid: String,
        /// The process that the policy expects there.
        pid: u32,
        /// The number by which later calls name it, counted from 0 in each request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<u64>,
        /// Why it was not opened.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<CallError>,
    },
    /// A signal to a worker.
    Send {
        /// Which worker.
        target: u64,
        /// Which signal.
        signal: Signal,
        /// Why it was not sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<CallError>,
    },
    /// A signal to the process group of a worker.
    SendGroup {
        /// Which worker.
        target: u64,
        /// Which signal.
        signal: Signal,
        /// Why it was not sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<CallError>,
    },
    /// Workers were waited for.
    Wait {
        /// Which.
        targets: Vec<u64>,
        /// For how long at most, in milliseconds.
        timeout_ms: u64,
        /// For each in order whether it has ended.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ended: Vec<bool>,
        /// Why the wait failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<CallError>,
    },
    /// The time was asked for.
    Now {
        /// What the clock said.
        #[serde(with = "super::time")]
        at: SystemTime,
    },
    /// A setting was read.
    Config {
        /// Its name.
        key: String,
        /// Its value, where the operator gave one.
        value: Option<String>,
    },
    /// A line for the log.
    Log {
        /// `trace`, `debug`, `info`, `warn`, `error` or `critical`.
        level: String,
        /// What groups lines.
        context: String,
        /// The line, cut where it is very long.
        message: String,
    },
}

/// A claim, and what was found about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// What was asked about.
    pub claim: Claim,
    /// What the policy was told.
    pub finding: Observed,
}

/// What a policy was told about a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// What was proven.
    pub standing: Standing,
    /// How; absent for `alive`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// When the process started, where that is known.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "super::time::option"
    )]
    pub started: Option<SystemTime>,
    /// The last signal that any poolwarden sent to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_signal: Option<LastSignal>,
}

/// A signal that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSignal {
    /// Which.
    pub signal: Signal,
    /// When.
    #[serde(with = "super::time")]
    pub at: SystemTime,
}

/// The error of a host call: a case of `error` in the WIT package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallError {
    /// Which case.
    pub kind: ErrorKind,
    /// Its text.
    pub text: String,
}

impl ErrorKind {
    /// Its name in the WIT package.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Misuse => "misuse",
            Self::TooLarge => "too-large",
            Self::Ended => "ended",
            Self::System => "system",
            Self::Cancelled => "cancelled",
        }
    }
}

impl CallError {
    /// The same with a text that can be shown, of so many characters at most.
    pub(crate) fn cut(self, limit: usize) -> Self {
        Self {
            text: visible::excerpt(&self.text, limit),
            ..self
        }
    }
}

/// The cases of `error` in the WIT package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "wit/types.wit describes each case")]
pub enum ErrorKind {
    Busy,
    Denied,
    Refused,
    Misuse,
    TooLarge,
    Ended,
    System,
    Cancelled,
}
