//! Whether the locks of a file system can be trusted.
//!
//! Everything here rests on flock(2) excluding every other program at once, on a wait for
//! it that a signal ends, and on pids that mean the same to all who use the pool: on one
//! machine. The kernel itself keeps the locks of a file system that has no way of its own to
//! do so (the member `flock` of `struct file_operations`); then all three hold. The
//! file systems below have one, or show the same files to another machine.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::fstatfs;

/// The type of a file system: `f_type` of statfs(2), whose numbers have 32 bits.
pub(crate) type Type = u32;

/// The type of the file system that an open file is on.
pub(super) fn type_of(fd: BorrowedFd<'_>) -> io::Result<Type> {
    // Sign-extended on some machines.
    Ok(fstatfs(fd)?.f_type as Type)
}

/// A kind of file system whose locks cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UntrustedLocks {
    name: &'static str,
    why: Why,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// A server keeps them, this machine alone, or nobody: as it was mounted (flock(2), NOTES;
    /// nfs(5), `local_lock`).
    AsMounted,
    /// A server keeps them, and while one is held no other descriptor can be read or
    /// written, be it of the holder (flock(2), NOTES).
    Mandatory,
    /// The machines of a cluster share it, and pids differ between them.
    Cluster,
    /// A program keeps them or does not, and may show the files to other machines
    /// (`FUSE_FLOCK_LOCKS`, fuse(4)).
    Program,
    /// The machine that this one runs on has the files, and does not see the locks.
    Host,
}

/// Numbers from linux/magic.h and statfs(2); those of file systems that are not in the
/// kernel are as stat(1) knows them.
const UNTRUSTED: [(Type, &str, Why); 25] = [
    (0x6969, "NFS", Why::AsMounted),
    (0x517b, "SMB", Why::Mandatory),
    (0xff53_4d42, "CIFS", Why::Mandatory),
    (0xfe53_4d42, "SMB2", Why::Mandatory),
    (0x5346_414f, "AFS", Why::AsMounted),
    (0x6b41_4653, "AFS", Why::AsMounted),
    (0x00c3_6400, "Ceph", Why::AsMounted),
    (0x7375_7245, "Coda", Why::AsMounted),
    (0x564c, "NCP", Why::AsMounted),
    (0x2003_0528, "OrangeFS", Why::AsMounted),
    (0x0bd0_0bd0, "Lustre", Why::AsMounted),
    (0x1983_0326, "BeeGFS", Why::AsMounted),
    (0x4750_4653, "GPFS", Why::Cluster),
    (0xaad7_aaea, "PanFS", Why::AsMounted),
    (0xbeef_dead, "StorNext", Why::Cluster),
    (0x7461_636f, "OCFS2", Why::Cluster),
    (0x0116_1970, "GFS2", Why::Cluster),
    (0xa501_fcf5, "VxFS", Why::Cluster),
    (0x6163_6673, "ACFS", Why::Cluster),
    (0x6573_5546, "FUSE", Why::Program),
    (0x0102_1997, "9p", Why::Host),
    (0x786f_4256, "vboxsf", Why::Host),
    (0xbacb_acbc, "vmhgfs", Why::Host),
    (0x7c7c_6673, "prl_fs", Why::Host),
    (0x00c0_ffee, "hostfs", Why::Host),
];

/// Checks that the locks of this type of file system are kept by this kernel. A type that
/// nobody here knows passes: it is either of the kernel's own, or has no locks of its own.
pub(super) fn check(found: Type) -> Result<(), UntrustedLocks> {
    match UNTRUSTED.iter().find(|(number, ..)| *number == found) {
        Some(&(_, name, why)) => Err(UntrustedLocks { name, why }),
        None => Ok(()),
    }
}

impl fmt::Display for UntrustedLocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Why::AsMounted => {
                "a server keeps them, or this machine alone, or nobody, as it was mounted"
            }
            Why::Mandatory => "a server keeps them, and they keep even their holder from its files",
            Why::Cluster => "several machines share it, and a pid means another process on each",
            Why::Program => "the program that serves it may keep them or not",
            Why::Host => "it is shared with another machine, which does not see them",
        };
        write!(
            f,
            "it is on {}, whose locks cannot be trusted: {why}",
            self.name
        )
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::path::Path;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::super::directory::PoolDir;
    use super::super::error::{StoreError, StoreErrorKind};
    use super::super::system_disk::SystemDisk;
    use super::super::testing::{TestPool, cancel};
    use super::*;

    const NFS: Type = 0x6969;
    const EXT4: Type = 0xef53;

    fn refusal(found: Type) -> String {
        check(found).expect_err("not to be trusted").to_string()
    }

    #[test]
    fn what_the_kernel_locks_itself_is_trusted() {
        // ext4, xfs, btrfs, f2fs, zfs, bcachefs, tmpfs, ramfs, overlayfs, ecryptfs; unheard of.
        for local in [
            EXT4,
            0x5846_5342,
            0x9123_683e,
            0xf2f5_2010,
            0x2fc1_2fc1,
            0xca45_1a4e,
            0x0102_1994,
            0x8584_58f6,
            0x794c_7630,
            0xf15f,
            0x1234_5678,
        ] {
            assert_eq!(check(local), Ok(()), "{local:x}");
        }
    }

    #[test]
    fn what_others_lock_or_see_is_refused_with_the_reason() {
        for (found, name, why) in [
            (NFS, "NFS", "as it was mounted"),
            (0xff53_4d42, "CIFS", "even their holder"),
            (0xfe53_4d42, "SMB2", "even their holder"),
            (0x00c3_6400, "Ceph", "as it was mounted"),
            (0x7461_636f, "OCFS2", "a pid means another process"),
            (0x6573_5546, "FUSE", "the program that serves it"),
            (0x0102_1997, "9p", "shared with another machine"),
        ] {
            let text = refusal(found);
            assert!(text.contains(name) && text.contains(why), "{text}");
            assert!(text.contains("locks cannot be trusted"), "{text}");
        }
    }

    #[test]
    fn no_number_stands_twice() {
        let mut numbers: Vec<_> = UNTRUSTED.iter().map(|(number, ..)| number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), UNTRUSTED.len());
    }

    #[test]
    fn this_machines_own_are_asked_and_trusted() {
        for (path, expected) in [("/proc", 0x9fa0), ("/sys", 0x6265_6572)] {
            let directory = std::fs::File::open(path).expect("a directory");
            assert_eq!(type_of(directory.as_fd()).expect("statfs"), expected);
        }
    }

    fn open(path: &Path, look: super::super::directory::Look) -> Result<PoolDir, StoreError> {
        PoolDir::open_seen(path, std::sync::Arc::new(SystemDisk), look)
    }

    /// As if the directory were on NFS.
    #[test]
    fn a_directory_on_one_of_them_is_no_pool() {
        let root = tempfile::tempdir().expect("temporary directory");
        let path = root.path().join("pool");
        let error = open(&path, |_| Ok(NFS)).expect_err("NFS");
        assert_eq!(error.kind(), StoreErrorKind::Unsafe);
        let text = error.to_string();
        for part in [
            path.to_str().expect("text"),
            "it is on NFS, whose locks cannot be trusted",
            "as it was mounted",
            "--state-dir",
        ] {
            assert!(text.contains(part), "wanted {part:?} in {text}");
        }
        assert!(!path.join("registry.lock").exists());
    }

    /// As if another file system were mounted over a lock file, which can be a mount point
    /// of its own.
    #[test]
    fn a_lock_file_on_one_of_them_locks_nothing() {
        static FOUND: AtomicU32 = AtomicU32::new(EXT4);
        let pool = TestPool::new();
        let dir = open(pool.dir.path(), |_| Ok(FOUND.load(Ordering::Relaxed))).expect("a pool");
        drop(dir.lock(Duration::ZERO, &cancel()).expect("the lock"));
        FOUND.store(NFS, Ordering::Relaxed);
        let error = dir.lock(Duration::ZERO, &cancel()).expect_err("NFS");
        let text = error.to_string();
        assert!(text.contains("registry.lock is not safe to use"), "{text}");
        assert!(text.contains("NFS"), "{text}");
    }

    #[test]
    fn what_cannot_be_told_is_an_error() {
        let pool = TestPool::new();
        let error = open(pool.dir.path(), |_| {
            Err(io::ErrorKind::PermissionDenied.into())
        });
        let text = error.expect_err("unknown").to_string();
        assert!(text.contains("look at the file system of"), "{text}");
    }
}
