//! What a worker finds in its environment.

use std::path::Path;
use std::process::Command;

use poolwarden::process::environment::{
    PID, PROCESS, SID, SOCK, STATE_DIR, WORKER_VERSION, process,
};
use poolwarden::process::{LinuxProcesses, Processes};

/// Sets what the registrar knows. Whatever a registrar that is a worker itself was given
/// is replaced or removed.
pub(super) fn set(
    command: &mut Command,
    sid: &str,
    sock: Option<&str>,
    version: &str,
    directory: &Path,
) {
    command
        .env(SID, sid)
        .env(STATE_DIR, directory)
        .env_remove(PID)
        .env_remove(PROCESS);
    match sock {
        Some(sock) => command.env(SOCK, sock),
        None => command.env_remove(SOCK),
    };
    match version {
        "" => command.env_remove(WORKER_VERSION),
        version => command.env(WORKER_VERSION, version),
    };
}

/// What only the stub knows: who it is, which stays when it becomes the program.
pub(super) struct Own {
    pid: u32,
    process: Option<String>,
}

impl Own {
    /// Of this process.
    pub(super) fn here() -> Self {
        let pid = std::process::id();
        // Where this fails, the worker is not found again by its environment, and that is all.
        let identified = LinuxProcesses::new().identify(pid).ok();
        let process = identified.map(|identified| process(identified.process.identity()));
        Self { pid, process }
    }

    /// Sets it.
    pub(super) fn set(&self, command: &mut Command) {
        command.env(PID, self.pid.to_string());
        if let Some(process) = &self.process {
            command.env(PROCESS, process);
        }
    }
}
