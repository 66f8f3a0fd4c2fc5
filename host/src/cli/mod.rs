//! The command line: verbs, output, exit codes.

mod adopt;
mod arguments;
mod ask;
mod demo;
mod directories;
mod doctor;
mod exit;
mod log;
mod output;
mod policy;
mod policy_source;
mod run;
mod table;
mod wait;
mod watch;
mod worker;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::Context;
use poolwarden::audit::Asker;
use poolwarden::process::Signal;
use poolwarden::recording::RecordingFile;
use poolwarden::{Cancel, Error, Pool, PoolBuilder, Request};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub(crate) use arguments::{Arguments, Options, Verb};
pub(crate) use exit::Exit;
pub(crate) use output::LogLines;
pub(crate) use policy_source::PolicySource;
pub(crate) use run::survive_large_files;

use crate::mcp;

/// Carries out what the command line asks.
pub(crate) fn run(arguments: Arguments) -> Exit {
    let Arguments { options, verb } = arguments;
    if let (Some(_), Some(name)) = (&options.record, verb.asks_no_policy()) {
        eprintln!(
            "error: --record records what a policy is asked, and `{name}` asks none; it goes with \
             mcp, ensure, status, stop, run, register and forget"
        );
        return Exit::Usage;
    }
    let done = match verb {
        Verb::Mcp { tool_prefix } => builder(&options).and_then(|builder| {
            let source = PolicySource::new(&options, builder.path());
            mcp::serve(builder, source, &tool_prefix)?;
            Ok(Exit::Ok)
        }),
        Verb::Log(arguments) => directory(&options)
            .and_then(|directory| log::run(&directory, &arguments, as_json(&options))),
        Verb::Policy { command } => policy::run(&options, &command),
        Verb::Run(arguments) => {
            // What it asks for on the way stands in the trail as what it is a part of.
            let asker = Asker::command_line().for_verb("run");
            open(&options, None)
                .map(|pool| pool.asked_by(asker))
                .and_then(|pool| run::run(&options, &pool, &arguments))
        }
        Verb::RunStub(arguments) => Ok(run::stub(&arguments)),
        Verb::Adopt(arguments) => adopt::run(&options, &arguments),
        Verb::Wait(arguments) => wait::run(&options, &arguments),
        Verb::Watch => watch::run(&options),
        Verb::Doctor(arguments) => doctor::run(&options, &arguments),
        Verb::Demo => demo::run(),
        Verb::DemoWorker { sock } => worker::run(&sock),
        Verb::Ensure(_) | Verb::Status(_) | Verb::Stop(_) | Verb::Register(_) | Verb::Forget(_) => {
            verb.request()
                .context("the verb makes no request")
                .and_then(|request| {
                    let signal = match &request {
                        Request::Stop(stop) => Some(stop.signal),
                        _ => None,
                    };
                    ask(&options, &open(&options, signal)?, request)
                })
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {}", output::line(&format!("{error:#}")));
        exit::of_failure(&error)
    })
}

/// Asks the pool and prints its answer.
fn ask(options: &Options, pool: &Pool, request: Request) -> anyhow::Result<Exit> {
    let json = as_json(options);
    let cancel = Cancel::new().context("cannot start the request")?;
    Ok(match pool.call(request.clone(), &cancel) {
        Ok(answer) => {
            output::print(&request, &answer, json)?;
            if !json {
                output::tell_of_absent_pool(pool.path());
            }
            let value = answer.value();
            for sid in table::not_stopped(&request, &value) {
                advise(options, sid);
            }
            exit::of_answer(&request, &value)
        }
        Err(error) => {
            output::complain(&error, pool.path());
            if let (Error::Rejected(_), Some(sid)) = (&error, sid_of(&request)) {
                advise(options, sid);
            }
            exit::of_error(&error)
        }
    })
}

/// Says on standard error what there is to do about a session that was refused.
fn advise(options: &Options, sid: &str) {
    // Nobody types a longer one, and the whole text is on a terminal.
    const LONGEST_SID: usize = 256;
    if sid.len() > LONGEST_SID {
        return;
    }
    if let Some(hint) = doctor::way_out(options, sid) {
        eprintln!("hint: {}", output::line(&hint));
    }
}

/// The one session that a request is about.
fn sid_of(request: &Request) -> Option<&str> {
    match request {
        Request::Stop(stop) => stop.sid.as_deref(),
        Request::Register(register) => Some(&register.sid),
        Request::Forget { sid, .. } => Some(sid),
        Request::Status { sid } => sid.as_deref(),
        Request::Ensure { .. } => None,
    }
}

/// The pool that the options name, for requests on the command line. `signal` is what the
/// operator himself asks to send.
fn open(options: &Options, signal: Option<Signal>) -> anyhow::Result<Pool> {
    let builder = builder(options)?;
    let mut source = PolicySource::new(options, builder.path());
    if let Some(signal) = signal {
        source = source.with_signal(signal);
    }
    Ok(builder
        .build(source.mandate()?)
        .asked_by(Asker::command_line()))
}

fn builder(options: &Options) -> anyhow::Result<PoolBuilder> {
    raise_descriptor_limit();
    let mut limits = poolwarden::Limits::default();
    if let Some(wait) = options.lock_wait {
        limits.lock_wait = wait;
    }
    let builder = PoolBuilder::new(directory(options)?).limits(limits);
    Ok(match &options.record {
        Some(file) => builder.record(RecordingFile::open(file)?),
        None => builder,
    })
}

/// Whether the answer is for a program, or for a person at a terminal.
fn as_json(options: &Options) -> bool {
    options.json || !std::io::stdout().is_terminal()
}

/// The pool's directory that the options name.
fn directory(options: &Options) -> anyhow::Result<PathBuf> {
    match &options.state_dir {
        Some(directory) => Ok(directory.clone()),
        None => directories::default_pool(),
    }
}

/// The limit of open files that this program was given; none is unlimited. Set once it is
/// raised, for the programs that are started: not all of them can do with a higher one.
static DESCRIPTORS_BEFORE: OnceLock<Option<u64>> = OnceLock::new();

/// Each living worker of a pool is held by a descriptor, and the usual soft limit of
/// 1024 is there for select(2), which nothing here uses (getrlimit(2)).
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    DESCRIPTORS_BEFORE.get_or_init(|| limit.current);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!("the limit of open files stays as it is: {error}");
    }
}
