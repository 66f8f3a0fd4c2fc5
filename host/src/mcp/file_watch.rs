//! Waiting until one of some files changes.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::mem;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use nix::sys::time::TimeSpec;

use super::lookup::Lookup;

/// What gives a name to something else or to nothing, what lets a file be read or forbids
/// it, and the end of what is watched itself (inotify(7)).
const CHANGES: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF);

/// The end of a file's writing. A policy of which a part was written does not load.
const WRITTEN: AddWatchFlags = AddWatchFlags::IN_CLOSE_WRITE;

/// The beginning of it, too. Of a text, a part can pass for the whole.
const WRITING: AddWatchFlags = WRITTEN.union(AddWatchFlags::IN_MODIFY);

/// Changes that belong together come closer to each other than this: a policy and its
/// configuration, a directory that is removed and filled anew.
const QUIET: Duration = Duration::from_millis(100);

/// The longest wait for an end of changes.
const UNREST: Duration = Duration::from_secs(2);

/// Watches files wherever their paths lead. What mounts change, or other machines on a
/// shared file system, it is not told.
pub(super) struct FileWatch {
    inotify: Inotify,
    /// What is watched, and the names that count in it.
    names: HashMap<WatchDescriptor, Vec<OsString>>,
    /// The texts that are written to and not closed yet.
    unfinished: HashSet<WatchDescriptor>,
}

impl FileWatch {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// When the system has no inotify instance left for this user.
    pub(super) fn new() -> nix::Result<Self> {
        Ok(Self {
            inotify: Inotify::init(InitFlags::IN_CLOEXEC)?,
            names: HashMap::new(),
            unfinished: HashSet::new(),
        })
    }

    /// Watches what `add` adds, and nothing else any more.
    pub(super) fn renew(&mut self, add: impl FnOnce(&mut Self)) {
        let before = mem::take(&mut self.names);
        add(self);
        for watch in before.into_keys() {
            if !self.names.contains_key(&watch) {
                self.unfinished.remove(&watch);
                // Refused for what is gone itself, and with it the watch.
                let _ = self.inotify.rm_watch(watch);
            }
        }
    }

    /// Adds a file, or the way to where it may appear. What happens from now on is not
    /// missed.
    pub(super) fn add(&mut self, file: &Path) {
        self.add_with(file, WRITTEN);
    }

    /// Adds a file that does not count while somebody writes it.
    pub(super) fn add_text(&mut self, file: &Path) {
        self.add_with(file, WRITING);
    }

    fn add_with(&mut self, file: &Path, content: AddWatchFlags) {
        let mut unseen: Option<(PathBuf, Errno)> = None;
        for step in Lookup::of(file) {
            let changes = match step.name {
                Some(_) => CHANGES,
                None => CHANGES | content,
            };
            match self.inotify.add_watch(step.place.as_path(), changes) {
                Ok(watch) => {
                    self.names.entry(watch).or_default().extend(step.name);
                    // What is watched itself tells of its own end.
                    unseen = unseen.filter(|(place, _)| step.place.parent() != Some(place));
                }
                // It went away just now, which the directory above tells.
                Err(Errno::ENOENT | Errno::ENOTDIR) => {}
                // A file that cannot be read: its directory tells when it can.
                Err(Errno::EACCES) if step.name.is_none() => {}
                Err(errno) => unseen = Some((step.place, errno)),
            }
        }
        if let Some((place, errno)) = unseen {
            let (file, place) = (file.display(), place.display());
            tracing::warn!("changes of {file} are not noticed, {place} cannot be watched: {errno}");
        }
    }

    /// Waits for the next change of one of the files, and for the end of those that follow
    /// closely.
    ///
    /// # Errors
    /// When the system refuses to tell.
    pub(super) fn wait(&mut self) -> nix::Result<()> {
        while !self.hear()? {}
        let latest = Instant::now() + UNREST;
        let mut quiet = Instant::now() + QUIET;
        while self.has_news(quiet.min(latest))? {
            if self.hear()? {
                quiet = Instant::now() + QUIET;
            }
        }
        if !self.unfinished.is_empty() {
            tracing::warn!("the configuration is being written, and counts once it is closed");
            while !self.unfinished.is_empty() {
                self.hear()?;
            }
        }
        Ok(())
    }

    /// Whether there is something to hear until then.
    fn has_news(&self, until: Instant) -> nix::Result<bool> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let mut inotify = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut inotify, Some(TimeSpec::from(left)), None) {
            Err(Errno::EINTR) => self.has_news(until),
            ready => Ok(ready? > 0),
        }
    }

    /// Waits for something to be told; whether it is a change of one of the files.
    fn hear(&mut self) -> nix::Result<bool> {
        let events = match self.inotify.read_events() {
            Err(Errno::EINTR) => return Ok(false),
            events => events?,
        };
        let mut changed = false;
        for event in events {
            changed |= self.is_change(&event);
        }
        Ok(changed)
    }

    fn is_change(&mut self, event: &InotifyEvent) -> bool {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            // Whatever else was told is lost.
            self.unfinished.clear();
            return true;
        }
        let Some(names) = self.names.get(&event.wd) else {
            return false;
        };
        match &event.name {
            Some(name) => names.contains(name),
            None if event.mask.contains(AddWatchFlags::IN_MODIFY) => {
                self.unfinished.insert(event.wd);
                false
            }
            None => {
                // Closed; or, by the count of its links, without this name.
                self.unfinished.remove(&event.wd);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, OpenOptions, Permissions};
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use nix::poll::{PollTimeout, poll};
    use tempfile::TempDir;

    use super::*;

    fn root() -> TempDir {
        tempfile::tempdir().expect("a temporary directory")
    }

    fn watch(files: &[&Path]) -> FileWatch {
        let mut watch = FileWatch::new().expect("inotify");
        watch.renew(|watch| files.iter().for_each(|file| watch.add_text(file)));
        watch
    }

    /// Whether what has happened is a change.
    fn heard(watch: &mut FileWatch) -> bool {
        let mut changed = false;
        let mut inotify = [PollFd::new(watch.inotify.as_fd(), PollFlags::POLLIN)];
        while poll(&mut inotify, PollTimeout::ZERO).expect("poll") > 0 {
            changed |= watch.hear().expect("inotify");
            inotify = [PollFd::new(watch.inotify.as_fd(), PollFlags::POLLIN)];
        }
        changed
    }

    #[test]
    fn only_what_is_watched_is_heard_of() {
        let root = root();
        let file = root.path().join("file");
        let mut watch = watch(&[&file]);
        fs::write(root.path().join("other"), "").expect("a file");
        assert!(!heard(&mut watch));
        fs::write(&file, "").expect("a file");
        assert!(heard(&mut watch));
        watch.renew(|_| {});
        fs::remove_file(&file).expect("unlink");
        assert!(!heard(&mut watch));
    }

    #[test]
    fn a_change_of_permissions_is_heard_of() {
        let root = root();
        let file = root.path().join("file");
        fs::write(&file, "").expect("a file");
        let mut watch = watch(&[&file]);
        for path in [file.as_path(), root.path()] {
            fs::set_permissions(path, Permissions::from_mode(0o700)).expect("chmod");
            assert!(heard(&mut watch), "{}", path.display());
        }
    }

    #[test]
    fn a_file_of_two_paths_is_heard_of_by_each() {
        let root = root();
        let (file, link) = (root.path().join("file"), root.path().join("link"));
        fs::write(&file, "").expect("a file");
        symlink("file", &link).expect("a link");
        let mut watch = watch(&[&file, &link]);
        for path in [&link, &file] {
            fs::write(path, "").expect("a file");
            assert!(heard(&mut watch), "{}", path.display());
        }
        fs::remove_file(&link).expect("unlink");
        assert!(heard(&mut watch));
    }

    #[test]
    fn a_file_that_is_being_written_is_unfinished_until_it_is_closed_or_goes() {
        let root = root();
        let (file, other) = (root.path().join("file"), root.path().join("other"));
        fs::write(&file, "old").expect("a file");
        let mut watch = watch(&[&file]);
        let mut writer = File::create(&file).expect("it is emptied");
        assert!(!heard(&mut watch));
        assert_eq!(watch.unfinished.len(), 1);
        // It stays so when all is watched anew.
        watch.renew(|watch| watch.add_text(&file));
        assert_eq!(watch.unfinished.len(), 1);
        writer.write_all(b"new").expect("write");
        assert!(!heard(&mut watch));
        drop(writer);
        assert!(heard(&mut watch));
        assert!(watch.unfinished.is_empty());

        let mut writer = OpenOptions::new()
            .append(true)
            .open(&file)
            .expect("it opens");
        writer.write_all(b"er").expect("write");
        assert!(!heard(&mut watch));
        assert_eq!(watch.unfinished.len(), 1);
        fs::write(&other, "newest").expect("a file");
        fs::rename(&other, &file).expect("rename");
        assert!(heard(&mut watch));
        assert!(watch.unfinished.is_empty());
    }

    #[test]
    fn the_writing_of_a_policy_holds_nothing_up() {
        let root = root();
        let file = root.path().join("file");
        fs::write(&file, "old").expect("a file");
        let mut watch = FileWatch::new().expect("inotify");
        watch.renew(|watch| watch.add(&file));
        let writer = File::create(&file).expect("it is emptied");
        assert!(!heard(&mut watch));
        assert!(watch.unfinished.is_empty());
        drop(writer);
        assert!(heard(&mut watch));
    }

    #[test]
    fn a_wait_ends_when_all_is_quiet() {
        let root = root();
        let file = root.path().join("file");
        let mut watch = watch(&[&file]);
        fs::write(&file, "").expect("a file");
        let changed = Instant::now();
        watch.wait().expect("inotify");
        assert!(changed.elapsed() >= QUIET, "{:?}", changed.elapsed());
        assert!(!heard(&mut watch));
    }

    #[test]
    fn a_wait_ends_under_a_stream_of_changes() {
        let root = root();
        let file = root.path().join("file");
        let mut watch = watch(&[&file]);
        let ended = AtomicBool::new(false);
        let began = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                // Not for ever, so that the test fails and does not hang.
                while !ended.load(Ordering::Relaxed) && began.elapsed() < UNREST * 20 {
                    fs::write(&file, "").expect("a file");
                    fs::remove_file(&file).expect("unlink");
                }
            });
            let waited = watch.wait();
            ended.store(true, Ordering::Relaxed);
            waited.expect("inotify");
        });
        assert!(began.elapsed() < UNREST * 20, "{:?}", began.elapsed());
    }
}
