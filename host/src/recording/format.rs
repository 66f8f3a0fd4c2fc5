//! One recorded request.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::answer::Answer;
use crate::audit::{AskedBy, DecidedBy};
use crate::error::Error;
use crate::request::Request;

use super::Call;

/// The version of what is written.
pub const VERSION: u64 = 1;

/// The largest recording of a request, in bytes. A pool of 100,000 workers stays below it.
pub const LARGEST: usize = 64 << 20;

/// The largest file that is written, in bytes.
pub const LARGEST_FILE: u64 = 1 << 30;

/// A request: what was asked, by whom and of which policy, every call to the host, and what
/// came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recording {
    /// The version of the format.
    pub version: u64,
    /// When the request began.
    #[serde(with = "super::time")]
    pub at: SystemTime,
    /// The pool's directory. What is no text in its path is written as U+FFFD.
    #[serde(serialize_with = "as_text")]
    pub pool: PathBuf,
    /// Who asked.
    pub asked_by: AskedBy,
    /// What was asked.
    pub request: Request,
    /// The policy that decided.
    pub policy: DecidedBy,
    /// What it was granted, by name.
    pub grants: Vec<String>,
    /// What it could read as its settings.
    pub settings: BTreeMap<String, String>,
    /// Its calls to the host, in order.
    pub calls: Vec<Call>,
    /// What it answered, where it did: as it wrote it, true or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Box<RawValue>>,
    /// Why there is no answer, as the policy said it where that is the policy's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

fn as_text<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.display())
}

/// Why a request failed: the kind of [`Error`], and its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which kind of error.
    pub kind: FailureKind,
    /// What it says.
    pub text: String,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "they are those of `Error`, which describes each"
)]
pub enum FailureKind {
    Busy,
    Corrupted,
    Rejected,
    Denied,
    Refused,
    System,
    Cancelled,
    Policy,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer: JSON, as the policy wrote it.
    Answer(String),
    /// None.
    Failure(Failure),
}

impl Recording {
    /// What came of the request. A recording that says neither is taken for a failure.
    pub fn outcome(&self) -> Outcome {
        match (&self.answer, &self.failure) {
            (_, Some(failure)) => Outcome::Failure(failure.clone()),
            (Some(answer), None) => Outcome::Answer(answer.get().to_owned()),
            (None, None) => Outcome::Failure(Failure {
                kind: FailureKind::System,
                text: "the recording does not say what came of the request".into(),
            }),
        }
    }

    /// Adds what came of the request.
    pub(crate) fn ended(mut self, outcome: Outcome) -> serde_json::Result<Self> {
        match outcome {
            Outcome::Answer(answer) => self.answer = Some(RawValue::from_string(answer)?),
            Outcome::Failure(failure) => self.failure = Some(failure),
        }
        Ok(self)
    }
}

impl From<&Result<Answer, Error>> for Outcome {
    fn from(answered: &Result<Answer, Error>) -> Self {
        match answered {
            Ok(answer) => Self::Answer(answer.text().to_owned()),
            Err(error) => Self::Failure(error.into()),
        }
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let kind = match error {
            Error::Busy(_) => FailureKind::Busy,
            Error::Corrupted { .. } => FailureKind::Corrupted,
            // The last two before anything that could be recorded.
            Error::Rejected(_) | Error::Grace { .. } | Error::Setting(_) => FailureKind::Rejected,
            Error::Denied(_) => FailureKind::Denied,
            Error::Refused(_) => FailureKind::Refused,
            Error::System(_) => FailureKind::System,
            Error::Cancelled => FailureKind::Cancelled,
            Error::Policy(_) => FailureKind::Policy,
        };
        Self {
            kind,
            text: error.to_string(),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(answer) => f.write_str(answer.trim()),
            Self::Failure(failure) => write!(f, "failed: {}", failure.text),
        }
    }
}
