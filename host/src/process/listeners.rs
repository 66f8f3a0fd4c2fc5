//! Which process holds a socket listening.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::kernel::Kernel;
use super::procfs::{bracketed, listening_sockets};

/// What was found out about a process and a socket path.
#[derive(Debug)]
pub(super) enum Holding {
    /// The process holds a socket that listens at the path.
    Held,
    /// Others do, and the process does not.
    NotHeld,
    /// Nobody does, as far as the process's network namespace is concerned.
    Unheld,
    /// It cannot be told.
    Hidden(io::Error),
}

/// The listening sockets of one network namespace, by the path they were bound to.
#[derive(Debug, Default)]
struct Table(HashMap<PathBuf, Vec<u64>>);

impl Table {
    fn parse(text: &[u8]) -> Self {
        let mut paths: HashMap<PathBuf, Vec<u64>> = HashMap::new();
        for (path, inode) in listening_sockets(text) {
            paths.entry(path).or_default().push(inode);
        }
        Self(paths)
    }

    /// The inodes of the sockets that listen at this path; only if there is none under
    /// this spelling, of those under another one.
    fn at(&self, kernel: &dyn Kernel, path: &Path) -> HashSet<u64> {
        if let Some(inodes) = self.0.get(path) {
            return inodes.iter().copied().collect();
        }
        let Some(expected) = canonical(kernel, path) else {
            return HashSet::new();
        };
        self.0
            .iter()
            .filter(|(bound, _)| bound.file_name() == path.file_name())
            .filter(|(bound, _)| canonical(kernel, bound).as_ref() == Some(&expected))
            .flat_map(|(_, inodes)| inodes.iter().copied())
            .collect()
    }
}

/// The path with its directory resolved. The socket itself is not followed.
fn canonical(kernel: &dyn Kernel, path: &Path) -> Option<PathBuf> {
    Some(
        kernel
            .canonical(path.parent()?)
            .ok()?
            .join(path.file_name()?),
    )
}

/// Looks up who listens, reading each network namespace's table once.
///
/// A table that is older than the process's pidfd does no harm: what it lists counts
/// only if the process is then seen to hold that very socket.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    tables: HashMap<PathBuf, Rc<Table>>,
}

impl Listeners {
    /// Whether the process with this pid holds a socket listening at `path`. With
    /// `fresh`, the table is read again.
    pub(super) fn holding(
        &mut self,
        kernel: &dyn Kernel,
        pid: u32,
        path: &Path,
        fresh: bool,
    ) -> Holding {
        let table = match self.table(kernel, pid, fresh) {
            Ok(table) => table,
            Err(error) => return Holding::Hidden(error),
        };
        let inodes = table.at(kernel, path);
        if inodes.is_empty() {
            return Holding::Unheld;
        }
        match holds_any(kernel, pid, &inodes) {
            Ok(true) => Holding::Held,
            Ok(false) => Holding::NotHeld,
            Err(error) => Holding::Hidden(error),
        }
    }

    fn table(&mut self, kernel: &dyn Kernel, pid: u32, fresh: bool) -> io::Result<Rc<Table>> {
        let namespace = kernel.link(&format!("/proc/{pid}/ns/net")).ok();
        if let (false, Some(namespace)) = (fresh, &namespace)
            && let Some(table) = self.tables.get(namespace)
        {
            return Ok(table.clone());
        }
        let mut text = kernel.read(&format!("/proc/{pid}/net/unix"));
        if text.is_err() {
            // The first thread of a process can end before the others.
            for task in tasks(kernel, pid).unwrap_or_default() {
                text = kernel.read(&format!("{task}/net/unix"));
                if text.is_ok() {
                    break;
                }
            }
        }
        let table = Rc::new(Table::parse(&text?));
        if let Some(namespace) = namespace {
            self.tables.insert(namespace, table.clone());
        }
        Ok(table)
    }
}

/// Whether one of these sockets is among the process's open files.
fn holds_any(kernel: &dyn Kernel, pid: u32, inodes: &HashSet<u64>) -> io::Result<bool> {
    let mut found = files_hold_any(kernel, &format!("/proc/{pid}"), inodes);
    if matches!(found, Ok(Files::Empty) | Err(_)) {
        // The first thread may have ended; its files went with it, the others' stay.
        for task in tasks(kernel, pid).unwrap_or_default() {
            match files_hold_any(kernel, &task, inodes) {
                Ok(Files::Empty) | Err(_) => {}
                told => {
                    found = told;
                    break;
                }
            }
        }
    }
    Ok(matches!(found?, Files::Hold))
}

enum Files {
    Empty,
    Hold,
    Lack,
}

fn files_hold_any(kernel: &dyn Kernel, task: &str, inodes: &HashSet<u64>) -> io::Result<Files> {
    let names = kernel.names(&format!("{task}/fd"))?;
    if names.is_empty() {
        return Ok(Files::Empty);
    }
    for name in names {
        match kernel.link(&format!("{task}/fd/{name}")) {
            Ok(link) if bracketed(&link, "socket").is_some_and(|inode| inodes.contains(&inode)) => {
                return Ok(Files::Hold);
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            // Another file, or one that was closed meanwhile.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(Files::Lack)
}

fn tasks(kernel: &dyn Kernel, pid: u32) -> io::Result<Vec<String>> {
    let directory = format!("/proc/{pid}/task");
    Ok(kernel
        .names(&directory)?
        .into_iter()
        .map(|tid| format!("{directory}/{tid}"))
        .collect())
}
