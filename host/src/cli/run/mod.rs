//! `run`: starts a worker that never runs unregistered, in a process session of its own.
//!
//! A stub of this program is started, registered, and only then given the word to become
//! the worker's program: its pid and its identity stay.

mod arguments;
mod confirm;
mod environment;
mod failure;
mod last_words;
mod launch;
mod replace;
mod signals;
mod socket;
mod stub;
mod undo;

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::Context;
use poolwarden::life::SocketKept;
use poolwarden::process::{LinuxProcesses, Processes};
use poolwarden::store::{Log, PoolDir};
use poolwarden::{Cancel, Error, Pool, Register, Request};
use serde::Serialize;
use serde_json::Value;

pub(crate) use arguments::{RunArguments, StubArguments};
pub(crate) use signals::survive_large_files;
pub(crate) use stub::stub;

use super::interrupt::Interrupt;
use super::{Exit, Options, as_json, doctor, output, table};
use crate::stderr::say;
use confirm::Awaited;
use failure::{Failure, Reason};
use last_words::LastWords;
use launch::Stub;

/// What `run` answers.
#[derive(Serialize)]
struct Answer {
    started: Started,
    pool_version: Value,
    /// What became of the worker that had the session id before.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced: Option<Value>,
}

/// The new worker: its entry, and where its output goes.
#[derive(Serialize)]
struct Started {
    sid: Value,
    pid: Value,
    sock: Value,
    version: Value,
    created_at: Value,
    log: String,
    /// Why it cannot be told whether it listens, where that was waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<String>,
}

/// Starts the worker and prints what was started.
///
/// # Errors
/// When the answer cannot be written. Whatever else fails is told on standard error.
pub(super) fn run(
    options: &Options,
    pool: &Pool,
    arguments: &RunArguments,
    interrupt: &Interrupt,
) -> anyhow::Result<Exit> {
    let answer = match start(options, pool, arguments, interrupt) {
        Ok(answer) => answer,
        Err(failure) => return Ok(failure.report(options, pool.path(), &arguments.sid)),
    };
    let text = if as_json(options) {
        serde_json::to_string(&answer).context("cannot write the answer")? + "\n"
    } else {
        table::started(&serde_json::to_value(&answer).context("cannot write the answer")?)
    };
    output::tell(&text)?;
    let Some(unseen) = answer.started.evidence else {
        return Ok(Exit::Ok);
    };
    say!(
        "warning: {}",
        output::line(&format!(
            "sid={}: {unseen}; it is left running",
            arguments.sid
        ))
    );
    Ok(Exit::Undecidable)
}

fn start(
    options: &Options,
    pool: &Pool,
    arguments: &RunArguments,
    interrupt: &Interrupt,
) -> Result<Answer, Failure> {
    let sock = arguments.sock.clone();
    let replaced = interrupt
        .cancelling(|cancel| replace::make_free(pool, arguments, cancel))
        .map_err(no_request)??;
    // From here on a signal ends this program at once, and a stub that waits goes with it.
    if interrupt.has_come() {
        return Err(Reason::Pool(Error::Cancelled).into());
    }
    let directory = PoolDir::open(pool.path()).map_err(Reason::Store)?;
    let mut kept = false;
    if let Some(sock) = &sock {
        kept = clear(options, pool, &directory, &arguments.sid, Path::new(sock))?;
    }
    let log = match &arguments.log {
        Some(path) => Log::at(path),
        None => Log::of_session(&directory, &arguments.sid),
    };
    let last_words = LastWords::from_now(log.map_err(Reason::Store)?).map_err(Reason::Log)?;
    let awaited = sock
        .as_deref()
        .zip(arguments.wait_sock)
        .map(|(sock, timeout)| Awaited::new(sock, timeout, kept));

    let log = last_words.log();
    let stub =
        Stub::start(arguments, sock.as_deref(), directory.path(), log).map_err(Reason::Spawn)?;
    let worker = LinuxProcesses::new()
        .identify(stub.pid())
        .map_err(Reason::Identify)?
        .process;
    let register = Register {
        sid: arguments.sid.clone(),
        pid: stub.pid(),
        sock: sock.unwrap_or_default(),
        version: arguments.version.clone(),
    };
    let registered = match ask(pool, Request::Register(register)) {
        Ok(registered) => registered,
        Err(mut failure) => {
            drop(stub);
            if failure.may_have_written() {
                undo::forget(pool, &arguments.sid, worker.pid(), &mut failure);
            }
            return Err(failure);
        }
    };
    let confirmed = match (stub.go(), awaited) {
        (Ok(child), Some(awaited)) => awaited.confirm(pool, &arguments.sid, child, &worker),
        (Ok(_), None) => Ok(None),
        (Err(why), _) => Err(Reason::NoStart(why).into()),
    };
    match confirmed {
        Ok(unseen) => Ok(Answer::new(registered, log, replaced, unseen)),
        Err(mut failure) => {
            undo::forget(pool, &arguments.sid, worker.pid(), &mut failure);
            failure.notes.extend(last_words.lines());
            Err(failure)
        }
    }
}

impl Answer {
    fn new(
        mut registered: Value,
        log: &Log,
        replaced: Option<Value>,
        unseen: Option<String>,
    ) -> Self {
        let mut entry = registered["registered"].take();
        Self {
            started: Started {
                sid: entry["sid"].take(),
                pid: entry["pid"].take(),
                sock: entry["sock"].take(),
                version: entry["version"].take(),
                created_at: entry["created_at"].take(),
                log: log.path().display().to_string(),
                evidence: unseen,
            },
            pool_version: registered["pool_version"].take(),
            replaced,
        }
    }
}

/// Removes the socket at this path if a dead worker left it in the pool: no other could bind
/// it. Where an entry keeps it, the user is told whose it is and what helps; whether one does.
fn clear(
    options: &Options,
    pool: &Pool,
    directory: &PoolDir,
    sid: &str,
    sock: &Path,
) -> Result<bool, Failure> {
    let is_socket = sock
        .symlink_metadata()
        .is_ok_and(|seen| seen.file_type().is_socket());
    // Most often there is none, and then nobody is waited for.
    if !is_socket || sock.parent() != Some(directory.path()) {
        return Ok(false);
    }
    let cancel = Cancel::new().map_err(no_request)?;
    let kept = pool.clear_socket(sock, &cancel);
    let Some(SocketKept { claim, standing }) = kept.map_err(Reason::Pool)? else {
        return Ok(false);
    };
    say!(
        "warning: {}",
        output::line(&format!(
            "sid={sid}: the socket {} is left where it is: the entry of sid={} names {}, and its \
             worker is {standing}",
            sock.display(),
            claim.sid,
            claim.sock
        ))
    );
    if let Some(way_out) = doctor::way_out(options, &claim.sid) {
        say!("hint: {}", output::line(&way_out));
    }
    Ok(true)
}

/// Makes one request, which nothing cancels.
fn ask(pool: &Pool, request: Request) -> Result<Value, Failure> {
    let cancel = Cancel::new().map_err(no_request)?;
    ask_until(&cancel, pool, request)
}

/// Makes one request.
fn ask_until(cancel: &Cancel, pool: &Pool, request: Request) -> Result<Value, Failure> {
    Ok(pool.call(request, cancel).map_err(Reason::Pool)?.value())
}

fn no_request(error: io::Error) -> Reason {
    Reason::Pool(Error::System(format!("no request: {error}")))
}
