//! Starting the stub, and giving it the word.
//!
//! The stub runs the program only when it hears the word, and the word is given only to a
//! registered worker. So whenever this program dies, the worker is registered or its
//! program never starts: the end of this program closes the pipe.

use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use poolwarden::store::Log;

use super::stub::WORD;
use super::{RunArguments, environment, signals};
use crate::cli::DESCRIPTORS_BEFORE;

/// A stub that waits for the word. Without it, it is killed and reaped when this goes.
pub(super) struct Stub {
    /// Absent once the word is given.
    child: Option<Child>,
    word: Option<PipeWriter>,
    report: PipeReader,
    pid: u32,
}

/// Why a stub did not become the program. It was reaped.
#[derive(Debug)]
pub(super) enum NoStart {
    /// It said why.
    Because(String),
    /// It ended without a word of its own: somebody ended it.
    Ended(ExitStatus),
    /// It cannot be talked to.
    Io(io::Error),
}

impl Stub {
    /// Starts this program again as a stub, in the directory where it was started.
    ///
    /// # Errors
    /// When there are no descriptors or processes left.
    pub(super) fn start(
        arguments: &RunArguments,
        sock: Option<&str>,
        pool: &Path,
        log: &Log,
    ) -> io::Result<Self> {
        signals::keep_children();
        let (stub_hears, word) = pipe()?;
        let (report, stub_reports) = pipe()?;
        // This very file, also when another one has taken its place meanwhile.
        let mut command = Command::new("/proc/self/exe");
        command.arg0("poolwarden").arg("run-stub");
        if let Some(limit) = DESCRIPTORS_BEFORE.get().copied().flatten() {
            command.arg("--descriptors").arg(limit.to_string());
        }
        command.arg("--").args(&arguments.command);
        environment::set(&mut command, &arguments.sid, sock, &arguments.version, pool);
        command
            .stdin(stub_hears)
            .stdout(stub_reports)
            .stderr(log.writer()?);
        let child = command.spawn()?;
        Ok(Self {
            pid: child.id(),
            child: Some(child),
            word: Some(word),
            report,
        })
    }

    /// Its pid, which will be the worker's.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Gives the word, and returns the program's process when it was started.
    ///
    /// # Errors
    /// See [`NoStart`].
    pub(super) fn go(mut self) -> Result<Child, NoStart> {
        let given = match self.word.take() {
            // At once, being shorter than what a pipe takes at once (pipe(7), PIPE_BUF).
            Some(mut word) => word.write_all(WORD),
            None => Ok(()),
        };
        // The pipe is closed here, and by the stub when it has become the program.
        let mut report = String::new();
        let told = self.report.read_to_string(&mut report);
        let ended = given.is_err() || told.is_err() || !report.is_empty();
        let Some(mut child) = self.child.take() else {
            return Err(NoStart::Io(io::ErrorKind::NotFound.into()));
        };
        if !ended {
            return Ok(child);
        }
        let status = child.wait().map_err(NoStart::Io)?;
        told.map_err(NoStart::Io)?;
        Err(if report.is_empty() {
            NoStart::Ended(status)
        } else {
            NoStart::Because(report)
        })
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It does nothing but wait for the word. It fails only when it has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
