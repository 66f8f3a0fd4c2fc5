//! From a file to a policy: read, pinned, compiled or found compiled, linked.

mod error;
mod exports;
mod file;
mod inspect;
mod name;
mod shape;

use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

pub use error::LoadError;
pub(crate) use exports::check_exports;
pub use file::MAX_COMPONENT;
pub use inspect::{Inspection, Needs, Unusable};
pub(crate) use name::InterfaceName;
pub(crate) use shape::Shape;
pub use shape::{Export, Import, ImportKind};

use super::Policy;
use super::cache::{CodeCache, Key};
use super::compile::Compiler;
use super::digest::sha256;
use super::policy::{Code, new_engine};
use crate::cancel::Cancel;

/// How to load a policy: pinned to one component or not, with compiled code kept or not,
/// compiled in a process of its own or in this one.
///
/// ```no_run
/// use poolwarden::{CodeCache, PolicyLoader};
///
/// let policy = PolicyLoader::new()
///     .cache(CodeCache::at("/home/me/.cache/poolwarden/policies"))
///     .file("age-limit.wasm".as_ref())?;
/// # Ok::<(), poolwarden::LoadError>(())
/// ```
#[derive(Clone, Default)]
pub struct PolicyLoader {
    pin: Option<String>,
    cache: Option<CodeCache>,
    compiler: Option<Compiler>,
    cancel: Option<Cancel>,
    settings: Vec<(String, String)>,
}

/// Code that was compiled ahead of its use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The file that keeps it.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it was compiled now. Otherwise it was there already, and whole.
    pub fresh: bool,
}

impl PolicyLoader {
    /// Takes any component, and keeps no compiled code.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only the component with this SHA-256 digest, in hexadecimal. It is compared before
    /// anything is compiled.
    #[must_use]
    pub fn pin(mut self, sha256: impl Into<String>) -> Self {
        self.pin = Some(sha256.into());
        self
    }

    /// Takes compiled code from here, and keeps here what it compiles. A cache that is not
    /// safe to use, or does not work, costs only the time to compile; the log tells.
    #[must_use]
    pub fn cache(mut self, cache: CodeCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Has components compiled by a process of their own, which has limits. Without this they
    /// are compiled in this process, where nothing bounds what that takes: a component of 1 MB
    /// can take minutes and gigabytes.
    #[must_use]
    pub fn compiler(mut self, compiler: Compiler) -> Self {
        self.compiler = Some(compiler);
        self
    }

    /// Ends the [`compiler`](Self::compiler)'s process when this is cancelled. Loading then
    /// fails with [`CompileError::Cancelled`](crate::CompileError::Cancelled).
    #[must_use]
    pub fn cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = Some(cancel);
        self
    }

    /// A setting that a policy can read while it is [inspected](Self::inspect). One that is
    /// loaded has those of its [`Mandate`](crate::Mandate).
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Loads a policy from the file of a component, in its binary form. Compiling takes from
    /// 50 ms for a small Rust component to seconds for one that carries a language runtime.
    ///
    /// # Errors
    /// Every [`LoadError`] but [`LoadError::Cache`].
    pub fn file(&self, path: &Path) -> Result<Policy, LoadError> {
        self.component(&file::read(path)?)
    }

    /// The same, from a component's bytes.
    ///
    /// # Errors
    /// As [`file`](Self::file), without those about the file.
    pub fn component(&self, bytes: &[u8]) -> Result<Policy, LoadError> {
        let candidate = self.candidate(bytes)?;
        let component = self.code(&candidate)?;
        Policy::link(candidate.engine, &component, candidate.sha256)
    }

    /// Says what a component is, needs and lacks. Only when it would load it is asked to
    /// describe itself; nothing else of it runs.
    ///
    /// # Errors
    /// When it cannot be read, is not the pinned one or is no component. One that is no
    /// policy is no error: the inspection says why.
    pub fn inspect(&self, path: &Path) -> Result<Inspection, LoadError> {
        let bytes = file::read(path)?;
        let candidate = self.candidate(&bytes)?;
        let code = Code {
            component: self.code(&candidate)?,
            size: candidate.bytes.len() as u64,
            engine: candidate.engine,
            sha256: candidate.sha256,
        };
        Ok(Inspection::of(&code, &self.settings))
    }

    /// The same about the policy that poolwarden ships. A pin does not count.
    ///
    /// # Errors
    /// As [`Policy::shipped`].
    pub fn inspect_shipped(&self) -> Result<Inspection, LoadError> {
        Ok(Inspection::of(&Code::shipped()?, &self.settings))
    }

    /// Compiles a policy ahead of its use, where that has not been done, and keeps the code
    /// in this cache.
    ///
    /// # Errors
    /// Every [`LoadError`]: a component that is no policy is not kept, and a cache that does
    /// not work is what the caller wants to know.
    pub fn compile(&self, path: &Path, cache: &CodeCache) -> Result<Compiled, LoadError> {
        let bytes = file::read(path)?;
        let candidate = self.candidate(&bytes)?;
        let Candidate { engine, sha256, .. } = &candidate;
        let key = Key::new(engine, sha256);
        let found = cache.load(engine, &key).map_err(LoadError::Cache)?;
        let fresh = found.is_none();
        let (component, code) = match found {
            Some(component) => (component, None),
            None => {
                let (component, code) = self.compiled(&candidate)?;
                (component, Some(code))
            }
        };
        Policy::link(engine.clone(), &component, sha256.clone())?;
        if let Some(code) = code {
            cache.store(&code, &key).map_err(LoadError::Cache)?;
        }
        let (path, size) = cache.entry(&key).map_err(LoadError::Cache)?;
        Ok(Compiled { path, size, fresh })
    }

    /// Looks at a component's file as far as that takes no engine: that it is there, the
    /// pinned one, and begins as a component does. Returns its digest.
    ///
    /// # Errors
    /// When one of these is not so.
    pub(crate) fn look(&self, path: &Path) -> Result<String, LoadError> {
        self.checked(&file::read(path)?)
    }

    /// Looks at a component as far as that takes no compiler.
    fn candidate<'a>(&self, bytes: &'a [u8]) -> Result<Candidate<'a>, LoadError> {
        Ok(Candidate {
            bytes,
            sha256: self.checked(bytes)?,
            engine: new_engine()?,
        })
    }

    /// The digest of a component that may be this one.
    fn checked(&self, bytes: &[u8]) -> Result<String, LoadError> {
        let found = sha256(bytes);
        if let Some(pinned) = &self.pin
            && !pinned.eq_ignore_ascii_case(&found)
        {
            return Err(LoadError::Pin {
                pinned: pinned.clone(),
                found,
            });
        }
        file::check_kind(bytes)?;
        Ok(found)
    }

    /// The component's code, from the cache where that has it.
    fn code(&self, candidate: &Candidate<'_>) -> Result<Component, LoadError> {
        let Some(cache) = &self.cache else {
            return Ok(self.compiled(candidate)?.0);
        };
        let key = Key::new(&candidate.engine, &candidate.sha256);
        match cache.load(&candidate.engine, &key) {
            Ok(Some(component)) => return Ok(component),
            Ok(None) => {}
            Err(error) => {
                warn("is not used", &error);
                return Ok(self.compiled(candidate)?.0);
            }
        }
        let (component, code) = self.compiled(candidate)?;
        if let Err(error) = cache.store(&code, &key) {
            warn("was not filled", &error);
        }
        Ok(component)
    }

    /// Compiles a component; also its code, to be kept.
    fn compiled(&self, candidate: &Candidate<'_>) -> Result<(Component, Vec<u8>), LoadError> {
        tracing::debug!("compiling the component {}", candidate.sha256);
        let Candidate { bytes, engine, .. } = candidate;
        let damaged = |error: wasmtime::Error| LoadError::Damaged(format!("{error:#}"));
        let code = match &self.compiler {
            Some(compiler) => compiler.compile(bytes, self.cancel.as_ref())?,
            None => engine.precompile_component(bytes).map_err(damaged)?,
        };
        // SAFETY: the code was made by `Engine::precompile_component`, by this process or by
        // the program that the caller names for nothing else, which got nothing but the
        // component from us and whose output nobody else could write. The engine checks that
        // it was made by its own version with its own settings.
        let component = unsafe { Component::deserialize(engine, &code) }.map_err(damaged)?;
        Ok((component, code))
    }
}

impl Policy {
    /// A policy from the file of a component; see [`PolicyLoader::file`].
    ///
    /// # Errors
    /// As there.
    pub fn from_file(path: &Path) -> Result<Self, LoadError> {
        PolicyLoader::new().file(path)
    }

    /// A policy from the bytes of a component; see [`PolicyLoader::component`].
    ///
    /// # Errors
    /// As there.
    pub fn from_component(bytes: &[u8]) -> Result<Self, LoadError> {
        PolicyLoader::new().component(bytes)
    }
}

/// A component that is the pinned one and begins as one does.
struct Candidate<'a> {
    bytes: &'a [u8],
    sha256: String,
    engine: Engine,
}

fn warn(what: &str, error: &super::CacheError) {
    let why = crate::error::chain(error);
    tracing::warn!("the cache of compiled policies {what}, so starting takes longer: {why}");
}
