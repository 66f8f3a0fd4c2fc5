//! Where this program runs, and whether the `/proc` it sees is about that place.

use std::io;
use std::path::Path;

use super::Place;
use super::kernel::Kernel;
use super::procfs::bracketed;

/// Why this program cannot say where it runs.
#[derive(Debug, thiserror::Error)]
pub(super) enum HereError {
    #[error("{path} cannot be read: {error}")]
    Unreadable {
        path: &'static str,
        error: io::Error,
    },
    #[error("{path} holds {found:?}, which is not what it should hold")]
    Malformed { path: &'static str, found: String },
    #[error(
        "/proc belongs to another pid namespace: /proc/self is {seen:?} there, and this \
         process is {own}; mount a proc of this namespace"
    )]
    OtherProc { seen: String, own: u32 },
}

const MACHINE: &str = "/etc/machine-id";
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
const PID_NAMESPACE: &str = "/proc/self/ns/pid";

/// Reads where this program runs. It never changes while the program runs.
pub(super) fn place(kernel: &dyn Kernel) -> Result<Place, HereError> {
    let boot = kernel
        .read(BOOT)
        .map_err(|error| HereError::Unreadable { path: BOOT, error })?;
    let boot = String::from_utf8_lossy(&boot).trim().to_owned();
    if boot.is_empty() {
        return Err(HereError::Malformed {
            path: BOOT,
            found: boot,
        });
    }
    let link = kernel
        .link(PID_NAMESPACE)
        .map_err(|error| HereError::Unreadable {
            path: PID_NAMESPACE,
            error,
        })?;
    let pid_namespace = bracketed(&link, "pid").ok_or_else(|| HereError::Malformed {
        path: PID_NAMESPACE,
        found: link.display().to_string(),
    })?;
    Ok(Place {
        machine: machine(kernel),
        boot,
        pid_namespace,
    })
}

/// The machine id, or nothing. Images ship the file missing, empty, or with the word
/// `uninitialized` in it (machine-id(5)), and none of these names a machine.
fn machine(kernel: &dyn Kernel) -> String {
    let text = kernel.read(MACHINE).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let id = text.trim();
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { id.to_owned() } else { String::new() }
}

/// Checks that the pids in `/proc` are those that system calls of this program take.
///
/// They are not where a container has the `/proc` of its host, or a process entered a
/// new pid namespace and kept the old mount.
pub(super) fn check_proc(kernel: &dyn Kernel) -> Result<(), HereError> {
    const SELF: &str = "/proc/self";
    let seen = kernel
        .link(SELF)
        .map_err(|error| HereError::Unreadable { path: SELF, error })?;
    let own = kernel.own_pid();
    if seen == Path::new(&own.to_string()) {
        return Ok(());
    }
    Err(HereError::OtherProc {
        seen: seen.display().to_string(),
        own,
    })
}
