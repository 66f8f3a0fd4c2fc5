//! `policy`: what a policy is, and what it would do.

mod check;
mod compile;
mod inspect;
mod replay;
mod report;

use std::error::Error;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Exit, Options};

/// What to do with a policy.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Show what a component is, and what it needs
    ///
    /// Name, version, digest and world, what it imports, which grants it can make use of
    /// and which --grant gives it, and its settings with those that --setting gives it. One
    /// that does not load is shown as well, with the reason.
    Inspect(Component),
    /// Say whether a component will load as a policy, and if not, why
    ///
    /// It is compiled, linked and asked to describe itself, as a server does before it takes
    /// a policy up. The exit code is 0 when it will load and 7 when not.
    Check(Component),
    /// Compile a policy ahead of its first use
    ///
    /// The code is kept in the user's cache, where every later start of this program finds
    /// it.
    Compile(Component),
    /// Try a policy on recordings, which touches no process
    ///
    /// Prints how its answers, the entries that it removes and its signals differ from
    /// those of the recorded policy. The exit code is 0 when nothing differs, 1 when
    /// something does or a recording cannot be read, and 7 when the policy fails.
    Replay(replay::ReplayArguments),
}

/// The policy that a command is about.
#[derive(Debug, Args)]
pub(crate) struct Component {
    /// A WebAssembly component
    file: PathBuf,
}

/// Carries out a command about policies.
///
/// # Errors
/// When the policy cannot be loaded, or standard output cannot be written.
pub(super) fn run(options: &Options, command: &PolicyCommand) -> anyhow::Result<Exit> {
    match command {
        PolicyCommand::Inspect(component) => inspect::run(options, &component.file),
        PolicyCommand::Check(component) => check::run(options, &component.file),
        PolicyCommand::Compile(component) => compile::run(options, &component.file),
        PolicyCommand::Replay(arguments) => replay::run(options, arguments),
    }
}

/// Why a policy cannot be used, with every cause, in one line.
fn reason(error: impl Error + Send + Sync + 'static) -> String {
    format!("{:#}", anyhow::Error::new(error))
}
