//! The command line: verbs, output, exit codes.

mod arguments;
mod demo;
mod exit;
mod output;
mod run;
mod table;
mod worker;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::{Context, bail};
use poolwarden::{Cancel, Grants, Policy, Pool, PoolBuilder, Request};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub(crate) use arguments::{Arguments, Options, Verb};
pub(crate) use exit::Exit;

use crate::mcp;

/// Carries out what the command line asks.
pub(crate) fn run(arguments: Arguments) -> Exit {
    let Arguments { options, verb } = arguments;
    let done = match verb {
        Verb::Mcp { tool_prefix } => open(&options).and_then(|pool| {
            mcp::serve(pool, &tool_prefix)?;
            Ok(Exit::Ok)
        }),
        Verb::Run(arguments) => {
            open(&options).and_then(|pool| run::run(&pool, &arguments, as_json(&options)))
        }
        Verb::RunStub(arguments) => Ok(run::stub(&arguments)),
        Verb::Demo => demo::run(),
        Verb::DemoWorker { sock } => worker::run(&sock),
        Verb::Ensure(_) | Verb::Status(_) | Verb::Stop(_) | Verb::Register(_) | Verb::Forget(_) => {
            verb.request()
                .context("the verb makes no request")
                .and_then(|request| {
                    let pool = open_for(&options, &request)?;
                    ask(&pool, request, as_json(&options))
                })
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {}", output::line(&format!("{error:#}")));
        Exit::Failed
    })
}

/// Whether the answer is for a program.
fn as_json(options: &Options) -> bool {
    options.json || !std::io::stdout().is_terminal()
}

/// Asks the pool and prints its answer.
fn ask(pool: &Pool, request: Request, json: bool) -> anyhow::Result<Exit> {
    let cancel = Cancel::new().context("cannot start the request")?;
    Ok(match pool.call(request.clone(), &cancel) {
        Ok(answer) => {
            output::print(&request, &answer, json)?;
            exit::of_answer(&request, &answer.value())
        }
        Err(error) => {
            output::complain(&error);
            exit::of_error(&error)
        }
    })
}

/// The pool that the options name, with the shipped policy and what it needs.
fn open(options: &Options) -> anyhow::Result<Pool> {
    open_with(options, Grants::shipped())
}

/// The same, for a request of the operator, who grants the signal that he names.
fn open_for(options: &Options, request: &Request) -> anyhow::Result<Pool> {
    let grants = match request {
        Request::Stop(stop) => Grants::shipped().with_signal(stop.signal),
        _ => Grants::shipped(),
    };
    open_with(options, grants)
}

fn open_with(options: &Options, grants: Grants) -> anyhow::Result<Pool> {
    raise_descriptor_limit();
    let directory = match &options.state_dir {
        Some(directory) => directory.clone(),
        None => default_directory()?,
    };
    let mut limits = poolwarden::Limits::default();
    if let Some(wait) = options.lock_wait {
        limits.lock_wait = wait;
    }
    Ok(PoolBuilder::new(directory)
        .grants(grants)
        .limits(limits)
        .build(Policy::shipped()?))
}

/// `$XDG_STATE_HOME/poolwarden`, by default `~/.local/state/poolwarden` (XDG Base
/// Directory Specification 0.8: a relative path there is to be ignored).
fn default_directory() -> anyhow::Result<PathBuf> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    if let Some(state) = absolute("XDG_STATE_HOME") {
        return Ok(state.join("poolwarden"));
    }
    let Some(home) = absolute("HOME") else {
        bail!(
            "no pool directory: neither --state-dir nor POOLWARDEN_STATE_DIR is given, and HOME is not set"
        );
    };
    Ok(home.join(".local/state/poolwarden"))
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
