//! Whether a directory or a file is safe to use, decided from its metadata alone.
//!
//! Whoever can write the registry can aim the signals that go to its workers. So the
//! pool and everything in it has to belong to the effective user, and nobody else may
//! be able to write it.

use std::fmt;
use std::path::Path;

use nix::sys::stat::{FileStat, SFlag};

use crate::pool::REGISTRY;

/// Write permission for the group and for others. With an access control list, the
/// group's bits show the list's mask (acl(5)), so these bits cover everybody but the owner.
const OTHERS_WRITE: u32 = 0o022;
/// Search permission on a directory for the group and for others.
const OTHERS_SEARCH: u32 = 0o011;

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
    /// Last change of the contents, in seconds and nanoseconds.
    modified: (i64, i64),
    /// Last change of the contents, the owner or the permissions.
    changed: (i64, i64),
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
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

/// A number of 32 or of 64 bits: `nlink_t` differs between machines.
fn widened(number: impl Into<u64>) -> u64 {
    number.into()
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

/// What makes a directory or a file unsafe to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Danger {
    /// It is not what it has to be.
    Kind {
        /// What it is.
        found: FileKind,
        /// What it has to be.
        wanted: FileKind,
    },
    /// It belongs to another user.
    Owner {
        /// User id of the owner.
        owner: u32,
        /// Effective user id of this process.
        user: u32,
    },
    /// Its group or others can write it.
    Writable {
        /// Its permission bits.
        mode: u32,
    },
    /// It is to be written in place, and has other names: they are hard links, and what is
    /// written to it stands under all of them.
    Linked {
        /// How many names it has.
        links: u64,
    },
}

impl Danger {
    /// What the operator can do about it.
    pub(super) fn remedy(self, path: &Path) -> String {
        // Moved away by hand, it would leave an empty pool behind.
        let of_registry = path
            .parent()
            .filter(|_| path.ends_with(REGISTRY))
            .map(quoted);
        let path = quoted(path);
        match self {
            Self::Kind {
                found: FileKind::SymbolicLink,
                wanted: FileKind::Directory,
            } => "name the directory that it leads to".to_owned(),
            Self::Kind {
                wanted: FileKind::Directory,
                ..
            } => "name another directory".to_owned(),
            Self::Kind { found, .. }
                if found != FileKind::SymbolicLink && of_registry.is_some() =>
            {
                format!(
                    "poolwarden --state-dir {} doctor explains it, with --fix it puts it aside and \
                     writes a registry of the workers that live",
                    of_registry.unwrap_or_default()
                )
            }
            Self::Kind { .. } | Self::Linked { .. } => {
                format!("look at it, then move it away: mv {path} {path}.aside")
            }
            Self::Owner { owner, user } => {
                format!(
                    "run as user {owner}, or, when you trust what is there: chown {user} {path}"
                )
            }
            Self::Writable { .. } => {
                format!("when you trust what is there: chmod go-w {path}")
            }
        }
    }
}

impl Danger {
    /// What was found, without what could come of it.
    pub(crate) fn finding(self) -> String {
        match self {
            Self::Kind { found, wanted } => format!("it is {found} and not {wanted}"),
            Self::Owner { owner, user } => {
                format!("it belongs to user {owner} and not to user {user}")
            }
            Self::Writable { mode } => format!("others can write it (mode {mode:04o})"),
            Self::Linked { links } => {
                format!("it has {links} names (hard links), and would be written under all of them")
            }
        }
    }
}

impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.finding())?;
        match self {
            Self::Kind { .. } | Self::Linked { .. } => Ok(()),
            Self::Owner { .. } | Self::Writable { .. } => {
                f.write_str(", and whoever writes the registry could aim the signals")
            }
        }
    }
}

/// Checks the pool's directory, for the user with the effective id `user`.
pub(crate) fn check_directory(directory: &Facts, user: u32) -> Result<(), Danger> {
    check_kind(directory, FileKind::Directory)?;
    check_owner(directory, user)?;
    if directory.mode & OTHERS_WRITE != 0 {
        return Err(Danger::Writable {
            mode: directory.mode,
        });
    }
    Ok(())
}

/// Checks a file in the pool's directory, for the user with the effective id `user`.
///
/// Write permission for others is tolerated where they cannot reach the file: a program
/// that writes the pool with a careless umask, in a directory that only its owner can
/// search. A file with another name may be reached by that one.
pub(crate) fn check_file(file: &Facts, directory: &Facts, user: u32) -> Result<(), Danger> {
    check_kind(file, FileKind::Regular)?;
    check_owner(file, user)?;
    let within_reach = directory.mode & OTHERS_SEARCH != 0 || file.links > 1;
    if file.mode & OTHERS_WRITE != 0 && within_reach {
        return Err(Danger::Writable { mode: file.mode });
    }
    Ok(())
}

/// Checks a file that is written in place. One that is only read, locked or replaced by
/// another may have other names: what stands under those stays as it is.
pub(crate) fn check_only_name(file: &Facts) -> Result<(), Danger> {
    match file.links {
        0 | 1 => Ok(()),
        links => Err(Danger::Linked { links }),
    }
}

fn check_kind(facts: &Facts, wanted: FileKind) -> Result<(), Danger> {
    if facts.kind == wanted {
        Ok(())
    } else {
        Err(Danger::Kind {
            found: facts.kind,
            wanted,
        })
    }
}

fn check_owner(facts: &Facts, user: u32) -> Result<(), Danger> {
    if facts.owner == user {
        Ok(())
    } else {
        Err(Danger::Owner {
            owner: facts.owner,
            user,
        })
    }
}

/// A path as a shell reads it.
pub(crate) fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@".contains(c);
    if path.chars().all(plain) {
        path.into_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: u32 = 1000;

    fn facts(kind: FileKind, mode: u32, owner: u32) -> Facts {
        Facts {
            id: (1, 2),
            kind,
            mode,
            owner,
            links: 1,
            size: 0,
            modified: (0, 0),
            changed: (0, 0),
        }
    }

    #[test]
    fn a_directory_is_ours_alone_to_write() {
        let check = |kind, mode, owner| check_directory(&facts(kind, mode, owner), US);
        for mode in [0o700, 0o755, 0o711, 0o500, 0o1755] {
            assert_eq!(check(FileKind::Directory, mode, US), Ok(()), "{mode:o}");
        }
        for mode in [0o720, 0o702, 0o770, 0o777, 0o1777] {
            assert_eq!(
                check(FileKind::Directory, mode, US),
                Err(Danger::Writable { mode }),
                "{mode:o}"
            );
        }
        for owner in [0, 1, 1001] {
            assert_eq!(
                check(FileKind::Directory, 0o700, owner),
                Err(Danger::Owner { owner, user: US })
            );
        }
        for found in [FileKind::Regular, FileKind::SymbolicLink, FileKind::Fifo] {
            assert_eq!(
                check(found, 0o700, US),
                Err(Danger::Kind {
                    found,
                    wanted: FileKind::Directory
                })
            );
        }
    }

    #[test]
    fn a_file_may_be_writable_by_those_who_cannot_reach_it() {
        let check = |mode, directory| {
            check_file(
                &facts(FileKind::Regular, mode, US),
                &facts(FileKind::Directory, directory, US),
                US,
            )
        };
        assert_eq!(check(0o644, 0o755), Ok(()));
        assert_eq!(check(0o666, 0o700), Ok(()));
        for (mode, directory) in [(0o666, 0o755), (0o620, 0o701), (0o602, 0o710)] {
            assert_eq!(
                check(mode, directory),
                Err(Danger::Writable { mode }),
                "{mode:o} in {directory:o}"
            );
        }
    }

    /// Others may reach it by the name that it has in another directory.
    #[test]
    fn a_file_with_another_name_is_not_out_of_reach() {
        let mut file = facts(FileKind::Regular, 0o666, US);
        let directory = facts(FileKind::Directory, 0o700, US);
        file.links = 2;
        assert_eq!(
            check_file(&file, &directory, US),
            Err(Danger::Writable { mode: 0o666 })
        );
        file.mode = 0o644;
        assert_eq!(check_file(&file, &directory, US), Ok(()));
        assert_eq!(check_only_name(&file), Err(Danger::Linked { links: 2 }));
        file.links = 1;
        assert_eq!(check_only_name(&file), Ok(()));
    }

    #[test]
    fn a_file_is_regular_and_ours() {
        let directory = facts(FileKind::Directory, 0o700, US);
        for found in [
            FileKind::Directory,
            FileKind::SymbolicLink,
            FileKind::Fifo,
            FileKind::Device,
        ] {
            assert_eq!(
                check_file(&facts(found, 0o600, US), &directory, US),
                Err(Danger::Kind {
                    found,
                    wanted: FileKind::Regular
                })
            );
        }
        assert_eq!(
            check_file(&facts(FileKind::Regular, 0o600, 0), &directory, US),
            Err(Danger::Owner { owner: 0, user: US })
        );
    }

    #[test]
    fn remedies_name_the_command() {
        let remedy = |danger: Danger| danger.remedy(Path::new("/srv/my pool's"));
        assert_eq!(
            remedy(Danger::Writable { mode: 0o770 }),
            r"when you trust what is there: chmod go-w '/srv/my pool'\''s'"
        );
        assert!(
            remedy(Danger::Owner { owner: 1, user: 7 }).ends_with(r"chown 7 '/srv/my pool'\''s'")
        );
    }
}
