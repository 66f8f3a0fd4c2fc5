//! Removing the socket that a worker left behind.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use nix::errno::Errno;
use nix::unistd::geteuid;

use super::directory::PoolDir;
use super::disk::again;
use super::error::StoreError;
use super::facts::{Facts, FileKind};
use super::file;
use crate::process::{BoundSockets, Mounts};

/// What a socket is called between the two looks at it.
pub(crate) const ASIDE: &str = "stale-socket.removing";

/// Removes the socket at `path` if it is provably left behind: it lies directly in the
/// pool's directory, is our own, is a socket and no link, nobody answers on it, and no process
/// is bound to it: one that is may listen the next moment. That is looked up in the network
/// namespace of every process that can be seen; where one cannot be looked into, a socket younger
/// than a minute stays too. What is bound on another machine, or in a namespace without a
/// process that can be seen, is not known.
/// Returns whether it is gone now; a socket that has to stay is no error.
///
/// Between finding out that nobody answers and removing the name, somebody else may come
/// to serve it. So the socket is put aside first, asked again, and put back if it answers.
///
/// # Errors
/// [`StoreError::Step`] when the system refuses.
pub(super) fn remove(
    pool: &PoolDir,
    known: &mut KnownSockets,
    path: &Path,
) -> Result<bool, StoreError> {
    let Some(name) = known.name_in(pool, path)? else {
        return Ok(false);
    };
    finish(pool)?;
    if !known.is_left_behind(pool, name, name)? {
        return Ok(false);
    }
    match rename(pool, name, ASIDE) {
        // Somebody else removed it, or something that answers is in the way.
        Err(error) if is_one_of(&error, &[Errno::ENOENT, Errno::EEXIST]) => return Ok(false),
        renamed => {
            renamed.map_err(|error| StoreError::step("put aside", &pool.path_of(name), error))?;
        }
    }
    if known.is_left_behind(pool, ASIDE, name)? {
        unlink(pool, ASIDE)?;
        return Ok(true);
    }
    // It is being served again. Where its name was taken meanwhile, its server has lost
    // it to whoever took it, as with any two servers of one path.
    match rename(pool, ASIDE, name) {
        Ok(()) => Ok(false),
        Err(error) if is_one_of(&error, &[Errno::EEXIST]) => Ok(false),
        Err(error) => Err(StoreError::step("put back", &pool.path_of(name), error)),
    }
}

/// Removes what a process left behind that was killed between the two looks.
pub(super) fn finish(pool: &PoolDir) -> Result<(), StoreError> {
    if refuses(pool, ASIDE)?.is_some() {
        unlink(pool, ASIDE)?;
    }
    Ok(())
}

/// What was found out about sockets and paths while a pool is locked, so that to remove many
/// sockets costs no more for each than to remove one.
#[derive(Debug, Default)]
pub(super) struct KnownSockets {
    /// The sockets that processes are bound to, and when they were read.
    bound: Option<(BoundSockets, Timestamp)>,
    mounts: Option<Mounts>,
    /// The directory that was looked for last, and whether it is the pool's.
    last: Option<(PathBuf, bool)>,
}

/// By how much the clock of a file system may be behind that of the system: it is advanced
/// some hundred times a second.
const FILE_CLOCK: SignedDuration = SignedDuration::from_secs(1);

/// For how long a socket stays after it was made where not every network namespace can be
/// looked into: a program mostly listens within microseconds of the time when it binds.
const PREPARATION: SignedDuration = SignedDuration::from_secs(60);

impl KnownSockets {
    /// The name of the path in the pool's directory, if that is where it leads. It is not
    /// followed to where nobody may answer.
    fn name_in<'a>(
        &mut self,
        pool: &PoolDir,
        path: &'a Path,
    ) -> Result<Option<&'a str>, StoreError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(None);
        };
        let Some(name) = name.to_str().filter(|_| path.is_absolute()) else {
            return Ok(None);
        };
        let known = self.last.as_ref().filter(|(last, _)| last == parent);
        let leads_here = match known {
            Some((_, leads_here)) => *leads_here,
            None => {
                let leads_here = parent == pool.path() || self.leads_to(pool, parent)?;
                self.last = Some((parent.to_owned(), leads_here));
                leads_here
            }
        };
        Ok(leads_here.then_some(name))
    }

    fn leads_to(&mut self, pool: &PoolDir, directory: &Path) -> Result<bool, StoreError> {
        let mounts = match &mut self.mounts {
            Some(mounts) => mounts,
            none => {
                let read = Mounts::read();
                none.insert(read.map_err(|error| StoreError::step("look at", directory, error))?)
            }
        };
        let Ok(found) = mounts.directory(directory) else {
            return Ok(false);
        };
        let Some(fd) = &found.fd else {
            return Ok(false);
        };
        let facts = again(|| pool.disk().facts(fd.as_fd()));
        let facts = facts.map_err(|error| StoreError::step("look at", directory, error))?;
        Ok(facts.id == pool.facts()?.id)
    }

    /// Whether a name of the pool is a socket of our own that nobody answers on or is bound
    /// to. It was bound under the name `bound_as`.
    pub(super) fn is_left_behind(
        &mut self,
        pool: &PoolDir,
        name: &str,
        bound_as: &str,
    ) -> Result<bool, StoreError> {
        Ok(refuses(pool, name)?.is_some_and(|facts| !self.may_be_bound(pool, bound_as, &facts)))
    }

    /// A socket is bound when its file is made, and never later: what was read since then
    /// is as good as what is read now.
    fn may_be_bound(&mut self, pool: &PoolDir, name: &str, facts: &Facts) -> bool {
        let is_known = self.bound.as_ref().is_some_and(|(_, read_at)| {
            let made = facts.modified();
            let made = made.and_then(|made| made.checked_add(FILE_CLOCK).ok());
            made.is_some_and(|made| made < *read_at)
        });
        if !is_known {
            let now = Timestamp::now();
            self.bound = BoundSockets::read().ok().map(|bound| (bound, now));
        }
        // Where nothing can be read, nothing is known.
        self.bound.as_ref().is_none_or(|(bound, read_at)| {
            bound.may_be_at(pool.as_fd(), pool.path(), name)
                || bound.is_partial() && is_young(facts, *read_at)
        })
    }
}

/// Whether a socket was made so shortly before that its program may not have come to listen.
fn is_young(facts: &Facts, read_at: Timestamp) -> bool {
    let made = facts.modified();
    let old = made.and_then(|made| made.checked_add(PREPARATION).ok());
    old.is_none_or(|old| old > read_at)
}

/// What the system says of a socket of our own that refuses connections.
fn refuses(pool: &PoolDir, name: &str) -> Result<Option<Facts>, StoreError> {
    let facts = file::look_at(pool, name)?;
    let ours = |facts: &Facts| facts.kind == FileKind::Socket && facts.owner == geteuid().as_raw();
    let Some(facts) = facts.filter(ours) else {
        return Ok(None);
    };
    match again(|| pool.disk().connect(pool.as_fd(), name)) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Some(facts)),
        // Anything else, such as a full queue or another type of socket, is an answer.
        _ => Ok(None),
    }
}

fn rename(pool: &PoolDir, from: &str, to: &str) -> io::Result<()> {
    again(|| pool.disk().rename_to_free(pool.as_fd(), from, to))
}

fn is_one_of(error: &io::Error, known: &[Errno]) -> bool {
    error
        .raw_os_error()
        .is_some_and(|raw| known.contains(&Errno::from_raw(raw)))
}

fn unlink(pool: &PoolDir, name: &str) -> Result<(), StoreError> {
    match again(|| pool.disk().remove(pool.as_fd(), name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::step("remove", &pool.path_of(name), error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    use nix::sys::socket::{
        AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
    };

    use super::super::testing::TestPool;
    use super::*;

    #[test]
    fn a_socket_is_young_for_a_minute_and_when_its_clock_is_ahead() {
        let pool = TestPool::new();
        leave_behind(&pool.file("w.sock"));
        let facts = file::look_at(&pool.dir, "w.sock").expect("a look");
        let mut facts = facts.expect("it is there");
        let now = Timestamp::now();
        for (age, young) in [(-3600, true), (0, true), (59, true), (61, false)] {
            facts.modified.0 = now.as_second() - age;
            facts.modified.1 = i64::from(now.subsec_nanosecond());
            assert_eq!(is_young(&facts, now), young, "{age} s");
        }
    }

    /// A socket that nobody serves any more.
    fn leave_behind(path: &Path) {
        drop(UnixListener::bind(path).expect("bind"));
    }

    fn remove_it(pool: &TestPool, path: &Path) -> bool {
        pool.lock()
            .remove_stale_socket(path)
            .expect("no step fails")
    }

    #[test]
    fn a_socket_that_was_left_behind_is_removed() {
        let pool = TestPool::new();
        let path = pool.file("w.sock");
        leave_behind(&path);
        assert!(remove_it(&pool, &path));
        assert!(!path.exists());
        // Once more is nothing to do.
        assert!(!remove_it(&pool, &path));
    }

    #[test]
    fn a_socket_that_somebody_serves_stays() {
        let pool = TestPool::new();
        let path = pool.file("w.sock");
        let _listener = UnixListener::bind(&path).expect("bind");
        assert!(!remove_it(&pool, &path));
        assert!(path.exists());

        let path = pool.file("datagrams.sock");
        let _socket = UnixDatagram::bind(&path).expect("bind");
        assert!(!remove_it(&pool, &path));
        assert!(path.exists());
    }

    /// It may belong to the successor of whoever left a socket there before.
    #[test]
    fn a_socket_that_is_bound_and_does_not_listen_yet_stays() {
        let pool = TestPool::new();
        for path in [
            pool.file("w.sock"),
            pool.root
                .path()
                .canonicalize()
                .expect("it is there")
                .join("pool/x.sock"),
        ] {
            let address = UnixAddr::new(&path).expect("it is short");
            let flags = SockFlag::SOCK_CLOEXEC;
            let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None).expect("socket");
            bind(fd.as_raw_fd(), &address).expect("bind");
            assert!(!remove_it(&pool, &path));
            listen(&fd, Backlog::new(1).expect("small")).expect("listen");
            UnixStream::connect(&path).expect("it serves");
            drop(fd);
            assert!(remove_it(&pool, &path));
        }
    }

    /// What was found out for the first one holds for the others, unless they are younger.
    #[test]
    fn many_sockets_are_removed_and_those_that_are_bound_meanwhile_stay() {
        let pool = TestPool::new();
        let mut locked = pool.lock();
        for name in ["a.sock", "b.sock"] {
            leave_behind(&pool.file(name));
            assert!(
                locked
                    .remove_stale_socket(&pool.file(name))
                    .expect("no step fails")
            );
        }
        let path = pool.file("c.sock");
        let address = UnixAddr::new(&path).expect("it is short");
        let flags = SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None).expect("socket");
        bind(fd.as_raw_fd(), &address).expect("bind");
        assert!(!locked.remove_stale_socket(&path).expect("no step fails"));
    }

    #[test]
    fn only_a_socket_directly_in_the_pool_is_removed() {
        let pool = TestPool::new();
        let outside = pool.root.path().join("w.sock");
        leave_behind(&outside);
        let below = pool.file("below");
        fs::create_dir(&below).expect("mkdir");
        leave_behind(&below.join("w.sock"));
        let link = pool.file("link.sock");
        symlink(&outside, &link).expect("symlink");
        let file = pool.file("file.sock");
        fs::write(&file, "kept").expect("write");
        for path in [&outside, &below.join("w.sock"), &link, &file] {
            assert!(!remove_it(&pool, path), "{}", path.display());
            assert!(path.symlink_metadata().is_ok(), "{}", path.display());
        }
        for path in ["", "/", "w.sock", "pool/w.sock", ".."] {
            assert!(!remove_it(&pool, Path::new(path)), "{path:?}");
        }
    }

    #[test]
    fn the_pool_may_be_named_by_another_path() {
        let pool = TestPool::new();
        leave_behind(&pool.file("w.sock"));
        let alias = pool.root.path().join("alias");
        symlink(pool.dir.path(), &alias).expect("symlink");
        assert!(remove_it(&pool, &alias.join("w.sock")));
        assert!(!pool.file("w.sock").exists());
    }

    #[test]
    fn a_leftover_of_a_removal_that_was_broken_off_goes_with_the_next() {
        let pool = TestPool::new();
        leave_behind(&pool.file(ASIDE));
        leave_behind(&pool.file("w.sock"));
        assert!(remove_it(&pool, &pool.file("w.sock")));
        assert!(!pool.file(ASIDE).exists());
    }

    #[test]
    fn what_answers_under_the_other_name_is_in_the_way_and_stays() {
        let pool = TestPool::new();
        let _listener = UnixListener::bind(pool.file(ASIDE)).expect("bind");
        leave_behind(&pool.file("w.sock"));
        assert!(!remove_it(&pool, &pool.file("w.sock")));
        assert!(pool.file(ASIDE).exists() && pool.file("w.sock").exists());
    }
}
