//! What runs under an entry that nothing proves.

use std::sync::Arc;
use std::time::SystemTime;

use crate::process::{Claim, Finding, Identified, Portrait, Process};

/// A process that runs under the pid of an unproven entry, as it was when it was looked
/// at. It holds that process: as long as this lives, the pid can be followed to no other
/// one unnoticed.
///
/// Only [`Pool::examine`](crate::Pool::examine) makes one.
#[derive(Debug)]
pub struct Examination {
    pub(super) claim: Claim,
    pub(super) finding: Finding,
    pub(super) identified: Identified,
    pub(super) portrait: Portrait,
}

impl Examination {
    /// What the entry says.
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Why nothing says who the process is, in words that a person can check.
    pub fn evidence(&self) -> &str {
        &self.finding.evidence
    }

    /// When the process started.
    pub fn started(&self) -> SystemTime {
        self.identified.started
    }

    /// Its command line, word by word, which it can rewrite itself.
    pub fn command(&self) -> &[String] {
        &self.identified.command
    }

    /// What else can be seen of it.
    pub fn portrait(&self) -> &Portrait {
        &self.portrait
    }

    /// Whether the ledger could not tell it from another process that started in the same
    /// clock tick: the kernel gives processes no number of their own (Linux 6.9 does).
    pub fn is_weak(&self) -> bool {
        self.process().identity().inode.is_none()
    }

    pub(super) fn process(&self) -> &Arc<dyn Process> {
        &self.identified.process
    }
}
