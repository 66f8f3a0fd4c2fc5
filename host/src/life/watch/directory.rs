//! Hearing of changes in the pool's directory.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

use crate::store::PoolDir;

/// The files that say who is registered and what is proven: adopting changes the ledger.
const FILES: [&str; 2] = ["registry.json", "ledger.json"];

/// The file whose permissions count as well: without it nothing is read.
const LOCK: &str = "registry.lock";

/// An inotify(7) instance on the pool's directory. It does not hear of changes that other
/// machines make on a shared file system.
pub(super) struct Directory {
    inotify: Inotify,
    pool: WatchDescriptor,
    /// The parent, and the pool's name in it, where the parent can be read.
    parent: Option<(WatchDescriptor, OsString)>,
}

/// What was heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// Nothing that counts.
    Nothing,
    /// A file may be another one by now.
    Files,
    /// The directory was removed, or is no longer at its path.
    Gone,
}

impl Directory {
    /// Hears of everything from now on. Readable when there is something.
    ///
    /// # Errors
    /// What inotify_init1(2) and inotify_add_watch(2) give; where the user has too many
    /// already, with the setting that allows more.
    pub(super) fn watch(pool: &PoolDir) -> io::Result<Self> {
        let inotify =
            Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(limited)?;
        // Programs replace the file by a rename, or write it in place. A file that is
        // being created is not complete before it is closed. A file that could not be used for
        // its permissions can be once they are changed.
        let files = AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_DELETE;
        let itself = AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_DELETE_SELF;
        // By its descriptor: that is the directory whose lock will be taken.
        let path = format!("/proc/self/fd/{}", pool.as_fd().as_raw_fd());
        let watched = inotify
            .add_watch(path.as_str(), files | itself | AddWatchFlags::IN_ONLYDIR)
            .map_err(limited)?;
        // The end of a directory that somebody has open is heard of in its parent only.
        let parent = pool.path().parent().zip(pool.path().file_name());
        let parent = parent.and_then(|(parent, name)| {
            let removal = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_ONLYDIR;
            match inotify.add_watch(parent, itself | removal) {
                Ok(watched) => Some((watched, name.to_owned())),
                Err(error) => {
                    tracing::debug!("{} is not watched: {error}", parent.display());
                    None
                }
            }
        });
        Ok(Self {
            inotify,
            pool: watched,
            parent,
        })
    }

    /// What was heard of since it was last asked.
    ///
    /// # Errors
    /// When the system refuses read(2).
    pub(super) fn read(&self) -> io::Result<Change> {
        let mut change = Change::Nothing;
        loop {
            match self.inotify.read_events() {
                Ok(events) => {
                    let most = events.iter().map(|event| self.meaning(event)).max();
                    change = change.max(most.unwrap_or(Change::Nothing));
                }
                Err(Errno::EAGAIN) => return Ok(change),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn meaning(&self, event: &InotifyEvent) -> Change {
        let lost =
            AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_UNMOUNT;
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            // Something was dropped, and it can have been anything.
            return Change::Files;
        }
        let is = |name: &OsStr| event.name.as_deref() == Some(name);
        if event.wd == self.pool {
            let attributes = event.mask.contains(AddWatchFlags::IN_ATTRIB);
            return match () {
                () if event.mask.intersects(lost) => Change::Gone,
                // Those of the directory itself have no name.
                () if attributes && (event.name.is_none() || is(OsStr::new(LOCK))) => Change::Files,
                () if FILES.iter().any(|name| is(OsStr::new(name))) => Change::Files,
                () => Change::Nothing,
            };
        }
        match &self.parent {
            Some((parent, name)) if event.wd == *parent => {
                if event.mask.intersects(lost) || is(name) {
                    Change::Gone
                } else {
                    Change::Nothing
                }
            }
            _ => Change::Nothing,
        }
    }
}

/// Names the setting that is in the way (inotify(7)).
fn limited(error: Errno) -> io::Error {
    let advice = match error {
        Errno::EMFILE => {
            "this user has too many inotify instances, or this process too many open files: end a \
             program that watches files, or raise the limit: sysctl \
             fs.inotify.max_user_instances=512, or ulimit -n"
        }
        Errno::ENOSPC => {
            "this user watches too many files: end a program that does, or raise the limit: sysctl \
             fs.inotify.max_user_watches=524288"
        }
        _ => return error.into(),
    };
    io::Error::new(io::Error::from(error).kind(), format!("{error}: {advice}"))
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;

    fn watched() -> (TempDir, PathBuf, PoolDir, Directory) {
        let root = tempfile::tempdir().expect("a temporary directory");
        let path = root.path().join("parent/pool");
        let pool = PoolDir::open(&path).expect("a pool");
        let directory = Directory::watch(&pool).expect("it is watched");
        (root, path, pool, directory)
    }

    fn heard(directory: &Directory) -> Change {
        directory.read().expect("inotify")
    }

    #[test]
    fn only_the_files_that_matter_are_heard_of() {
        let (_root, path, _pool, directory) = watched();
        assert_eq!(heard(&directory), Change::Nothing);
        for (name, expected) in [
            ("registry.lock", Change::Nothing),
            ("registry.json.new", Change::Nothing),
            ("audit.jsonl", Change::Nothing),
            ("registry.json", Change::Files),
            ("ledger.json", Change::Files),
        ] {
            fs::write(path.join(name), "x").expect("it is written");
            assert_eq!(heard(&directory), expected, "{name}");
        }
        fs::rename(path.join("registry.json.new"), path.join("registry.json")).expect("renamed");
        assert_eq!(heard(&directory), Change::Files);
        fs::remove_file(path.join("registry.json")).expect("removed");
        assert_eq!(heard(&directory), Change::Files);
        assert_eq!(heard(&directory), Change::Nothing);
    }

    #[test]
    fn permissions_that_change_are_heard_of() {
        let (_root, path, _pool, directory) = watched();
        for name in ["registry.json", "ledger.json", "registry.lock", "other"] {
            fs::write(path.join(name), "x").expect("it is written");
        }
        heard(&directory);
        for (name, expected) in [
            ("registry.json", Change::Files),
            ("ledger.json", Change::Files),
            ("registry.lock", Change::Files),
            ("other", Change::Nothing),
            ("", Change::Files),
        ] {
            let mode = fs::Permissions::from_mode(0o700);
            fs::set_permissions(path.join(name), mode).expect("chmod");
            assert_eq!(heard(&directory), expected, "{name}");
            fs::read_dir(&path).expect("a look");
            let _ = fs::read(path.join(name));
            assert_eq!(heard(&directory), Change::Nothing, "{name}");
        }
    }

    #[test]
    fn a_limit_of_inotify_is_named_with_its_setting() {
        let text = |errno| limited(errno).to_string();
        assert!(text(Errno::EMFILE).contains("fs.inotify.max_user_instances"));
        assert!(text(Errno::ENOSPC).contains("fs.inotify.max_user_watches"));
        assert_eq!(
            limited(Errno::EACCES).raw_os_error(),
            Some(Errno::EACCES as i32)
        );
    }

    #[test]
    fn the_end_of_the_directory_is_heard_of_while_it_is_held() {
        let (_root, path, pool, directory) = watched();
        fs::create_dir(path.with_file_name("other")).expect("another directory");
        fs::remove_dir(path.with_file_name("other")).expect("another directory");
        assert_eq!(heard(&directory), Change::Nothing);
        fs::remove_dir(&path).expect("it is empty");
        assert_eq!(heard(&directory), Change::Gone);
        drop(pool);
    }

    #[test]
    fn a_directory_that_is_moved_is_gone() {
        let (_root, path, _pool, directory) = watched();
        fs::rename(&path, path.with_file_name("elsewhere")).expect("it is moved");
        assert_eq!(heard(&directory), Change::Gone);

        let (root, path, _pool, directory) = watched();
        let parent = path.parent().expect("it has one");
        fs::rename(parent, root.path().join("elsewhere")).expect("it is moved");
        assert_eq!(heard(&directory), Change::Gone);
    }
}
