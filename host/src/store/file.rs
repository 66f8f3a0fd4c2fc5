//! Opening and reading the files of a pool.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use nix::unistd::geteuid;

use super::check::check_file;
use super::danger::Danger;
use super::directory::PoolDir;
use super::disk::{Access, again};
use super::error::StoreError;
use super::facts::{Facts, FileKind};

/// Opens a file of the pool and checks it; none when there is no such file.
pub(super) fn open_file(
    pool: &PoolDir,
    name: &str,
    access: Access,
) -> Result<Option<(File, Facts)>, StoreError> {
    let file = match again(|| pool.disk().open(pool.as_fd(), name, access)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(not_opened(pool, name, error)),
    };
    let facts = facts(pool, &file, name)?;
    check(pool, name, &facts)?;
    Ok(Some((file, facts)))
}

/// Opens a file of the pool and checks it; makes it where there is none.
pub(super) fn open_or_create(
    pool: &PoolDir,
    name: &str,
    access: Access,
) -> Result<(File, Facts), StoreError> {
    loop {
        if let Some(opened) = open_file(pool, name, access)? {
            return Ok(opened);
        }
        match create(pool, name) {
            // It is there now, made here or by somebody else just before.
            Ok(_) => {}
            Err(StoreError::Step { source, .. })
                if source.kind() == io::ErrorKind::AlreadyExists => {}
            // Nothing can be created in a directory that was removed.
            Err(StoreError::Step { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Moved {
                    path: pool.path().to_owned(),
                });
            }
            Err(error) => return Err(error),
        }
    }
}

/// Creates a file that must not exist, for writing, with mode 0600.
pub(super) fn create(pool: &PoolDir, name: &str) -> Result<File, StoreError> {
    let failed = |step| {
        let path = pool.path_of(name);
        move |error: io::Error| StoreError::step(step, &path, error)
    };
    let file = again(|| pool.disk().create(pool.as_fd(), name)).map_err(failed("create"))?;
    // The umask may have taken away permissions of our own.
    again(|| pool.disk().set_mode(&file)).map_err(failed("set the mode of"))?;
    Ok(file)
}

/// What the system says about an open file of the pool now.
pub(super) fn facts(pool: &PoolDir, file: &File, name: &str) -> Result<Facts, StoreError> {
    again(|| pool.disk().facts(file.as_fd()))
        .map_err(|error| StoreError::step("look at", &pool.path_of(name), error))
}

/// What is behind a name of the pool now, not opened and not checked; none when there
/// is no such file.
pub(super) fn look_at(pool: &PoolDir, name: &str) -> Result<Option<Facts>, StoreError> {
    match again(|| pool.disk().look(pool.as_fd(), name)) {
        Ok(facts) => Ok(Some(facts)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::step("look at", &pool.path_of(name), error)),
    }
}

/// Checks that a file of the pool is safe to use.
pub(super) fn check(pool: &PoolDir, name: &str, facts: &Facts) -> Result<(), StoreError> {
    check_file(facts, &pool.facts()?, geteuid().as_raw()).map_err(|danger| StoreError::Unsafe {
        path: pool.path_of(name),
        danger,
    })
}

/// Says why a file could not be opened: a symbolic link, a directory and a socket each
/// give an error of their own that does not name the cause.
fn not_opened(pool: &PoolDir, name: &str, error: io::Error) -> StoreError {
    match look_at(pool, name) {
        Ok(Some(facts)) if facts.kind != FileKind::Regular => StoreError::Unsafe {
            path: pool.path_of(name),
            danger: Danger::Kind {
                found: facts.kind,
                wanted: FileKind::Regular,
            },
        },
        _ => StoreError::step("open", &pool.path_of(name), error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
    use std::path::Path;
    use std::time::Duration;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::super::error::StoreErrorKind;
    use super::super::testing::{TestPool, cancel, claim, record};
    use super::super::{LockedPool, MAX_REGISTRY};
    use super::*;

    const NAMES: [&str; 3] = ["registry.json", "registry.lock", "ledger.json"];

    /// Uses one file of the pool, for reading and then for writing where there is a way.
    fn uses(pool: &TestPool, name: &str) -> Vec<Result<(), StoreError>> {
        let lock = || pool.dir.lock(Duration::ZERO, &cancel());
        let with_lock = |use_it: fn(&mut LockedPool) -> Result<(), StoreError>| {
            use_it(&mut lock().expect("lock"))
        };
        match name {
            "registry.lock" => vec![lock().map(drop)],
            "registry.json" => vec![
                with_lock(|locked| locked.read_registry().map(drop)),
                with_lock(|locked| locked.replace_registry(b"new")),
            ],
            "ledger.json" => vec![with_lock(|locked| {
                let mut ledger = locked.read_ledger();
                assert_eq!(ledger.rows().len(), 0);
                ledger.insert(claim("a"), record(1));
                locked.write_ledger(&mut ledger).map(drop)
            })],
            _ => panic!("{name}"),
        }
    }

    /// Checks that every use of the file is refused, and that the error names it.
    fn assert_refused(pool: &TestPool, name: &str, expected: Danger) {
        for used in uses(pool, name) {
            match used {
                Err(StoreError::Unsafe { path, danger }) => {
                    assert_eq!((path, danger), (pool.file(name), expected));
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn only_regular_files_are_used() {
        for name in NAMES {
            let wanted = FileKind::Regular;
            let pool = TestPool::new();
            let target = pool.root.path().join("target");
            fs::write(&target, "untouched").expect("write");
            let before = fs::metadata(&target).expect("metadata");

            for leads_to in [target.as_path(), Path::new("nowhere")] {
                symlink(leads_to, pool.file(name)).expect("symlink");
                assert_refused(
                    &pool,
                    name,
                    Danger::Kind {
                        found: FileKind::SymbolicLink,
                        wanted,
                    },
                );
                assert!(
                    fs::symlink_metadata(pool.file(name))
                        .expect("still there")
                        .is_symlink()
                );
                fs::remove_file(pool.file(name)).expect("remove");
            }
            let after = fs::metadata(&target).expect("metadata");
            assert_eq!(before.modified().ok(), after.modified().ok());
            assert!(!pool.file("nowhere").exists());

            mkfifo(&pool.file(name), Mode::S_IRWXU).expect("mkfifo");
            assert_refused(
                &pool,
                name,
                Danger::Kind {
                    found: FileKind::Fifo,
                    wanted,
                },
            );
            fs::remove_file(pool.file(name)).expect("remove");

            fs::create_dir(pool.file(name)).expect("mkdir");
            assert_refused(
                &pool,
                name,
                Danger::Kind {
                    found: FileKind::Directory,
                    wanted,
                },
            );
            fs::remove_dir(pool.file(name)).expect("remove");

            let _socket = std::os::unix::net::UnixListener::bind(pool.file(name)).expect("socket");
            assert_refused(
                &pool,
                name,
                Danger::Kind {
                    found: FileKind::Socket,
                    wanted,
                },
            );
            fs::remove_file(pool.file(name)).expect("remove");

            for used in uses(&pool, name) {
                used.expect("nothing in the way");
            }
        }
    }

    #[test]
    fn files_that_others_can_reach_and_write_are_refused() {
        for name in NAMES {
            let pool = TestPool::new();
            fs::write(pool.file(name), "").expect("write");
            let set_mode = |path: &Path, mode| {
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
            };
            set_mode(&pool.file(name), 0o666);
            set_mode(pool.dir.path(), 0o711);
            assert_refused(&pool, name, Danger::Writable { mode: 0o666 });
            set_mode(pool.dir.path(), 0o700);
            for used in uses(&pool, name) {
                used.expect("out of reach");
            }
        }
    }

    #[test]
    fn files_of_others_are_refused() {
        let user = geteuid().as_raw();
        for name in NAMES {
            let pool = TestPool::new();
            fs::write(pool.file(name), "").expect("write");
            // Only root can make such a file; others have to pretend.
            if user == 0 {
                chown(pool.file(name), Some(1), None).expect("chown");
                assert_refused(&pool, name, Danger::Owner { owner: 1, user });
                chown(pool.file(name), Some(0), None).expect("chown");
            }
            let facts = look_at(&pool.dir, name).expect("look").expect("file");
            check(&pool.dir, name, &facts).expect("our own");
            let mut foreign = facts;
            foreign.owner = user + 1;
            assert!(matches!(
                check(&pool.dir, name, &foreign),
                Err(StoreError::Unsafe { path, danger: Danger::Owner { .. } })
                    if path == pool.file(name)
            ));
        }
    }

    #[test]
    fn the_registry_has_a_largest_size() {
        let pool = TestPool::new();
        let path = pool.file("registry.json");
        let file = File::create(&path).expect("create");
        file.set_len(MAX_REGISTRY).expect("size");
        let mut locked = pool.lock();
        let bytes = locked.read_registry().expect("read").expect("registry");
        assert_eq!(bytes.len() as u64, MAX_REGISTRY);
        drop(bytes);

        file.set_len(MAX_REGISTRY + 1).expect("size");
        let before = fs::metadata(&path).expect("metadata");
        let too_much = vec![0; bytes_of(MAX_REGISTRY + 1)];
        for refused in [
            locked.read_registry().map(drop).expect_err("too large"),
            locked.replace_registry(&too_much).expect_err("too large"),
        ] {
            assert_eq!(refused.kind(), StoreErrorKind::TooLarge);
            let text = refused.to_string();
            assert!(
                text.contains("67108865 bytes") && text.contains("67108864 bytes"),
                "{text}"
            );
        }
        let after = fs::metadata(&path).expect("metadata");
        assert_eq!(
            (before.ino(), before.len(), before.modified().ok()),
            (after.ino(), after.len(), after.modified().ok())
        );
    }

    fn bytes_of(size: u64) -> usize {
        usize::try_from(size).expect("fits")
    }

    #[test]
    fn a_missing_registry_is_none_and_an_empty_one_is_empty() {
        let pool = TestPool::new();
        let locked = pool.lock();
        assert_eq!(locked.read_registry().expect("read"), None);
        fs::write(pool.file("registry.json"), "").expect("write");
        assert_eq!(locked.read_registry().expect("read"), Some(Vec::new()));
    }
}
