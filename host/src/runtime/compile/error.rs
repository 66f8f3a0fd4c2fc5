//! Why a component was not compiled.

use std::io;
use std::time::Duration;

use super::MAX_CODE;

/// Why a component was not compiled, though nothing is known to be wrong with it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// It took more processor time than it may.
    #[error(
        "compiling the component takes more than {} s of processor time; if it is meant to be \
         that large, compile it once with more: `poolwarden policy compile FILE --time-limit TIME`",
        .0.as_secs()
    )]
    Time(Duration),
    /// It took more memory than it may.
    #[error(
        "compiling the component takes more than {} MiB of memory; if it is meant to be that \
         large, compile it once with more: `poolwarden policy compile FILE --memory-limit MIB`",
        .0 >> 20
    )]
    Memory(u64),
    /// Its code is too large.
    #[error("the component has more than {} MiB of compiled code", MAX_CODE >> 20)]
    Code,
    /// The process ended without code and without a reason of its own.
    #[error("the process that compiles the component was ended by {0}")]
    Ended(String),
    /// The program withdrew the request to load the component.
    #[error("compiling the component was cancelled")]
    Cancelled,
    /// The process cannot be started or talked to.
    #[error("cannot {step} the process that compiles the component")]
    Process {
        /// What was to be done, as in "cannot …".
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl CompileError {
    pub(super) fn process(step: &'static str, source: impl Into<io::Error>) -> Self {
        Self::Process {
            step,
            source: source.into(),
        }
    }
}
