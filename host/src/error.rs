//! Why a request has no answer.

use std::path::PathBuf;
use std::time::Duration;

use crate::answer::Answer;
use crate::store::StoreError;

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
/// | [`Policy`](Self::Policy) | the policy is at fault, and the [`Fault`] says how |
///
/// After each of them the lock is free and the registry whole. What was done before it, as a
/// signal that was sent, stands in the trail.
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
    /// The policy broke off or gave no usable answer.
    #[error("the policy failed: {0}")]
    Policy(#[from] Fault),
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
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
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
    /// Its answer lacks fields that the verb's answer has, or has them otherwise. The request
    /// was carried out all the same: what it did has happened, and the text says it in the
    /// policy's own way.
    #[error(
        "what it answered to `{verb}` is not what that verb answers: {reason}; the request was \
         carried out all the same, and its text says how"
    )]
    UnexpectedAnswer {
        /// What was asked.
        verb: &'static str,
        /// Where it does not fit.
        reason: String,
        /// What it answered.
        answer: Answer,
    },
    /// Its answer is no JSON object.
    #[error("its answer is not a JSON object: {0}")]
    NotJson(String),
    /// It trapped.
    #[error("it trapped: {0}")]
    Trap(String),
}

fn position(line: u64, column: u64) -> String {
    if line == 0 {
        String::new()
    } else {
        format!(" at line {line}, column {column}")
    }
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
