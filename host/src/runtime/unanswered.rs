//! What a policy gave instead of the answer that was expected.

use std::path::PathBuf;

use crate::answer::{Answer, Answered};
use crate::error::{Error, Fault};
use crate::floor::Unreadable;
use crate::recording::{CallError, ErrorKind, Failure, Outcome};

/// Why there is no answer, in the policy's own words where they are its: nobody has looked yet
/// whether they are true.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The host ended the policy, or the policy rejected the request.
    Error(Error),
    /// An answer in another form.
    OtherForm {
        /// Where it does not fit.
        reason: String,
        /// What it is.
        answer: Answer,
    },
    /// An error that the policy says the host gave it.
    Host(CallError),
    /// The registry cannot be read, says the policy.
    Corrupted(Unreadable),
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<Fault> for Unanswered {
    fn from(fault: Fault) -> Self {
        Self::Error(fault.into())
    }
}

impl Unanswered {
    /// The error that it is, taken at its word. `registry` is the file that an error about it
    /// names.
    pub(crate) fn into_error(self, registry: PathBuf) -> Error {
        match self {
            Self::Error(error) => error,
            Self::OtherForm { reason, .. } => Fault::NotJson(reason).into(),
            Self::Host(error) => error.into(),
            Self::Corrupted(found) => found.at(registry),
        }
    }
}

/// What is recorded of a request: what the policy said, as it will say it in a replay.
pub(crate) fn outcome<T>(
    said: &Result<Answered<T>, Unanswered>,
    registry: impl FnOnce() -> PathBuf,
) -> Outcome {
    let failed = |error: Error| Outcome::Failure(Failure::from(&error));
    match said {
        Ok(answered) => Outcome::Answer(answered.answer().text().to_owned()),
        Err(Unanswered::OtherForm { answer, .. }) => Outcome::Answer(answer.text().to_owned()),
        Err(Unanswered::Error(error)) => Outcome::Failure(error.into()),
        Err(Unanswered::Host(error)) => failed(error.clone().into()),
        Err(Unanswered::Corrupted(found)) => failed(found.at(registry())),
    }
}

impl Unreadable {
    /// The error of a request on this registry.
    pub(crate) fn at(&self, path: PathBuf) -> Error {
        Error::Corrupted {
            path,
            line: self.line,
            column: self.column,
            detail: self.detail.clone(),
        }
    }
}

/// An error that the host gave, as the reason of a request's failure.
impl From<CallError> for Error {
    fn from(CallError { kind, text }: CallError) -> Self {
        match kind {
            ErrorKind::Busy => Self::Busy(text),
            ErrorKind::Denied => Self::Denied(text),
            ErrorKind::Refused | ErrorKind::Misuse => Self::Refused(text),
            ErrorKind::TooLarge | ErrorKind::Ended | ErrorKind::System => Self::System(text),
            ErrorKind::Cancelled => Self::Cancelled,
        }
    }
}
