//! Appending to the trail: all the lines or none of them.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use nix::fcntl::OFlag;

use super::super::directory::PoolDir;
use super::super::error::StoreError;
use super::super::file;
use super::super::lock::FileLock;
use super::{LARGEST, TRAIL, rotate};
use crate::cancel::Cancel;

/// What the lines have to outlast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The end of this process, at any moment. That is enough for a signal: what ends
    /// the machine ends the process that was signalled, too.
    Process,
    /// A loss of power. An entry that is removed from the registry afterwards stands in
    /// these lines and nowhere else.
    Power,
}

impl PoolDir {
    /// Appends whole lines to the trail, which is made when there is none; waits up to
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
        loop {
            let lock = FileLock::acquire(self, TRAIL, open, wait, cancel)?;
            let size = lock.facts(self)?.size;
            if size > 0 && size + lines.len() as u64 >= LARGEST {
                // Whoever waits for this file finds that its name leads elsewhere.
                rotate::put_aside(self)?;
                continue;
            }
            return append(self, lock.file(), size, lines, durability);
        }
    }
}

/// Opens the file, which is made when there is none.
fn open(pool: &PoolDir) -> Result<File, StoreError> {
    loop {
        // For reading, too: what the last writer left at its end is looked at.
        if let Some((file, _)) = file::open_file(pool, TRAIL, OFlag::O_RDWR | OFlag::O_APPEND)? {
            return Ok(file);
        }
        match pool.disk().create(pool.as_fd(), TRAIL) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(StoreError::step("create", &pool.path_of(TRAIL), error));
            }
            // It is there now, made here or by somebody else just before.
            _ => {}
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
    let torn = ends_torn(file, size).map_err(failed("read the end of"))?;
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
            pool.disk().sync_data(file).map_err(failed("sync"))?;
            // Its name, too: the file may be a new one, of this process or of another.
            pool.disk()
                .sync_directory(pool.as_fd())
                .map_err(failed("sync the directory of"))?;
        }
        Ok(())
    })();
    if written.is_err()
        && let Err(error) = pool.disk().cut(file, size)
    {
        // The error to report is the first one.
        tracing::warn!(%error, "{TRAIL} could not be cut back after a failed append");
    }
    written
}

/// One call, so that a reader hardly ever sees a part, and nobody a line within another.
fn write_at_once(pool: &PoolDir, file: &File, bytes: &[u8]) -> io::Result<()> {
    loop {
        return match pool.disk().append(file, bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
            Ok(written) if written == bytes.len() => Ok(()),
            Ok(written) => Err(io::Error::new(
                io::ErrorKind::WriteZero,
                format!(
                    "only {written} of {} bytes were written, so the disk or a quota is full",
                    bytes.len()
                ),
            )),
        };
    }
}

/// Whether the file ends in the middle of a line.
fn ends_torn(file: &File, size: u64) -> io::Result<bool> {
    let Some(last) = size.checked_sub(1) else {
        return Ok(false);
    };
    let mut end = [0];
    file.read_exact_at(&mut end, last)?;
    Ok(end != *b"\n")
}
