//! What can go wrong.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::{error, io, iter};

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An operation that failed.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "each message says what its variant and fields are"
)]
pub enum Error {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot make sense of {path}")]
    Parse {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error("cannot write down the record of {path}")]
    Record {
        path: PathBuf,
        source: toml::ser::Error,
    },
    #[error("{path} lacks {what}")]
    Lacks { path: PathBuf, what: String },
    #[error("Cargo.lock has {count} packages that fit \"{wanted}\"; run cargo once and try again")]
    Locked { wanted: String, count: usize },
    #[error("cannot run {program}")]
    Run { program: String, source: io::Error },
    #[error("{program} failed ({status}){detail}")]
    Failed {
        program: String,
        status: ExitStatus,
        detail: String,
    },
    #[error("cannot make a component of the guest {package}")]
    Encode {
        package: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("no folder to keep the wasm toolchain in: set XDG_CACHE_HOME or HOME")]
    NoCache,
    #[error(
        "{path} is missing: run `{}` and commit what it writes",
        crate::REBUILD
    )]
    NotBuilt { path: PathBuf },
    #[error(
        "{component} is stale: changed since it was built: {changed}. \
         Run `{}` and commit what it writes",
        crate::REBUILD
    )]
    Stale { component: String, changed: String },
}

impl Error {
    /// The message with those of its causes, on one line.
    #[must_use]
    pub fn with_causes(&self) -> String {
        let causes = iter::successors(error::Error::source(self), |cause| cause.source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }

    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Write {
            path: path.to_owned(),
            source,
        }
    }
}
