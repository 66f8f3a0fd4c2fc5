//! What a worker finds in its environment.

use std::path::Path;
use std::process::Command;

use poolwarden::process::environment::{PID, SID, SOCK, STATE_DIR, WORKER_VERSION};

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
        .env_remove(PID);
    match sock {
        Some(sock) => command.env(SOCK, sock),
        None => command.env_remove(SOCK),
    };
    match version {
        "" => command.env_remove(WORKER_VERSION),
        version => command.env(WORKER_VERSION, version),
    };
}

/// Sets what only the stub knows: the pid, which stays when it becomes the program.
pub(super) fn set_pid(command: &mut Command) {
    command.env(PID, std::process::id().to_string());
}
