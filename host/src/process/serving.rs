//! Whether a process that was just started listens on the socket that it is to serve.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::Strength;
use super::inquiry::Inquiry;
use super::kernel::{FileKind, Kernel};
use super::listeners::{Holder, Holding, Listeners};
use super::paths::Paths;
use super::procfs::Stat;

/// What is seen at the path of a socket that a process is to serve.
#[derive(Debug)]
pub enum Serving {
    /// The process, or a descendant of it, holds the socket listening.
    Yes,
    /// There is nothing at the path.
    Absent,
    /// There is something else than a socket.
    NoSocket,
    /// There is a socket on which others listen.
    Others,
    /// There is a socket, and nobody is seen to listen on it: it was bound a moment ago, or
    /// by a relative name, which the kernel's table cannot place; or a dead process left it.
    Nobody,
    /// Whether they hold it cannot be seen.
    Hidden(io::Error),
}

/// Looks at the path, and at who holds what listens there. Nothing connects to it: a
/// worker may count its connections.
///
/// The worst that a pid which changes hands meanwhile can do is to make a socket that
/// listens at this very path count as the worker's.
pub(super) fn serving(kernel: &dyn Kernel, pid: u32, path: &Path) -> Serving {
    match kernel.kind(path) {
        Ok(FileKind::Socket) => {}
        Ok(FileKind::Symlink | FileKind::Other) => return Serving::NoSocket,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Serving::Absent,
                _ => Serving::Hidden(error),
            };
        }
    }
    let inquiry = Inquiry::new(Strength::Any);
    let mut paths = Paths::of_user(kernel);
    let mut listeners = Listeners::default();
    let mut seen = Serving::Nobody;
    let family =
        std::iter::once(pid).chain(std::iter::once_with(|| descendants(kernel, pid)).flatten());
    for pid in family {
        let holder = Holder { pid, inode: None };
        match listeners.holding(kernel, &inquiry, &mut paths, holder, path, false) {
            Holding::Held => return Serving::Yes,
            Holding::Hidden(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                seen = Serving::Hidden(error);
            }
            Holding::NotHeld if matches!(seen, Serving::Nobody) => seen = Serving::Others,
            // Whoever has ended is not hidden but gone.
            Holding::NotHeld | Holding::Unheld | Holding::Hidden(_) => {}
        }
    }
    seen
}

/// The children of a process, and theirs, as far as they are seen now. One whose parent
/// has ended is nobody's descendant any more.
fn descendants(kernel: &dyn Kernel, ancestor: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let processes = kernel.names("/proc").unwrap_or_default();
    for pid in processes.iter().filter_map(|name| name.parse().ok()) {
        let stat = kernel.read(&format!("/proc/{pid}/stat"));
        if let Some(stat) = stat.ok().as_deref().and_then(Stat::parse) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut found = children.remove(&ancestor).unwrap_or_default();
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        // Taken out, so that a family tree that changed while it was read has an end.
        found.extend(children.remove(&pid).unwrap_or_default());
        next += 1;
    }
    found
}
