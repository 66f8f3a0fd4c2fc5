//! Whether a directory or a file is safe to use, decided from its metadata alone.
//!
//! Whoever can write the registry can aim the signals that go to its workers. So the
//! pool and everything in it has to belong to the effective user, and nobody else may
//! be able to write it.

use super::danger::Danger;
use super::facts::{Facts, FileKind};

/// Write permission for the group and for others. With an access control list, the
/// group's bits show the list's mask (acl(5)), so these bits cover everybody but the owner.
const OTHERS_WRITE: u32 = 0o022;
/// Search permission on a directory for the group and for others.
const OTHERS_SEARCH: u32 = 0o011;

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
            is_null: false,
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
}
