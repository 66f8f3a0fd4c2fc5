//! What a repair is going to do, so that somebody can say yes to it.

use crate::pool::REGISTRY;
use crate::process::{Claim, Standing};
use crate::store::{Facts, LEDGER};

use super::candidate::Candidate;

/// The repairs that an examination found to be needed, each with the file as it was then.
/// Nobody is signalled, no entry of a living worker goes, and no byte is removed.
#[derive(Debug, Default)]
pub struct Plan {
    pub(super) steps: Vec<Step>,
    /// The workers that may get an entry. They are held, so that none of them becomes
    /// another process meanwhile.
    pub(super) candidates: Vec<Candidate>,
}

/// How many workers are named in a line.
const NAMED: usize = 8;

/// One repair.
#[derive(Debug)]
pub(super) enum Step {
    /// The directory is to be its owner's alone.
    Restrict { facts: Facts },
    /// A file gets another name.
    PutAside {
        name: String,
        facts: Facts,
        aside: String,
    },
    /// The ledger is written anew from the rows that can be read.
    Ledger {
        facts: Facts,
        aside: String,
        rows: usize,
    },
    /// The registry is written anew.
    Registry {
        facts: Facts,
        aside: String,
        kept: usize,
        dropped: usize,
        added: Vec<Added>,
    },
    /// Entries are added to a registry that can be read, or that there is none of.
    Adopt { added: Vec<Added> },
}

/// An entry that is made.
#[derive(Debug)]
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
    fn named(added: &[Self]) -> String {
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
    fn counted(added: &[Self]) -> String {
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

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The repairs in words, in the order in which they are done.
    pub fn words(&self) -> impl Iterator<Item = String> {
        self.steps.iter().map(Step::words)
    }
}

impl Step {
    /// The entries that it makes, where it writes the registry.
    pub(super) fn added(&self) -> Option<&[Added]> {
        match self {
            Self::Registry { added, .. } | Self::Adopt { added } => Some(added),
            Self::Restrict { .. } | Self::PutAside { .. } | Self::Ledger { .. } => None,
        }
    }

    /// The file that it writes anew, as it was.
    pub(super) fn file(&self) -> Option<(&str, &Facts)> {
        match self {
            Self::Ledger { facts, .. } => Some((LEDGER, facts)),
            Self::Registry { facts, .. } => Some((REGISTRY, facts)),
            Self::Restrict { .. } | Self::PutAside { .. } | Self::Adopt { .. } => None,
        }
    }

    pub(super) fn words(&self) -> String {
        match self {
            Self::Restrict { facts } => format!(
                "take all permissions on the directory from others: mode {:04o} becomes 0700",
                facts.mode
            ),
            Self::PutAside { name, aside, .. } => format!("rename {name} to {aside}"),
            Self::Ledger { aside, rows, .. } => format!(
                "rename {LEDGER} to {aside}, and write a new one with the {} that can be read",
                counted(*rows, "row", "rows")
            ),
            Self::Registry {
                aside,
                kept,
                dropped,
                added,
                ..
            } => {
                let left_out = match dropped {
                    0 => String::new(),
                    _ => format!(
                        ", without {} of the dead whose sid a living worker has",
                        counted(*dropped, "entry", "entries")
                    ),
                };
                format!(
                    "rename {REGISTRY} to {aside}, and write a new one with {} from its text{left_out} \
                     and {} found without one{}{}",
                    counted(*kept, "entry", "entries"),
                    Added::counted(added),
                    if added.is_empty() { "" } else { ": " },
                    Added::named(added)
                )
            }
            Self::Adopt { added } => {
                format!(
                    "add {} to {REGISTRY}: {}",
                    Added::counted(added),
                    Added::named(added)
                )
            }
        }
    }
}

pub(super) fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
