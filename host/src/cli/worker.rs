//! A worker for the demonstration: a process that serves a Unix socket.

use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::Path;

use anyhow::Context;
use nix::sys::signal::Signal;

use super::Exit;

/// Listens until it is told to end. It ends with its parent, so that a demonstration that
/// is broken off leaves nothing behind.
///
/// # Errors
/// When it cannot listen.
pub(super) fn run(sock: &Path) -> anyhow::Result<Exit> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)
        .context("cannot tie the worker to its parent")?;
    let listener =
        UnixListener::bind(sock).with_context(|| format!("cannot listen on {}", sock.display()))?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "ready")
        .and_then(|()| stdout.flush())
        .context("nobody waits for the worker")?;
    for connection in listener.incoming() {
        // It has nothing to say: that somebody answers is all that the pool looks for.
        drop(connection.context("cannot accept")?);
    }
    Ok(Exit::Ok)
}
