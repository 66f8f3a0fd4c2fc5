//! Making the pool's directory.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;

use super::disk::{Disk, again};
use super::system_disk::SystemDisk;

/// Makes the directory and its missing parents, each with mode 0700 exactly.
pub(crate) fn create_with_parents(path: &Path) -> io::Result<()> {
    create_on(&SystemDisk, path)
}

/// The same through `disk`.
pub(super) fn create_on(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let make = || again(|| disk.make_directory(AT_FDCWD, path));
    let made = match (make(), path.parent()) {
        (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
            create_on(disk, parent)?;
            make()
        }
        (made, _) => made,
    };
    match made {
        Ok(()) => {}
        // Somebody was quicker. Whether theirs is safe is checked when it is opened.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    }
    // The umask may have taken away permissions of our own.
    again(|| disk.set_directory_mode(AT_FDCWD, path))
}

/// Brings to the disk the name of an open directory, and those of the directories above it
/// that may be of [`create_on`]'s making: the user's own, with mode 0700. Whoever made them
/// may have been killed before they could be synced.
///
/// It goes from each directory to the one that it is in, and not by their paths, which may
/// lead through symbolic links.
pub(super) fn sync_names(disk: &dyn Disk, directory: BorrowedFd<'_>, user: u32) -> io::Result<()> {
    let mut directory = directory.try_clone_to_owned()?;
    let mut facts = again(|| disk.facts(directory.as_fd()))?;
    while facts.owner == user && facts.mode == 0o700 {
        let parent = match again(|| disk.open_parent(directory.as_fd())) {
            // It may be searched and not read: only whoever can read it can sync it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
            opened => opened?,
        };
        match again(|| disk.sync_directory(parent.as_fd())) {
            // What is no file system of a disk need not sync (fsync(2)).
            Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => {}
            synced => synced?,
        }
        let of_parent = again(|| disk.facts(parent.as_fd()))?;
        if of_parent.id == facts.id {
            // The root is in itself.
            return Ok(());
        }
        (directory, facts) = (parent, of_parent);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::Arc;
    use std::time::Duration;

    use nix::sys::stat::{Mode, umask};

    use super::super::PoolDir;
    use super::super::testing::{
        Call, StagedDisk, Verdict, cancel, finish_test, own_process, spawn_test,
    };
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path)
            .expect("metadata")
            .permissions()
            .mode()
            & 0o7777
    }

    /// Runs in a process of its own, since a umask counts for the whole process: in a run
    /// of the tests it does nothing, `modes_do_not_depend_on_the_umask` starts it.
    #[test]
    fn make_a_pool_under_any_umask() {
        let Some(root) = own_process() else { return };
        for mask in [0, 0o077, 0o777] {
            umask(Mode::from_bits_truncate(mask));
            let path = root.join(format!("{mask:o}/parent/pool"));
            let pool = PoolDir::open(&path).expect("pool");
            let mut locked = pool.lock(Duration::ZERO, &cancel()).expect("lock");
            locked.replace_registry(b"{}").expect("replace");
        }
    }

    #[test]
    fn modes_do_not_depend_on_the_umask() {
        let root = tempfile::tempdir().expect("temporary directory");
        finish_test(spawn_test(
            module_path!(),
            "make_a_pool_under_any_umask",
            root.path(),
        ));
        for mask in ["0", "77", "777"] {
            let parent = root.path().join(mask).join("parent");
            assert_eq!(mode(&parent), 0o700, "umask {mask}");
            assert_eq!(mode(&parent.join("pool")), 0o700, "umask {mask}");
            assert_eq!(
                mode(&parent.join("pool/registry.lock")),
                0o600,
                "umask {mask}"
            );
            assert_eq!(
                mode(&parent.join("pool/registry.json")),
                0o600,
                "umask {mask}"
            );
        }
    }

    #[test]
    fn every_name_that_may_be_of_our_making_is_synced() {
        let root = tempfile::tempdir().expect("temporary directory");
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        fs::create_dir(root.path().join("target")).expect("mkdir");
        symlink(root.path().join("target"), root.path().join("link")).expect("symlink");
        let path = root.path().join("link/a/b/pool");
        let pool = root.path().join("target/a/b/pool");
        let disk = StagedDisk::new(&pool, |_, _| Verdict::Go);
        let dir = PoolDir::open_on(&path, Arc::new(disk.clone())).expect("pool");
        dir.sync_name().expect("sync");
        let steps = disk.steps().into_iter();
        let synced: Vec<_> = steps
            .filter(|step| step.call == Call::SyncDirectory)
            .map(|step| step.name)
            .collect();
        assert_eq!(synced, ["1 above pool", "2 above pool", "3 above pool"]);
    }

    #[test]
    fn a_parent_that_leads_nowhere_is_an_error() {
        let root = tempfile::tempdir().expect("temporary directory");
        symlink("nowhere", root.path().join("link")).expect("symlink");
        let error = create_with_parents(&root.path().join("link/pool")).expect_err("nowhere");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
