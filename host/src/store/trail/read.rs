//! Finding the trail's files for a reader, who locks nothing.

use std::fs::File;
use std::path::PathBuf;

use nix::fcntl::OFlag;

use super::super::directory::PoolDir;
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
            match file::open_file(self, &name, OFlag::O_RDONLY) {
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
