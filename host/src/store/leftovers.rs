//! Temporary files of a process that was killed.

use std::os::fd::AsFd;

use super::directory::PoolDir;
use super::disk::again;
use super::error::StoreError;
use super::facts::FileKind;
use super::{file, stale_socket};

/// Removes the temporary files called `names`, and a socket that was being removed. The
/// caller holds the pool's lock, so nobody uses them.
///
/// Whoever writes next would make way for its own file all the same; but that can be long
/// after, and until then somebody may wonder what the file is. What cannot be removed is
/// left to that writer, who says so.
pub(super) fn remove(pool: &PoolDir, names: &[String]) {
    for name in names {
        if let Err(error) = remove_file(pool, name) {
            say(pool, name, &error);
        }
    }
    if let Err(error) = stale_socket::finish(pool) {
        say(pool, stale_socket::ASIDE, &error);
    }
}

fn remove_file(pool: &PoolDir, name: &str) -> Result<(), StoreError> {
    match file::look_at(pool, name)? {
        Some(facts) if facts.kind == FileKind::Regular => {
            again(|| pool.disk().remove(pool.as_fd(), name))
                .map_err(|error| StoreError::step("remove", &pool.path_of(name), error))
        }
        _ => Ok(()),
    }
}

fn say(pool: &PoolDir, name: &str, error: &StoreError) {
    let path = pool.path_of(name);
    tracing::debug!(
        "the leftover {} stays: {}",
        path.display(),
        crate::error::chain(error)
    );
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::super::testing::TestPool;

    #[test]
    fn what_a_killed_process_left_goes_and_nothing_else() {
        let pool = TestPool::new();
        for name in ["registry.json.new", "ledger.json.new", "other.new"] {
            fs::write(pool.file(name), "a part").expect("write");
        }
        drop(UnixListener::bind(pool.file("stale-socket.removing")).expect("bind"));
        pool.lock().remove_leftovers();
        let names = fs::read_dir(pool.dir.path()).expect("the pool");
        let mut names: Vec<_> = names
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["other.new", "registry.lock"]);
    }

    #[test]
    fn what_no_process_of_ours_leaves_is_left_alone() {
        let pool = TestPool::new();
        symlink("nowhere", pool.file("registry.json.new")).expect("symlink");
        fs::create_dir(pool.file("ledger.json.new")).expect("mkdir");
        let _served = UnixListener::bind(pool.file("stale-socket.removing")).expect("bind");
        pool.lock().remove_leftovers();
        for name in [
            "registry.json.new",
            "ledger.json.new",
            "stale-socket.removing",
        ] {
            assert!(pool.file(name).symlink_metadata().is_ok(), "{name}");
        }
    }
}
