//! Why compiled code cannot be kept.

use std::io;
use std::path::{Path, PathBuf};

use crate::store::{Danger, FileKind};

/// Why a cache of compiled code cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// Others could put code of their own into it, or it leads elsewhere.
    #[error("{} is not safe to take code from: {}", .path.display(), explain(.danger))]
    Unsafe {
        /// The directory or the file.
        path: PathBuf,
        /// What is wrong with it.
        danger: Danger,
    },
    /// One step on a file failed.
    #[error("cannot {step} {}", .path.display())]
    Step {
        /// What was to be done, as in "cannot …".
        step: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl CacheError {
    pub(super) fn step(step: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Step {
            step,
            path: path.to_owned(),
            source: source.into(),
        }
    }
}

/// What is wrong, and what to do. Nothing in a cache is worth keeping.
fn explain(danger: &Danger) -> String {
    match danger {
        Danger::Kind {
            found: found @ FileKind::SymbolicLink,
            ..
        } => format!("it is {found}; remove it, or name the directory that it leads to"),
        Danger::Kind { found, wanted } => {
            format!("it is {found} and not {wanted}; remove it")
        }
        Danger::Owner { owner, user } => {
            format!("it belongs to user {owner} and not to user {user}; remove it")
        }
        Danger::Writable { mode } => format!(
            "others can write it (mode {mode:04o}); remove it, for who knows what they wrote"
        ),
        Danger::Linked { .. } => format!("{}; remove it", danger.finding()),
    }
}
