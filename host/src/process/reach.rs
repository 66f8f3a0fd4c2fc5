//! Opening a directory whose path may lead anywhere, without waiting for anybody.
//!
//! A path of a registry entry can lead to a mount that does not answer: a server that is
//! down, a program that is to serve a file system and hangs. Whatever resolves such a path
//! sleeps in the kernel, beyond every limit, with the pool's lock in its hands. So the way is
//! gone step by step, and no step leaves the file systems that this machine serves itself.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2, readlinkat};

/// A directory that was reached.
#[derive(Debug)]
pub(crate) struct Directory {
    /// Its path without symlinks, `.` and `..`.
    pub(crate) real: PathBuf,
    /// Absent in a fake kernel.
    pub(crate) fd: Option<OwnedFd>,
}

impl Directory {
    /// A path to a name in it that leads through no other directory.
    pub(crate) fn at(&self, name: &OsStr) -> PathBuf {
        match &self.fd {
            Some(fd) => PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd())).join(name),
            None => self.real.join(name),
        }
    }
}

/// The file systems that answer as long as this machine does. Those that are not named here
/// may be served by another machine or by a program.
const LOCAL: &[&str] = &[
    "bcachefs", "btrfs", "devtmpfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "iso9660",
    "jfs", "nilfs2", "ntfs3", "overlay", "ramfs", "reiserfs", "rootfs", "squashfs", "tmpfs",
    "ubifs", "udf", "vfat", "xfs", "zfs",
];

/// The type of the file system at each mount point.
#[derive(Debug, Default)]
pub(crate) struct Mounts(HashMap<PathBuf, String>);

impl Mounts {
    /// Reads `/proc/self/mountinfo` (proc_pid_mountinfo(5)). What was mounted last on a
    /// mount point stands last, and covers the others.
    pub(super) fn parse(text: &[u8]) -> Self {
        let mount = |line: &[u8]| {
            let mut fields = line.split(|&byte| byte == b' ');
            let point = unescaped(fields.nth(4)?);
            let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
            Some((point, String::from_utf8_lossy(kind).into_owned()))
        };
        Self(
            text.split(|&byte| byte == b'\n')
                .filter_map(mount)
                .collect(),
        )
    }

    /// Reads them as they are now.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(crate) fn read() -> io::Result<Self> {
        Ok(Self::parse(&std::fs::read("/proc/self/mountinfo")?))
    }

    /// Opens the directory at an absolute path, without waiting for anybody.
    ///
    /// # Errors
    /// Those of open(2), and one that says so where the way leaves the local file systems.
    pub(crate) fn directory(&self, path: &Path) -> io::Result<Directory> {
        directory(path, self)
    }

    fn check_local(&self, point: &Path) -> io::Result<()> {
        let kind = self.0.get(point).map(String::as_str);
        if kind.is_some_and(|kind| LOCAL.contains(&kind)) {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "it lies on another file system, {} at {}, which is not asked because it may not \
             answer",
            kind.unwrap_or("of an unknown type"),
            point.display()
        )))
    }
}

/// Spaces and a few others are written as three octal digits behind a backslash.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, behind)) = rest.split_first() {
        let octal = behind.get(..3).filter(|_| first == b'\\');
        let octal = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[3..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// What path_resolution(7) takes: longer paths name nothing, and more links are a loop.
const LONGEST: usize = 4095;
const MOST_LINKS: usize = 40;
/// How often a step is repeated that was disturbed by a renaming (openat2(2)).
const TRIES: usize = 8;

/// Opens the directory at an absolute path. openat2(2) tells where a step would cross into
/// another mount, since Linux 5.6.
///
/// # Errors
/// Those of open(2), and one that says so where the way leaves the local file systems.
pub(super) fn directory(path: &Path, mounts: &Mounts) -> io::Result<Directory> {
    if path.as_os_str().len() > LONGEST {
        return Err(Errno::ENAMETOOLONG.into());
    }
    let mut at = root()?;
    let mut links = 0;
    let mut steps = Vec::new();
    push(&mut steps, path);
    while let Some(step) = steps.pop() {
        let next = enter(&at, &step, mounts)?;
        match FileType::from_raw_mode(fstat(&next)?.st_mode) {
            FileType::Directory => at = next,
            FileType::Symlink => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Errno::ELOOP.into());
                }
                let target = readlinkat(&next, "", Vec::new())?;
                let target = Path::new(OsStr::from_bytes(target.as_bytes()));
                if target.is_absolute() {
                    at = root()?;
                }
                push(&mut steps, target);
            }
            _ => return Err(Errno::ENOTDIR.into()),
        }
    }
    Ok(Directory {
        real: own_path(&at)?,
        fd: Some(at),
    })
}

fn push(steps: &mut Vec<OsString>, path: &Path) {
    let named = path
        .components()
        .rev()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        });
    steps.extend(named);
}

fn root() -> io::Result<OwnedFd> {
    Ok(openat(
        CWD,
        "/",
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

fn own_path(directory: &OwnedFd) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{}", directory.as_raw_fd()))
}

fn enter(at: &OwnedFd, step: &OsStr, mounts: &Mounts) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Upwards leads only where the way came through.
    if step != ".." {
        let within = ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
        let open = || openat2(at.as_fd(), step, flags, Mode::empty(), within);
        let disturbed = |opened: &Result<_, _>| matches!(opened, Err(rustix::io::Errno::AGAIN));
        let mut opened = open();
        for _ in 1..TRIES {
            if !disturbed(&opened) {
                break;
            }
            opened = open();
        }
        let point = || Ok::<_, io::Error>(own_path(at)?.join(step));
        match opened {
            Err(rustix::io::Errno::XDEV) => mounts.check_local(&point()?)?,
            // An older kernel, or a filter that does not know the call: what was mounted when
            // the table was read tells as much.
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {
                let point = point()?;
                if mounts.0.contains_key(&point) {
                    mounts.check_local(&point)?;
                }
            }
            opened => return Ok(opened?),
        }
    }
    Ok(openat(at, step, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn mounts() -> Mounts {
        Mounts::parse(&fs::read("/proc/self/mountinfo").expect("proc is mounted"))
    }

    #[test]
    fn a_directory_is_reached_as_the_system_would() {
        let root = tempfile::tempdir().expect("a directory");
        let real = root.path().canonicalize().expect("it is there");
        fs::create_dir_all(real.join("a/b")).expect("directories");
        symlink("a/b", real.join("relative")).expect("a link");
        symlink(real.join("a"), real.join("absolute")).expect("a link");
        symlink("loop", real.join("loop")).expect("a link");
        fs::write(real.join("file"), "").expect("a file");
        for (path, expected) in [
            ("a/b", "a/b"),
            ("relative", "a/b"),
            ("absolute/b/../b", "a/b"),
            ("relative/../../a", "a"),
        ] {
            let found = directory(&root.path().join(path), &mounts()).expect(path);
            assert_eq!(found.real, real.join(expected));
        }
        for (path, errno) in [
            ("missing/x", Errno::ENOENT),
            ("file", Errno::ENOTDIR),
            ("loop", Errno::ELOOP),
        ] {
            let error = directory(&root.path().join(path), &mounts()).expect_err(path);
            assert_eq!(error.raw_os_error(), Some(errno as i32), "{path}: {error}");
        }
    }

    /// `/proc` stands for whatever is not known to answer.
    #[test]
    fn a_file_system_that_may_not_answer_is_not_entered() {
        let root = tempfile::tempdir().expect("a directory");
        let link = root.path().join("link");
        symlink("/proc/self", &link).expect("a link");
        for path in [Path::new("/proc"), Path::new("/proc/sys"), &link] {
            let error = directory(path, &mounts()).expect_err("it may not answer");
            assert!(error.to_string().contains("proc at /proc"), "{error}");
        }
        let unknown = directory(Path::new("/proc"), &Mounts::default());
        let error = unknown.expect_err("nothing is known of it").to_string();
        assert!(error.contains("unknown type"), "{error}");
    }

    #[test]
    fn mount_points_are_read_with_their_escapes_and_the_last_one_counts() {
        let text = b"36 35 98:0 / /mnt/a\\040b rw,noatime master:1 - ext3 /dev/root rw\n\
            37 35 98:0 / /mnt/a\\040b rw - nfs4 server:/x rw\n\
            38 35 0:5 / /run rw shared:1 master:2 - tmpfs tmpfs rw\n";
        let mounts = Mounts::parse(text);
        assert!(mounts.check_local(Path::new("/run")).is_ok());
        let error = mounts.check_local(Path::new("/mnt/a b")).expect_err("nfs");
        assert!(error.to_string().contains("nfs4"), "{error}");
    }
}
