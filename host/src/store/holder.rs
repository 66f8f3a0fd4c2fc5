//! Who holds a lock on a file, for the error that says so.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use nix::sys::stat::{fstat, major, minor};
use nix::unistd::geteuid;

use crate::visible;

/// Longest command line that is shown, in characters.
const COMMAND_SHOWN: usize = 120;

/// How often the list of locks is looked through for a holder.
const LOOKS: u32 = 3;

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The process that took it. A child that inherited the descriptor may be what
    /// keeps it.
    Process {
        /// Its process id.
        pid: u32,
        /// Its command line, shortened and fit to be shown; empty when
        /// it could not be read, as for a process that has ended.
        command: String,
        /// The id of the user that it runs as, where that is not the effective user of this
        /// process.
        user: Option<u32>,
    },
    /// A process that has no pid here: it is in another pid namespace, or has ended and
    /// left the lock to a child (proc_locks(5)).
    Elsewhere,
    /// It cannot be told: the lock was released just now, or its holder is on another
    /// machine.
    Unknown,
}

impl Holder {
    /// Finds who holds a flock(2) lock on an open file.
    pub(super) fn find(file: &File) -> Self {
        let holder = LockedFile::of(file).and_then(|locked| {
            // The list is told page by page, and a line can slip through between two pages
            // while other locks come and go.
            (0..LOOKS).find_map(|_| {
                let locks = fs::read_to_string("/proc/locks").ok()?;
                locks.lines().find_map(|line| locked.holder_in(line))
            })
        });
        match holder {
            Some(0) => Self::Elsewhere,
            Some(pid) => Self::Process {
                pid,
                command: command_line(pid),
                user: other_user(pid),
            },
            None => Self::Unknown,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { pid, command, user } => {
                write!(f, "process {pid}")?;
                if let Some(user) = user {
                    write!(f, " of user {user}")?;
                }
                match command.as_str() {
                    "" => f.write_str(", whose command line cannot be read"),
                    command => write!(f, " ({command})"),
                }
            }
            Self::Elsewhere => f.write_str(
                "a process that cannot be seen from here: it is in another pid namespace, or has \
                 ended and left the lock to a child",
            ),
            Self::Unknown => f.write_str("a holder that cannot be told"),
        }
    }
}

/// A file as `/proc/locks` names it (proc_locks(5)): `MAJOR:MINOR:INODE`, of which the
/// device numbers are hexadecimal with two digits at least.
pub(super) struct LockedFile(String);

impl LockedFile {
    /// The name of an open file. The device is that of the mount and not the one in
    /// stat(2): on file systems with subvolumes the two differ.
    pub(super) fn of(file: &File) -> Option<Self> {
        let stat = fstat(file).ok()?;
        let (major, minor) =
            device_of_mount(file).unwrap_or((major(stat.st_dev), minor(stat.st_dev)));
        Some(Self(format!("{major:02x}:{minor:02x}:{}", stat.st_ino)))
    }

    /// The process that a line of `/proc/locks` shows as holding a lock on this file; 0 for
    /// one that has no pid in this namespace.
    fn holder_in(&self, line: &str) -> Option<u32> {
        // "1: FLOCK  ADVISORY  WRITE 708 00:13:16 0 EOF"; of a process that waits, "->"
        // stands before FLOCK. Process id 0 or, before Linux 4.14, -1: not visible.
        let mut fields = line.split_ascii_whitespace().skip(1);
        let kind = fields.next()?;
        let pid = fields.nth(2)?.parse::<i64>().ok()?.max(0);
        let pid = u32::try_from(pid).ok()?;
        (kind == "FLOCK" && fields.next()? == self.0).then_some(pid)
    }

    /// Whether a line of `/proc/locks` shows somebody waiting for a lock on this file.
    #[cfg(test)]
    pub(super) fn is_awaited_in(&self, line: &str) -> bool {
        line.contains("-> FLOCK") && line.contains(&format!(" {} ", self.0))
    }
}

/// Major and minor number of the device that the file's mount shows
/// (proc_pid_fdinfo(5), proc_pid_mountinfo(5)).
fn device_of_mount(file: &File) -> Option<(u64, u64)> {
    let descriptor = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
    let mount = descriptor
        .lines()
        .find_map(|line| line.strip_prefix("mnt_id:"))?
        .trim();
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        if fields.next()? != mount {
            return None;
        }
        let (major, minor) = fields.nth(1)?.split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    })
}

/// The effective user of a process (proc_pid(5)), where it is another one than this
/// process's and can be told. Of a process that is not dumpable, root is told.
fn other_user(pid: u32) -> Option<u32> {
    let user = fs::metadata(format!("/proc/{pid}")).ok()?.uid();
    (user != geteuid().as_raw()).then_some(user)
}

/// The command line of a process (proc_pid_cmdline(5)), fit to be shown.
fn command_line(pid: u32) -> String {
    let mut bytes = Vec::new();
    // A command line can be megabytes long.
    let read = File::open(format!("/proc/{pid}/cmdline"))
        .and_then(|file| file.take(4 * COMMAND_SHOWN as u64).read_to_end(&mut bytes));
    if read.is_err() {
        return String::new();
    }
    presentable(&bytes)
}

/// A command line as one line of printable text.
fn presentable(cmdline: &[u8]) -> String {
    let text = String::from_utf8_lossy(cmdline);
    let words = text.trim_end_matches('\0').replace('\0', " ");
    visible::bounded_line(&words, COMMAND_SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_locks_names_its_holder() {
        let file = LockedFile("fe:00:9999".to_owned());
        let holder = |line: &str| file.holder_in(line);
        assert_eq!(
            holder("1: FLOCK  ADVISORY  WRITE 708 fe:00:9999 0 EOF"),
            Some(708)
        );
        assert_eq!(
            holder("12: FLOCK  ADVISORY  READ  5 fe:00:9999 0 EOF"),
            Some(5)
        );
        for unseen in ["0", "-1"] {
            let line = format!("1: FLOCK  ADVISORY  WRITE {unseen} fe:00:9999 0 EOF");
            assert_eq!(holder(&line), Some(0));
        }
        for other in [
            "1: -> FLOCK  ADVISORY  WRITE 708 fe:00:9999 0 EOF",
            "1: POSIX  ADVISORY  WRITE 708 fe:00:9999 0 EOF",
            "1: FLOCK  ADVISORY  WRITE 708 fe:00:99990 0 EOF",
            "1: FLOCK  ADVISORY  WRITE 708 fe:01:9999 0 EOF",
            "1: FLOCK",
            "",
        ] {
            assert_eq!(holder(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_command_line_becomes_one_short_printable_line() {
        assert_eq!(presentable(b"sh\0-c\0echo hi\0"), "sh -c echo hi");
        assert_eq!(presentable(b""), "");
        assert_eq!(
            presentable(b"a\x1b[31m\nb\xff\0"),
            "a\\u{1b}[31m\\u{a}b\u{fffd}"
        );
        let long = presentable(&[b'x'; 400]);
        assert_eq!(long.chars().count(), COMMAND_SHOWN + 1);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn a_holder_of_another_user_is_named_with_it() {
        let shown = |command: &str, user| {
            let command = command.to_owned();
            Holder::Process {
                pid: 7,
                command,
                user,
            }
            .to_string()
        };
        assert_eq!(shown("sleep 9", None), "process 7 (sleep 9)");
        assert_eq!(
            shown("flock -x", Some(1000)),
            "process 7 of user 1000 (flock -x)"
        );
        assert_eq!(
            shown("", Some(1000)),
            "process 7 of user 1000, whose command line cannot be read"
        );
        assert_eq!(other_user(std::process::id()), None);
    }

    #[test]
    fn nobody_holds_a_file_that_is_not_locked() {
        let file = tempfile::tempfile().expect("temporary file");
        assert_eq!(Holder::find(&file), Holder::Unknown);
    }
}
