//! The command line: verbs, output, exit codes.

mod adopt;
mod arguments;
mod ask;
mod demo;
mod directories;
mod doctor;
mod exit;
mod interrupt;
mod log;
mod output;
mod policy;
mod policy_source;
mod run;
mod table;
mod usage;
mod wait;
mod watch;
mod worker;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::Context;
use poolwarden::audit::Asker;
use poolwarden::process::Signal;
use poolwarden::recording::RecordingFile;
use poolwarden::{Error, Pool, PoolBuilder, Request};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub(crate) use arguments::{Arguments, Options, Verb};
pub(crate) use exit::Exit;
pub(crate) use policy_source::{PolicySource, is_compiler};
pub(crate) use run::survive_large_files;
pub(crate) use usage::parse;

use crate::mcp;
use crate::stderr::say;
use interrupt::Interrupt;

/// Carries out what the command line asks.
pub(crate) fn run(arguments: Arguments) -> Exit {
    let Arguments { options, verb } = arguments;
    let interrupt = Interrupt::default();
    let done = match verb {
        Verb::Mcp { tool_prefix } => {
            // What is wrong is told over the protocol: nobody reads what a client's server says
            // when it ends at once.
            let served = builder(&options).map(|builder| {
                let source = PolicySource::new(&options, builder.path());
                (builder, source)
            });
            mcp::serve(served, &tool_prefix).map(|()| Exit::Ok)
        }
        Verb::Log(arguments) => log::run(&options, &arguments),
        Verb::Policy { command } => policy::run(&options, &command),
        Verb::Run(arguments) => {
            // What it asks for on the way stands in the trail as what it is a part of.
            let asker = Asker::command_line().for_verb("run");
            listen(&interrupt)
                .and_then(|()| open(&options, None))
                .map(|pool| pool.asked_by(asker))
                .and_then(|pool| run::run(&options, &pool, &arguments, &interrupt))
        }
        Verb::RunStub(arguments) => Ok(run::stub(&arguments)),
        Verb::Adopt(arguments) => adopt::run(&options, &arguments),
        Verb::Wait(arguments) => wait::run(&options, &arguments),
        Verb::Watch => watch::run(&options),
        Verb::Doctor(arguments) => doctor::run(&options, &arguments),
        Verb::Demo => demo::run(),
        Verb::DemoWorker { sock } => worker::run(&sock),
        Verb::Ensure(_) | Verb::Status(_) | Verb::Stop(_) | Verb::Register(_) | Verb::Forget(_) => {
            let requests = verb.requests();
            let signal = match requests.first() {
                Some(Request::Stop(stop)) => Some(stop.signal),
                _ => None,
            };
            listen(&interrupt)
                .and_then(|()| open(&options, signal))
                .and_then(|pool| ask(&pool, &requests, &options, &interrupt))
        }
    };
    let exit = done.unwrap_or_else(|error| {
        say!("error: {}", output::line(&format!("{error:#}")));
        exit::of_failure(&error)
    });
    interrupt.end();
    exit
}

fn listen(interrupt: &Interrupt) -> anyhow::Result<()> {
    interrupt.listen().context("cannot listen for signals")
}

/// Makes the requests, one after the other, and prints one answer to all of them. Where one of
/// them fails as a whole, those behind it are not made: the pool is to blame, and not a session.
fn ask(
    pool: &Pool,
    requests: &[Request],
    options: &Options,
    interrupt: &Interrupt,
) -> anyhow::Result<Exit> {
    let mut answers = Vec::with_capacity(requests.len());
    let made = interrupt.cancelling(|cancel| {
        for request in requests {
            answers.push(pool.call(request.clone(), cancel)?);
        }
        Ok(())
    });
    let failed = made.context("cannot start the request")?.err();
    let answered = &requests[..answers.len()];
    if !answers.is_empty() {
        output::print(answered, &answers, as_json(options))?;
    }
    for (request, answer) in answered.iter().zip(&answers) {
        for sid in table::not_stopped(request, &answer.value()) {
            advise(options, sid);
        }
    }
    let exits = answered.iter().zip(&answers);
    let exits = exits.map(|(request, answer)| exit::of_answer(request, &answer.value()));
    let mut exit = exits.max().unwrap_or(Exit::Ok);
    if let Some(error) = failed {
        let unanswered = requests[answers.len()..].iter();
        let unanswered: Vec<_> = unanswered.filter_map(sid_of).collect();
        output::complain(&error, pool.path());
        if let (Error::Rejected(_), [sid, ..]) = (&error, &unanswered[..]) {
            advise(options, sid);
        }
        output::tell_of_the_rest(&unanswered);
        exit = exit::of_error(&error);
    }
    tell_of_absent_pool(options, pool.path());
    Ok(exit)
}

/// Says that there is no such pool: to a person, and to a program that names it. The directory
/// that nobody named is not there before the first worker.
fn tell_of_absent_pool(options: &Options, directory: &Path) {
    if options.state_dir.is_some() || !as_json(options) {
        output::tell_of_absent_pool(directory);
    }
}

/// Says on standard error what there is to do about a session that was refused.
fn advise(options: &Options, sid: &str) {
    // Nobody types a longer one, and the whole text is on a terminal.
    const LONGEST_SID: usize = 256;
    if sid.len() > LONGEST_SID {
        return;
    }
    if let Some(hint) = doctor::way_out(options, sid) {
        say!("hint: {}", output::line(&hint));
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

/// The pool that the options name, for a verb that asks no policy: it needs none that loads,
/// and the shipped one stands in its place.
fn open_without_policy(options: &Options) -> anyhow::Result<Pool> {
    let builder = builder(options)?;
    let mandate = PolicySource::new(options, builder.path()).mandate_of_nobody()?;
    Ok(builder.build(mandate).asked_by(Asker::command_line()))
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
        Some(directory) => Ok(directories::expand(directory)),
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
