//! Waiting until a worker listens on its socket.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use poolwarden::process::{Process, Serving};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::io::Errno;

/// First and longest pause between two looks at a socket that exists and is not served.
/// A worker binds it and then listens, mostly within microseconds, and of the latter the
/// kernel tells nobody.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));

/// How a wait for a socket ended.
#[derive(Debug)]
pub(super) enum Waited {
    /// The worker, or a descendant of it, listens.
    Serving,
    /// The worker ended.
    Ended,
    /// It was too long; what was seen at the path.
    TooLong(Serving),
    /// It was too long, or could not be waited for, and whether it listens cannot be seen: it
    /// may well do.
    Unseen(io::Error),
}

/// Waits until the process or a descendant listens at the path, which is absolute.
pub(super) fn wait(process: &dyn Process, path: &Path, timeout: Duration) -> Waited {
    // It fails when the system refuses poll(2), which says nothing about the process.
    try_to_wait(process, path, timeout).unwrap_or_else(Waited::Unseen)
}

fn try_to_wait(process: &dyn Process, path: &Path, timeout: Duration) -> io::Result<Waited> {
    let deadline = Instant::now() + timeout;
    let watch = Watch::new(path);
    let (mut pause, longest) = PAUSES;
    loop {
        // Before the look, so that what happens after it is told.
        let watching = watch.as_ref().is_some_and(|watch| watch.renew().is_ok());
        let seen = process.serves(path);
        if process.has_ended()? {
            return Ok(Waited::Ended);
        }
        if matches!(seen, Serving::Yes) {
            return Ok(Waited::Serving);
        }
        let mut left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(match seen {
                Serving::Hidden(error) => Waited::Unseen(error),
                seen => Waited::TooLong(seen),
            });
        }
        if watching && matches!(seen, Serving::Absent) {
            pause = PAUSES.0;
        } else {
            left = left.min(pause);
            pause = longest.min(pause * 2);
        }
        sleep_until_news(process, watch.as_ref().filter(|_| watching), left)?;
    }
}

/// Returns when the process has ended, when something happened where the socket is to be,
/// or when the time is over.
fn sleep_until_news(
    process: &dyn Process,
    watch: Option<&Watch>,
    left: Duration,
) -> io::Result<()> {
    let mut fds = vec![PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)];
    if let Some(watch) = watch {
        fds.push(PollFd::from_borrowed_fd(
            watch.inotify.as_fd(),
            PollFlags::IN,
        ));
    }
    let timeout = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    match watch {
        Some(watch) => watch.drain(),
        None => Ok(()),
    }
}

/// Tells that something appeared in a directory, or in what there is yet of its path.
struct Watch {
    inotify: OwnedFd,
    directory: PathBuf,
}

impl Watch {
    /// None where the user has no watches left (inotify(7)); then looking has to do.
    fn new(path: &Path) -> Option<Self> {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        Some(Self {
            inotify: inotify::init(flags).ok()?,
            directory: path.parent()?.to_owned(),
        })
    }

    /// Watches the directory, or the nearest one above it that exists.
    fn renew(&self) -> io::Result<()> {
        let mut watched = None;
        loop {
            let mut above = self.directory.ancestors();
            let nearest = above.find(|directory| directory.is_dir());
            // What appeared before it was watched is seen now.
            if nearest == watched {
                return Ok(());
            }
            let nearest = nearest.ok_or(io::ErrorKind::NotFound)?;
            let flags = inotify::WatchFlags::CREATE
                | inotify::WatchFlags::MOVED_TO
                | inotify::WatchFlags::DELETE_SELF
                | inotify::WatchFlags::MOVE_SELF
                | inotify::WatchFlags::ONLYDIR;
            match inotify::add_watch(&self.inotify, nearest, flags) {
                // It went away meanwhile: look again.
                Err(Errno::NOENT | Errno::NOTDIR) => watched = None,
                added => {
                    added?;
                    watched = Some(nearest);
                }
            }
        }
    }

    /// Forgets what was told: the next look is at the files themselves.
    fn drain(&self) -> io::Result<()> {
        let mut events = [0; 4096];
        loop {
            match rustix::io::read(&self.inotify, &mut events) {
                Ok(1..) | Err(Errno::INTR) => {}
                Ok(0) | Err(Errno::AGAIN) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
