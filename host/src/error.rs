//! Why a request has no answer.

use std::path::PathBuf;
use std::time::Duration;

use crate::answer::Answer;
use crate::request::Stop;
use crate::settings::SettingError;
use crate::store::StoreError;
use crate::visible;

/// How much of an answer an error quotes, in characters.
const QUOTED: usize = 200;

/// Why a request failed. The text says what happened, to which file or session, and
/// what to do next; the variant says who has to do it.
///
/// | variant | what it means for the program that asks |
/// |---|---|
/// | [`Busy`](Self::Busy) | somebody else is at it; nothing was done, try again |
/// | [`Corrupted`](Self::Corrupted) | a person has to look at the registry; nothing was changed |
/// | [`Rejected`](Self::Rejected) | the request does not fit the pool as it is, as a sid that is taken |
/// | [`Denied`](Self::Denied) | the operator has not granted that |
/// | [`Refused`](Self::Refused) | nobody can be granted that: another policy would not have asked for it |
/// | [`System`](Self::System) | the store or the system failed |
/// | [`Cancelled`](Self::Cancelled) | the program itself withdrew the request |
/// | [`Grace`](Self::Grace) | the program asked for a longer wait than there is; nothing was done |
/// | [`Setting`](Self::Setting) | the operator set what means nothing; nothing was done |
/// | [`Policy`](Self::Policy) | the policy is at fault, and the [`Fault`] says how |
///
/// After each of them the lock is free and the registry whole. What was done before it, as a
/// signal that was sent, stands in the trail.
///
/// None has a [`source`](std::error::Error::source): the text is whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Somebody else held the pool's lock for longer than the bounded wait.
    #[error("{0}")]
    Busy(String),
    /// The registry is not one. Nothing was changed.
    #[error("the registry {} cannot be read{}: {detail}; nothing was changed, repair the file or restore it from a copy", .path.display(), position(*.line, *.column))]
    Corrupted {
        /// The registry file.
        path: PathBuf,
        /// Line, counted from 1; 0 when unknown.
        line: u64,
        /// Column, counted from 1; 0 when unknown.
        column: u64,
        /// What is wrong there.
        detail: String,
    },
    /// The request cannot be met as the pool stands.
    #[error("{0}")]
    Rejected(String),
    /// The policy lacks a grant.
    #[error("{0}")]
    Denied(String),
    /// The policy asked for what no grant allows, or asked at the wrong time.
    #[error("the policy was refused: {0}")]
    Refused(String),
    /// The system refused a call on a file or a process, or a file is too large.
    #[error("{0}")]
    System(String),
    /// The client withdrew the request.
    #[error("the request was cancelled")]
    Cancelled,
    /// A stop was to wait for longer than [`Stop::MAX_GRACE`].
    #[error(
        "a stop waits for at most {} s, and this one was to wait for {} s; nothing was done",
        Stop::MAX_GRACE.as_secs(), .asked.as_secs()
    )]
    Grace {
        /// The grace period that was asked for.
        asked: Duration,
    },
    /// A setting of the pool means nothing to the host or to the policy.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The policy broke off or gave no usable answer.
    #[error("the policy failed: {0}")]
    Policy(Fault),
}

// Not derived: what is derived would be the source as well, and said twice.
impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Policy(fault)
    }
}

impl Error {
    /// What it means that the registry could not be read for this error; none where it may
    /// be one for all that is known.
    pub(crate) fn no_registry(path: PathBuf, error: &StoreError) -> Option<Self> {
        Some(Self::Corrupted {
            path,
            line: 0,
            column: 0,
            detail: error.no_registry()?,
        })
    }
}

/// How a policy failed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It computed for longer than it may.
    #[error("it used more than {} ms of processor time", .0.as_millis())]
    Cpu(Duration),
    /// It made the host work for longer than it may.
    #[error("its calls to the host used more than {} ms of processor time", .0.as_millis())]
    HostCpu(Duration),
    /// Its memory grew beyond the limit.
    #[error("it needed more than {0} bytes of memory")]
    Memory(usize),
    /// Its tables grew beyond the limit.
    #[error("it needed more than {0} table elements")]
    Tables(usize),
    /// It ran out of stack, as endless recursion does.
    #[error("it ran out of stack")]
    Stack,
    /// It used memory that it does not have. A program whose compiler keeps a stack of its own
    /// in that memory does so when that stack has no room left.
    #[error("it reached outside of its memory, as an endless recursion does as well")]
    OutOfBounds,
    /// It passed more to the host in one call, or as its answer, than it may.
    #[error("it passed more than {0} bytes to the host at once")]
    Passed(usize),
    /// It wanted to sleep for longer than a request may in all.
    #[error("it wanted to sleep for more than {} ms", .0.as_millis())]
    Sleep(Duration),
    /// It began more transactions than one request may.
    #[error("it began more than {0} transactions")]
    Transactions(usize),
    /// It kept more handles than one request may.
    #[error("it kept more than {0} handles")]
    Handles(usize),
    /// What it says about itself cannot be taken.
    #[error("it describes itself with {0}")]
    Description(String),
    /// It asked for more random bytes than there are in one call.
    #[error("it asked for more than {0} random bytes at once")]
    RandomBytes(usize),
    /// It exited, with this status, as a program does and a policy does not.
    #[error("it exited with status {0} instead of answering")]
    Exited(u8),
    /// It called a function of WASI that leads nowhere here.
    #[error("it called {0}, which leads nowhere: a policy has no files and no network")]
    DeadEnd(String),
    /// Its answer is larger than the limit.
    #[error("its answer has {size} bytes, the limit is {limit}")]
    AnswerTooLarge {
        /// Bytes of the answer.
        size: usize,
        /// Bytes that are allowed.
        limit: usize,
    },
    /// Its answer lacks fields that the verb's answer has, or has them otherwise. What it did
    /// has happened, and stands in the trail.
    #[error(
        "policy {policy} answered to `{verb}` what is not an answer to it: {reason}; it answered \
         {}; what it did stays done and stands in the audit trail",
        visible::excerpt(.answer.text(), QUOTED)
    )]
    UnexpectedAnswer {
        /// What the policy calls itself.
        policy: String,
        /// What was asked.
        verb: &'static str,
        /// Where it does not fit.
        reason: String,
        /// What it answered.
        answer: Answer,
    },
    /// Its answer says what the host, which found and did it all, knows to be otherwise. What
    /// the policy did has happened, and stands in the trail.
    #[error(
        "policy {policy} answered to `{verb}` that {said}, but {so}; what it did stays done and \
         stands in the audit trail"
    )]
    UntrueAnswer {
        /// What the policy calls itself.
        policy: String,
        /// What was asked.
        verb: &'static str,
        /// What it said: the first claim that is not true.
        said: Box<str>,
        /// What is so.
        so: Box<str>,
        /// What it answered.
        answer: Answer,
    },
    /// It failed for a reason of its own. So does a policy that passes on, as the host's, an
    /// error that the host did not give in this request, or calls a registry corrupted that the
    /// host can read.
    #[error("policy {policy} said: {said}")]
    Failed {
        /// What the policy calls itself.
        policy: String,
        /// What it said.
        said: String,
    },
    /// Its answer is no JSON object.
    #[error("its answer is not a JSON object: {0}")]
    NotJson(String),
    /// It trapped.
    #[error("it trapped: {0}")]
    Trap(String),
}

/// Where in a file, to be put behind its name.
pub(crate) fn position(line: u64, column: u64) -> String {
    if line == 0 {
        String::new()
    } else {
        format!(" at line {line}, column {column}")
    }
}

/// What is wrong with a JSON text, without where.
pub(crate) fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&position).unwrap_or(&text).to_owned()
}

/// An error and its sources in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::error::Error as Cause;
    use std::io;

    use super::*;
    use crate::floor::UnknownGrant;
    use crate::recording::Recordings;
    use crate::replay::NotReplayed;
    use crate::runtime::{LoadError, Unusable};

    /// The texts of an error and of its sources.
    fn texts(error: &(dyn Cause + 'static)) -> Vec<String> {
        let mut texts = vec![error.to_string()];
        let mut next = error.source();
        while let Some(source) = next {
            texts.push(source.to_string());
            next = source.source();
        }
        texts
    }

    /// Both ways of showing an error are in use: its own text, and that with its sources. An
    /// error that puts its source into its own text and gives it away too is told twice.
    #[test]
    fn no_cause_is_told_twice() {
        let refused = || io::Error::from_raw_os_error(libc::EACCES);
        let trapped = || Error::from(Fault::Trap("wasm trap".into()));
        let root = tempfile::tempdir().expect("a temporary directory");
        let file = root.path().join("lines");
        std::fs::write(&file, "text\n").expect("write");
        let mut lines = Recordings::open(&file).expect("it is opened");
        let no_recording = lines.next().expect("a line").expect_err("no recording");
        let errors: Vec<Box<dyn Cause>> = vec![
            Box::new(no_recording),
            Box::new(trapped()),
            Box::new(Unusable::Describe(trapped())),
            Box::new(Unusable::from(LoadError::Read {
                path: "p.wasm".into(),
                source: refused(),
            })),
            Box::new(Error::from(SettingError::Proof(
                crate::process::UnknownStrength("strng".into()),
            ))),
            Box::new(NotReplayed::from(UnknownGrant("everything".into()))),
            Box::new(crate::life::AdoptError::from(trapped())),
        ];
        for error in errors {
            let texts = texts(error.as_ref());
            for (index, cause) in texts.iter().enumerate().skip(1) {
                for before in &texts[..index] {
                    assert!(!before.contains(cause.as_str()), "{texts:?}");
                }
            }
        }
    }
}
