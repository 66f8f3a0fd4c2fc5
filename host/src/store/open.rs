//! Opening the pool's directory, and making it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;

use super::create::create_on;
use super::danger::Danger;
use super::directory::{Look, PoolDir};
use super::disk::{Disk, again};
use super::error::StoreError;
use super::facts::FileKind;
use super::file_system;
use super::system_disk::SystemDisk;

impl PoolDir {
    /// Opens the pool at `path`. What is missing of the path is made first, readable by
    /// the effective user alone (mode 0700, whatever the umask).
    ///
    /// # Errors
    /// [`StoreError::Unsafe`] when `path` is a symbolic link (its parents may be) or no
    /// directory, belongs to another user, or can be written by others; the mode of a
    /// directory that exists is never changed. [`StoreError::UntrustedLocks`] when it is on
    /// a network file system or the like. [`StoreError::Step`] when the system refuses.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_on(path, Arc::new(SystemDisk))
    }

    /// Opens the pool at `path` where there is one, and makes nothing. What is to be read
    /// without a lock can be on any file system.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for [`StoreError::UntrustedLocks`].
    pub(crate) fn open_existing(path: &Path) -> Result<Option<Self>, StoreError> {
        let pool = Self::existing(path, Arc::new(SystemDisk), file_system::type_of)?;
        if let Some(pool) = &pool {
            pool.check()?;
        }
        Ok(pool)
    }

    /// The same for what is to be locked, reached through `disk` only.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) fn open_existing_on(
        path: &Path,
        disk: Arc<dyn Disk>,
    ) -> Result<Option<Self>, StoreError> {
        Self::open_existing_seen(path, disk, file_system::type_of)
    }

    /// Opens the directory at `path` to look at it, whoever else can change it, and makes
    /// nothing. What is to be changed is opened with [`open`](Self::open).
    ///
    /// # Errors
    /// [`StoreError::Unsafe`] when it is no directory, [`StoreError::Step`] when the system
    /// refuses.
    pub(crate) fn look(path: &Path) -> Result<Option<Self>, StoreError> {
        Self::look_seen(path, file_system::type_of)
    }

    /// The same, where `look` says on which file system it is.
    pub(crate) fn look_seen(path: &Path, look: Look) -> Result<Option<Self>, StoreError> {
        Self::existing(path, Arc::new(SystemDisk), look)
    }

    /// The directory at `path` as it is; none where there is none.
    fn existing(path: &Path, disk: Arc<dyn Disk>, look: Look) -> Result<Option<Self>, StoreError> {
        let path = rebuilt(path)?;
        match again(|| disk.open_directory(AT_FDCWD, &path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(not_opened(&*disk, &path, error)),
            Ok(fd) => Ok(Some(Self::new(path, fd, disk, look))),
        }
    }

    /// Opens the pool at `path`, which is reached through `disk` only.
    pub(crate) fn open_on(path: &Path, disk: Arc<dyn Disk>) -> Result<Self, StoreError> {
        Self::open_seen(path, disk, file_system::type_of)
    }

    /// The same, where `look` says on which file system it is.
    pub(super) fn open_seen(
        path: &Path,
        disk: Arc<dyn Disk>,
        look: Look,
    ) -> Result<Self, StoreError> {
        if let Some(pool) = Self::open_existing_seen(path, disk.clone(), look)? {
            return Ok(pool);
        }
        let path = rebuilt(path)?;
        create_on(&*disk, &path)
            .map_err(|error| StoreError::step("create the pool directory", &path, error))?;
        let removed = || StoreError::step("open the pool directory", &path, Errno::ENOENT);
        Self::open_existing_seen(&path, disk, look)?.ok_or_else(removed)
    }

    /// The same where there is a directory; nothing is made.
    fn open_existing_seen(
        path: &Path,
        disk: Arc<dyn Disk>,
        look: Look,
    ) -> Result<Option<Self>, StoreError> {
        let pool = Self::existing(path, disk, look)?;
        if let Some(pool) = &pool {
            pool.check()?;
            pool.check_file_system()?;
        }
        Ok(pool)
    }
}

/// The path made absolute, since the working directory may change, and rebuilt from its
/// components, since a trailing slash would make the system follow a symbolic link.
fn rebuilt(path: &Path) -> Result<PathBuf, StoreError> {
    let absolute = std::path::absolute(path)
        .map_err(|error| StoreError::step("make an absolute path of", path, error))?;
    Ok(absolute.components().collect())
}

/// Says why a directory could not be opened: the system's own words do not tell a
/// symbolic link from a file.
fn not_opened(disk: &dyn Disk, path: &Path, error: io::Error) -> StoreError {
    match again(|| disk.look_at_path(path)) {
        Ok(facts) if facts.kind != FileKind::Directory => StoreError::Unsafe {
            path: path.to_owned(),
            danger: Danger::Kind {
                found: facts.kind,
                wanted: FileKind::Directory,
            },
        },
        _ => StoreError::step("open the pool directory", path, error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use nix::unistd::geteuid;
    use tempfile::TempDir;

    use super::super::error::StoreErrorKind;
    use super::*;

    fn root() -> TempDir {
        tempfile::tempdir().expect("temporary directory")
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path)
            .expect("metadata")
            .permissions()
            .mode()
            & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }

    /// The danger that opening the pool there runs into.
    fn danger(path: &Path) -> Danger {
        match PoolDir::open(path) {
            Err(StoreError::Unsafe { danger, .. }) => danger,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_directory_that_exists_keeps_its_mode() {
        let root = root();
        set_mode(root.path(), 0o755);
        PoolDir::open(root.path()).expect("pool");
        assert_eq!(mode(root.path()), 0o755);
    }

    #[test]
    fn a_symbolic_link_is_refused_however_it_is_spelled() {
        let root = root();
        fs::create_dir(root.path().join("real")).expect("mkdir");
        symlink("real", root.path().join("link")).expect("symlink");
        symlink("nothing", root.path().join("dangling")).expect("symlink");
        let wanted = FileKind::Directory;
        for name in ["link", "link/", "link/.", "link//./", "dangling"] {
            assert_eq!(
                danger(&root.path().join(name)),
                Danger::Kind {
                    found: FileKind::SymbolicLink,
                    wanted
                },
                "{name}"
            );
        }
        assert!(!root.path().join("nothing").exists());
    }

    #[test]
    fn a_parent_may_be_a_symbolic_link() {
        let root = root();
        fs::create_dir(root.path().join("real")).expect("mkdir");
        symlink("real", root.path().join("link")).expect("symlink");
        PoolDir::open(&root.path().join("link/pool")).expect("pool");
        assert!(root.path().join("real/pool").is_dir());
    }

    #[test]
    fn a_file_is_refused() {
        let root = root();
        fs::write(root.path().join("pool"), "").expect("write");
        let wanted = FileKind::Directory;
        let path = root.path().join("pool");
        assert_eq!(
            danger(&path),
            Danger::Kind {
                found: FileKind::Regular,
                wanted
            }
        );
    }

    #[test]
    fn what_others_can_write_is_refused_with_the_remedy() {
        let root = root();
        for mode in [0o720, 0o702, 0o777] {
            set_mode(root.path(), mode);
            let error = PoolDir::open(root.path()).expect_err("unsafe");
            assert_eq!(error.kind(), StoreErrorKind::Unsafe);
            let text = error.to_string();
            let path = root.path().display();
            assert!(text.contains("could aim the signals"), "{text}");
            assert!(text.contains(&format!("chmod go-w {path}")), "{text}");
        }
    }

    #[test]
    fn what_belongs_to_somebody_else_is_refused() {
        let user = geteuid().as_raw();
        let root = root();
        // Root can give its directory away; anybody else finds one of root's.
        let (path, owner) = if user == 0 {
            chown(root.path(), Some(1), None).expect("chown");
            (root.path(), 1)
        } else {
            (Path::new("/"), 0)
        };
        assert_eq!(danger(path), Danger::Owner { owner, user });
    }
}
