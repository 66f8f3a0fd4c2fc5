//! The proof by the socket: who serves the path that the entry names.

use std::io;
use std::path::Path;

use nix::errno::Errno;

use super::kernel::{FileKind, Kernel};
use super::listeners::{Holding, Listeners};
use super::quoted::quoted;
use super::subject::errno;

/// What a running process and its entry's socket have to do with each other.
#[derive(Debug)]
pub(super) enum Service {
    /// No path, or no socket there.
    NoSocket,
    /// The process holds it listening.
    Held,
    /// Somebody else answers there.
    Elsewhere,
    /// Nobody answers there, so that the process does not serve it.
    Unanswered,
    /// It cannot be told.
    Unclear(String),
}

/// Finds out whether the process with this pid serves the socket.
pub(super) fn service(
    kernel: &dyn Kernel,
    listeners: &mut Listeners,
    pid: u32,
    sock: &str,
) -> Service {
    let Some(path) = absolute(sock) else {
        return Service::NoSocket;
    };
    let shown = quoted(sock);
    match kernel.kind(path) {
        Ok(FileKind::Socket) => {}
        Ok(FileKind::Symlink | FileKind::Other) => return Service::NoSocket,
        Err(error) if names_nothing(&error) => return Service::NoSocket,
        Err(error) => {
            return Service::Unclear(format!("its socket {shown} cannot be seen: {error}"));
        }
    }
    let holding = listeners.holding(kernel, pid, path, false);
    if matches!(holding, Holding::Held) {
        return Service::Held;
    }
    match (answer(kernel, path), holding) {
        (Answer::No, _) => Service::Unanswered,
        (Answer::Yes, Holding::Hidden(error)) => Service::Unclear(format!(
            "its socket {shown} answers, but whether it is held by the process cannot be told: {error}"
        )),
        // It may have begun to listen after the table was read.
        (Answer::Yes, _) => match listeners.holding(kernel, pid, path, true) {
            Holding::Held => Service::Held,
            _ => Service::Elsewhere,
        },
        (Answer::Unclear(error), _) => Service::Unclear(format!(
            "whether its socket {shown} answers cannot be told: {error}"
        )),
    }
}

/// Whether anybody answers at a path.
#[derive(Debug)]
pub(super) enum Answer {
    /// Somebody does.
    Yes,
    /// Nobody does, or there is nothing.
    No,
    /// It cannot be told.
    Unclear(io::Error),
}

/// Whether the socket of an entry whose process is dead is served all the same.
///
/// It errs on the side of yes: a symbolic link is followed here.
pub(super) fn still_answers(kernel: &dyn Kernel, sock: &str) -> Answer {
    let Some(path) = absolute(sock) else {
        return Answer::No;
    };
    match kernel.kind(path) {
        Ok(FileKind::Socket | FileKind::Symlink) => answer(kernel, path),
        Ok(FileKind::Other) => Answer::No,
        Err(error) if names_nothing(&error) => Answer::No,
        Err(error) => Answer::Unclear(error),
    }
}

fn answer(kernel: &dyn Kernel, path: &Path) -> Answer {
    let Err(error) = kernel.connect(path) else {
        return Answer::Yes;
    };
    match errno(&error) {
        // A full backlog, and a socket of another type: somebody is there (unix(7)).
        Some(Errno::EAGAIN | Errno::EPROTOTYPE) => Answer::Yes,
        Some(Errno::ECONNREFUSED) => Answer::No,
        _ if means_absent(&error) => Answer::No,
        _ => Answer::Unclear(error),
    }
}

/// The path, if it names one place for every process: a relative one is looked up from a
/// directory that only its author knows.
fn absolute(sock: &str) -> Option<&Path> {
    let path = Path::new(sock);
    (path.is_absolute() && !sock.contains('\0')).then_some(path)
}

/// Whether an error says that nothing is at the path.
fn means_absent(error: &io::Error) -> bool {
    matches!(errno(error), Some(Errno::ENOENT | Errno::ENOTDIR))
}

/// The same where the error is lstat(2)'s, which takes paths of up to 4095 bytes: what is too
/// long for it names nothing to anybody. connect(2) takes 107 bytes, and a socket that was
/// bound by a shorter path may well be at a longer one.
fn names_nothing(error: &io::Error) -> bool {
    means_absent(error) || errno(error) == Some(Errno::ENAMETOOLONG)
}
