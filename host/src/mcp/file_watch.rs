//! Waiting until one of some files changes.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

/// What replaces or removes a file, or ends the writing of one (inotify(7)). A file that is
/// still being written is not read.
const CHANGES: AddWatchFlags = AddWatchFlags::IN_CLOSE_WRITE
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_CREATE);

/// Watches files by their directories, since most writers put a new file in the place of
/// the old one. A file in a directory that does not exist yet is not watched.
pub(super) struct FileWatch {
    inotify: Inotify,
    names: HashMap<WatchDescriptor, Vec<OsString>>,
}

impl FileWatch {
    /// Begins to watch. What happens from now on is not missed.
    ///
    /// # Errors
    /// When the system has no inotify instance left for this user.
    pub(super) fn new(files: &[PathBuf]) -> nix::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
        let mut names: HashMap<WatchDescriptor, Vec<OsString>> = HashMap::new();
        for path in files.iter().flat_map(|file| with_target(file)) {
            let (Some(directory), Some(name)) = (directory(&path), path.file_name()) else {
                continue;
            };
            match inotify.add_watch(directory, CHANGES) {
                Ok(watch) => names.entry(watch).or_default().push(name.to_owned()),
                Err(Errno::ENOENT | Errno::ENOTDIR) => {}
                Err(errno) => {
                    tracing::warn!("changes of {} are not noticed: {errno}", path.display());
                }
            }
        }
        Ok(Self { inotify, names })
    }

    /// Waits for the next change of one of the files.
    ///
    /// # Errors
    /// When the system refuses to tell.
    pub(super) fn wait(&mut self) -> nix::Result<()> {
        loop {
            let events = match self.inotify.read_events() {
                Err(Errno::EINTR) => continue,
                events => events?,
            };
            let concerns = |watch: &WatchDescriptor, name: Option<&OsString>| {
                let names = self.names.get(watch);
                name.is_some_and(|name| names.is_some_and(|names| names.contains(name)))
            };
            let lost = AddWatchFlags::IN_Q_OVERFLOW;
            if events
                .iter()
                .any(|event| event.mask.contains(lost) || concerns(&event.wd, event.name.as_ref()))
            {
                return Ok(());
            }
        }
    }
}

/// The file, and where it leads if it is a symbolic link: either can be replaced.
fn with_target(file: &Path) -> impl Iterator<Item = PathBuf> {
    let target = std::fs::canonicalize(file).ok();
    std::iter::once(file.to_owned()).chain(target.filter(|target| target != file))
}

fn directory(path: &Path) -> Option<&Path> {
    path.parent().map(|parent| {
        if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        }
    })
}
