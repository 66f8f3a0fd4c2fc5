//! The Unix sockets of network namespaces that are bound to a path.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::kernel::Kernel;
use super::linux::Linux;
use super::procfs::{BoundSocket, bound_sockets};
use super::reach::Mounts;

/// A table as `/proc/PID/net/unix` shows it (proc_pid_net(5)): every socket that is bound to
/// a path, whether it listens or not.
#[derive(Debug, Default)]
pub(super) struct Table {
    by_path: HashMap<PathBuf, Vec<BoundSocket>>,
    by_name: HashMap<OsString, SameName>,
    /// The same with the directories' real paths, for the names that were asked for.
    real: HashMap<OsString, HashMap<PathBuf, Vec<BoundSocket>>>,
    /// How many sockets there are.
    pub(super) size: usize,
}

/// The sockets of one file name.
#[derive(Debug, Default)]
struct SameName {
    /// In which directories they are bound.
    directories: HashSet<PathBuf>,
    /// Whether one was bound by a relative path, which tells of no directory.
    unplaced: bool,
    /// Whether one of those does not listen.
    unplaced_silent: bool,
}

/// What a table says about one path.
#[derive(Clone, Debug, Default)]
pub(super) struct BoundThere {
    /// Inode numbers of the sockets that listen there.
    pub(super) listening: HashSet<u64>,
    /// Whether some socket is bound there, and is not yet or not at all for connections.
    pub(super) silent: bool,
}

impl BoundThere {
    fn add(&mut self, sockets: &[BoundSocket]) {
        for socket in sockets {
            if socket.listens {
                self.listening.insert(socket.inode);
            } else {
                self.silent = true;
            }
        }
    }
}

impl Table {
    pub(super) fn parse(text: &[u8]) -> Self {
        let mut table = Self::default();
        for (path, socket) in bound_sockets(text) {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                continue;
            };
            let same_name = table.by_name.entry(name.to_owned()).or_default();
            if path.is_absolute() {
                same_name.directories.insert(parent.to_owned());
            } else {
                same_name.unplaced = true;
                same_name.unplaced_silent |= !socket.listens;
            }
            table.by_path.entry(path).or_default().push(socket);
            table.size += 1;
        }
        table
    }

    /// What is bound at this path; only if nothing is under this spelling, under another
    /// one. `real` tells the real path of a directory, where that can be found out; it is
    /// asked at most once for each directory that sockets of this name are bound in.
    pub(super) fn at(
        &mut self,
        path: &Path,
        mut real: impl FnMut(&Path) -> Option<PathBuf>,
    ) -> BoundThere {
        let mut there = BoundThere::default();
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return there;
        };
        if let Some(sockets) = self.by_path.get(path) {
            there.add(sockets);
        }
        let Some(same_name) = self.by_name.get(name) else {
            return there;
        };
        // It may be here. Whether one that listens is, connect(2) tells.
        there.silent |= same_name.unplaced_silent;
        if !there.listening.is_empty() {
            return there;
        }
        if !self.real.contains_key(name) {
            let mut found: HashMap<PathBuf, Vec<BoundSocket>> = HashMap::new();
            for directory in &same_name.directories {
                if let (Some(real), Some(sockets)) =
                    (real(directory), self.by_path.get(&directory.join(name)))
                {
                    found.entry(real).or_default().extend(sockets);
                }
            }
            self.real.insert(name.to_owned(), found);
        }
        if let Some(parent) = real(parent)
            && let Some(sockets) = self.real.get(name).and_then(|found| found.get(&parent))
        {
            there.add(sockets);
        }
        there
    }
}

/// The sockets that are bound in the network namespaces of the processes that can be seen.
/// Those of other machines, of namespaces without such a process, and of threads that left the
/// namespace of their process cannot be.
#[derive(Debug)]
pub(crate) struct BoundSockets {
    /// Those of this program's network namespace.
    table: Table,
    /// File names of the sockets that are bound in another one and do not listen. The
    /// directories mean what they mean to the process that bound them, which may not be what
    /// they mean here. One that listens answers whoever asks.
    elsewhere: HashSet<OsString>,
    /// Whether the sockets of some process that can be seen could not be read.
    is_partial: bool,
    mounts: Mounts,
}

impl BoundSockets {
    /// Reads them, with one look at every process.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(crate) fn read() -> io::Result<Self> {
        let mut bound = Self {
            table: Table::parse(&Linux.read("/proc/self/net/unix")?),
            elsewhere: HashSet::new(),
            is_partial: false,
            mounts: Mounts::read()?,
        };
        // Each network namespace has a file of its own, which the processes in it share
        // (proc_pid_net(5)). Its number tells them apart also where `ns/net` may not be read.
        let mut read = HashSet::from([fs::metadata("/proc/self/net/unix")?.ino()]);
        for pid in Linux.names("/proc")? {
            if pid.parse::<u32>().is_err() {
                continue;
            }
            match bound.read_of(&format!("/proc/{pid}"), &mut read) {
                Ok(()) => {}
                // Its first thread may have ended before the others.
                Err(error) if is_over(&error) => {
                    for tid in Linux
                        .names(&format!("/proc/{pid}/task"))
                        .unwrap_or_default()
                    {
                        let place = format!("/proc/{pid}/task/{tid}");
                        let seen = bound.read_of(&place, &mut read);
                        bound.is_partial |= seen.is_err_and(|error| !is_over(&error));
                    }
                }
                Err(_) => bound.is_partial = true,
            }
        }
        Ok(bound)
    }

    /// Adds those of a process or thread, unless its network namespace was read before.
    fn read_of(&mut self, place: &str, read: &mut HashSet<u64>) -> io::Result<()> {
        let file = format!("{place}/net/unix");
        let number = fs::metadata(&file)?.ino();
        if read.contains(&number) {
            return Ok(());
        }
        let text = Linux.read(&file)?;
        read.insert(number);
        let silent = bound_sockets(&text).filter(|(_, socket)| !socket.listens);
        let names = silent.filter_map(|(path, _)| path.file_name().map(OsStr::to_owned));
        self.elsewhere.extend(names);
        Ok(())
    }

    /// Whether some network namespace could not be looked into.
    pub(crate) fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// Whether one may be bound to this name in an open directory, which is known by this
    /// path too. It errs on the side of yes, and resolves no path but those that sockets of
    /// the same name are bound by.
    pub(crate) fn may_be_at(&self, directory: BorrowedFd<'_>, known: &Path, name: &str) -> bool {
        if self.elsewhere.contains(OsStr::new(name)) {
            return true;
        }
        let Some(same_name) = self.table.by_name.get(OsStr::new(name)) else {
            return false;
        };
        let link = format!("/proc/self/fd/{}", directory.as_raw_fd());
        let own = Linux.link(&link).ok();
        let here = |bound_in: &PathBuf| {
            bound_in == known
                || Some(bound_in) == own.as_ref()
                || match self.mounts.directory(bound_in) {
                    Ok(found) => Some(found.real) == own,
                    Err(error) => error.kind() != io::ErrorKind::NotFound,
                }
        };
        same_name.unplaced || same_name.directories.iter().any(here)
    }
}

/// Whether an error says that a process or thread has ended.
fn is_over(error: &io::Error) -> bool {
    let raw = error.raw_os_error().map(Errno::from_raw);
    matches!(raw, Some(Errno::ENOENT | Errno::ESRCH | Errno::EINVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
        0: 00000002 00000000 00010000 0001 01 21 /run/a/w.sock\n\
        0: 00000002 00000000 00000000 0001 01 22 /run/b/w.sock\n\
        0: 00000003 00000000 00000000 0001 03 23 /run/a/c.sock\n\
        0: 00000002 00000000 00000000 0001 01 24 r.sock\n";

    fn at(path: &str) -> (Vec<u64>, bool) {
        let real = |path: &Path| {
            let path = path.strip_prefix("/alias").unwrap_or(path);
            Some(Path::new("/run").join(path))
        };
        let there = Table::parse(TEXT).at(Path::new(path), real);
        (there.listening.into_iter().collect(), there.silent)
    }

    #[test]
    fn listening_and_silent_sockets_are_told_apart_under_any_spelling() {
        assert_eq!(at("/run/a/w.sock"), (vec![21], false));
        assert_eq!(at("/alias/a/w.sock"), (vec![21], false));
        assert_eq!(at("/run/b/w.sock"), (vec![], true));
        assert_eq!(at("/alias/b/w.sock"), (vec![], true));
        assert_eq!(at("/run/c/w.sock"), (vec![], false));
        // A connection of a server that may be gone is no socket that is bound there.
        assert_eq!(at("/run/a/c.sock"), (vec![], false));
        // It may have been bound anywhere.
        assert_eq!(at("/run/a/r.sock"), (vec![], true));
    }

    #[test]
    fn each_directory_is_resolved_once_whatever_the_number_of_questions() {
        let mut asked = Vec::new();
        let mut table = Table::parse(TEXT);
        for entry in 0..50 {
            let path = PathBuf::from(format!("/entry{entry}/w.sock"));
            table.at(&path, |directory| {
                asked.push(directory.to_owned());
                Some(directory.to_owned())
            });
        }
        assert_eq!(asked.len(), 50 + 2, "{asked:?}");
    }
}
