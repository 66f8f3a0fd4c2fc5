//! Which process holds a socket listening.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::bound::{BoundThere, Table};
use super::inquiry::Inquiry;
use super::kernel::Kernel;
use super::paths::Paths;
use super::procfs::bracketed;

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

/// Whose files are looked at.
#[derive(Clone, Copy)]
pub(super) struct Holder {
    pub(super) pid: u32,
    /// Its inode number on pidfs, where the kernel has one. What was seen of its files is
    /// remembered under it, since a pid can change hands.
    pub(super) inode: Option<u64>,
}

/// Looks up who listens, for one inspection: the table of each network namespace is read
/// and parsed once, and so are the files of a process that many entries name.
///
/// A table that is older than the process's pidfd does no harm: what it lists counts
/// only if the process is then seen to hold that very socket.
#[derive(Default)]
pub(super) struct Listeners {
    tables: HashMap<PathBuf, ReadTable>,
    files: HashMap<Process, Seen>,
    /// How often a table was asked.
    lookups: usize,
}

struct ReadTable {
    table: Table,
    /// How many lookups there had been when it was read.
    read_at: usize,
    times: usize,
}

/// A process by its pid and its inode on pidfs.
type Process = (u32, u64);

enum Seen {
    /// Asked about once, and then the first socket in question was enough.
    Once,
    /// All sockets among its files.
    Sockets(HashSet<u64>),
}

/// A table is read again once, and then only after as many lookups as it has lines, divided
/// by this: so the work stays proportional to the number of entries.
const LINES_PER_LOOKUP: usize = 2;

impl Listeners {
    /// Whether the process holds a socket listening at `path`. With `fresh`, the table is
    /// read again, unless that was done for too few questions.
    pub(super) fn holding(
        &mut self,
        kernel: &dyn Kernel,
        inquiry: &Inquiry<'_>,
        paths: &mut Paths<'_>,
        holder: Holder,
        path: &Path,
        fresh: bool,
    ) -> Holding {
        let there = match self.bound_at(kernel, paths, Some(holder.pid), path, fresh) {
            Ok(there) => there,
            Err(error) => return Holding::Hidden(error),
        };
        if there.listening.is_empty() {
            return Holding::Unheld;
        }
        match self.holds_any(kernel, inquiry, holder, &there.listening) {
            Ok(true) => Holding::Held,
            Ok(false) => Holding::NotHeld,
            Err(error) => Holding::Hidden(error),
        }
    }

    /// What is bound at a path in the network namespace of a process, or in that of this
    /// program.
    pub(super) fn bound_at(
        &mut self,
        kernel: &dyn Kernel,
        paths: &mut Paths<'_>,
        pid: Option<u32>,
        path: &Path,
        fresh: bool,
    ) -> io::Result<BoundThere> {
        self.lookups += 1;
        let table = self.table(kernel, pid, fresh)?;
        Ok(table.at(path, |directory| paths.real(directory)))
    }

    fn table(
        &mut self,
        kernel: &dyn Kernel,
        pid: Option<u32>,
        fresh: bool,
    ) -> io::Result<&mut Table> {
        const OWN: &str = "/proc/self";
        let place = pid.map_or_else(|| OWN.to_owned(), |pid| format!("/proc/{pid}"));
        let namespace = |place: &str| kernel.link(&format!("{place}/ns/net"));
        // Where it is hidden, this program's own is as good a guess as any: what is listed
        // there counts only if the process is seen to hold it.
        let (place, namespace) = match namespace(&place) {
            Ok(namespace) => (place, namespace),
            Err(_) => (
                OWN.to_owned(),
                namespace(OWN).unwrap_or_else(|_| OWN.into()),
            ),
        };
        let lookups = self.lookups;
        let known = self.tables.get(&namespace);
        let times = known.map_or(0, |known| known.times);
        let is_enough = known.is_some_and(|known| {
            let paid = (lookups - known.read_at) * LINES_PER_LOOKUP;
            !fresh || known.times > 1 && paid < known.table.size
        });
        if !is_enough {
            let table = Table::parse(&read_table(kernel, &place)?);
            let read = ReadTable {
                table,
                read_at: lookups,
                times: times + 1,
            };
            self.tables.insert(namespace.clone(), read);
        }
        let table = self.tables.get_mut(&namespace);
        Ok(&mut table.ok_or(io::ErrorKind::NotFound)?.table)
    }

    /// Whether one of these sockets is among the process's open files.
    fn holds_any(
        &mut self,
        kernel: &dyn Kernel,
        inquiry: &Inquiry<'_>,
        holder: Holder,
        inodes: &HashSet<u64>,
    ) -> io::Result<bool> {
        let process = holder.inode.map(|inode| (holder.pid, inode));
        let known = process.and_then(|process| self.files.get(&process));
        if let Some(Seen::Sockets(sockets)) = known {
            return Ok(!sockets.is_disjoint(inodes));
        }
        // Most processes are named by one entry, and their first sockets are the ones.
        let enough = match known {
            None => Some(inodes),
            Some(_) => None,
        };
        let sockets = sockets_of(kernel, inquiry, holder.pid, enough)?;
        let holds = !sockets.is_disjoint(inodes);
        if let Some(process) = process {
            let seen = match enough {
                Some(_) if holds => Seen::Once,
                _ => Seen::Sockets(sockets),
            };
            self.files.insert(process, seen);
        }
        Ok(holds)
    }
}

fn read_table(kernel: &dyn Kernel, place: &str) -> io::Result<Vec<u8>> {
    let mut text = kernel.read(&format!("{place}/net/unix"));
    if text.is_err() {
        // The first thread of a process can end before the others.
        for task in tasks(kernel, place).unwrap_or_default() {
            text = kernel.read(&format!("{task}/net/unix"));
            if text.is_ok() {
                break;
            }
        }
    }
    text
}

/// The sockets among the open files of a process; no more than the first of `enough`, once
/// that is found.
fn sockets_of(
    kernel: &dyn Kernel,
    inquiry: &Inquiry<'_>,
    pid: u32,
    enough: Option<&HashSet<u64>>,
) -> io::Result<HashSet<u64>> {
    let place = format!("/proc/{pid}");
    let mut found = sockets_of_task(kernel, inquiry, &place, enough);
    if matches!(found, Ok(None) | Err(_)) {
        // The first thread may have ended; its files went with it, the others' stay.
        for task in tasks(kernel, &place).unwrap_or_default() {
            match sockets_of_task(kernel, inquiry, &task, enough) {
                Ok(None) | Err(_) => {}
                told => {
                    found = told;
                    break;
                }
            }
        }
    }
    Ok(found?.unwrap_or_default())
}

/// The same of one thread; nothing where it has no files at all.
fn sockets_of_task(
    kernel: &dyn Kernel,
    inquiry: &Inquiry<'_>,
    task: &str,
    enough: Option<&HashSet<u64>>,
) -> io::Result<Option<HashSet<u64>>> {
    let names = kernel.names(&format!("{task}/fd"))?;
    if names.is_empty() {
        return Ok(None);
    }
    let mut sockets = HashSet::new();
    for name in names {
        if inquiry.check().is_err() {
            return Err(io::Error::other("the look was given up"));
        }
        match kernel.link(&format!("{task}/fd/{name}")) {
            Ok(link) => {
                if let Some(inode) = bracketed(&link, "socket") {
                    sockets.insert(inode);
                    if enough.is_some_and(|enough| enough.contains(&inode)) {
                        break;
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            // It was closed meanwhile.
            Err(_) => {}
        }
    }
    Ok(Some(sockets))
}

fn tasks(kernel: &dyn Kernel, place: &str) -> io::Result<Vec<String>> {
    let directory = format!("{place}/task");
    Ok(kernel
        .names(&directory)?
        .into_iter()
        .map(|tid| format!("{directory}/{tid}"))
        .collect())
}
