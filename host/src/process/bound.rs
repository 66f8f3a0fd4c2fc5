//! The Unix sockets of a network namespace that are bound to a path.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

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

/// The sockets that are bound in this program's network namespace.
#[derive(Debug)]
pub(crate) struct BoundSockets {
    table: Table,
    mounts: Mounts,
}

impl BoundSockets {
    /// Reads them.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(crate) fn read() -> io::Result<Self> {
        Ok(Self {
            table: Table::parse(&Linux.read("/proc/self/net/unix")?),
            mounts: Mounts::read()?,
        })
    }

    /// Whether one may be bound to this name in an open directory, which is known by this
    /// path too. It errs on the side of yes, and resolves no path but those that sockets of
    /// the same name are bound by.
    pub(crate) fn may_be_at(&self, directory: BorrowedFd<'_>, known: &Path, name: &str) -> bool {
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
