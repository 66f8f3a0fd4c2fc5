//! Why a policy cannot be used.

use std::io;
use std::path::PathBuf;

use crate::runtime::cache::CacheError;
use crate::runtime::compile::CompileError;
use crate::store::{FileKind, advice};

/// Why a policy cannot be used, in words that lead to the fix. They do not begin with the
/// component's file, which has no part in most of them: whoever has the path adds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The engine does not start on this machine.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// This process may not have executable memory, and a policy is code.
    #[error(
        "the system does not let this process make memory executable, and no policy can run \
         without; under systemd, set MemoryDenyWriteExecute=no for the service; under SELinux, \
         allow its domain `execmem`"
    )]
    Executable(#[source] io::Error),
    /// It was not compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The system refused the thread that bounds the guest's time.
    #[error("cannot start the thread that bounds a policy's time")]
    Ticker(#[source] io::Error),
    /// The system refused a call on the file.
    #[error("the file cannot be read{}", advice(.source, .path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is something else than a file.
    #[error("it is {found} and not a regular file; name the component's file")]
    NotAFile {
        /// What it is.
        found: FileKind,
    },
    /// The file is larger than any policy.
    #[error("the file has {size} bytes, more than the limit of {limit}; is it the component?")]
    TooLarge {
        /// Its size in bytes; at least that, when it grew while being read.
        size: u64,
        /// The largest size in bytes that is accepted.
        limit: u64,
    },
    /// It is not the component that the operator pinned. Nothing of it was compiled.
    #[error(
        "the component's SHA-256 digest is {found} and not {pinned}, to which it is pinned; \
         if the change is meant, pin the new digest"
    )]
    Pin {
        /// The digest that was asked for.
        pinned: String,
        /// The digest of the component.
        found: String,
    },
    /// A core module: the last step of building a component is missing.
    #[error(
        "this is a core WebAssembly module and not a component; make a component of it \
         with `wasm-tools component new MODULE -o COMPONENT`, or build it for a target \
         that makes components"
    )]
    CoreModule,
    /// The text format.
    #[error(
        "this is WebAssembly in its text format; make a binary of it with \
         `wasm-tools parse TEXT -o COMPONENT`"
    )]
    Text,
    /// Machine code of some engine, which is never taken from a file that is named.
    #[error(
        "this is compiled code and not a component; name the component itself, its compiled \
         code is kept and found by poolwarden"
    )]
    Compiled,
    /// No WebAssembly at all.
    #[error("this is not a WebAssembly component: {0}")]
    NotWasm(String),
    /// It begins as a component and is none, or uses a feature that the engine lacks.
    #[error(
        "the component is damaged, or uses a WebAssembly feature that this program does not \
         have: {0}"
    )]
    Damaged(String),
    /// A component for something else.
    #[error(
        "the component was not built for the world `poolwarden:pool/policy`: it does not \
         export {wanted}, but {}; build it against the files in wit/", list(.found)
    )]
    OtherWorld {
        /// The export by which a policy is known.
        wanted: String,
        /// What it exports.
        found: Vec<String>,
    },
    /// A policy for another version of the interface.
    #[error(
        "the component was built for another version of the interface: it has {found}, and \
         this program has {wanted}; build it against the files in wit/ of this version"
    )]
    OtherVersion {
        /// The import or export that says so.
        found: String,
        /// The same, in the version that this program has.
        wanted: String,
    },
    /// It wants something that no policy gets.
    #[error(
        "the component imports {name}, which this program does not have; a policy can import \
         the interfaces of poolwarden:pool, wasi:config/store, wasi:logging/logging and, \
         without any effect, those of WASI 0.2"
    )]
    UnknownImport {
        /// The import.
        name: String,
    },
    /// It lacks what every policy has.
    #[error(
        "the component does not export {name}; build it for the world `poolwarden:pool/policy`"
    )]
    MissingExport {
        /// The function, with its interface.
        name: String,
    },
    /// Names fit and types do not.
    #[error(
        "the component does not fit the interface of this program: {0}; build it against the \
         files in wit/ of this version"
    )]
    Misfit(String),
    /// Its compiled code was to be kept, and cannot be.
    #[error("the compiled code cannot be kept")]
    Cache(#[source] CacheError),
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "nothing".into()
    } else {
        names.join(", ")
    }
}
