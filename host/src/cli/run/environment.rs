//! What a worker finds in its environment.

use std::path::Path;
use std::process::Command;

/// Its session id.
const SID: &str = "POOLWARDEN_SID";
/// The path of its socket, absolute; absent when it has none.
const SOCK: &str = "POOLWARDEN_SOCK";
/// The pool's directory, absolute. This program reads it too, so that a worker that asks
/// about its pool finds it.
const STATE_DIR: &str = "POOLWARDEN_STATE_DIR";
/// Its own pid, by which it can tell that these variables are about it and not about an
/// ancestor.
const PID: &str = "POOLWARDEN_PID";

/// Sets what the registrar knows. Whatever a registrar that is a worker itself was given
/// is replaced or removed.
pub(super) fn set(command: &mut Command, sid: &str, sock: Option<&str>, directory: &Path) {
    command
        .env(SID, sid)
        .env(STATE_DIR, directory)
        .env_remove(PID);
    match sock {
        Some(sock) => command.env(SOCK, sock),
        None => command.env_remove(SOCK),
    };
}

/// Sets what only the stub knows: the pid, which stays when it becomes the program.
pub(super) fn set_pid(command: &mut Command) {
    command.env(PID, std::process::id().to_string());
}
