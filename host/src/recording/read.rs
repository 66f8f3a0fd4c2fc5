//! Reading recordings.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{LARGEST, Recording, VERSION};
use crate::error::without_position;
use crate::store::advice;

/// The recordings of a file, one by one, each with its line's number, counted from 1.
///
/// A line that cannot be read is an error of its own, and the next one follows.
pub struct Recordings {
    path: PathBuf,
    file: BufReader<File>,
    line: u64,
    over: bool,
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file, or the rest of it.
    #[error("cannot read {} from line {line} on{}", .path.display(), advice(.source, .path))]
    File {
        /// The file.
        path: PathBuf,
        /// The first line that was not read.
        line: u64,
        /// What the system said.
        source: io::Error,
    },
    /// A line that is larger than a recording may be.
    #[error("line {line} of {} is no recording: it has more than {LARGEST} bytes", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
    },
    /// A line that its writer did not finish.
    #[error("line {line} of {} has no end: its writer was killed, or the disk was full", .path.display())]
    Torn {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
    },
    /// A line that is no recording.
    #[error("line {line} of {} is no recording: {detail} at column {column}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// Where in the line, in bytes, counted from 1.
        column: usize,
        /// What is wrong there.
        detail: String,
    },
    /// A recording in a newer format.
    #[error(
        "line {line} of {} is a recording of version {version}, and this program reads up to \
         version {VERSION}: use the newer program that made it",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// Its version.
        version: u64,
    },
}

/// What every version has.
#[derive(Deserialize)]
struct Head {
    version: u64,
}

impl Recordings {
    /// Opens a file of recordings.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref().to_owned();
        match File::open(&path) {
            Ok(file) => Ok(Self {
                path,
                file: BufReader::new(file),
                line: 0,
                over: false,
            }),
            Err(source) => Err(ReadError::File {
                path,
                line: 1,
                source,
            }),
        }
    }

    /// The next line with its end, none behind the last one. A line that is too large is
    /// passed over, and not kept.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        let mut text = Vec::new();
        let limit = LARGEST as u64 + 1;
        self.line += 1;
        let read = (&mut self.file).take(limit).read_until(b'\n', &mut text);
        if read.map_err(|error| self.unreadable(error))? == 0 {
            return Ok(None);
        }
        if text.len() <= LARGEST || text.ends_with(b"\n") {
            return Ok(Some(text));
        }
        let (path, line) = (self.path.clone(), self.line);
        let skipped = self.file.skip_until(b'\n');
        skipped.map_err(|error| self.unreadable(error))?;
        Err(ReadError::TooLarge { path, line })
    }

    fn unreadable(&mut self, source: io::Error) -> ReadError {
        self.over = true;
        ReadError::File {
            path: self.path.clone(),
            line: self.line,
            source,
        }
    }

    fn parse(&self, text: &[u8]) -> Result<Recording, ReadError> {
        let (path, line) = (self.path.clone(), self.line);
        let wrong = |error: serde_json::Error| {
            let (path, line) = (self.path.clone(), self.line);
            match text.ends_with(b"\n") {
                true => ReadError::Line {
                    path,
                    line,
                    column: error.column().max(1),
                    detail: without_position(&error),
                },
                false => ReadError::Torn { path, line },
            }
        };
        let Head { version } = serde_json::from_slice(text).map_err(wrong)?;
        if version > VERSION {
            return Err(ReadError::Newer {
                path,
                line,
                version,
            });
        }
        serde_json::from_slice(text).map_err(wrong)
    }
}

impl Iterator for Recordings {
    type Item = Result<(u64, Recording), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.over {
            match self.next_line() {
                Ok(None) => break,
                Ok(Some(text)) if text.trim_ascii().is_empty() => {}
                Ok(Some(text)) => return Some(self.parse(&text).map(|read| (self.line, read))),
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }
}
