//! What the host is asked about a claim, and what it can prove.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Claim, Process, Record};

/// What was proven, from "running and the one" to "nothing is known".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Running, and the process of this claim.
    Alive,
    /// Running, but nothing says who it is; or pid 1.
    Unproven,
    /// The pid belongs to a process born after the claim.
    Reused,
    /// Terminated, not yet reaped.
    Exited,
    /// No such process, an earlier boot of this machine, or an impossible pid.
    Gone,
    /// On another machine or in another pid namespace, or its socket is served by
    /// somebody who cannot be seen from here.
    Foreign,
    /// The probe itself failed.
    Unknown,
}

impl Standing {
    /// Whether the entry's process is proven to be no more, so that the entry can go.
    pub fn is_dead(self) -> bool {
        matches!(self, Self::Reused | Self::Exited | Self::Gone)
    }

    /// The word for it in answers, logs and WIT.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Unproven => "unproven",
            Self::Reused => "reused",
            Self::Exited => "exited",
            Self::Gone => "gone",
            Self::Foreign => "foreign",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A standing, with the evidence for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was proven.
    pub standing: Standing,
    /// How, in words that a person can check. Constant text for [`Standing::Alive`], so
    /// that a whole pool of living workers costs no allocation.
    pub evidence: Cow<'static, str>,
    /// When the process now running under the pid started, where that could be read.
    pub started: Option<SystemTime>,
}

impl Finding {
    /// A finding about a process of which no start time is known.
    pub fn new(standing: Standing, evidence: impl Into<Cow<'static, str>>) -> Self {
        Self {
            standing,
            evidence: evidence.into(),
            started: None,
        }
    }

    /// The same, for a process that started then.
    #[must_use]
    pub fn started(mut self, started: SystemTime) -> Self {
        self.started = Some(started);
        self
    }
}

/// What the host asks about one claim.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What the entry says.
    pub claim: &'a Claim,
    /// The ledger's row of exactly this claim.
    pub record: Option<&'a Record>,
}

/// Which proofs the operator accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strength {
    /// Every proof.
    #[default]
    Any,
    /// Not the proof by time: what rests on it alone is [`Standing::Unproven`]. That
    /// includes a ledger row whose own proof was by time.
    Strong,
}

/// A value of the setting `proof` that there is not.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`proof` is {0:?}, and there are only `strong`, with which time alone proves nothing, and \
     `any`, which is the default"
)]
pub struct UnknownStrength(pub String);

impl FromStr for Strength {
    type Err = UnknownStrength;

    fn from_str(value: &str) -> Result<Self, Self::Err> {
        match value {
            "any" => Ok(Self::Any),
            "strong" => Ok(Self::Strong),
            _ => Err(UnknownStrength(value.to_owned())),
        }
    }
}

/// The answer to one [`Question`].
#[derive(Debug)]
pub struct Inspection {
    /// What was proven, and how.
    pub finding: Finding,
    /// The verified process, only ever for [`Standing::Alive`].
    ///
    /// A question that is asked alone always gets it. In a pool of more living workers
    /// than this program may hold descriptors for, the rest go without: ask again for
    /// the one that is wanted.
    pub process: Option<Arc<dyn Process>>,
    /// The row that the ledger lacks, when the claim was proven by something weaker.
    pub learned: Option<Box<Record>>,
}
