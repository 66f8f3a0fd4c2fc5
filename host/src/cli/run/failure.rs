//! Why a worker was not started, or not left running.

use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use poolwarden::Error;
use poolwarden::process::{IdentifyError, Serving, WaitError};
use poolwarden::store::StoreError;

use super::launch::NoStart;
use crate::cli::output::line;
use crate::cli::{Exit, Options, doctor, exit};
use crate::hint::hint;
use crate::stderr::say;

/// What went wrong with one worker, and what else helps to understand it.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reason: Reason,
    /// Further lines for the reader.
    pub(super) notes: Vec<String>,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Reason {
    /// The session id is not free.
    #[error("taken: its entry names pid {pid}, which is {status}; {}", of_taken(.status))]
    Taken { pid: u64, status: String },
    /// The worker that was to be replaced is still there, or may be.
    #[error("nothing was started, because the present worker was not stopped: {0}")]
    NotReplaced(String),
    /// The program would not be found.
    #[error("nothing was stopped or started, because {program} cannot be run")]
    NoProgram { program: String, source: io::Error },
    /// The pool did not carry out a step.
    #[error("not started: {0}")]
    Pool(Error),
    /// The pool's directory or the log cannot be used.
    #[error("not started")]
    Store(#[source] StoreError),
    /// The log cannot be looked at.
    #[error("not started: the log cannot be looked at")]
    Log(#[source] io::Error),
    /// The stub could not be started.
    #[error("not started: this program cannot be run again to wait for its registration")]
    Spawn(#[source] io::Error),
    /// The stub cannot be held.
    #[error("not started")]
    Identify(#[source] IdentifyError),
    /// The stub did not become the program.
    #[error("not started: {}", no_start(.0))]
    NoStart(NoStart),
    /// The worker ended, and it should have listened.
    #[error("it ended before it listened on {sock}: {status}")]
    Ended { sock: String, status: ExitStatus },
    /// The worker does not listen.
    #[error(
        "it does not listen on {sock} after {waited:?}: {}; it was ended: {status}",
        at_path(.seen)
    )]
    Silent {
        sock: String,
        waited: Duration,
        seen: Serving,
        status: ExitStatus,
    },
    /// What was started cannot be ended.
    #[error("it failed to start, and pid {pid} is still there after SIGKILL; its entry is kept")]
    Immortal { pid: u32, source: WaitError },
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            notes: Vec::new(),
        }
    }
}

impl Failure {
    /// Whether the pool may have carried the step out all the same, up to its answer.
    pub(super) fn may_have_written(&self) -> bool {
        matches!(
            self.reason,
            Reason::Pool(Error::System(_) | Error::Policy(_) | Error::Cancelled)
        )
    }

    /// Says on standard error what happened to the session of the pool in this directory, and
    /// what to do.
    pub(super) fn report(self, options: &Options, pool: &Path, sid: &str) -> Exit {
        let hint = match &self.reason {
            Reason::Pool(Error::Rejected(_)) | Reason::Taken { .. } | Reason::NotReplaced(_) => {
                doctor::way_out(options, sid)
            }
            Reason::Pool(error) => hint(error, pool),
            _ => None,
        };
        let exit = match &self.reason {
            Reason::Pool(error) => exit::of_error(error),
            _ => Exit::Failed,
        };
        let reason = anyhow::Error::from(self.reason);
        say!("error: {}", line(&format!("sid={sid}: {reason:#}")));
        for note in self.notes {
            say!("{}", line(&note));
        }
        if let Some(hint) = hint {
            say!("hint: {}", line(&hint));
        }
        exit
    }
}

/// What frees a sid depends on whether its worker can be stopped; the hint says how.
fn of_taken(status: &str) -> &'static str {
    match status {
        "running" | "stopping" => "stop it first, replace it with --replace, or use another sid",
        _ => "it has to be decided first what it is; or use another sid",
    }
}

fn no_start(why: &NoStart) -> String {
    match why {
        NoStart::Because(reason) => reason.clone(),
        NoStart::Ended(status) => {
            format!("somebody ended it before its program ran: {status}; start it again")
        }
        NoStart::Io(error) => format!("it cannot be talked to: {error}"),
    }
}

fn at_path(seen: &Serving) -> String {
    match seen {
        Serving::Yes | Serving::Absent => "nothing is there".into(),
        Serving::NoSocket => "what is there is no socket".into(),
        Serving::Others => "others listen there".into(),
        Serving::Nobody => "a socket is there, and nobody is seen to listen on it".into(),
        Serving::Hidden(error) => format!("who listens there cannot be seen: {error}"),
    }
}
