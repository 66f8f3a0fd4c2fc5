//! Giving a damaged file of the pool another name, and its own to a new file, at once.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use super::directory::PoolDir;
use super::disk::again;
use super::error::StoreError;
use super::facts::Facts;
use super::locked::LockedPool;
use super::set_aside::{changed, check_planned, sync};
use super::{contents, file};

impl LockedPool {
    /// Puts a file with these bytes in the place of `name`, and what was there under
    /// `aside`. Neither that name nor `draft` may be anybody's.
    ///
    /// It is one step: whoever looks at `name` sees the one or the other, and never
    /// nothing, which would be an empty pool. Before it, `draft` is the new file or a part
    /// of it; after it, for a moment, the old one. Under `aside` nothing else ever stands.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when what is at `name` is not what was planned for,
    /// [`StoreError::LockLost`], and [`StoreError::Step`] when the system refuses, as it does
    /// when a name is taken; nothing was changed then. [`StoreError::Exchanged`] when the new
    /// file is in place all the same, and [`StoreError::NotDurable`].
    pub(crate) fn exchange(
        &mut self,
        name: &str,
        planned: &Facts,
        names: (&str, &str),
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        self.still_locked()?;
        exchange(self.pool(), name, planned, names, bytes).map(drop)
    }
}

/// The same for whoever holds the pool's lock; returns the new file.
pub(super) fn exchange(
    pool: &PoolDir,
    name: &str,
    planned: &Facts,
    (draft, aside): (&str, &str),
    bytes: &[u8],
) -> Result<File, StoreError> {
    let (dir, disk) = (pool.as_fd(), pool.disk());
    let failed = |step| {
        let path = pool.path_of(draft);
        move |source: io::Error| StoreError::Step { step, path, source }
    };
    // Sooner than when it takes an exchange back.
    if pool.facts_at(aside)?.is_some() {
        let taken = io::ErrorKind::AlreadyExists;
        return Err(StoreError::step(
            "put a file aside as",
            &pool.path_of(aside),
            taken,
        ));
    }
    // Only a name that nothing had can be taken back.
    let file = file::create(pool, draft)?;
    let exchanged = (|| {
        contents::write_all(pool, &file, bytes).map_err(failed("write"))?;
        // The contents have to be on the disk before the name is.
        again(|| disk.sync(&file)).map_err(failed("sync"))?;
        check_planned(pool, name, planned)?;
        disk.exchange(dir, name, draft)
            .map_err(failed("exchange the damaged file for"))?;
        put_aside(pool, name, planned, (draft, aside)).or_else(|error| {
            // From here on the new file is in place: an error that says that nothing was
            // changed is true only once the exchange is taken back.
            disk.exchange(dir, name, draft)
                .map_err(|source| StoreError::Exchanged {
                    path: pool.path_of(name),
                    old: pool.path_of(draft),
                    source,
                })?;
            Err(error)
        })
    })();
    if exchanged.is_err() && is_ours(pool, draft, &file) {
        // The error to report is the first one.
        let _ = again(|| disk.remove(dir, draft));
    }
    exchanged?;
    sync(pool, name)?;
    Ok(file)
}

/// Gives the old file, which stands under the draft's name by now, its last name.
fn put_aside(
    pool: &PoolDir,
    name: &str,
    planned: &Facts,
    (draft, aside): (&str, &str),
) -> Result<(), StoreError> {
    // Who writes without the lock could have been quicker.
    match pool.facts_at(draft)? {
        Some(facts) if facts.id == planned.id => pool
            .disk()
            .rename_to_free(pool.as_fd(), draft, aside)
            .map_err(|error| StoreError::step("put aside", &pool.path_of(draft), error)),
        _ => Err(changed(pool, name)),
    }
}

/// Whether the name leads to this very file.
fn is_ours(pool: &PoolDir, name: &str, file: &File) -> bool {
    match (file::facts(pool, file, name), pool.facts_at(name)) {
        (Ok(ours), Ok(Some(there))) => ours.id == there.id,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use nix::errno::Errno;

    use super::super::lock::LOCK;
    use super::super::testing::{Call, StagedDisk, Step, TestPool, Verdict, cancel};
    use super::*;

    /// Takes the damaged file's place just before that is exchanged.
    const MEDDLING: &str = "meddling";
    const NAME: &str = "registry.json";
    const ASIDE: &str = "registry.json.damaged";
    const DRAFT: &str = "registry.json.repairing";

    fn facts(pool: &TestPool) -> Facts {
        pool.dir.facts_at(NAME).expect("a look").expect("a file")
    }

    fn read(pool: &TestPool, name: &str) -> Option<String> {
        fs::read_to_string(pool.file(name)).ok()
    }

    fn damaged() -> (TestPool, Facts) {
        let pool = TestPool::new();
        fs::write(pool.file(NAME), "damaged").expect("write");
        let facts = facts(&pool);
        (pool, facts)
    }

    #[test]
    fn the_damaged_file_keeps_its_bytes_and_its_inode() {
        let (pool, planned) = damaged();
        pool.lock()
            .exchange(NAME, &planned, (DRAFT, ASIDE), b"new")
            .expect("exchange");
        assert_eq!(read(&pool, NAME).as_deref(), Some("new"));
        assert_eq!(read(&pool, ASIDE).as_deref(), Some("damaged"));
        let metadata = |name| fs::metadata(pool.file(name)).expect("metadata");
        assert_eq!(metadata(ASIDE).ino(), planned.id.1);
        assert_eq!(metadata(NAME).mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_directory_or_a_link_is_put_aside_as_well() {
        let pool = TestPool::new();
        fs::create_dir_all(pool.file(NAME).join("below")).expect("mkdir");
        let planned = facts(&pool);
        pool.lock()
            .exchange(NAME, &planned, (DRAFT, ASIDE), b"new")
            .expect("exchange");
        assert!(pool.file(ASIDE).join("below").is_dir());
        assert_eq!(read(&pool, NAME).as_deref(), Some("new"));

        let pool = TestPool::new();
        symlink("nowhere", pool.file(NAME)).expect("symlink");
        let planned = facts(&pool);
        assert!(pool.lock().set_aside(NAME, &planned, ASIDE).expect("aside"));
        assert_eq!(
            fs::read_link(pool.file(ASIDE)).expect("a link").to_str(),
            Some("nowhere")
        );
    }

    #[test]
    fn what_was_changed_meanwhile_stays() {
        let (pool, planned) = damaged();
        fs::write(pool.file(NAME), "another").expect("write");
        let mut locked = pool.lock();
        let error = locked
            .exchange(NAME, &planned, (DRAFT, ASIDE), b"new")
            .expect_err("changed");
        assert!(matches!(error, StoreError::Changed { .. }), "{error}");
        let error = locked
            .set_aside(NAME, &planned, ASIDE)
            .expect_err("changed");
        assert!(matches!(error, StoreError::Changed { .. }), "{error}");
        assert_eq!(read(&pool, NAME).as_deref(), Some("another"));
        assert_eq!(read(&pool, ASIDE), None);
        fs::remove_file(pool.file(NAME)).expect("remove");
        assert!(
            !locked
                .set_aside(NAME, &planned, ASIDE)
                .expect("nothing there")
        );
    }

    #[test]
    fn nothing_is_ever_written_over() {
        let (pool, planned) = damaged();
        fs::write(pool.file(ASIDE), "earlier").expect("write");
        let mut locked = pool.lock();
        locked
            .exchange(NAME, &planned, (DRAFT, ASIDE), b"new")
            .expect_err("taken");
        locked.set_aside(NAME, &planned, ASIDE).expect_err("taken");
        assert_eq!(read(&pool, NAME).as_deref(), Some("damaged"));
        assert_eq!(read(&pool, ASIDE).as_deref(), Some("earlier"));
        fs::rename(pool.file(ASIDE), pool.file(DRAFT)).expect("rename");
        let draft = (DRAFT, ASIDE);
        locked
            .exchange(NAME, &planned, draft, b"new")
            .expect_err("taken");
        assert_eq!(read(&pool, NAME).as_deref(), Some("damaged"));
        assert_eq!(read(&pool, DRAFT).as_deref(), Some("earlier"));
    }

    /// Who writes without the lock is not heard of before it is too late.
    #[test]
    fn what_takes_its_place_at_the_last_moment_gets_its_name_back() {
        let (pool, planned) = damaged();
        fs::write(pool.file(MEDDLING), "written without the lock").expect("write");
        let (meddling, name) = (pool.file(MEDDLING), pool.file(NAME));
        let mut first = true;
        let disk = StagedDisk::new(pool.dir.path(), move |_, step| {
            if step.call == Call::Exchange && std::mem::take(&mut first) {
                fs::rename(&meddling, &name).expect("rename");
            }
            Verdict::Go
        });
        let dir = PoolDir::open_on(pool.dir.path(), Arc::new(disk)).expect("pool");
        let mut locked = dir.lock(Duration::ZERO, &cancel()).expect("lock");
        let error = locked
            .exchange(NAME, &planned, (DRAFT, ASIDE), b"new")
            .expect_err("changed");
        assert!(matches!(error, StoreError::Changed { .. }), "{error}");
        let text = read(&pool, NAME);
        assert_eq!(text.as_deref(), Some("written without the lock"));
        assert_eq!(read(&pool, ASIDE), None);
    }

    /// The new file stands under the other name only while it is being written.
    #[test]
    fn a_step_that_fails_leaves_the_damaged_file_and_nothing_else() {
        for call in [
            Call::Create,
            Call::Write,
            Call::Sync,
            Call::Exchange,
            Call::RenameToFree,
        ] {
            let (pool, planned) = damaged();
            let step = call.name();
            let disk = StagedDisk::new(pool.dir.path(), move |_, asked: &Step| {
                if asked.call == call && asked.name != LOCK {
                    Verdict::Fail(Errno::ENOSPC)
                } else {
                    Verdict::Go
                }
            });
            let dir = PoolDir::open_on(pool.dir.path(), Arc::new(disk)).expect("pool");
            let mut locked = dir.lock(Duration::ZERO, &cancel()).expect("lock");
            let error = locked
                .exchange(NAME, &planned, (DRAFT, ASIDE), b"new")
                .expect_err(step);
            assert!(matches!(error, StoreError::Step { .. }), "{step}: {error}");
            assert_eq!(read(&pool, NAME).as_deref(), Some("damaged"), "{step}");
            assert_eq!(read(&pool, ASIDE), None, "{step}");
            assert_eq!(read(&pool, DRAFT), None, "{step}");
        }
    }

    #[test]
    fn the_steps_come_in_the_order_that_survives_a_loss_of_power() {
        let (pool, planned) = damaged();
        let disk = StagedDisk::new(pool.dir.path(), |_, _| Verdict::Go);
        let dir = PoolDir::open_on(pool.dir.path(), Arc::new(disk.clone())).expect("pool");
        let mut locked = dir.lock(Duration::ZERO, &cancel()).expect("lock");
        let before = disk.changes().len();
        locked
            .exchange(NAME, &planned, (DRAFT, ASIDE), b"new")
            .expect("exchange");
        assert_eq!(
            disk.changes()[before..],
            [
                "create",
                "set mode of",
                "write",
                "sync",
                "exchange",
                "rename to free",
                "sync directory"
            ]
        );
    }

    /// As for a program that is ended before a step, or just after it: from there on nothing
    /// happens, no cleaning up either.
    #[test]
    fn whenever_it_ends_the_old_bytes_are_there_and_told_from_the_new() {
        let steps = 7;
        for (last, late) in (0..=steps).flat_map(|last| [(last, false), (last, true)]) {
            let (pool, planned) = damaged();
            let mut changes = 0;
            let disk = StagedDisk::new(pool.dir.path(), move |_, step: &Step| {
                if !step.call.changes() || step.name == LOCK {
                    return Verdict::Go;
                }
                changes += 1;
                match changes - 1 {
                    change if change < last => Verdict::Go,
                    change if change == last && late => Verdict::Late(Errno::EIO),
                    _ => Verdict::Fail(Errno::EIO),
                }
            });
            let dir = PoolDir::open_on(pool.dir.path(), Arc::new(disk)).expect("pool");
            let mut locked = dir.lock(Duration::ZERO, &cancel()).expect("lock");
            let done = locked.exchange(NAME, &planned, (DRAFT, ASIDE), b"new");
            let case = format!("before change {last}, late: {late}: {done:?}");
            assert_eq!(done.is_ok(), last == steps, "{case}");
            let texts = [NAME, DRAFT, ASIDE].map(|name| read(&pool, name));
            let [name, _, aside] = texts.each_ref().map(Option::as_deref);
            assert!(matches!(name, Some("damaged" | "new")), "{case}");
            assert!(matches!(aside, None | Some("damaged")), "{case}");
            let old = texts.iter().flatten().filter(|text| *text == "damaged");
            assert_eq!(old.count(), 1, "{case}");
        }
    }

    /// The look at the old file fails once the new one is in its place.
    fn failing_after_the_exchange(
        pool: &TestPool,
        also: Option<Call>,
    ) -> (LockedPool, Arc<Mutex<bool>>) {
        let exchanged = Arc::new(Mutex::new(false));
        let seen = exchanged.clone();
        let disk = StagedDisk::new(pool.dir.path(), move |_, step: &Step| {
            let mut seen = seen.lock().expect("no panic");
            let fails = *seen && (step.call == Call::Look && step.name == DRAFT);
            let fails = fails || *seen && Some(step.call) == also;
            *seen |= step.call == Call::Exchange;
            if fails {
                Verdict::Fail(Errno::EIO)
            } else {
                Verdict::Go
            }
        });
        let dir = PoolDir::open_on(pool.dir.path(), Arc::new(disk)).expect("pool");
        let locked = dir.lock(Duration::ZERO, &cancel()).expect("lock");
        (locked, exchanged)
    }

    #[test]
    fn a_look_that_fails_after_the_exchange_takes_it_back() {
        let (pool, planned) = damaged();
        let (mut locked, exchanged) = failing_after_the_exchange(&pool, None);
        let error = locked
            .exchange(NAME, &planned, (DRAFT, ASIDE), b"new")
            .expect_err("the look fails");
        assert!(*exchanged.lock().expect("no panic"));
        assert!(matches!(error, StoreError::Step { .. }), "{error}");
        assert_eq!(read(&pool, NAME).as_deref(), Some("damaged"));
        assert_eq!(read(&pool, ASIDE), None);
    }

    #[test]
    fn an_exchange_that_cannot_be_taken_back_is_told_with_the_old_files_name() {
        let (pool, planned) = damaged();
        let (mut locked, _) = failing_after_the_exchange(&pool, Some(Call::Exchange));
        let error = locked
            .exchange(NAME, &planned, (DRAFT, ASIDE), b"new")
            .expect_err("the look fails, and so does the way back");
        assert_eq!(read(&pool, NAME).as_deref(), Some("new"));
        assert_eq!(read(&pool, DRAFT).as_deref(), Some("damaged"));
        let text = error.to_string();
        let old = pool.file(DRAFT).display().to_string();
        assert!(
            text.contains("was replaced") && text.contains(&old),
            "{text}"
        );
    }

    /// What takes the name at the last moment stays, and so does the registry.
    #[test]
    fn a_name_that_is_taken_at_the_last_moment_takes_the_exchange_back() {
        let (pool, planned) = damaged();
        let aside = pool.file(ASIDE);
        let disk = StagedDisk::new(pool.dir.path(), move |_, step| {
            if step.call == Call::RenameToFree {
                fs::write(&aside, "earlier").expect("write");
            }
            Verdict::Go
        });
        let dir = PoolDir::open_on(pool.dir.path(), Arc::new(disk)).expect("pool");
        let mut locked = dir.lock(Duration::ZERO, &cancel()).expect("lock");
        locked
            .exchange(NAME, &planned, (DRAFT, ASIDE), b"new")
            .expect_err("taken");
        assert_eq!(read(&pool, NAME).as_deref(), Some("damaged"));
        assert_eq!(read(&pool, ASIDE).as_deref(), Some("earlier"));
        assert_eq!(read(&pool, DRAFT), None);
    }
}
