//! The proof by the socket: who serves the path that the entry names.

use std::io;
use std::path::Path;

use nix::errno::Errno;

use super::inquiry::Inquiry;
use super::kernel::{FileKind, Kernel};
use super::listeners::{Holder, Holding, Listeners};
use super::paths::Paths;
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
    /// Nobody answers there and nobody is bound to it, so that the process does not serve it.
    Unanswered,
    /// It cannot be told.
    Unclear(String),
}

/// Whether anybody answers at a path.
#[derive(Debug)]
pub(super) enum Answer {
    /// Somebody does.
    Yes,
    /// Nobody does, and a process is bound to it: it does not listen yet.
    Bound,
    /// Nobody does, or there is nothing.
    No,
    /// It cannot be told.
    Unclear(io::Error),
}

/// Looks at the sockets of entries, for one inspection.
pub(super) struct Sockets<'a> {
    kernel: &'a dyn Kernel,
    inquiry: &'a Inquiry<'a>,
    paths: Paths<'a>,
    listeners: Listeners,
}

impl<'a> Sockets<'a> {
    pub(super) fn new(kernel: &'a dyn Kernel, inquiry: &'a Inquiry<'a>) -> Self {
        Self {
            kernel,
            inquiry,
            paths: Paths::of_registry(kernel, inquiry),
            listeners: Listeners::default(),
        }
    }

    /// Finds out whether a running process serves the socket.
    pub(super) fn service(&mut self, holder: Holder, sock: &str) -> Service {
        let Some(path) = absolute(sock) else {
            return Service::NoSocket;
        };
        let shown = quoted(sock);
        let found = match self.paths.look(path) {
            Ok(found) if found.kind == FileKind::Socket => found,
            Ok(_) => return Service::NoSocket,
            Err(error) if names_nothing(&error) => return Service::NoSocket,
            Err(error) => {
                return Service::Unclear(format!("its socket {shown} cannot be seen: {error}"));
            }
        };
        let holding = self.holding(holder, path, false);
        if matches!(holding, Holding::Held) {
            return Service::Held;
        }
        match (self.answer(&found.at, path, Some(holder.pid)), holding) {
            (Answer::No, _) => Service::Unanswered,
            (Answer::Bound, _) => Service::Unclear(format!(
                "its socket {shown} is bound by a process that does not listen yet"
            )),
            (Answer::Yes, Holding::Hidden(error)) => Service::Unclear(format!(
                "its socket {shown} answers, but whether it is held by the process cannot be \
                 told: {error}"
            )),
            (Answer::Yes, Holding::NotHeld) => Service::Elsewhere,
            // It may have begun to listen after the table was read.
            (Answer::Yes, _) => match self.holding(holder, path, true) {
                Holding::Held => Service::Held,
                _ => Service::Elsewhere,
            },
            (Answer::Unclear(error), _) => Service::Unclear(format!(
                "whether its socket {shown} answers cannot be told: {error}"
            )),
        }
    }

    /// Whether the socket of an entry whose process is dead is served all the same.
    ///
    /// It errs on the side of yes: a symbolic link is followed here.
    pub(super) fn still_answers(&mut self, sock: &str) -> Answer {
        let Some(path) = absolute(sock) else {
            return Answer::No;
        };
        match self.paths.follow(path) {
            Ok(found) if found.kind == FileKind::Socket => self.answer(&found.at, path, None),
            Ok(_) => Answer::No,
            Err(error) if names_nothing(&error) => Answer::No,
            Err(error) => Answer::Unclear(error),
        }
    }

    fn holding(&mut self, holder: Holder, path: &Path, fresh: bool) -> Holding {
        let (kernel, paths) = (self.kernel, &mut self.paths);
        self.listeners
            .holding(kernel, self.inquiry, paths, holder, path, fresh)
    }

    /// Asks at `at`, which is a way to the socket at `path`.
    fn answer(&mut self, at: &Path, path: &Path, pid: Option<u32>) -> Answer {
        let Err(error) = self.kernel.connect(at) else {
            return Answer::Yes;
        };
        match errno(&error) {
            // A full backlog, and a socket of another type: somebody is there (unix(7)).
            Some(Errno::EAGAIN | Errno::EPROTOTYPE) => Answer::Yes,
            // So says also a socket that is bound and does not listen yet.
            Some(Errno::ECONNREFUSED) => self.refused(path, pid),
            _ if means_absent(&error) => Answer::No,
            _ => Answer::Unclear(error),
        }
    }

    /// Whether a socket that refuses connections is bound by a process, as far as the
    /// network namespaces of this program and of the entry's process tell.
    fn refused(&mut self, path: &Path, pid: Option<u32>) -> Answer {
        match self.is_bound(path, None) {
            Ok(true) => return Answer::Bound,
            Ok(false) => {}
            Err(error) => return Answer::Unclear(error),
        }
        // Where the process's table is hidden, there is only this program's.
        match pid.map(|pid| self.is_bound(path, Some(pid))) {
            Some(Ok(true)) => Answer::Bound,
            _ => Answer::No,
        }
    }

    /// Whether a process is bound to the path, by the table of one network namespace. The
    /// table may be older than the end of the process that it names: then it is read again.
    fn is_bound(&mut self, path: &Path, pid: Option<u32>) -> io::Result<bool> {
        for fresh in [false, true] {
            let (kernel, paths) = (self.kernel, &mut self.paths);
            let there = self.listeners.bound_at(kernel, paths, pid, path, fresh)?;
            if there.listening.is_empty() && !there.silent {
                return Ok(false);
            }
        }
        Ok(true)
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

/// The same where the error is that of a look at the path, which takes paths of up to 4095
/// bytes: what is too long for it names nothing to anybody.
fn names_nothing(error: &io::Error) -> bool {
    means_absent(error) || errno(error) == Some(Errno::ENAMETOOLONG)
}
