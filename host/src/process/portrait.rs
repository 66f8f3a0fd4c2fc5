//! What a process looks like, for a person who is to recognise it.

use std::io;
use std::path::PathBuf;

use super::Process;
use super::handle::LinuxProcess;
use super::procfs::{Stat, user_ids};

/// What `/proc` tells of a process beyond what proves anything. Whatever could not be
/// read is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portrait {
    /// The program that it runs, `/proc/PID/exe`; with ` (deleted)` behind it when the
    /// file is no longer there (proc_pid_exe(5)).
    pub executable: Option<PathBuf>,
    /// Its working directory, `/proc/PID/cwd`.
    pub directory: Option<PathBuf>,
    /// Whether a signal has stopped it, and SIGCONT has not let it go on (state `T`).
    pub stopped: bool,
    /// Its real user id.
    pub user: Option<u32>,
    /// Who started it or took it over; absent too when that one is outside of this pid
    /// namespace.
    pub parent: Option<Parent>,
}

/// The parent of a process. Nothing holds it: it can end and be another one the next moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its pid.
    pub pid: u32,
    /// The name of its program, cut to 15 bytes (proc_pid_comm(5)).
    pub name: Option<String>,
}

/// What can be seen of the process, unless it has ended.
pub(super) fn portrait(process: &LinuxProcess) -> io::Result<Option<Portrait>> {
    let (kernel, pid) = (process.kernel(), process.pid());
    let stat = kernel.read(&format!("/proc/{pid}/stat")).ok();
    let status = kernel.read(&format!("/proc/{pid}/status")).ok();
    let stat = stat.and_then(|text| Stat::parse(&text));
    let parent = stat.map(|stat| stat.parent);
    let portrait = Portrait {
        executable: kernel.link(&format!("/proc/{pid}/exe")).ok(),
        directory: kernel.link(&format!("/proc/{pid}/cwd")).ok(),
        stopped: stat.is_some_and(|stat| stat.state == b'T'),
        user: status
            .and_then(|text| user_ids(&text))
            .map(|(real, _)| real),
        parent: parent.filter(|&pid| pid != 0).map(|pid| Parent {
            pid,
            name: kernel
                .read(&format!("/proc/{pid}/comm"))
                .ok()
                .map(|name| String::from_utf8_lossy(&name).trim_end().to_owned()),
        }),
    };
    Ok((!process.has_ended()?).then_some(portrait))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::process::fake::{FakeKernel, OWN_PID, OWN_UID};
    use crate::process::{LinuxProcesses, Processes};

    const PID: u32 = 4711;

    fn machine() -> (Arc<FakeKernel>, Arc<dyn Process>) {
        let fake = Arc::new(FakeKernel::new());
        fake.run(PID, 360_000, OWN_PID);
        let processes = LinuxProcesses::with_kernel(fake.clone(), 10);
        let process = processes.identify(PID).expect("it runs").process;
        (fake, process)
    }

    #[test]
    fn what_can_be_read_is_shown() {
        let (fake, process) = machine();
        fake.link("/proc/4711/exe", "/usr/bin/worker (deleted)");
        fake.link("/proc/4711/cwd", "/srv");
        fake.file(&format!("/proc/{OWN_PID}/comm"), "poolwarden\n");
        let portrait = process.portrait().expect("poll(2) is granted");
        let parent = Parent {
            pid: OWN_PID,
            name: Some("poolwarden".into()),
        };
        assert_eq!(
            portrait,
            Some(Portrait {
                executable: Some("/usr/bin/worker (deleted)".into()),
                directory: Some("/srv".into()),
                stopped: false,
                user: Some(OWN_UID),
                parent: Some(parent),
            })
        );
    }

    #[test]
    fn the_next_owner_of_the_pid_is_not_shown() {
        let (fake, process) = machine();
        fake.race("/proc/4711/status", PID);
        assert_eq!(process.portrait().expect("poll(2) is granted"), None);
    }
}
