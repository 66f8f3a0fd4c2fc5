//! Putting the trail's file aside when it is full.

use std::os::fd::AsFd;

use super::super::danger::Danger;
use super::super::directory::PoolDir;
use super::super::disk::again;
use super::super::error::StoreError;
use super::super::facts::{Facts, FileKind};
use super::super::file;
use super::{KEPT, name};

/// Renames the current file to number 1 and each old one to the next number. The last one
/// is replaced only when every number is taken.
///
/// The caller holds the lock on the current file. At every moment each file has one name,
/// so that a process that ends in between loses nothing, and the gap that it leaves takes
/// in the next file.
pub(super) fn put_aside(pool: &PoolDir) -> Result<(), StoreError> {
    let mut end = KEPT;
    for number in 1..=KEPT {
        match file::look_at(pool, &name(number))? {
            None => {
                end = number;
                break;
            }
            // A rename would replace anything: what should not be here is not ours to
            // remove.
            Some(facts) if number == KEPT => file::check(pool, &name(number), &facts)?,
            // And it would move anything along, up to where the next one fails for it.
            Some(Facts { kind: found, .. }) if found != FileKind::Regular => {
                let wanted = FileKind::Regular;
                return Err(StoreError::Unsafe {
                    path: pool.path_of(&name(number)),
                    danger: Danger::Kind { found, wanted },
                });
            }
            Some(_) => {}
        }
    }
    for number in (0..end).rev() {
        let (from, to) = (name(number), name(number + 1));
        again(|| pool.disk().rename(pool.as_fd(), &from, &to))
            .map_err(|error| StoreError::step("put aside", &pool.path_of(&from), error))?;
        // Each for itself: a file system may bring two renames to the disk in another
        // order, and a file whose name was taken before it had its next one is lost.
        again(|| pool.disk().sync_directory(pool.as_fd())).map_err(|error| {
            StoreError::step("sync the directory of", &pool.path_of(&to), error)
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs;
    use std::io::{Read, Seek, SeekFrom};
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::sync::Arc;
    use std::thread;

    use super::super::super::contract::Durability;
    use super::super::super::testing::{Call, LONG, StagedDisk, TestPool};
    use super::super::{LARGEST, TRAIL};
    use super::*;

    /// A line as long as a whole file.
    fn long_line(number: u32) -> Vec<u8> {
        let room = usize::try_from(LARGEST).expect("fits") - 11;
        let filling = "0".repeat(room);
        format!("{filling}{number:010}\n").into_bytes()
    }

    fn append(pool: &PoolDir, line: &[u8]) -> Result<(), StoreError> {
        pool.append_to_trail(line, Durability::Process, LONG, None)
    }

    /// The number that a file of [`long_line`] holds.
    fn number_in(path: &Path) -> u32 {
        let mut file = fs::File::open(path).expect("open");
        file.seek(SeekFrom::End(-11)).expect("seek");
        let mut end = String::new();
        file.read_to_string(&mut end).expect("read");
        end.trim().parse().expect("a number")
    }

    #[test]
    fn files_move_on_and_the_last_one_goes() {
        let pool = TestPool::new();
        for number in 0..KEPT + 3 {
            append(&pool.dir, &long_line(number)).expect("append");
        }
        for place in 0..=KEPT {
            let path = pool.file(&name(place));
            assert_eq!(number_in(&path), KEPT + 2 - place, "{}", path.display());
        }
        assert!(!pool.file(&name(KEPT + 1)).exists());
    }

    #[test]
    fn a_file_is_full_when_the_next_line_would_make_it_too_large() {
        let pool = TestPool::new();
        let size = LARGEST - 10;
        let full = "x".repeat(usize::try_from(size).expect("fits") - 1) + "\n";
        fs::write(pool.file(TRAIL), &full).expect("write");
        append(&pool.dir, b"12345678\n").expect("append");
        let metadata = fs::metadata(pool.file(TRAIL)).expect("metadata");
        assert_eq!(metadata.len(), LARGEST - 1);
        assert!(!pool.file(&name(1)).exists());
        append(&pool.dir, b"9\n").expect("append");
        assert_eq!(fs::read(pool.file(TRAIL)).expect("read"), b"9\n");
        assert!(pool.file(&name(1)).exists());
    }

    #[test]
    fn a_gap_takes_in_the_next_file() {
        let pool = TestPool::new();
        for number in (0..=KEPT).filter(|number| *number != 3) {
            fs::write(pool.file(&name(number)), number.to_string()).expect("write");
        }
        put_aside(&pool.dir).expect("rotation");
        let text = |number| fs::read_to_string(pool.file(&name(number))).ok();
        let places: Vec<_> = (0..=KEPT).map(text).collect();
        let expected = [
            None,
            Some(0),
            Some(1),
            Some(2),
            Some(4),
            Some(5),
            Some(6),
            Some(7),
            Some(8),
        ];
        assert_eq!(
            places,
            expected.map(|n: Option<u32>| n.map(|n| n.to_string()))
        );
    }

    #[test]
    fn what_is_no_file_of_the_trail_is_not_replaced() {
        let pool = TestPool::new();
        for number in 0..KEPT {
            fs::write(pool.file(&name(number)), "full").expect("write");
        }
        symlink("nowhere", pool.file(&name(KEPT))).expect("symlink");
        let error = put_aside(&pool.dir).expect_err("a link");
        assert!(error.to_string().contains("symbolic link"), "{error}");
        assert!(pool.file(TRAIL).exists());
    }

    /// Whichever it is, also where it would be replaced only some rotations later.
    #[test]
    fn what_is_no_file_of_the_trail_is_named_before_anything_moves() {
        for place in 1..=KEPT {
            let pool = TestPool::new();
            for number in (0..=KEPT).filter(|number| *number != place) {
                fs::write(pool.file(&name(number)), number.to_string()).expect("write");
            }
            let path = pool.file(&name(place));
            fs::create_dir(&path).expect("mkdir");
            let error = put_aside(&pool.dir).expect_err("a directory").to_string();
            let remedy = format!("move it away: mv {0} {0}.aside", path.display());
            assert!(
                error.contains("it is a directory") && error.ends_with(&remedy),
                "{error}"
            );
            for number in (0..=KEPT).filter(|number| *number != place) {
                let text = fs::read_to_string(pool.file(&name(number))).expect("still there");
                assert_eq!(text, number.to_string(), "with a directory at {place}");
            }
        }
    }

    #[test]
    fn a_rotation_that_fails_is_no_append() {
        let pool = TestPool::new();
        append(&pool.dir, &long_line(1)).expect("append");
        let disk = Arc::new(StagedDisk::failing(pool.dir.path(), &[Call::Rename]));
        let dir = PoolDir::open_on(pool.dir.path(), disk).expect("pool");
        let error = append(&dir, b"line\n").expect_err("fails");
        let text = error.to_string();
        let expected = format!("cannot put aside {};", pool.file(TRAIL).display());
        assert!(text.starts_with(&expected), "{text}");
        assert_eq!(number_in(&pool.file(TRAIL)), 1);
    }

    /// Each has a descriptor of the directory of its own, as processes have.
    #[test]
    fn many_who_write_and_rotate_at_once_lose_nothing() {
        const WRITERS: usize = 8;
        const LINES: usize = 45;
        let pool = TestPool::new();
        let filling = "x".repeat(64 << 10);
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (path, filling) = (pool.dir.path(), &filling);
                scope.spawn(move || {
                    let dir = PoolDir::open(path).expect("pool");
                    for line in 0..LINES {
                        let text = format!("{writer} {line} {filling}\n");
                        append(&dir, text.as_bytes()).expect("append");
                    }
                });
            }
        });
        let mut lines = HashSet::new();
        let mut files = 0;
        for opened in pool.dir.open_trail() {
            let mut text = String::new();
            let mut opened = opened.expect("a file of the trail");
            opened.file.read_to_string(&mut text).expect("read");
            assert!(text.len() as u64 <= LARGEST);
            for line in text.lines() {
                let (start, end) = line.rsplit_once(' ').expect("three parts");
                assert_eq!(end, filling, "{start}");
                assert!(lines.insert(start.to_owned()), "{start} stands twice");
            }
            files += 1;
        }
        assert_eq!(lines.len(), WRITERS * LINES);
        assert!(files > 4, "{files} files: the rotation was not tried");
    }
}
