//! The entries that a repair makes, in words.

use crate::process::{Claim, Standing};

use super::candidate::Candidate;
use super::plan::counted;

/// How many workers are named in a line.
const NAMED: usize = 8;

/// An entry that is made.
#[derive(Clone, Debug)]
pub(super) struct Added {
    pub(super) claim: Claim,
    standing: Standing,
}

impl Added {
    pub(super) fn of(candidate: &Candidate) -> Self {
        Self {
            claim: candidate.claim.clone(),
            standing: candidate.standing,
        }
    }

    /// The workers in words, those that are not known to live with what they are.
    pub(super) fn named(added: &[Self]) -> String {
        let named = added.iter().take(NAMED);
        let mut named: Vec<_> = named
            .map(|Self { claim, standing }| match standing {
                Standing::Alive => format!("{} (pid {})", claim.sid, claim.pid),
                _ => format!("{} (pid {}, {standing})", claim.sid, claim.pid),
            })
            .collect();
        if added.len() > NAMED {
            named.push(format!("and {} more", added.len() - NAMED));
        }
        named.join(", ")
    }

    /// How many there are, and of how many that is all that is known.
    pub(super) fn counted(added: &[Self]) -> String {
        let others = added.iter().filter(|one| one.standing != Standing::Alive);
        match others.count() {
            0 => counted(added.len(), "living worker", "living workers"),
            others => format!(
                "{} ({others} of them not known to live)",
                counted(added.len(), "worker", "workers")
            ),
        }
    }
}
