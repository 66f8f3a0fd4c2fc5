//! What a client can ask of a pool, from whichever side it comes.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;
use crate::process::Signal;

/// One request. The command line and MCP both make these, and nothing else reaches a policy.
///
/// Its serialised form stands in recordings: a field that comes needs a default there, and
/// none is renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Collect the dead, list who is left.
    Ensure {
        /// Decide, but write nothing.
        dry_run: bool,
    },
    /// List one session or all, with their standing.
    Status {
        /// One session, or all when absent.
        sid: Option<String>,
    },
    /// Stop one session or all.
    Stop(Stop),
    /// Add an entry for a process that runs.
    Register(Register),
    /// Drop an entry without touching its process.
    Forget {
        /// The session.
        sid: String,
        /// Also when its process is not proven dead.
        even_if_alive: bool,
        /// Only an entry that names this process. Another one that may be alive is kept,
        /// and the request refused: the session was registered anew meanwhile.
        pid: Option<u32>,
    },
}

/// How to ensure: for [`Pool::ensure`](crate::Pool::ensure).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ensure {
    /// Decide, but write nothing.
    pub dry_run: bool,
}

/// What to forget: for [`Pool::forget`](crate::Pool::forget).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forget {
    /// The session.
    pub sid: String,
    /// Also when its process is not proven dead.
    pub even_if_alive: bool,
    /// Only an entry that names this process.
    pub pid: Option<u32>,
}

/// How to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// One session, or all when absent.
    pub sid: Option<String>,
    /// Only this process: an entry that names another one is left alone. The host sees to
    /// it, whatever the policy makes of the request.
    pub pid: Option<u32>,
    /// The signal that asks a worker to end. It takes the grant for it.
    pub signal: Signal,
    /// Signal the whole process group of each worker, which has to lead it.
    pub group: bool,
    /// How long to wait for the exit, up to [`MAX_GRACE`](Self::MAX_GRACE); zero does not
    /// wait.
    #[serde(
        rename = "grace_ms",
        serialize_with = "to_milliseconds",
        deserialize_with = "from_milliseconds"
    )]
    pub grace: Duration,
    /// Kill what is still there after the grace period.
    pub force: bool,
    /// Decide, but signal nobody and write nothing.
    pub dry_run: bool,
}

impl Stop {
    /// The grace period when none was asked for.
    pub const GRACE: Duration = Duration::from_secs(2);
    /// The longest grace period that is accepted: a request must end. A pool refuses a longer
    /// one with [`Error::Grace`].
    pub const MAX_GRACE: Duration = Duration::from_secs(3600);
    /// How long to wait, after the grace period, for a kill to be confirmed.
    pub const CONFIRMATION: Duration = Duration::from_secs(2);
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            sid: None,
            pid: None,
            signal: Signal::Term,
            group: false,
            grace: Self::GRACE,
            force: false,
            dry_run: false,
        }
    }
}

/// A process to register.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// The session id; not empty.
    pub sid: String,
    /// The process that serves it.
    pub pid: u32,
    /// Path of its Unix socket, empty when it has none.
    pub sock: String,
    /// Version of the worker, for whoever reads the registry.
    pub version: String,
}

impl Request {
    /// The verb, as it is called on the command line and in MCP tool names.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Ensure { .. } => "ensure",
            Self::Status { .. } => "status",
            Self::Stop(_) => "stop",
            Self::Register(_) => "register",
            Self::Forget { .. } => "forget",
        }
    }

    /// Whether the request must have no effect.
    pub fn is_dry_run(&self) -> bool {
        match self {
            Self::Ensure { dry_run } | Self::Stop(Stop { dry_run, .. }) => *dry_run,
            Self::Status { .. } | Self::Register(_) | Self::Forget { .. } => false,
        }
    }

    /// Checks what no policy decides.
    ///
    /// # Errors
    /// [`Error::Grace`].
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Stop(Stop { grace, .. }) if *grace > Stop::MAX_GRACE => {
                Err(Error::Grace { asked: *grace })
            }
            _ => Ok(()),
        }
    }

    /// How long the request may wait for processes in all.
    pub(crate) fn wait_allowance(&self) -> Duration {
        match self {
            Self::Stop(Stop {
                grace, force: true, ..
            }) => *grace + Stop::CONFIRMATION,
            Self::Stop(Stop { grace, .. }) => *grace,
            _ => Duration::ZERO,
        }
    }
}

/// What a policy is told of a duration: whole milliseconds.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn to_milliseconds<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(milliseconds(*duration))
}

fn from_milliseconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_millis)
}
