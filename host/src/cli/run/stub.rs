//! The worker before it is one: a process that waits for the word and then becomes the
//! program.
//!
//! What it inherits: standard input is the pipe on which the word comes, standard output
//! the pipe for what goes wrong, standard error the log. It is started afresh and has one
//! thread.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::arguments::StubArguments;
use super::{environment, signals};
use crate::cli::Exit;

/// What the registrar says, and then nothing more, once the worker is registered. Any
/// other end of the pipe means that it is not, or that nobody knows: the registrar may
/// have been killed at any moment.
pub(super) const WORD: &[u8] = b"registered: run\n";

/// First descriptor that is no standard stream.
const FIRST: i32 = 3;

/// Waits for the word and becomes the program. It returns when there is no word, and when
/// the program cannot be run, which it reports.
pub(crate) fn stub(arguments: &StubArguments) -> Exit {
    // Its closing tells the registrar that the program runs.
    if let Ok(report) = fcntl_dupfd_cloexec(io::stdout(), FIRST)
        && let Err(what) = wait_and_become(arguments)
    {
        // Nobody reads it when the registrar is no more, and then nobody waits for it.
        let _ = File::from(report).write_all(what.as_bytes());
    }
    Exit::Failed
}

/// What went wrong, if it returns with an error.
fn wait_and_become(arguments: &StubArguments) -> Result<(), String> {
    // First, because what a terminal sends to the registrar is not meant for the worker.
    nix::unistd::setsid().map_err(|errno| format!("cannot begin a process session: {errno}"))?;
    if hear_the_word().unwrap_or(false) {
        return Err(become_program(arguments));
    }
    Ok(())
}

/// Reads the pipe to its end: whether it carried the word and nothing else.
fn hear_the_word() -> io::Result<bool> {
    let mut heard = Vec::with_capacity(WORD.len() + 1);
    io::stdin()
        .lock()
        .take(WORD.len() as u64 + 1)
        .read_to_end(&mut heard)?;
    Ok(heard == WORD)
}

/// Runs the program in place of this one; why not, if it returns.
fn become_program(arguments: &StubArguments) -> String {
    let Some((program, rest)) = arguments.command.split_first() else {
        return "no program is named".into();
    };
    // Before it has no more descriptors than the program is to have.
    let own = environment::Own::here();
    match prepare(arguments) {
        Ok(log) => {
            let mut command = Command::new(program);
            command.args(rest).stdin(Stdio::null()).stdout(log);
            own.set(&mut command);
            format!("cannot run {}: {}", program.display(), command.exec())
        }
        Err((step, error)) => format!("cannot {step} for {}: {error}", program.display()),
    }
}

/// Undoes what was inherited and does not concern the program; the log.
fn prepare(arguments: &StubArguments) -> Result<OwnedFd, (&'static str, io::Error)> {
    let limit = Rlimit {
        current: arguments.descriptors,
        ..getrlimit(Resource::Nofile)
    };
    setrlimit(Resource::Nofile, limit)
        .map_err(|errno| ("restore the limit of open files", errno.into()))?;
    signals::reset().map_err(|errno| ("reset the signals", errno.into()))?;
    close_on_exec().map_err(|error| ("close what was inherited", error))?;
    io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|error| ("open the log", error))
}

/// Marks all but the standard streams to be closed when the program starts.
fn close_on_exec() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.parse().ok());
        let number: i32 = number.ok_or(io::ErrorKind::InvalidData)?;
        if number >= FIRST {
            // SAFETY: it is open: this process has one thread, and listing the
            // directory closes nothing.
            let fd = unsafe { BorrowedFd::borrow_raw(number) };
            fcntl_setfd(fd, FdFlags::CLOEXEC)?;
        }
    }
    Ok(())
}
