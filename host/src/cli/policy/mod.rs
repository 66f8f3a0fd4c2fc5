//! `policy`: what a policy is, and what it would do.

mod check;
mod compile;
mod inspect;
mod replay;
mod report;

use std::error::Error;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use poolwarden::{Inspection, LoadError, Policy};

use super::policy_source::{self, Given};
use super::{Exit, Options, PolicySource, directory};

/// What to do with a policy.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Show what a component is, and what it needs
    ///
    /// Name, version, digest and world, what it imports, which grants it can make use of
    /// and which it is given, and each setting with who reads it and what it is: by --grant
    /// and --setting, and by the configuration of the pool. The grants of a configuration are
    /// for the policy that it names; with --policy none of them count. One that does not load
    /// is shown as well, with the reason.
    Inspect(Component),
    /// Say whether a component will load as a policy and take requests, and if not, why
    ///
    /// It is compared with the configuration's pin, compiled, linked and asked to describe
    /// itself, and has to read each of its settings, as a server does before it takes a policy
    /// up. Then it is asked for every verb, on an empty pool in memory. The exit code is 0 when
    /// it will load and take requests, and 7 when not.
    Check(Component),
    /// Compile a policy ahead of its first use
    ///
    /// The code is kept in the user's cache, where every later start of this program finds
    /// it: the code of the 16 policies that were used last. Compiling is limited in time and
    /// memory, here as at every first use; this is where one can allow it more.
    Compile(compile::CompileArguments),
    /// Try a policy on recordings, which touches no process
    ///
    /// Prints how its answers, the entries that it removes and its signals differ from
    /// those of the recorded policy, in these very requests: it says nothing of others, and a
    /// policy can tell a replay from a pool. The exit code is 0 when nothing differs, 1 when
    /// something does or a recording cannot be read, and 7 when the policy fails.
    Replay(replay::ReplayArguments),
}

/// The policy that a command is about.
#[derive(Debug, Args)]
pub(crate) struct Component {
    /// A WebAssembly component, or `shipped`
    file: PathBuf,
}

/// The word for the policy that this program has in itself. A file of that name is `./shipped`.
const SHIPPED: &str = "shipped";

/// Whether a command is about the shipped policy.
fn is_shipped(file: &Path) -> bool {
    file == Path::new(SHIPPED)
}

/// Loads the policy that a command is about.
///
/// # Errors
/// When it cannot be loaded.
fn load(file: &Path) -> anyhow::Result<Policy> {
    if is_shipped(file) {
        return Ok(Policy::shipped()?);
    }
    policy_source::loader()
        .file(file)
        .with_context(|| format!("cannot load {}", file.display()))
}

/// Carries out a command about policies.
///
/// # Errors
/// When the policy cannot be loaded, or standard output cannot be written.
pub(super) fn run(options: &Options, command: &PolicyCommand) -> anyhow::Result<Exit> {
    match command {
        PolicyCommand::Inspect(component) => inspect::run(options, &component.file),
        PolicyCommand::Check(component) => check::run(options, &component.file),
        PolicyCommand::Compile(arguments) => compile::run(options, arguments),
        PolicyCommand::Replay(arguments) => replay::run(options, arguments),
    }
}

/// What a policy from this file is given in the pool that the options name.
///
/// # Errors
/// When a configuration cannot be used.
fn given(options: &Options, file: &Path) -> anyhow::Result<Given> {
    let shipped = is_shipped(file);
    match directory(options) {
        Ok(pool) => {
            let source = PolicySource::new(options, &pool);
            Ok(if shipped {
                source.given_shipped()?
            } else {
                source.given(file)?
            })
        }
        // There is no pool to decide about, and no configuration of one.
        Err(_) if shipped => Ok(Given::by(options).and_shipped()),
        Err(_) => Ok(Given::by(options)),
    }
}

/// Looks at a policy with what it is given.
///
/// # Errors
/// When it cannot be read or is no component.
fn inspect(file: &Path, given: &Given) -> Result<Inspection, LoadError> {
    let settings = given.settings.iter();
    let loader = settings.fold(policy_source::loader(), |loader, (name, value)| {
        loader.setting(name, value)
    });
    let mut inspection = if is_shipped(file) {
        loader.inspect_shipped()?
    } else {
        loader.inspect(file)?
    };
    // It is shown what another one than the pinned is.
    if let Some(pinned) = given.pin.as_ref().filter(|pin| **pin != inspection.sha256) {
        let (pinned, found) = (pinned.clone(), inspection.sha256.clone());
        inspection.verdict = Err(LoadError::Pin { pinned, found }.into());
    }
    Ok(inspection)
}

/// Why a policy cannot be used, with every cause, in one line.
fn reason(error: impl Error + Send + Sync + 'static) -> String {
    format!("{:#}", anyhow::Error::new(error))
}
