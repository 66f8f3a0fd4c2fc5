//! Looking at a pool in whatever state it is. Nothing is made, and nothing changed.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::sys::stat::{Mode, fchmod};
use nix::unistd::geteuid;

use super::check::check_directory;
use super::danger::Danger;
use super::directory::PoolDir;
use super::disk::Access;
use super::error::StoreError;
use super::facts::Facts;
use super::lock::{FileLock, LOCK};
use super::locked::LockedPool;
use super::stale_socket::KnownSockets;
use super::trail;
use super::{contents, file};
use crate::cancel::Cancel;

/// What is under a name of the pool.
#[derive(Debug)]
pub(crate) enum Seen {
    /// Nothing.
    Absent,
    /// A file that could be read.
    Whole {
        /// What it was when it was opened.
        facts: Facts,
        /// What is in it.
        bytes: Vec<u8>,
    },
    /// A file of more bytes than are accepted.
    TooLarge {
        /// What it was when it was opened.
        facts: Facts,
        /// As many of its first bytes as are accepted.
        beginning: Vec<u8>,
        /// What that is an error of.
        error: StoreError,
    },
    /// Something that cannot be used.
    Unusable {
        /// What it is, where the system says that.
        facts: Option<Facts>,
        /// Why not.
        error: StoreError,
    },
}

impl Seen {
    /// What the system says about it; none where there is nothing.
    pub(crate) fn facts(&self) -> Option<&Facts> {
        match self {
            Self::Absent => None,
            Self::Whole { facts, .. } | Self::TooLarge { facts, .. } => Some(facts),
            Self::Unusable { facts, .. } => facts.as_ref(),
        }
    }
}

/// Keeps others from changing the pool while it is looked at.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub(crate) struct Stillness {
    _lock: FileLock,
}

/// The file system that a pool is on (statfs(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileSystem {
    /// Its magic number.
    pub(crate) magic: u64,
    /// Bytes that this user can still write.
    pub(crate) available: u64,
}

impl PoolDir {
    /// Looks at a file of at most `limit` bytes.
    pub(crate) fn see(&self, name: &str, limit: u64) -> Seen {
        let read = file::open_file(self, name, Access::Read).and_then(|opened| {
            let Some((file, facts)) = opened else {
                return Ok(Seen::Absent);
            };
            match contents::read_all(self, name, &file, &facts, limit) {
                Ok(bytes) => Ok(Seen::Whole { facts, bytes }),
                Err(error @ StoreError::TooLarge { .. }) => Ok(Seen::TooLarge {
                    facts,
                    beginning: contents::read_beginning(self, name, &file, &facts, limit)?,
                    error,
                }),
                Err(error) => Err(error),
            }
        });
        read.unwrap_or_else(|error| Seen::Unusable {
            facts: self.facts_at(name).ok().flatten(),
            error,
        })
    }

    /// Takes the lock of a pool that others may be able to write, and under it the
    /// permissions on the directory from everybody else, where they have any. `planned` is
    /// the directory as it was looked at. Says whether there was something to take.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when the directory is another one, or not the user's;
    /// otherwise as [`lock`](Self::lock). Nothing was changed then.
    pub(crate) fn lock_and_restrict(
        &self,
        planned: &Facts,
        wait: Duration,
        cancel: &Cancel,
    ) -> Result<(LockedPool, bool), StoreError> {
        let path = || self.path().to_owned();
        let user = geteuid().as_raw();
        if self.facts()?.id != planned.id {
            return Err(StoreError::Changed { path: path() });
        }
        self.check_file_system()?;
        let lock = FileLock::of_pool(self, wait, cancel)?;
        let restricted = match check_directory(&self.facts()?, user) {
            Ok(()) => false,
            Err(Danger::Writable { .. }) => {
                fchmod(self, Mode::S_IRWXU)
                    .map_err(|errno| StoreError::step("change the mode of", &path(), errno))?;
                true
            }
            Err(danger) => {
                return Err(StoreError::Unsafe {
                    path: path(),
                    danger,
                });
            }
        };
        Ok((LockedPool::new(self.clone(), lock), restricted))
    }

    /// What the system says about a name of the pool; none where there is nothing.
    pub(crate) fn facts_at(&self, name: &str) -> Result<Option<Facts>, StoreError> {
        file::look_at(self, name)
    }

    /// The names in the pool's directory, sorted, of which those that are no text are left
    /// out.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(format!("/proc/self/fd/{}", self.as_fd().as_raw_fd()))?;
        let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
        let mut names: Vec<_> = names
            .filter_map(io::Result::transpose)
            .collect::<io::Result<_>>()?;
        names.sort_unstable();
        Ok(names)
    }

    /// Takes the pool's lock for a look, within `wait`; nothing where there is no lock file,
    /// and then nobody has used the pool yet.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when somebody else holds it, [`StoreError::Unsafe`] and
    /// [`StoreError::Step`] when it cannot be locked.
    pub(crate) fn hold_still(&self, wait: Duration) -> Result<Option<Stillness>, StoreError> {
        if self.facts_at(LOCK)?.is_none() {
            return Ok(None);
        }
        let lock = FileLock::for_a_look(self, wait)?;
        Ok(Some(Stillness { _lock: lock }))
    }

    /// The trail's file and the old ones, by their names, that are there.
    pub(crate) fn trail_names(&self) -> Vec<String> {
        let names = (0..=trail::KEPT).map(trail::name);
        names
            .filter(|name| matches!(self.facts_at(name), Ok(Some(_))))
            .collect()
    }

    /// Those of the names that are sockets of our own which nobody answers on or is bound
    /// to.
    pub(crate) fn stale_sockets(&self, mut names: Vec<String>) -> Vec<String> {
        let mut known = KnownSockets::default();
        names.retain(|name| matches!(known.is_left_behind(self, name, name), Ok(true)));
        names
    }

    /// The file system that the pool is on.
    ///
    /// # Errors
    /// When the system refuses to say.
    pub(crate) fn file_system(&self) -> io::Result<FileSystem> {
        let facts = rustix::fs::fstatfs(self)?;
        // The fields' types differ between architectures, and the number has 32 bits.
        let magic = i128::from(facts.f_type) & 0xffff_ffff;
        let block = u64::try_from(facts.f_bsize).unwrap_or(0);
        Ok(FileSystem {
            magic: u64::try_from(magic).unwrap_or(0),
            available: facts.f_bavail.saturating_mul(block),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use super::super::testing::{TestPool, cancel, lock_from_outside};
    use super::*;

    #[test]
    fn looking_makes_nothing() {
        let pool = TestPool::new();
        assert!(matches!(pool.dir.see("registry.json", 9), Seen::Absent));
        assert!(
            pool.dir
                .hold_still(Duration::ZERO)
                .expect("no lock file")
                .is_none()
        );
        assert_eq!(pool.dir.names().expect("names"), [""; 0]);
        assert!(
            PoolDir::look(&pool.root.path().join("other"))
                .expect("a look")
                .is_none()
        );
    }

    #[test]
    fn everything_that_is_there_is_seen() {
        let pool = TestPool::new();
        fs::write(pool.file("whole"), "12345").expect("write");
        fs::create_dir(pool.file("directory")).expect("mkdir");
        let seen = pool.dir.see("whole", 5);
        assert!(
            matches!(&seen, Seen::Whole { bytes, .. } if bytes == b"12345"),
            "{seen:?}"
        );
        let seen = pool.dir.see("whole", 4);
        assert!(
            matches!(&seen, Seen::TooLarge { beginning, .. } if beginning == b"1234"),
            "{seen:?}"
        );
        let seen = pool.dir.see("directory", 9);
        assert!(
            matches!(seen, Seen::Unusable { facts: Some(_), .. }),
            "{seen:?}"
        );
        assert_eq!(pool.dir.names().expect("names"), ["directory", "whole"]);
    }

    #[test]
    fn a_directory_is_restricted_once_it_is_locked() {
        let pool = TestPool::new();
        let mode = |mode| fs::Permissions::from_mode(mode);
        let restrict = |planned: &Facts| {
            pool.dir
                .lock_and_restrict(planned, Duration::ZERO, &cancel())
        };
        let ours = || pool.dir.facts().expect("facts");
        for (before, expected) in [(0o777, true), (0o720, true), (0o755, false)] {
            fs::set_permissions(pool.dir.path(), mode(before)).expect("chmod");
            let held = lock_from_outside(&pool);
            let error = restrict(&ours()).expect_err("it is held");
            assert!(matches!(error, StoreError::Busy { .. }), "{error}");
            assert_eq!(ours().mode, before);
            drop(held);
            let (mut locked, restricted) = restrict(&ours()).expect("it is free");
            assert_eq!(restricted, expected, "{before:o}");
            assert_eq!(ours().mode, if expected { 0o700 } else { before });
            locked.replace_registry(b"{}").expect("it is safe by now");
        }
        let another = TestPool::new().dir.facts().expect("facts");
        let error = restrict(&another).expect_err("another directory");
        assert!(matches!(error, StoreError::Changed { .. }), "{error}");
    }

    #[test]
    fn a_held_lock_is_not_waited_for() {
        let pool = TestPool::new();
        let held = lock_from_outside(&pool);
        let error = pool.dir.hold_still(Duration::ZERO).expect_err("it is held");
        assert!(matches!(error, StoreError::Busy { .. }), "{error}");
        drop(held);
        drop(pool.lock());
        let still = pool.dir.hold_still(Duration::ZERO).expect("it is free");
        assert!(still.is_some() && !super::super::testing::is_free(&pool.file(LOCK)));
    }

    #[test]
    fn a_socket_that_nobody_serves_is_told() {
        let pool = TestPool::new();
        drop(UnixListener::bind(pool.file("stale")).expect("bind"));
        let _listener = UnixListener::bind(pool.file("served")).expect("bind");
        let names = ["stale", "served"].map(str::to_owned).to_vec();
        assert_eq!(pool.dir.stale_sockets(names), ["stale"]);
    }

    #[test]
    fn the_file_system_is_told() {
        let pool = TestPool::new();
        let told = pool.dir.file_system().expect("statfs(2)");
        assert!(told.magic > 0 && told.available > 0, "{told:?}");
    }
}
