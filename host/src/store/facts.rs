//! What the system says about a file.

use std::fmt;

use nix::sys::stat::{FileStat, SFlag, major, minor};

/// Major and minor number of the null device.
const NULL: (u64, u64) = (1, 3);

/// What stat(2) says about a file. Equal: the same file, untouched in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Device and inode number: which file it is.
    pub(crate) id: (u64, u64),
    /// What it is.
    pub(crate) kind: FileKind,
    /// Permission bits, the three special ones included.
    pub(crate) mode: u32,
    /// User id of the owner.
    pub(crate) owner: u32,
    /// How many names it has: hard links.
    pub(crate) links: u64,
    /// Size in bytes.
    pub(crate) size: u64,
    /// Whether it is `/dev/null`, whatever its name: character device 1:3 (null(4)).
    pub(crate) is_null: bool,
    /// Last change of the contents, in seconds and nanoseconds.
    pub(super) modified: (i64, i64),
    /// Last change of the contents, the owner or the permissions.
    pub(super) changed: (i64, i64),
}

impl Facts {
    /// When the contents were last changed; none where the calendar has no such time.
    pub(crate) fn modified(&self) -> Option<jiff::Timestamp> {
        let (seconds, nanoseconds) = self.modified;
        jiff::Timestamp::new(seconds, i32::try_from(nanoseconds).ok()?).ok()
    }
}

impl From<FileStat> for Facts {
    fn from(stat: FileStat) -> Self {
        Self {
            id: (stat.st_dev, stat.st_ino),
            kind: FileKind::of(stat.st_mode),
            mode: stat.st_mode & 0o7777,
            owner: stat.st_uid,
            links: widened(stat.st_nlink),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            is_null: is_character_device(stat.st_mode)
                && (major(stat.st_rdev), minor(stat.st_rdev)) == NULL,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

/// A number of 32 or of 64 bits: `nlink_t` differs between machines.
fn widened(number: impl Into<u64>) -> u64 {
    number.into()
}

fn is_character_device(mode: u32) -> bool {
    SFlag::from_bits_truncate(mode) & SFlag::S_IFMT == SFlag::S_IFCHR
}

/// Kinds of files (inode(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    SymbolicLink,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A character or a block device.
    Device,
}

impl FileKind {
    fn of(mode: u32) -> Self {
        let format = SFlag::from_bits_truncate(mode) & SFlag::S_IFMT;
        match format {
            SFlag::S_IFREG => Self::Regular,
            SFlag::S_IFDIR => Self::Directory,
            SFlag::S_IFLNK => Self::SymbolicLink,
            SFlag::S_IFIFO => Self::Fifo,
            SFlag::S_IFSOCK => Self::Socket,
            _ => Self::Device,
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Regular => "a regular file",
            Self::Directory => "a directory",
            Self::SymbolicLink => "a symbolic link",
            Self::Fifo => "a FIFO",
            Self::Socket => "a socket",
            Self::Device => "a device",
        })
    }
}
