//! Hearing of changes in the pool's directory.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

use crate::store::PoolDir;

/// The files that say who is registered and what is proven: adopting changes the ledger.
const FILES: [&str; 2] = ["registry.json", "ledger.json"];

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
    /// What inotify_init1(2) and inotify_add_watch(2) give: EMFILE and ENOSPC when the
    /// user has too many already.
    pub(super) fn watch(pool: &PoolDir) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        // Programs replace the file by a rename, or write it in place. A file that is
        // being created is not complete before it is closed.
        let files = AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_DELETE;
        let itself = AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_DELETE_SELF;
        // By its descriptor: that is the directory whose lock will be taken.
        let path = format!("/proc/self/fd/{}", pool.as_fd().as_raw_fd());
        let watched =
            inotify.add_watch(path.as_str(), files | itself | AddWatchFlags::IN_ONLYDIR)?;
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
            return match () {
                () if event.mask.intersects(lost) => Change::Gone,
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

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
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
