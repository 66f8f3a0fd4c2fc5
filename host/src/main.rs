//! The `poolwarden` program: a command line, and an MCP server.

mod cli;
mod hint;
mod mcp;
mod memory;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    memory::keep_between_requests();
    log_to_stderr();
    cli::run(cli::Arguments::parse()).into()
}

/// The log goes to standard error: standard output carries answers and MCP only.
/// `POOLWARDEN_LOG` sets the level: off, error, warn (the default), info, debug, trace.
fn log_to_stderr() {
    let level = std::env::var("POOLWARDEN_LOG")
        .ok()
        .and_then(|level| level.parse().ok());
    tracing_subscriber::fmt()
        .with_max_level(level.unwrap_or(LevelFilter::WARN))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}
