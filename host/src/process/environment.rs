//! What a worker was told in its environment, and by which it is found again when its entry
//! is lost.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::identify::{Identified, identify};
use super::{Forbidden, Identity, LinuxProcesses};

/// A worker's session id.
pub const SID: &str = "POOLWARDEN_SID";
/// The path of its socket, absolute; absent when it has none.
pub const SOCK: &str = "POOLWARDEN_SOCK";
/// The pool's directory, absolute. The program reads it too, so that a worker that asks
/// about its pool finds it.
pub const STATE_DIR: &str = "POOLWARDEN_STATE_DIR";
/// Its own pid, by which it can tell that these variables are about it and not about an
/// ancestor: children inherit all of them.
pub const PID: &str = "POOLWARDEN_PID";
/// Which process it is, as [`process`] writes it. A child inherits this too, and may one day
/// have the worker's pid; but never this.
pub const PROCESS: &str = "POOLWARDEN_PROCESS";
/// Its version, where one was given.
pub const WORKER_VERSION: &str = "POOLWARDEN_WORKER_VERSION";

/// The value of [`PROCESS`]: `BOOT_ID:INODE:START_TICKS`, of the boot id in `/proc`
/// (random(4)), the process's inode number on pidfs (Linux 6.9) and its start time
/// (`/proc/PID/stat`, field 22). All of them stay when it becomes another program. Without
/// pidfs the number is empty, and the rest can be another process's, too.
pub fn process(identity: &Identity) -> String {
    let Identity {
        place,
        inode,
        start_ticks,
    } = identity;
    let inode = inode.map_or_else(String::new, |inode| inode.to_string());
    format!("{}:{inode}:{start_ticks}", place.boot)
}

/// A process whose environment says that it is a worker of a pool, held since before that
/// was read.
#[derive(Debug)]
pub(crate) struct MarkedWorker {
    pub(crate) identified: Identified,
    pub(crate) sid: String,
    pub(crate) sock: String,
    pub(crate) version: String,
}

/// The processes of this user that say they are workers of a pool.
#[derive(Debug, Default)]
pub(crate) struct Marked {
    /// In the order of their pids.
    pub(crate) workers: Vec<MarkedWorker>,
    /// How many processes of this user do not show their environment.
    pub(crate) hidden: usize,
}

/// What one process was told.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    sid: String,
    sock: String,
    version: String,
    directory: PathBuf,
    process: String,
}

/// Which worker an environment names: that of the process itself, or of one above it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) sid: String,
    pub(super) directory: PathBuf,
    /// The worker's pid.
    pub(super) leader: u32,
    /// Which process that is, as [`process`] writes it.
    pub(super) process: String,
}

impl Mark {
    /// What an environment says, if it is as `run` sets it.
    pub(super) fn parse(environ: &[u8]) -> Option<Self> {
        let mut variables = environ.split(|&byte| byte == 0);
        let of_pid = format!("{PID}=");
        let pid = variables.find_map(|variable| variable.strip_prefix(of_pid.as_bytes()))?;
        let leader = std::str::from_utf8(pid).ok()?.parse().ok()?;
        let told = Told::parse(environ, leader)?;
        Some(Self {
            sid: told.sid,
            directory: told.directory,
            leader,
            process: told.process,
        })
    }
}

impl LinuxProcesses {
    /// Finds the processes of this user whose environment names a pool and themselves.
    /// `is_pool` says whether the path, as the process with this pid sees it, is the pool.
    ///
    /// An environment is what a program was started with (proc_pid_environ(5)): the worker
    /// may have changed its own since, and its children have a copy, also one that has got
    /// the worker's pid. A kernel without pidfs cannot tell that one for certain.
    ///
    /// # Errors
    /// When `/proc` cannot be listed.
    pub(crate) fn marked(&self, is_pool: impl Fn(u32, &Path) -> bool) -> io::Result<Marked> {
        let kernel = self.kernel();
        let names = kernel.names("/proc")?;
        let mut pids: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
        pids.sort_unstable();
        let mut marked = Marked::default();
        for pid in pids {
            match kernel.read(&environ(pid)) {
                Ok(environ) if Told::parse(&environ, pid).is_some() => {
                    marked.workers.extend(self.look_again(pid, &is_pool));
                }
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    marked.hidden += usize::from(self.is_hidden(pid));
                }
                // Most processes; and those that have just ended.
                _ => {}
            }
        }
        Ok(marked)
    }

    /// Reads the environment once more while the process is held, so that it is this one's
    /// and not that of an earlier owner of its pid.
    fn look_again(&self, pid: u32, is_pool: impl Fn(u32, &Path) -> bool) -> Option<MarkedWorker> {
        let kernel = self.kernel();
        let identified = identify(kernel, pid).ok()?;
        let told = Told::parse(&kernel.read(&environ(pid)).ok()?, pid)?;
        let itself = told.process == process(identified.process.identity());
        let here = itself && is_pool(pid, &told.directory);
        let ours = may_be_ours(&identified);
        // All of it was about this process if it still runs.
        let running = matches!(identified.process.has_ended(), Ok(false));
        (here && ours && running).then_some(MarkedWorker {
            identified,
            sid: told.sid,
            sock: told.sock,
            version: told.version,
        })
    }

    /// Whether it is a process of this user whose environment cannot be read.
    fn is_hidden(&self, pid: u32) -> bool {
        identify(self.kernel(), pid).is_ok_and(|identified| may_be_ours(&identified))
    }
}

/// Whether it can be a worker of this user's pool. An ancestor of this program can: its
/// entry does no harm, since none of its descendants signals it.
fn may_be_ours(identified: &Identified) -> bool {
    matches!(
        identified.process.forbidden(),
        None | Some(Forbidden::Ancestor { .. })
    )
}

/// Whether a session can have this id: nobody can register one that is empty.
fn is_sid(sid: &str) -> bool {
    !sid.is_empty()
}

fn environ(pid: u32) -> String {
    format!("/proc/{pid}/environ")
}

impl Told {
    /// What an environment says, if it may be about the process with this pid. Whatever is
    /// not as `run` sets it was set by somebody else.
    fn parse(environ: &[u8], pid: u32) -> Option<Self> {
        let variable = |wanted: &str| {
            let mut variables = environ.split(|&byte| byte == 0);
            variables.find_map(|variable| {
                let value = variable.strip_prefix(wanted.as_bytes())?;
                value.strip_prefix(b"=")
            })
        };
        let text = |wanted| Some(std::str::from_utf8(variable(wanted)?).ok()?.to_owned());
        // Absent is something else than not a text.
        let text_if_set = |wanted| variable(wanted).map_or(Some(String::new()), |_| text(wanted));
        let told = Self {
            sid: text(SID)?,
            sock: text_if_set(SOCK)?,
            version: text_if_set(WORKER_VERSION)?,
            directory: PathBuf::from(OsStr::from_bytes(variable(STATE_DIR)?)),
            process: text(PROCESS)?,
        };
        let is_own = text(PID)? == pid.to_string();
        let has_path = variable(SOCK).is_none() || Path::new(&told.sock).is_absolute();
        (is_own && has_path && told.directory.is_absolute() && is_sid(&told.sid)).then_some(told)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nix::errno::Errno;

    use super::*;
    use crate::process::fake::{FakeKernel, OWN_PID};

    const PID: u32 = 4711;
    const MARKS: &str = "A=b\0POOLWARDEN_SID=a=1\0POOLWARDEN_STATE_DIR=/p\0POOLWARDEN_PID=4711\0\
                         POOLWARDEN_PROCESS=this-boot:5711:360000\0\
                         POOLWARDEN_SOCK=/p/a.sock\0POOLWARDEN_WORKER_VERSION=2\0";

    /// A machine with one worker that has this environment.
    fn machine(environ: &str) -> Arc<FakeKernel> {
        let fake = Arc::new(FakeKernel::new());
        fake.run(PID, 360_000, OWN_PID);
        fake.directory("/proc", &["self", "1", "4711", "4712"]);
        fake.file("/proc/4711/environ", environ);
        fake
    }

    fn marked(fake: &Arc<FakeKernel>) -> Marked {
        let processes = LinuxProcesses::with_kernel(fake.clone(), 10);
        let is_pool = |pid, path: &Path| pid == PID && path == Path::new("/p");
        processes.marked(is_pool).expect("/proc is listed")
    }

    #[test]
    fn a_worker_is_found_by_its_pool_and_its_own_pid() {
        let found = marked(&machine(MARKS));
        let [worker] = found.workers.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(worker.identified.process.pid(), PID);
        let told = (
            worker.sid.as_str(),
            worker.sock.as_str(),
            worker.version.as_str(),
        );
        assert_eq!(told, ("a=1", "/p/a.sock", "2"));
        let least = "POOLWARDEN_SID=a\0POOLWARDEN_STATE_DIR=/p\0POOLWARDEN_PID=4711\0\
                     POOLWARDEN_PROCESS=this-boot:5711:360000\0";
        assert_eq!(marked(&machine(least)).workers[0].sock, "");
    }

    /// It has all that the worker had, and its pid.
    #[test]
    fn a_child_that_gets_the_pid_is_not_found() {
        for other in [
            "POOLWARDEN_PROCESS=this-boot:5710:360000",
            "POOLWARDEN_PROCESS=this-boot:5711:360001",
            "POOLWARDEN_PROCESS=earlier-boot:5711:360000",
            "POOLWARDEN_PROCESS=this-boot::360000",
            "POOLWARDEN_PROCESS=",
            "OTHER=this-boot:5711:360000",
        ] {
            let environ = MARKS.replace("POOLWARDEN_PROCESS=this-boot:5711:360000", other);
            assert_ne!(environ, MARKS);
            assert_eq!(marked(&machine(&environ)).workers.len(), 0, "{other}");
        }
    }

    /// It is for others to say that this proves nothing.
    #[test]
    fn a_kernel_without_pidfs_has_half_of_the_mark() {
        let fake = machine(&MARKS.replace(":5711:", "::"));
        fake.without_pidfs();
        let found = marked(&fake);
        let identity = found.workers[0].identified.process.identity();
        assert_eq!(process(identity), "this-boot::360000");
    }

    #[test]
    fn others_are_no_workers_of_the_pool() {
        for environ in [
            "".to_owned(),
            // A child of the worker: the pid is another one.
            MARKS.replace("4711", "4710"),
            MARKS.replace("=/p\0", "=/q\0"),
            MARKS.replace("=/p\0", "=p\0"),
            MARKS.replace("POOLWARDEN_SID", "POOLWARDEN_SIDE"),
            MARKS.replace("POOLWARDEN_PID", "XPOOLWARDEN_PID"),
            // Not as `run` writes it.
            MARKS.replace("PID=4711", "PID=+4711"),
            MARKS.replace("PID=4711", "PID=004711"),
            MARKS.replace("SID=a=1", "SID="),
            MARKS.replace("SOCK=/p/a.sock", "SOCK=a.sock"),
            MARKS.replace("SOCK=/p/a.sock", "SOCK="),
        ] {
            assert_eq!(marked(&machine(&environ)).workers.len(), 0, "{environ:?}");
        }
    }

    #[test]
    fn the_next_owner_of_the_pid_is_not_found() {
        // It ends before it is held, or after its environment was read.
        for file in ["environ", "status"] {
            let fake = machine(MARKS);
            fake.race(&format!("/proc/4711/{file}"), PID);
            assert_eq!(marked(&fake).workers.len(), 0, "{file}");
        }
    }

    #[test]
    fn other_users_processes_are_not_found_not_even_by_root() {
        let fake = machine(MARKS);
        fake.user(PID, 77, 77);
        assert_eq!(marked(&fake).workers.len(), 0);
        fake.deny("/proc/4711/environ", Errno::EACCES);
        assert_eq!(marked(&fake).hidden, 0);
    }

    #[test]
    fn what_hides_its_environment_is_counted() {
        let fake = machine(MARKS);
        fake.deny("/proc/4711/environ", Errno::EACCES);
        let found = marked(&fake);
        assert_eq!((found.workers.len(), found.hidden), (0, 1));
    }
}
