//! `policy`: what a policy is, and what it would do.

mod replay;
mod report;

use clap::Subcommand;

use super::{Exit, Options};

/// What to do with a policy.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Try a policy on recordings, which touches no process
    ///
    /// Prints how its answers, the entries that it removes and its signals differ from
    /// those of the recorded policy. The exit code is 0 when nothing differs, 1 when
    /// something does or a recording cannot be read, and 7 when the policy fails.
    Replay(replay::ReplayArguments),
}

/// Carries out a command about policies.
///
/// # Errors
/// When the policy cannot be loaded, or standard output cannot be written.
pub(super) fn run(options: &Options, command: &PolicyCommand) -> anyhow::Result<Exit> {
    match command {
        PolicyCommand::Replay(arguments) => replay::run(options, arguments),
    }
}
