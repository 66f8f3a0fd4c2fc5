//! What `run` accepts, and what it tells its stub.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::arguments::{grace, socket};

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The session id
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) sid: String,
    /// Path of the Unix socket that the worker will serve
    #[arg(long, value_name = "PATH", value_parser = socket)]
    pub(super) sock: Option<String>,
    /// Wait this long for the worker to listen on its socket, and stop it if it does not
    ///
    /// Where it cannot be seen who listens, because the worker lets nobody look into it, it is
    /// left running; the exit code is then 4.
    #[arg(long, value_name = "TIME", value_parser = grace, requires = "sock")]
    pub(super) wait_sock: Option<Duration>,
    /// Where its output is appended; /dev/null keeps none [default: logs/SID.log in the pool]
    #[arg(long, value_name = "FILE")]
    pub(super) log: Option<PathBuf>,
    /// Stop the worker that has this session id now, if there is one
    #[arg(long)]
    pub(super) replace: bool,
    /// How long to wait for the exit of the worker that is replaced
    #[arg(long, default_value = "2s", value_name = "TIME", value_parser = grace, requires = "replace")]
    pub(super) grace: Duration,
    /// Kill the worker that is replaced if it is still there after the grace period
    #[arg(long, requires = "replace")]
    pub(super) force: bool,
    /// Version of the worker
    #[arg(long, default_value = "", value_name = "V")]
    pub(super) version: String,
    /// The program, looked up in PATH, and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(super) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct StubArguments {
    /// The program's soft limit of open files; unlimited when absent
    #[arg(long)]
    pub(super) descriptors: Option<u64>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    pub(super) command: Vec<OsString>,
}
