//! Looking through `/proc` for processes that no pid of an entry leads to.
//!
//! Each of these looks costs a few system calls for every process of the machine, so only the
//! doctor takes them.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::environment::{Mark, process};
use super::identify::{Identified, identify};
use super::procfs::{Stat, bound_sockets, bracketed, namespace_pids};
use super::{LinuxProcesses, Place, Record, here};

/// Where the process of a ledger's row is, when the row was written in another pid namespace
/// of this boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Elsewhere {
    /// It runs, and has this pid here.
    Here {
        /// Its pid in this pid namespace.
        pid: u32,
    },
    /// Processes run in a pid namespace of that number, and it is none of them.
    NotThere {
        /// How many run there.
        others: usize,
    },
    /// No process runs in that pid namespace, as far as this user can see, which is as far
    /// as it matters: the worker was this user's.
    Ended,
    /// It cannot be told: from here, only the processes of this pid namespace and of those
    /// below it can be seen.
    OutOfSight,
}

/// A process that a worker of the pool started and that outlives it.
#[derive(Debug)]
pub(crate) struct Remaining {
    pub(crate) identified: Identified,
    /// The session that its worker was.
    pub(crate) sid: String,
    /// The pid that its worker had.
    pub(crate) leader: u32,
}

/// A process that has a socket in a directory.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) identified: Identified,
    /// The socket's path, as it was bound.
    pub(crate) socket: PathBuf,
}

/// Inode number of the first pid namespace of a machine (`PROC_PID_INIT_INO` of
/// `linux/proc_ns.h`): from there every process can be seen.
const FIRST_NAMESPACE: u64 = 0xEFFF_FFFC;

impl LinuxProcesses {
    /// Looks for the process that a row of another pid namespace of this boot is about.
    ///
    /// # Errors
    /// When `/proc` cannot be listed.
    pub(crate) fn elsewhere(&self, pid: u32, record: &Record) -> io::Result<Elsewhere> {
        let kernel = self.kernel();
        let namespace = record.identity.place.pid_namespace;
        let (mut others, mut hidden) = (0, false);
        for seen in self.pids()? {
            match kernel.link(&format!("/proc/{seen}/ns/pid")) {
                Ok(link) if bracketed(&link, "pid") == Some(namespace) => others += 1,
                Ok(_) => continue,
                Err(error) => {
                    let denied = error.kind() == io::ErrorKind::PermissionDenied;
                    hidden |= denied && self.is_ours(seen);
                    continue;
                }
            }
            let status = kernel.read(&format!("/proc/{seen}/status"));
            let inner = status.ok().and_then(|text| namespace_pids(&text).last());
            if inner == Some(pid) && self.is_of(seen, record) {
                return Ok(Elsewhere::Here { pid: seen });
            }
        }
        let own = kernel.link("/proc/self/ns/pid")?;
        Ok(match others {
            0 if hidden || bracketed(&own, "pid") != Some(FIRST_NAMESPACE) => Elsewhere::OutOfSight,
            0 => Elsewhere::Ended,
            others => Elsewhere::NotThere { others },
        })
    }

    /// Finds the processes of this user whose environment names a pool and a worker of it that
    /// is no more. `is_pool` is as for [`marked`](Self::marked).
    ///
    /// # Errors
    /// When `/proc` cannot be listed.
    pub(crate) fn remaining(
        &self,
        is_pool: impl Fn(u32, &Path) -> bool,
    ) -> io::Result<Vec<Remaining>> {
        let kernel = self.kernel();
        let mut living = HashMap::new();
        let mut found = Vec::new();
        for pid in self.pids()? {
            let read = || kernel.read(&format!("/proc/{pid}/environ")).ok();
            if read().and_then(|text| Mark::parse(&text)).is_none() {
                continue;
            }
            // Held before it is read for good, so that all of it is about this process.
            let Ok(identified) = identify(kernel, pid) else {
                continue;
            };
            let Some(mark) = read().and_then(|text| Mark::parse(&text)) else {
                continue;
            };
            let is_itself = mark.process == process(identified.process.identity());
            let leads = |pid, of: &str| {
                identify(kernel, pid).is_ok_and(|one| process(one.process.identity()) == of)
            };
            let has_leader = *living
                .entry(mark.process.clone())
                .or_insert_with(|| leads(mark.leader, &mark.process));
            let remains = !is_itself && !has_leader && is_pool(pid, &mark.directory);
            if remains && matches!(identified.process.has_ended(), Ok(false)) {
                found.push(Remaining {
                    identified,
                    sid: mark.sid,
                    leader: mark.leader,
                });
            }
        }
        Ok(found)
    }

    /// Finds who has a socket bound in a directory: each socket with one process that holds
    /// it. `is_there` says whether a path is in the directory.
    ///
    /// Sockets of other network namespaces are not listed, and who holds one stays hidden
    /// where its open files cannot be read.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(crate) fn servers(&self, is_there: impl Fn(&Path) -> bool) -> io::Result<Vec<Server>> {
        let kernel = self.kernel();
        let table = kernel.read("/proc/self/net/unix")?;
        let mut sockets: HashMap<u64, PathBuf> = bound_sockets(&table)
            .filter(|(path, _)| is_there(path))
            .map(|(path, socket)| (socket.inode, path))
            .collect();
        let mut found = Vec::new();
        // Without a socket there is no need to look through everybody's open files.
        for pid in if sockets.is_empty() {
            Vec::new()
        } else {
            self.pids()?
        } {
            if pid == kernel.own_pid() {
                continue;
            }
            let held: HashSet<u64> = self.sockets_of(pid);
            for inode in held {
                let Some(socket) = sockets.remove(&inode) else {
                    continue;
                };
                match identify(kernel, pid) {
                    // Once more, while it is held.
                    Ok(identified) if self.sockets_of(pid).contains(&inode) => {
                        found.push(Server { identified, socket });
                    }
                    _ => continue,
                }
            }
        }
        found.sort_unstable_by_key(|server| server.identified.process.pid());
        Ok(found)
    }

    /// Where this program runs; nothing where that cannot be read.
    pub(crate) fn place(&self) -> Option<Place> {
        here::place(self.kernel().as_ref()).ok()
    }

    /// The process and those that started it, as far as they can be seen.
    pub(crate) fn line_of(&self, pid: u32) -> Vec<u32> {
        let mut line = vec![pid];
        while let Some(stat) = line.last().and_then(|&pid| self.stat(pid)) {
            // A line that changes while it is followed must have an end.
            if stat.parent == 0 || line.contains(&stat.parent) {
                break;
            }
            line.push(stat.parent);
        }
        line
    }

    /// The process group and the session of a process.
    pub(crate) fn group_and_session(&self, pid: u32) -> Option<(u32, u32)> {
        self.stat(pid).map(|stat| (stat.group, stat.session))
    }

    fn stat(&self, pid: u32) -> Option<Stat> {
        let text = self.kernel().read(&format!("/proc/{pid}/stat")).ok()?;
        Stat::parse(&text)
    }

    fn pids(&self) -> io::Result<Vec<u32>> {
        let names = self.kernel().names("/proc")?;
        let mut pids: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
        pids.sort_unstable();
        Ok(pids)
    }

    fn sockets_of(&self, pid: u32) -> HashSet<u64> {
        let kernel = self.kernel();
        let directory = format!("/proc/{pid}/fd");
        let names = kernel.names(&directory).unwrap_or_default();
        let links = names
            .iter()
            .filter_map(|name| kernel.link(&format!("{directory}/{name}")).ok());
        links
            .filter_map(|link| bracketed(&link, "socket"))
            .collect()
    }

    /// Whether a process of the row's namespace is the row's: by its number on pidfs, which is
    /// the same in every pid namespace, or by the tick in which it started.
    fn is_of(&self, pid: u32, record: &Record) -> bool {
        identify(self.kernel(), pid).is_ok_and(|one| {
            let (row, now) = (&record.identity, one.process.identity());
            match (row.inode, now.inode) {
                (Some(row), Some(now)) => row == now,
                _ => row.start_ticks == now.start_ticks,
            }
        })
    }

    /// Whether the process runs for this user.
    fn is_ours(&self, pid: u32) -> bool {
        super::forbidden::other_user(self.kernel().as_ref(), pid).is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::process::fake::{FakeKernel, OWN_PID};
    use crate::process::{Identity, Proof};

    const PID: u32 = 4711;
    const OTHER: u64 = 4_026_532_999;

    fn machine() -> (Arc<FakeKernel>, LinuxProcesses) {
        let fake = Arc::new(FakeKernel::new());
        fake.run(PID, 360_000, OWN_PID);
        fake.directory("/proc", &["self", "1", "4711"]);
        fake.link("/proc/1/ns/pid", "pid:[4026531836]");
        let processes = LinuxProcesses::with_kernel(fake.clone(), 10);
        (fake, processes)
    }

    fn row() -> Record {
        let mut place = FakeKernel::place();
        place.pid_namespace = OTHER;
        Record {
            identity: Identity {
                place,
                inode: Some(1000 + u64::from(PID)),
                start_ticks: 360_000,
            },
            proof: Proof::Registered,
        }
    }

    #[test]
    fn a_worker_of_another_namespace_is_found_by_its_number_on_pidfs() {
        let (fake, processes) = machine();
        let elsewhere = |row: &Record| processes.elsewhere(7, row).expect("/proc is listed");
        fake.link("/proc/4711/ns/pid", "pid:[4026531836]");
        assert_eq!(elsewhere(&row()), Elsewhere::Ended);
        fake.link("/proc/4711/ns/pid", &format!("pid:[{OTHER}]"));
        fake.file(
            "/proc/4711/status",
            "Tgid:\t4711\nUid:\t1000\t1000\nNSpid:\t4711\t8\n",
        );
        assert_eq!(elsewhere(&row()), Elsewhere::NotThere { others: 1 });
        fake.file(
            "/proc/4711/status",
            "Tgid:\t4711\nUid:\t1000\t1000\nNSpid:\t4711\t7\n",
        );
        assert_eq!(elsewhere(&row()), Elsewhere::Here { pid: PID });
        // The namespace's number was given away, and so was the pid in it.
        let mut reused = row();
        reused.identity.inode = Some(1);
        assert_eq!(elsewhere(&reused), Elsewhere::NotThere { others: 1 });
    }

    #[test]
    fn from_within_a_namespace_others_are_out_of_sight() {
        let (fake, processes) = machine();
        fake.link("/proc/self/ns/pid", "pid:[4026532111]");
        fake.link("/proc/4711/ns/pid", "pid:[4026532111]");
        let found = processes.elsewhere(7, &row()).expect("/proc is listed");
        assert_eq!(found, Elsewhere::OutOfSight);
    }

    #[test]
    fn what_outlives_its_worker_is_found_by_its_environment() {
        let (fake, processes) = machine();
        let environ = |leader: &str| {
            format!(
                "POOLWARDEN_SID=a\0POOLWARDEN_STATE_DIR=/p\0POOLWARDEN_PID={leader}\0\
                 POOLWARDEN_PROCESS=this-boot:9:9\0"
            )
        };
        let found = || {
            let is_pool = |_, path: &Path| path == Path::new("/p");
            let found = processes.remaining(is_pool).expect("/proc is listed");
            found.iter().map(|one| one.leader).collect::<Vec<_>>()
        };
        fake.file("/proc/4711/environ", &environ("4700"));
        assert_eq!(found(), [4700]);
        // Its worker has ended, and another process has the worker's pid.
        fake.run(4700, 1, 1);
        assert_eq!(found(), [4700]);
        // Its worker lives.
        fake.file(
            "/proc/4711/environ",
            &environ("4700").replace(":9:9", ":5700:1"),
        );
        assert_eq!(found(), [] as [u32; 0]);
        // It is the worker itself.
        fake.file(
            "/proc/4711/environ",
            &environ("4711").replace(":9:9", ":5711:360000"),
        );
        assert_eq!(found(), [] as [u32; 0]);
        // It is of another pool.
        let other = environ("4699").replace("/p", "/q");
        fake.file("/proc/4711/environ", &other);
        assert_eq!(found(), [] as [u32; 0]);
    }

    #[test]
    fn who_has_a_socket_in_the_directory_is_found_before_it_listens() {
        let (fake, processes) = machine();
        fake.file(
            "/proc/self/net/unix",
            "Num RefCount Protocol Flags Type St Inode Path\n\
             0: 2 0 00000000 0001 01 21 /p/a b.sock\n\
             0: 2 0 00010000 0001 01 22 /q/c.sock\n\
             0: 3 0 00000000 0001 03 23 /p/d.sock\n",
        );
        fake.directory("/proc/4711/fd", &["0", "3", "4"]);
        fake.link("/proc/4711/fd/3", "socket:[21]");
        fake.link("/proc/4711/fd/4", "socket:[22]");
        let found = processes
            .servers(|path| path.starts_with("/p"))
            .expect("/proc is read");
        let [server] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(server.socket, Path::new("/p/a b.sock"));
        assert_eq!(server.identified.process.pid(), PID);
    }
}
