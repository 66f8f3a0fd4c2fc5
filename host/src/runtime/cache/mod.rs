//! Compiled code, kept from one start to the next.
//!
//! Compiling a component that carries a language runtime takes seconds, its compiled code
//! loads in milliseconds. That code runs outside of any sandbox, so it is taken only from a
//! directory that nobody but the user can write, and never from a place that a component
//! or its author can name.

mod directory;
mod entry;
mod error;
mod key;
mod seal;
mod sweep;

use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

use directory::CacheDir;
pub use error::CacheError;
pub(crate) use key::Key;

use crate::error::chain;

/// A directory of compiled code: that of the 16 components that were used last. Making this
/// touches nothing; the directory is made when there is something to keep.
///
/// What is trusted is the user who owns the directory, and nobody else: it has to belong to
/// the effective user, nobody else may be able to write it, and neither it nor an entry may
/// be a symbolic link. Against accidents, each entry says what it is the code of and for
/// which engine, and carries a checksum; one that is damaged, cut off or not what its name
/// says counts as missing, and is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeCache {
    path: PathBuf,
}

impl CodeCache {
    /// A cache in this directory: `$XDG_CACHE_HOME/poolwarden/policies`, say.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The code that is kept for this key; none when there is none that can be used.
    ///
    /// # Errors
    /// When the directory is not safe to use or the system refuses.
    pub(crate) fn load(&self, engine: &Engine, key: &Key) -> Result<Option<Component>, CacheError> {
        let Some(directory) = CacheDir::open(&self.path)? else {
            return Ok(None);
        };
        let unusable = |why: &dyn std::fmt::Display| {
            let path = self.path.join(key.name());
            tracing::warn!("the compiled code {} is not used: {why}", path.display());
            Ok(None)
        };
        let file = match entry::open(&directory, key) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(None),
            Err(error) => return unusable(&error),
        };
        let code = match seal::read(&file, key) {
            Ok(code) => code,
            Err(error) => return unusable(&chain(&error)),
        };
        match deserialize(engine, &code) {
            Ok(component) => {
                entry::note_use(&file);
                Ok(Some(component))
            }
            Err(error) => unusable(&format_args!("{error:#}")),
        }
    }

    /// Keeps a component's code, in place of what is kept for this key, and removes what
    /// nobody seems to need any more.
    ///
    /// # Errors
    /// When the directory is not safe to use, or the code cannot be written.
    pub(crate) fn store(&self, code: &[u8], key: &Key) -> Result<(), CacheError> {
        let directory = CacheDir::open_or_make(&self.path)?;
        entry::write(&directory, key, code)?;
        sweep::sweep(&directory, key);
        Ok(())
    }

    /// Path and size in bytes of an entry that is there.
    ///
    /// # Errors
    /// When it is not.
    pub(crate) fn entry(&self, key: &Key) -> Result<(PathBuf, u64), CacheError> {
        let path = self.path.join(key.name());
        match std::fs::metadata(&path) {
            Ok(metadata) => Ok((path, metadata.len())),
            Err(source) => Err(CacheError::step("look at", &path, source)),
        }
    }
}

/// Makes a component of an entry's code, of which the engine takes a copy. Nothing that
/// happens to the file afterwards reaches whoever runs it.
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the code has to come from `Component::serialize` or
    // `Engine::precompile_component`. Its file was found regular, owned by the effective user
    // and not writable by others, in a directory of which the same holds; so whoever made it
    // could as well have replaced this program or traced this process, and no component can
    // have made it. Entries are written by `entry::write` alone, from
    // `Engine::precompile_component`. That this one is such an entry, for this component and
    // this engine, and came through undamaged, the seal has shown of the very bytes that are
    // used here; the engine checks its own version and settings again.
    unsafe { Component::deserialize(engine, code) }
}
