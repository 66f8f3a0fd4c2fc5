//! The command line: verbs, output, exit codes.

mod adopt;
mod arguments;
mod demo;
mod exit;
mod output;
mod table;
mod wait;
mod watch;
mod worker;

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Context, bail};
use poolwarden::{Cancel, Policy, Pool, PoolBuilder, Request};
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
        Verb::Adopt(arguments) => adopt::run(&options, &arguments),
        Verb::Wait(arguments) => wait::run(&options, &arguments),
        Verb::Watch => watch::run(&options),
        Verb::Demo => demo::run(),
        Verb::DemoWorker { sock } => worker::run(&sock),
        Verb::Ensure(_) | Verb::Status(_) | Verb::Stop(_) | Verb::Register(_) | Verb::Forget(_) => {
            verb.request()
                .context("the verb makes no request")
                .and_then(|request| ask(&open(&options)?, request, wants_json(&options)))
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {}", output::line(&format!("{error:#}")));
        Exit::Failed
    })
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

/// Whether a program reads the answer.
fn wants_json(options: &Options) -> bool {
    options.json || !std::io::stdout().is_terminal()
}

/// The pool that the options name, with the shipped policy.
fn open(options: &Options) -> anyhow::Result<Pool> {
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

/// Each living worker of a pool is held by a descriptor, and the usual soft limit of
/// 1024 is there for select(2), which nothing here uses (getrlimit(2)).
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!("the limit of open files stays as it is: {error}");
    }
}
