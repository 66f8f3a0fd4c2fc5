//! The whole contents of a file of the pool.

use std::fs::File;
use std::io::{self, Read};

use super::directory::PoolDir;
use super::disk::{Disk, again};
use super::error::StoreError;
use super::facts::Facts;

/// Reads a whole file of at most `limit` bytes.
pub(super) fn read_all(
    pool: &PoolDir,
    name: &str,
    file: &File,
    facts: &Facts,
    limit: u64,
) -> Result<Vec<u8>, StoreError> {
    let path = pool.path_of(name);
    let too_large = |size| StoreError::TooLarge {
        path: path.clone(),
        size,
        limit,
    };
    if facts.size > limit {
        return Err(too_large(facts.size));
    }
    // One byte more than allowed, so that a file that grows meanwhile is noticed.
    let bytes = read_beginning(pool, name, file, facts, limit + 1)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// Reads as much of a file's beginning as there is of `length` bytes.
pub(super) fn read_beginning(
    pool: &PoolDir,
    name: &str,
    file: &File,
    facts: &Facts,
    length: u64,
) -> Result<Vec<u8>, StoreError> {
    // With one byte more, so that the end is noticed without growing.
    let expected = facts.size.saturating_add(1).min(length);
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
    let from_start = Reader {
        disk: pool.disk(),
        file,
        at: 0,
    };
    from_start
        .take(length)
        .read_to_end(&mut bytes)
        .map_err(|error| StoreError::step("read", &pool.path_of(name), error))?;
    Ok(bytes)
}

/// A file of the pool, read from an offset on.
struct Reader<'a> {
    disk: &'a dyn Disk,
    file: &'a File,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.disk.read(self.file, buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Writes all of it, from the file's position on.
pub(super) fn write_all(pool: &PoolDir, file: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match again(|| pool.disk().write(file, bytes))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => bytes = &bytes[written..],
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::disk::Access;
    use super::super::file::open_file;
    use super::super::testing::TestPool;
    use super::*;

    #[test]
    fn a_file_is_too_large_by_its_size_or_by_what_is_read() {
        let pool = TestPool::new();
        fs::write(pool.file("registry.json"), "12345").expect("write");
        let opened = open_file(&pool.dir, "registry.json", Access::Read).expect("open");
        let (file, mut facts) = opened.expect("file");
        // Nobody reads a file that is too large to begin with, or makes room for it.
        facts.size = 1 << 60;
        let read = read_all(&pool.dir, "x", &file, &facts, 4);
        assert!(matches!(read, Err(StoreError::TooLarge { size, .. }) if size == 1 << 60));

        facts.size = 3;
        let read = read_all(&pool.dir, "x", &file, &facts, 4);
        assert!(
            matches!(
                read,
                Err(StoreError::TooLarge {
                    size: 5,
                    limit: 4,
                    ..
                })
            ),
            "{read:?}"
        );
    }
}
