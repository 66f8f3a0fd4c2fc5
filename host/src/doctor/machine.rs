//! What this machine, or the sandbox that this program runs in, refuses, so that nothing can
//! be proven or no policy can run.

use std::fs;
use std::io;

use crate::process::{IdentifyError, LinuxProcesses, Processes};
use crate::runtime::executable_memory;

use super::report::{About, Problem};

/// What is refused. Each keeps every request from being carried out, or every worker from
/// being known.
pub(super) fn problems(processes: &LinuxProcesses) -> Vec<Problem> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let is_filtered = filters(&status);
    let own = std::process::id();
    let held = processes.identify(own).err();
    // By itself the call never fails with EPERM (pidfd_open(2)): a filter's does.
    let refused = match held {
        Some(IdentifyError::Unsupported { .. }) => true,
        Some(IdentifyError::Unobservable { source, .. }) => {
            source.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        }
        _ => false,
    };
    let pidfds = refused.then(|| no_pidfds(is_filtered));
    let memory = executable_memory().err();
    let memory = memory.map(|error| no_executable_memory(&error, is_filtered));
    pidfds.into_iter().chain(memory).collect()
}

/// Whether a seccomp filter decides about this program's system calls: `Seccomp: 2`
/// (proc_pid_status(5)).
fn filters(status: &str) -> bool {
    let mut lines = status.lines();
    let mode = lines.find_map(|line| line.strip_prefix("Seccomp:"));
    mode.is_some_and(|mode| mode.trim() == "2")
}

fn no_pidfds(is_filtered: bool) -> Problem {
    let (what, remedy) = if is_filtered {
        (
            "a seccomp filter on this program refuses pidfd_open(2), so that no process can be \
             proven and none is signalled",
            "let the filter allow pidfd_open and pidfd_send_signal. For a container, update its \
             runtime (Docker allows them since 20.10), or start it with a profile of your own: \
             `docker run --security-opt seccomp=PROFILE.json IMAGE`",
        )
    } else {
        (
            "this kernel has no pidfd_open(2), which Linux has since 5.3, so that no process can \
             be proven and none is signalled",
            "run a kernel of at least 5.3; `uname -r` says which one runs",
        )
    };
    problem(what.into(), remedy.into())
}

fn no_executable_memory(error: &io::Error, is_filtered: bool) -> Problem {
    let enforces = fs::read_to_string("/sys/fs/selinux/enforce");
    let is_enforcing = enforces.is_ok_and(|text| text.trim() == "1");
    let unit = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let unit = service(&unit).unwrap_or("UNIT");
    let (who, remedy) = if is_filtered || denies_writable_code() {
        (
            "MemoryDenyWriteExecute= of its systemd unit, or another seccomp filter,",
            format!(
                "allow it for this service: `systemctl edit {unit}`, write \
                 MemoryDenyWriteExecute=no below [Service], then `systemctl restart {unit}`"
            ),
        )
    } else if is_enforcing {
        (
            "SELinux (execmem)",
            "allow it for its domain: `sudo ausearch -m avc -c poolwarden --raw | audit2allow -M \
             poolwarden-execmem && sudo semodule -i poolwarden-execmem.pp`, or, where the boolean \
             denies it to everybody, `sudo setsebool -P deny_execmem off`"
                .into(),
        )
    } else {
        (
            "the system",
            "see which security module denies it: `cat /sys/kernel/security/lsm`".into(),
        )
    };
    let what = format!(
        "{who} lets this program make no memory executable ({error}), and a policy is compiled \
         to machine code: no policy can run here, the shipped one neither"
    );
    problem(what, remedy)
}

fn problem(what: String, remedy: String) -> Problem {
    Problem {
        about: About::Machine,
        what,
        remedy,
        repairable: false,
    }
}

/// The systemd service in the text of `/proc/self/cgroup`.
fn service(cgroups: &str) -> Option<&str> {
    let mut names = cgroups.lines().flat_map(|line| line.rsplit('/'));
    names.find(|name| name.ends_with(".service"))
}

/// Whether the kernel keeps this program from making written memory executable
/// (`PR_GET_MDWE` of prctl(2), since Linux 6.3), as systemd asks it to since version 254.
fn denies_writable_code() -> bool {
    const PR_GET_MDWE: libc::c_int = 66;
    // SAFETY: this operation takes no pointer and only reads a flag of this process; its
    // other arguments have to be zero.
    let flags = unsafe { libc::prctl(PR_GET_MDWE, 0_u64, 0_u64, 0_u64, 0_u64) };
    flags > 0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nix::errno::Errno;

    use super::*;
    use crate::process::fake::{Call, FakeKernel};

    #[test]
    fn a_filter_and_a_service_are_told_from_the_texts_of_proc() {
        assert!(filters("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n"));
        assert!(!filters("Seccomp:\t0\n") && !filters(""));
        let cgroups = "0::/system.slice/my-pool.service\n";
        assert_eq!(service(cgroups), Some("my-pool.service"));
        assert_eq!(service("0::/user.slice/session-1.scope\n"), None);
    }

    #[test]
    fn a_machine_without_pidfds_is_a_problem_and_this_one_is_none() {
        assert_eq!(problems(&LinuxProcesses::new()), []);
        for refusal in [Errno::ENOSYS, Errno::EPERM] {
            let fake = Arc::new(FakeKernel::new());
            fake.refuse(Call::OpenPidfd, refusal);
            let found = problems(&LinuxProcesses::with_kernel(fake, 10));
            let [problem] = found.as_slice() else {
                panic!("{found:?}")
            };
            assert!(problem.what.contains("pidfd_open(2)"), "{problem:?}");
        }
    }

    #[test]
    fn a_refusal_of_executable_memory_names_who_refuses() {
        let error = io::Error::from_raw_os_error(libc::EPERM);
        let filtered = no_executable_memory(&error, true);
        assert!(
            filtered.what.contains("MemoryDenyWriteExecute="),
            "{filtered:?}"
        );
        assert!(filtered.remedy.contains("systemctl edit"), "{filtered:?}");
        assert!(no_pidfds(true).what.contains("seccomp"));
        assert!(no_pidfds(false).what.contains("5.3"));
    }
}
