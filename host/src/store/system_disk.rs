//! The system itself.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, RenameFlags, open, openat, renameat, renameat2};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, fdatasync, fsync, ftruncate, unlinkat};

use super::disk::{Access, Disk};
use super::facts::Facts;

/// The mode of a pool's files.
const FILE_MODE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

/// The system calls themselves, as they are.
pub(crate) struct SystemDisk;

impl Disk for SystemDisk {
    fn open_directory(&self, dir: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(openat(dir, path, flags, Mode::empty())?)
    }

    fn follow_directory(&self, path: &Path) -> io::Result<OwnedFd> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(open(path, flags, Mode::empty())?)
    }

    fn open_parent(&self, dir: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(openat(dir, "..", flags, Mode::empty())?)
    }

    fn make_directory(&self, dir: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
        Ok(mkdirat(dir, path, Mode::S_IRWXU)?)
    }

    fn set_directory_mode(&self, dir: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
        // Not by fchmodat(2) with AT_SYMLINK_NOFOLLOW, which glibc has since 2.32 only, and
        // which does there what is done here. Without O_PATH, a directory could not be opened
        // whose owner the umask has left no permissions.
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory = openat(dir, path, flags, Mode::empty())?;
        let by_descriptor = format!("/proc/self/fd/{}", directory.as_raw_fd());
        let flags = FchmodatFlags::FollowSymlink;
        Ok(fchmodat(
            AT_FDCWD,
            by_descriptor.as_str(),
            Mode::S_IRWXU,
            flags,
        )?)
    }

    fn look_at_path(&self, path: &Path) -> io::Result<Facts> {
        Ok(fstatat(AT_FDCWD, path, AtFlags::AT_SYMLINK_NOFOLLOW)?.into())
    }

    fn facts(&self, fd: BorrowedFd<'_>) -> io::Result<Facts> {
        Ok(fstat(fd)?.into())
    }

    fn look(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<Facts> {
        Ok(fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW)?.into())
    }

    fn open(&self, dir: BorrowedFd<'_>, name: &str, access: Access) -> io::Result<File> {
        let access = match access {
            Access::Read => OFlag::O_RDONLY,
            Access::Write => OFlag::O_RDWR,
            Access::Append => OFlag::O_RDWR | OFlag::O_APPEND,
        };
        // Without O_NONBLOCK, opening a FIFO would wait for its other end.
        let flags = access | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        Ok(openat(dir, name, flags, Mode::empty())?.into())
    }

    fn create(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<File> {
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(openat(dir, name, flags, FILE_MODE)?.into())
    }

    fn open_log(&self, dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<File> {
        // For reading too, so that a worker's last words can be told, and so that a FIFO
        // is not waited for (fifo(7)) but opened and refused.
        let flags = OFlag::O_RDWR
            | OFlag::O_APPEND
            | OFlag::O_CREAT
            | OFlag::O_NOFOLLOW
            | OFlag::O_NOCTTY
            | OFlag::O_CLOEXEC;
        Ok(openat(dir, name, flags, FILE_MODE)?.into())
    }

    fn set_mode(&self, file: &File) -> io::Result<()> {
        Ok(fchmod(file, FILE_MODE)?)
    }

    fn read(&self, file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        file.read_at(buffer, at)
    }

    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    fn cut(&self, file: &File, size: u64) -> io::Result<()> {
        let size = i64::try_from(size).map_err(|_| Errno::EFBIG)?;
        Ok(ftruncate(file, size)?)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        Ok(fsync(file)?)
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        Ok(fdatasync(file)?)
    }

    fn rename(&self, dir: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
        Ok(renameat(dir, from, dir, to)?)
    }

    fn exchange(&self, dir: BorrowedFd<'_>, one: &str, other: &str) -> io::Result<()> {
        let flags = RenameFlags::RENAME_EXCHANGE;
        Ok(renameat2(dir, one, dir, other, flags)?)
    }

    fn rename_to_free(&self, dir: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
        Ok(renameat2(
            dir,
            from,
            dir,
            to,
            RenameFlags::RENAME_NOREPLACE,
        )?)
    }

    fn remove(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        Ok(unlinkat(dir, name, UnlinkatFlags::NoRemoveDir)?)
    }

    fn sync_directory(&self, dir: BorrowedFd<'_>) -> io::Result<()> {
        Ok(fsync(dir)?)
    }

    fn try_lock(&self, file: &File) -> io::Result<()> {
        fs2::FileExt::try_lock_exclusive(file)
    }

    fn lock(&self, file: &File) -> io::Result<()> {
        fs2::FileExt::lock_exclusive(file)
    }

    fn unlock(&self, file: &File) -> io::Result<()> {
        fs2::FileExt::unlock(file)
    }

    fn connect(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        // Through the descriptor: the pool's own path may be too long for an address, and
        // leads elsewhere once the directory is moved.
        let mut path = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd()));
        path.push(name);
        let address = UnixAddr::new(&path)?;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        Ok(connect(socket.as_raw_fd(), &address)?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn the_mode_of_a_directory_is_set_and_that_of_what_a_link_leads_to_is_not() {
        let root = tempfile::tempdir().expect("temporary directory");
        let directory = root.path().join("directory");
        fs::create_dir(&directory).expect("mkdir");
        symlink("directory", root.path().join("link")).expect("symlink");
        let mode = || {
            let metadata = fs::metadata(&directory).expect("metadata");
            metadata.permissions().mode() & 0o7777
        };
        // Not even its owner may open it for reading.
        fs::set_permissions(&directory, Permissions::from_mode(0)).expect("chmod");
        let set = |path: &Path| SystemDisk.set_directory_mode(AT_FDCWD, path);
        set(&root.path().join("link")).expect_err("a link is not followed");
        assert_eq!(mode(), 0);
        set(&directory).expect("it is ours");
        assert_eq!(mode(), 0o700);
    }
}
