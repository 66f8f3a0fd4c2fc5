//! The `poolwarden` program: a command line, and an MCP server.

#![warn(clippy::print_stderr)] // `say!` comes behind the log, and never fails

mod cli;
mod hint;
mod mcp;
mod memory;
mod stderr;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    if arguments.verb.is_stub() {
        return cli::run(arguments).into();
    }
    memory::keep_between_requests();
    cli::survive_large_files();
    log_to_stderr();
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
/// `POOLWARDEN_LOG` sets the level: off, error, warn (the default), info, debug, trace.
fn log_to_stderr() {
    let asked = std::env::var("POOLWARDEN_LOG")
        .ok()
        .and_then(|level| level.parse().ok());
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
}
