//! The file that recordings are appended to.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::geteuid;

use super::{LARGEST, LARGEST_FILE, Recording};
use crate::store::advice;

/// Where recordings go. Several programs can append to one file.
///
/// It is opened anew for each request, so that it can be moved aside at any time.
#[derive(Clone, Debug)]
pub struct RecordingFile {
    path: PathBuf,
}

/// Why something is not recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The file cannot be opened or made.
    #[error("cannot open {} to record in it{}", .path.display(), advice(.source, .path))]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something else than a file that is the user's alone.
    #[error("{} {what}; a recording holds what is in the registry and in the settings, so name a new file, or `chmod 600` one of yours", .path.display())]
    Unsafe {
        /// What it is.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The recording would be too large, or its file.
    #[error("{} would get {size} bytes, and the limit is {limit}; move it aside", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size with the recording, or that of the recording alone.
        size: u64,
        /// The largest that is written.
        limit: u64,
    },
    /// The recording cannot be written as JSON.
    #[error("cannot write the recording as JSON")]
    Json(#[from] serde_json::Error),
    /// The system refused to write it.
    #[error("cannot write to {}{}", .path.display(), advice(.source, .path))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl RecordingFile {
    /// A file to append to, made with mode 0600 when there is none.
    ///
    /// # Errors
    /// When it cannot be opened, is no regular file (a symbolic link is none), is not the
    /// user's alone, or has another name.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, RecordingError> {
        let file = Self { path: path.into() };
        file.open_to_append().map(|_| file)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a recording, or warns that it is missing: the request has been carried out.
    pub(crate) fn keep(&self, recording: Result<Recording, RecordingError>) {
        if let Err(error) = recording.and_then(|recording| self.append(&recording)) {
            tracing::warn!(
                "the request was not recorded: {}",
                crate::error::chain(&error)
            );
        }
    }

    /// Appends a recording.
    ///
    /// # Errors
    /// When it is too large or cannot be written.
    pub fn append(&self, recording: &Recording) -> Result<(), RecordingError> {
        let mut line = serde_json::to_vec(recording)?;
        if line.len() > LARGEST {
            return Err(self.too_large(line.len() as u64, LARGEST as u64));
        }
        line.push(b'\n');
        let (mut file, size) = self.open_to_append()?;
        let after = size + line.len() as u64;
        if after > LARGEST_FILE {
            return Err(self.too_large(after, LARGEST_FILE));
        }
        let failed = |source| RecordingError::Write {
            path: self.path.clone(),
            source,
        };
        if ends_torn(&file, size).map_err(failed)? {
            line.insert(0, b'\n');
        }
        // One write(2) with O_APPEND: the kernel does not mix it with those of others
        // (write(2): the offset is set and the data written as one atomic step). If
        // it ends short, the disk is full, and the rest would be no good either.
        match file.write(&line) {
            Ok(written) if written == line.len() => Ok(()),
            Ok(_) => Err(failed(io::ErrorKind::StorageFull.into())),
            Err(error) => Err(failed(error)),
        }
    }

    pub(crate) fn too_large(&self, size: u64, limit: u64) -> RecordingError {
        RecordingError::TooLarge {
            path: self.path.clone(),
            size,
            limit,
        }
    }

    /// The file, checked, and its size.
    fn open_to_append(&self) -> Result<(File, u64), RecordingError> {
        let failed = |source| RecordingError::Open {
            path: self.path.clone(),
            source,
        };
        let not_safe = |what| RecordingError::Unsafe {
            path: self.path.clone(),
            what,
        };
        // For reading, too: what the last writer left at its end is looked at. Without
        // O_NONBLOCK, opening a FIFO would wait for its other end.
        let flags = OFlag::O_RDWR
            | OFlag::O_APPEND
            | OFlag::O_CREAT
            | OFlag::O_NOFOLLOW
            | OFlag::O_CLOEXEC
            | OFlag::O_NONBLOCK;
        let opened = open(&self.path, flags, Mode::S_IRUSR | Mode::S_IWUSR);
        let file = match opened {
            Ok(fd) => File::from(fd),
            Err(Errno::ELOOP) => return Err(not_safe("is a symbolic link")),
            // A directory, or a socket (open(2)).
            Err(Errno::EISDIR | Errno::ENXIO) => return Err(not_safe("is no regular file")),
            Err(errno) => return Err(failed(errno.into())),
        };
        let facts = file.metadata().map_err(failed)?;
        if !facts.is_file() {
            return Err(not_safe("is no regular file"));
        }
        if facts.uid() != geteuid().as_raw() {
            return Err(not_safe("belongs to another user"));
        }
        if facts.mode() & 0o077 != 0 {
            return Err(not_safe("can be used by others"));
        }
        if facts.nlink() > 1 {
            return Err(not_safe(
                "has other names (hard links), and would be written under all of them",
            ));
        }
        Ok((file, facts.len()))
    }
}

/// Whether the last writer was killed, or the disk full, in the middle of a line.
fn ends_torn(file: &File, size: u64) -> io::Result<bool> {
    let Some(last) = size.checked_sub(1) else {
        return Ok(false);
    };
    let mut end = [0];
    let read = file.read_at(&mut end, last)?;
    Ok(read == 1 && end != *b"\n")
}
