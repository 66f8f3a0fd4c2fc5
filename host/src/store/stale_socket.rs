//! Removing the socket that a worker left behind.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::geteuid;

use super::directory::PoolDir;
use super::disk::again;
use super::error::StoreError;
use super::facts::FileKind;
use super::file;

/// What a socket is called between the two looks at it.
pub(crate) const ASIDE: &str = "stale-socket.removing";

/// Removes the socket at `path` if it is provably left behind: it lies directly in the
/// pool's directory, is our own, is a socket and no link, and nobody answers on it.
/// Returns whether it is gone now; a socket that has to stay is no error.
///
/// Between finding out that nobody answers and removing the name, somebody else may come
/// to serve it. So the socket is put aside first, asked again, and put back if it answers.
///
/// # Errors
/// [`StoreError::Step`] when the system refuses.
pub(super) fn remove(pool: &PoolDir, path: &Path) -> Result<bool, StoreError> {
    let Some(name) = name_in(pool, path)? else {
        return Ok(false);
    };
    finish(pool)?;
    if !is_left_behind(pool, name)? {
        return Ok(false);
    }
    match rename(pool, name, ASIDE) {
        // Somebody else removed it, or something that answers is in the way.
        Err(error) if is_one_of(&error, &[Errno::ENOENT, Errno::EEXIST]) => return Ok(false),
        renamed => {
            renamed.map_err(|error| StoreError::step("put aside", &pool.path_of(name), error))?;
        }
    }
    if is_left_behind(pool, ASIDE)? {
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
    if is_left_behind(pool, ASIDE)? {
        unlink(pool, ASIDE)?;
    }
    Ok(())
}

/// The name of the path in the pool's directory, if that is where it leads.
fn name_in<'a>(pool: &PoolDir, path: &'a Path) -> Result<Option<&'a str>, StoreError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(None);
    };
    let Some(name) = name.to_str().filter(|_| path.is_absolute()) else {
        return Ok(None);
    };
    let elsewhere = [Errno::ENOENT, Errno::ENOTDIR, Errno::EACCES];
    match again(|| pool.disk().follow_path(parent)) {
        Ok(facts) if facts.id == pool.facts()?.id => Ok(Some(name)),
        Ok(_) => Ok(None),
        Err(error) if is_one_of(&error, &elsewhere) => Ok(None),
        Err(error) => Err(StoreError::step("look at", parent, error)),
    }
}

/// Whether the name is a socket of our own that nobody answers on.
pub(super) fn is_left_behind(pool: &PoolDir, name: &str) -> Result<bool, StoreError> {
    let ours = file::look_at(pool, name)?
        .is_some_and(|facts| facts.kind == FileKind::Socket && facts.owner == geteuid().as_raw());
    if !ours {
        return Ok(false);
    }
    match again(|| pool.disk().connect(pool.as_fd(), name)) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(true),
        // Anything else, such as a full queue or another type of socket, is an answer.
        _ => Ok(false),
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
    use std::os::unix::fs::symlink;
    use std::os::unix::net::{UnixDatagram, UnixListener};

    use super::super::testing::TestPool;
    use super::*;

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
