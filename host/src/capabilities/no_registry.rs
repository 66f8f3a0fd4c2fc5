//! What is in the registry's place and is none, for whoever asked.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, chain};
use crate::store::StoreError;
use crate::visible;

/// That the registry could not be read for what it is: larger than any, a directory, a
/// device. A policy is told so in words, as of every failure of the system, and passes them
/// on; who asked is told that the registry has to be repaired. Each clone is the same one.
#[derive(Clone, Default)]
pub(crate) struct NoRegistry(Arc<Mutex<Option<(String, Error)>>>);

impl NoRegistry {
    /// Notes why the registry at this path could not be read, where it is for that.
    ///
    /// A policy's words are cut to so many characters, and these too.
    pub(super) fn note(&self, path: PathBuf, error: &StoreError, longest: usize) {
        let found = Error::no_registry(path, error);
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *noted = found.map(|found| (visible::excerpt(&chain(error), longest), found));
    }

    /// The error of a request: what was noted, where the policy passed on the words for it.
    pub(crate) fn explain(&self, error: Error) -> Error {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (noted.take(), error) {
            (Some((words, found)), Error::System(passed_on)) if words == passed_on => found,
            (_, error) => error,
        }
    }
}
