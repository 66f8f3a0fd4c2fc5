//! Finding the trail's files for a reader, who locks nothing.

use std::fs::File;
use std::path::PathBuf;

use super::super::directory::PoolDir;
use super::super::disk::Access;
use super::super::error::StoreError;
use super::super::file;
use super::{KEPT, name};

/// A file of the trail, opened for reading.
#[derive(Debug)]
pub(crate) struct TrailFile {
    /// Where it was when it was opened.
    pub(crate) path: PathBuf,
    pub(crate) file: File,
}

impl PoolDir {
    /// Opens the files of the trail, the oldest first, and what is wrong with those that
    /// cannot be.
    ///
    /// Files move to higher numbers while others write. Opened from the lowest number on,
    /// none is missed, and one that moved on meanwhile is recognised.
    pub(crate) fn open_trail(&self) -> Vec<Result<TrailFile, StoreError>> {
        let mut files = Vec::new();
        let mut seen = Vec::new();
        for number in 0..=KEPT {
            let name = name(number);
            match file::open_file(self, &name, Access::Read) {
                Ok(Some((file, facts))) if !seen.contains(&facts.id) => {
                    seen.push(facts.id);
                    let path = self.path_of(&name);
                    files.push(Ok(TrailFile { path, file }));
                }
                Ok(_) => {}
                Err(error) => files.push(Err(error)),
            }
        }
        files.reverse();
        files
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::super::super::testing::TestPool;
    use super::super::rotate;
    use super::*;

    fn texts(pool: &TestPool) -> Vec<String> {
        let text = |opened: TrailFile| {
            let mut text = String::new();
            let mut file = opened.file;
            file.read_to_string(&mut text).expect("read");
            text
        };
        let opened = pool.dir.open_trail().into_iter();
        opened.filter_map(Result::ok).map(text).collect()
    }

    #[test]
    fn the_oldest_comes_first_and_gaps_are_none() {
        let pool = TestPool::new();
        assert!(texts(&pool).is_empty());
        for number in [0, 1, 4] {
            fs::write(pool.file(&name(number)), number.to_string()).expect("write");
        }
        assert_eq!(texts(&pool), ["4", "1", "0"]);
        rotate::put_aside(&pool.dir).expect("rotation");
        assert_eq!(texts(&pool), ["4", "1", "0"]);
    }

    /// As a file that moves on between two looks.
    #[test]
    fn a_file_that_has_two_numbers_is_read_once() {
        let pool = TestPool::new();
        fs::write(pool.file(&name(0)), "one").expect("write");
        fs::hard_link(pool.file(&name(0)), pool.file(&name(1))).expect("link");
        assert_eq!(texts(&pool), ["one"]);
    }

    #[test]
    fn a_file_that_is_not_safe_is_named_and_the_others_are_read() {
        let pool = TestPool::new();
        fs::write(pool.file(&name(0)), "0").expect("write");
        symlink("audit.jsonl", pool.file(&name(1))).expect("symlink");
        fs::write(pool.file(&name(2)), "2").expect("write");
        assert_eq!(texts(&pool), ["2", "0"]);
        let opened = pool.dir.open_trail();
        let error = opened[1].as_ref().expect_err("a link").to_string();
        assert!(error.contains("audit.jsonl.1"), "{error}");
    }
}
