//! Replacing a file of the pool, atomically and durably.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use super::contents;
use super::directory::PoolDir;
use super::disk::again;
use super::error::StoreError;
use super::file;

/// What the file that is to replace another one is called until it does.
pub(super) fn temporary(name: &str) -> String {
    format!("{name}.new")
}

/// Replaces the file `name` by one with these bytes and mode 0600, and returns it.
///
/// Readers see the old file or the new one, whole. The caller holds the pool's lock: the
/// temporary file has one name for all. After an error the old file is in place, but for
/// [`StoreError::NotDurable`].
pub(super) fn replace(pool: &PoolDir, name: &str, bytes: &[u8]) -> Result<File, StoreError> {
    let (dir, disk) = (pool.as_fd(), pool.disk());
    let temporary = temporary(name);
    let failed = |step| {
        let path = pool.path_of(&temporary);
        move |source: io::Error| StoreError::Step { step, path, source }
    };

    match file::look_at(pool, name)? {
        // A rename would replace anything: what should not be here is not ours to remove.
        Some(facts) => file::check(pool, name, &facts)?,
        // A durable file needs a durable directory, and this may be the first one in it.
        None => pool.sync_name()?,
    }
    // A leftover of a writer that was killed goes first. It may be a link, or have other
    // links, another owner or another mode, none of which the new file may inherit.
    match again(|| disk.remove(dir, &temporary)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove the leftover")(error));
        }
        _ => {}
    }
    let prepared = (|| {
        let file = file::create(pool, &temporary)?;
        contents::write_all(pool, &file, bytes).map_err(failed("write"))?;
        // The contents have to be on the disk before the name is: otherwise a loss of
        // power can leave the name with an empty file.
        again(|| disk.sync(&file)).map_err(failed("sync"))?;
        // From here on everybody sees the new file, and never a part of it.
        again(|| disk.rename(dir, &temporary, name)).map_err(failed("rename"))?;
        Ok(file)
    })();
    if prepared.is_err() {
        // The error to report is the first one. What stays is the next writer's leftover.
        let _ = again(|| disk.remove(dir, &temporary));
    }
    let file = prepared?;
    // The rename is in the directory, which is a file of its own to the disk.
    again(|| disk.sync_directory(dir)).map_err(|source| StoreError::NotDurable {
        path: pool.path_of(name),
        source,
    })?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use super::super::testing::{Call, StagedDisk, TestPool, Verdict};
    use super::*;

    fn names_in(directory: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(directory).expect("directory");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_new_file_is_whole_private_and_another_one() {
        let pool = TestPool::new();
        let path = pool.file("registry.json");
        fs::write(&path, "old").expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("chmod");
        let mut reader = File::open(&path).expect("open");

        pool.lock().replace_registry(b"new").expect("replace");
        assert_eq!(fs::read(&path).expect("read"), b"new");
        assert_eq!(
            fs::metadata(&path).expect("metadata").mode() & 0o7777,
            0o600
        );
        assert_eq!(
            names_in(pool.dir.path()),
            [path, pool.file("registry.lock")]
        );
        // Who had the old one open still reads it, whole.
        assert_eq!(io::read_to_string(&mut reader).expect("read"), "old");
    }

    #[test]
    fn the_steps_come_in_the_order_that_survives_a_loss_of_power() {
        let pool = TestPool::new();
        let disk = StagedDisk::new(pool.dir.path(), |_, _| Verdict::Go);
        let dir = PoolDir::open_on(pool.dir.path(), Arc::new(disk.clone())).expect("pool");
        fs::write(pool.file("registry.json"), "old").expect("write");
        replace(&dir, "registry.json", b"new").expect("replace");
        assert_eq!(
            disk.changes(),
            [
                "remove",
                "create",
                "set mode of",
                "write",
                "sync",
                "rename",
                "sync directory"
            ]
        );
    }

    #[test]
    fn a_step_that_fails_is_named_and_leaves_the_old_file_alone() {
        for (fails, step) in [
            (&[Call::Create], "create"),
            (&[Call::SetMode], "set the mode of"),
            (&[Call::Write], "write"),
            (&[Call::Sync], "sync"),
            (&[Call::Rename], "rename"),
        ] {
            let pool = TestPool::new();
            let path = pool.file("registry.json");
            fs::write(&path, "old").expect("write");
            let disk = StagedDisk::failing(pool.dir.path(), fails);
            let dir = PoolDir::open_on(pool.dir.path(), Arc::new(disk)).expect("pool");
            let error = replace(&dir, "registry.json", b"new").expect_err("fails");
            let text = error.to_string();
            let expected = format!("cannot {step} {}.new; make room", path.display());
            assert!(text.starts_with(&expected), "{text}");
            assert_eq!(fs::read(&path).expect("read"), b"old");
            assert_eq!(names_in(pool.dir.path()), [path], "{step}");
        }
    }

    #[test]
    fn what_may_not_last_is_told_from_what_failed() {
        let pool = TestPool::new();
        fs::write(pool.file("registry.json"), "old").expect("write");
        let disk = StagedDisk::failing(pool.dir.path(), &[Call::SyncDirectory]);
        let dir = PoolDir::open_on(pool.dir.path(), Arc::new(disk)).expect("pool");
        let error = replace(&dir, "registry.json", b"new").expect_err("fails");
        assert!(matches!(error, StoreError::NotDurable { .. }), "{error}");
        assert_eq!(fs::read(pool.file("registry.json")).expect("read"), b"new");
    }

    #[test]
    fn a_leftover_of_any_kind_makes_way() {
        type Make = fn(&Path, &Path);
        let leftovers: [(&str, Make); 3] = [
            ("file", |leftover, _| {
                fs::write(leftover, "longer than the new contents").expect("write");
                fs::set_permissions(leftover, fs::Permissions::from_mode(0o666)).expect("chmod");
            }),
            ("symbolic link", |leftover, target| {
                symlink(target, leftover).expect("symlink");
            }),
            ("hard link", |leftover, target| {
                fs::hard_link(target, leftover).expect("link");
            }),
        ];
        for (kind, make) in leftovers {
            let pool = TestPool::new();
            let target = pool.root.path().join("target");
            fs::write(&target, "untouched").expect("write");
            make(&pool.file("registry.json.new"), &target);
            pool.lock().replace_registry(b"new").expect(kind);
            assert_eq!(fs::read(&target).expect("read"), b"untouched", "{kind}");
            let registry = fs::symlink_metadata(pool.file("registry.json")).expect("metadata");
            assert!(registry.is_file() && registry.nlink() == 1, "{kind}");
            assert_eq!(registry.mode() & 0o7777, 0o600, "{kind}");
            assert_eq!(
                fs::read(pool.file("registry.json")).expect("read"),
                b"new",
                "{kind}"
            );
        }
    }

    #[test]
    fn a_leftover_that_cannot_be_removed_is_named() {
        let pool = TestPool::new();
        fs::create_dir(pool.file("registry.json.new")).expect("mkdir");
        let error = pool
            .lock()
            .replace_registry(b"new")
            .expect_err("a directory");
        let text = error.to_string();
        assert!(text.starts_with("cannot remove the leftover "), "{text}");
        assert!(!pool.file("registry.json").exists());
    }
}
