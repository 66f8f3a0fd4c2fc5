//! Appending to the trail: all the lines or none of them.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use super::super::check::check_only_name;
use super::super::contract::Durability;
use super::super::directory::PoolDir;
use super::super::disk::{Access, again};
use super::super::error::StoreError;
use super::super::lock::FileLock;
use super::{LARGEST, TRAIL, rotate};
use crate::cancel::Cancel;

impl PoolDir {
    /// Appends whole lines to the trail, which is made when there is none, and anew when the
    /// file has another name as well: that may be another file's. Waits up to
    /// `wait` for others that append, and without a cancellation whatever becomes of the
    /// request.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Cancelled`] as the lock gives them,
    /// [`StoreError::Unsafe`] and [`StoreError::Moved`] when the directory or the file is
    /// not what it has to be, [`StoreError::Step`] when the system refuses. The trail then
    /// has none of the lines, unless it could not be cut back either: some of them stand
    /// there then, with nothing behind them that says what came of it.
    pub(crate) fn append_to_trail(
        &self,
        lines: &[u8],
        durability: Durability,
        wait: Duration,
        cancel: Option<&Cancel>,
    ) -> Result<(), StoreError> {
        // Nobody has looked at the directory since the pool was last locked.
        self.check()?;
        let mut was_linked = false;
        loop {
            // For reading, too: what the last writer left at its end is looked at.
            let lock = FileLock::acquire(self, TRAIL, Access::Append, wait, cancel)?;
            let facts = lock.facts()?;
            if let Err(danger) = check_only_name(&facts) {
                let path = self.path_of(TRAIL);
                if was_linked {
                    // The next number is a name of the same file, so that no rename moves it.
                    return Err(StoreError::Unsafe { path, danger });
                }
                let finding = danger.finding();
                tracing::warn!("{} is put aside: {finding}", path.display());
                was_linked = true;
            } else if facts.size == 0 || facts.size + (lines.len() as u64) < LARGEST {
                return append(self, lock.file(), facts.size, lines, durability);
            }
            // Whoever waits for this file finds that its name leads elsewhere.
            rotate::put_aside(self)?;
        }
    }
}

fn append(
    pool: &PoolDir,
    file: &File,
    size: u64,
    lines: &[u8],
    durability: Durability,
) -> Result<(), StoreError> {
    let failed = |step| {
        let path = pool.path_of(TRAIL);
        move |error| StoreError::step(step, &path, error)
    };
    let torn = ends_torn(pool, file, size).map_err(failed("read the end of"))?;
    let with_break;
    let bytes = if torn {
        // Its writer was killed or lost power in the middle of a line, which stays as it
        // is; the next one begins on a line of its own.
        with_break = [b"\n", lines].concat();
        &with_break
    } else {
        lines
    };

    let written = (|| {
        write_at_once(pool, file, bytes).map_err(failed("append to"))?;
        if durability == Durability::Power {
            again(|| pool.disk().sync_data(file)).map_err(failed("sync"))?;
            // Its name, too: the file may be a new one, of this process or of another.
            again(|| pool.disk().sync_directory(pool.as_fd()))
                .map_err(failed("sync the directory of"))?;
        }
        Ok(())
    })();
    if written.is_err()
        && let Err(error) = again(|| pool.disk().cut(file, size))
    {
        // The error to report is the first one.
        tracing::warn!(%error, "{TRAIL} could not be cut back after a failed append");
    }
    written
}

/// One call, so that a reader hardly ever sees a part, and nobody a line within another.
fn write_at_once(pool: &PoolDir, file: &File, bytes: &[u8]) -> io::Result<()> {
    let written = again(|| pool.disk().write(file, bytes))?;
    if written == bytes.len() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::WriteZero,
        format!(
            "only {written} of {} bytes were written, so the disk, a quota or the limit of \
             file sizes (ulimit -f) is full",
            bytes.len()
        ),
    ))
}

/// Whether the file ends in the middle of a line.
fn ends_torn(pool: &PoolDir, file: &File, size: u64) -> io::Result<bool> {
    let Some(last) = size.checked_sub(1) else {
        return Ok(false);
    };
    let mut end = [0];
    match again(|| pool.disk().read(file, &mut end, last))? {
        // Somebody who does not heed the lock made it shorter.
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(end != *b"\n"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::path::Path;
    use std::sync::Arc;

    use nix::errno::Errno;
    use nix::sys::stat::Mode;
    use nix::unistd::{geteuid, mkfifo};

    use super::super::super::danger::Danger;
    use super::super::super::error::StoreErrorKind;
    use super::super::super::facts::FileKind;
    use super::super::super::testing::{
        Call, LONG, StagedDisk, Step, TestPool, Verdict, cancel, until_awaited,
    };
    use super::*;

    fn append_to(pool: &PoolDir, lines: &str) -> Result<(), StoreError> {
        pool.append_to_trail(lines.as_bytes(), Durability::Power, LONG, None)
    }

    fn trail(pool: &TestPool) -> String {
        fs::read_to_string(pool.file(TRAIL)).expect("the trail")
    }

    /// The same pool on a disk that fails, if at all, as it is told to.
    fn on_disk(
        pool: &TestPool,
        fault: impl Fn(Call) -> Option<Verdict> + Send + 'static,
    ) -> (PoolDir, StagedDisk) {
        let plan = move |_: usize, step: &Step| fault(step.call).unwrap_or(Verdict::Go);
        let disk = StagedDisk::new(pool.dir.path(), plan);
        let dir = PoolDir::open_on(pool.dir.path(), Arc::new(disk.clone())).expect("pool");
        (dir, disk)
    }

    #[test]
    fn lines_come_behind_each_other_in_a_private_file() {
        let pool = TestPool::new();
        append_to(&pool.dir, "one\ntwo\n").expect("append");
        append_to(&pool.dir, "three\n").expect("append");
        assert_eq!(trail(&pool), "one\ntwo\nthree\n");
        let mode = fs::metadata(pool.file(TRAIL)).expect("metadata");
        assert_eq!(mode.permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    fn what_has_to_outlast_a_loss_of_power_is_synced_and_the_rest_is_not() {
        let pool = TestPool::new();
        let (dir, disk) = on_disk(&pool, |_| None);
        let append = |durability| {
            dir.append_to_trail(b"line\n", durability, LONG, None)
                .expect("append");
        };
        append(Durability::Process);
        append(Durability::Power);
        assert_eq!(
            disk.changes(),
            [
                "create",
                "set mode of",
                "write",
                "write",
                "sync data of",
                "sync directory"
            ]
        );
    }

    #[test]
    fn a_step_that_fails_is_named_and_leaves_no_line_behind() {
        let full = Verdict::Fail(Errno::ENOSPC);
        for (call, verdict, step) in [
            (Call::Create, full, "create"),
            (Call::Write, full, "append to"),
            (Call::Write, Verdict::Short, "append to"),
            (Call::SyncData, full, "sync"),
            (Call::SyncDirectory, full, "sync the directory of"),
        ] {
            for before in [None, Some(""), Some("before\n"), Some("{\"torn")] {
                if before.is_some() && step == "create" {
                    continue;
                }
                let pool = TestPool::new();
                if let Some(before) = before {
                    fs::write(pool.file(TRAIL), before).expect("write");
                }
                let (dir, _) = on_disk(&pool, move |asked| (asked == call).then_some(verdict));
                let error = append_to(&dir, "{\"a\":1}\n{\"b\":2}\n").expect_err(step);
                let text = error.to_string();
                let expected = format!("cannot {step} {}", pool.file(TRAIL).display());
                assert!(text.starts_with(&expected), "{text}");
                let left = fs::read_to_string(pool.file(TRAIL)).unwrap_or_default();
                assert_eq!(left, before.unwrap_or_default(), "{call:?}");
                // The lock was released, and the next one finds nothing amiss.
                append_to(&pool.dir, "next\n").expect(step);
            }
        }
    }

    #[test]
    fn half_a_line_that_cannot_be_cut_back_spoils_no_other() {
        let pool = TestPool::new();
        append_to(&pool.dir, "before\n").expect("append");
        let (dir, _) = on_disk(&pool, |call| match call {
            Call::Write => Some(Verdict::Short),
            Call::Cut => Some(Verdict::Fail(Errno::EIO)),
            _ => None,
        });
        let error = append_to(&dir, "12345678\n").expect_err("the disk is full");
        let why = crate::error::chain(&error);
        assert!(why.contains("only 4 of 9 bytes"), "{why}");
        append_to(&pool.dir, "after\n").expect("append");
        assert_eq!(trail(&pool), "before\n1234\nafter\n");
    }

    #[test]
    fn a_line_that_was_torn_off_is_ended_first() {
        let pool = TestPool::new();
        fs::write(pool.file(TRAIL), "whole\n{\"at\":\"20").expect("write");
        append_to(&pool.dir, "next\n").expect("append");
        append_to(&pool.dir, "last\n").expect("append");
        assert_eq!(trail(&pool), "whole\n{\"at\":\"20\nnext\nlast\n");
    }

    #[test]
    fn only_a_regular_file_is_written() {
        let wanted = FileKind::Regular;
        type Make = fn(&Path, &Path);
        let kinds: [(FileKind, Make); 4] = [
            (FileKind::SymbolicLink, |path, target| {
                symlink(target, path).expect("symlink");
            }),
            (FileKind::SymbolicLink, |path, _| {
                symlink("nowhere", path).expect("symlink");
            }),
            (FileKind::Fifo, |path, _| {
                mkfifo(path, Mode::S_IRWXU).expect("mkfifo");
            }),
            (FileKind::Directory, |path, _| {
                fs::create_dir(path).expect("mkdir");
            }),
        ];
        for (found, make) in kinds {
            let pool = TestPool::new();
            let target = pool.root.path().join("target");
            fs::write(&target, "untouched\n").expect("write");
            make(&pool.file(TRAIL), &target);
            match append_to(&pool.dir, "line\n") {
                Err(StoreError::Unsafe { path, danger }) => {
                    assert_eq!(path, pool.file(TRAIL));
                    assert_eq!(danger, Danger::Kind { found, wanted });
                }
                other => panic!("{found}: {other:?}"),
            }
            assert_eq!(fs::read(&target).expect("read"), b"untouched\n", "{found}");
            assert!(!pool.file("nowhere").exists());
        }
    }

    #[test]
    fn a_file_of_others_or_open_to_others_is_not_written() {
        let pool = TestPool::new();
        let path = pool.file(TRAIL);
        fs::write(&path, "").expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("chmod");
        fs::set_permissions(pool.dir.path(), fs::Permissions::from_mode(0o711)).expect("chmod");
        let error = append_to(&pool.dir, "line\n").expect_err("others can write it");
        assert!(error.to_string().contains("mode 0666"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod");
        append_to(&pool.dir, "line\n").expect("append");
        // Only root can give a file away.
        if geteuid().is_root() {
            chown(&path, Some(1), None).expect("chown");
            let error = append_to(&pool.dir, "line\n").expect_err("another user's");
            assert!(error.to_string().contains("belongs to user 1"), "{error}");
        }
        assert_eq!(fs::read(&path).expect("read"), b"line\n");
    }

    #[test]
    fn a_pool_that_was_moved_gets_no_line() {
        let pool = TestPool::new();
        let aside = pool.root.path().join("aside");
        fs::rename(pool.dir.path(), &aside).expect("rename");
        let error = append_to(&pool.dir, "line\n").expect_err("moved");
        assert!(matches!(error, StoreError::Moved { .. }), "{error}");
        assert!(!aside.join(TRAIL).exists());
    }

    #[test]
    fn the_wait_for_another_writer_is_bounded_and_can_be_cancelled() {
        let pool = TestPool::new();
        append_to(&pool.dir, "before\n").expect("append");
        let held = File::open(pool.file(TRAIL)).expect("open");
        held.lock().expect("lock");
        let append = |wait, cancel| {
            pool.dir
                .append_to_trail(b"line\n", Durability::Process, wait, cancel)
                .expect_err("somebody else writes")
                .kind()
        };
        assert_eq!(append(Duration::ZERO, None), StoreErrorKind::Busy);
        let cancel = cancel();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| append(LONG, Some(&cancel)));
            until_awaited(&held);
            cancel.cancel();
            let kind = waiting.join().expect("thread");
            assert_eq!(kind, StoreErrorKind::Cancelled);
        });
        drop(held);
        assert_eq!(trail(&pool), "before\n");
        append_to(&pool.dir, "after\n").expect("append");
    }
}
