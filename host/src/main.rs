//! The `poolwarden` program: a command line, and an MCP server.

#![warn(clippy::print_stderr)] // `say!` comes behind the log, and never fails
#![warn(clippy::print_stdout)] // `output::write` takes a reader that goes away as no error

mod cli;
mod hint;
mod mcp;
mod memory;
mod stderr;

use std::ffi::OsStr;
use std::process::ExitCode;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

fn main() -> ExitCode {
    if cli::is_compiler() {
        return poolwarden::compile_stdin();
    }
    let arguments = match cli::parse() {
        Ok(arguments) => arguments,
        // What was asked for, as the help, or what is wrong with it.
        Err(error) => error.exit(),
    };
    if arguments.verb.is_stub() {
        return cli::run(arguments).into();
    }
    memory::keep_between_requests();
    cli::survive_large_files();
    if let Err(wrong) = log_to_stderr() {
        stderr::say!("error: {wrong}");
        return cli::Exit::Usage.into();
    }
    stderr::log_panics();
    let patience = match arguments.verb {
        cli::Verb::Mcp { .. } => stderr::SERVER_PATIENCE,
        _ => stderr::PATIENCE,
    };
    let exit = cli::run(arguments);
    stderr::flush(patience);
    exit.into()
}

/// The log goes to standard error: standard output carries answers and MCP only.
/// `POOLWARDEN_LOG` sets the level.
///
/// # Errors
/// When there is no such level.
fn log_to_stderr() -> Result<(), String> {
    let asked = match std::env::var_os("POOLWARDEN_LOG") {
        Some(level) if !level.is_empty() => Some(level_named(&level)?),
        _ => None,
    };
    let level = asked.unwrap_or(LevelFilter::WARN);
    // The SDK warns of each mistake of a client, who is told of it anyway.
    let of_sdk = if asked.is_some() {
        level
    } else {
        LevelFilter::ERROR
    };
    tracing_subscriber::registry()
        .with(
            tracing_subscriber::fmt::layer()
                .with_writer(|| stderr::LogLines)
                .with_ansi(false),
        )
        .with(
            Targets::new()
                .with_default(level)
                .with_target("rmcp", of_sdk),
        )
        .init();
    Ok(())
}

/// The levels of the log, from the quietest to the most talkative.
const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

fn level_named(name: &OsStr) -> Result<LevelFilter, String> {
    let is_named = |(level, _): &&(&str, LevelFilter)| name.eq_ignore_ascii_case(level);
    match LEVELS.iter().find(is_named) {
        Some((_, level)) => Ok(*level),
        None => Err(format!(
            "POOLWARDEN_LOG is {name:?}, and the levels of the log are {}; warn is the default",
            LEVELS.map(|(level, _)| level).join(", ")
        )),
    }
}
