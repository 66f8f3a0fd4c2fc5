//! What a repair is going to do, so that somebody can say yes to it.

use crate::pool::REGISTRY;
use crate::store::{Facts, LEDGER};

use super::added::Added;
use super::candidate::Candidate;

/// The repairs that an examination found to be needed, each with the file as it was then.
/// Nobody is signalled, no entry of a living worker goes, and no byte of a file is removed.
#[derive(Debug, Default)]
pub struct Plan {
    pub(super) steps: Vec<Step>,
    /// The workers that may get an entry. They are held, so that none of them becomes
    /// another process meanwhile.
    pub(super) candidates: Vec<Candidate>,
}

/// The names under which a file stands that is written anew.
#[derive(Clone, Debug)]
pub(super) struct Aside {
    /// That of the new file, until it is whole and in its place.
    pub(super) draft: String,
    /// That of the old one, from then on.
    pub(super) name: String,
}

impl Aside {
    pub(super) fn names(&self) -> (&str, &str) {
        (&self.draft, &self.name)
    }
}

/// One repair.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The directory is to be its owner's alone.
    Restrict { facts: Facts },
    /// A file gets another name.
    PutAside {
        name: String,
        facts: Facts,
        aside: String,
    },
    /// A socket that nobody serves goes.
    RemoveSocket { name: String },
    /// The ledger is written anew from the rows that can be read.
    Ledger {
        facts: Facts,
        aside: Aside,
        rows: usize,
    },
    /// The registry is written anew.
    Registry {
        facts: Facts,
        aside: Aside,
        kept: usize,
        dropped: usize,
        added: Vec<Added>,
    },
    /// Entries are added to a registry that can be read, or that there is none of.
    Adopt { dropped: usize, added: Vec<Added> },
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The directory, where others lose their permissions on it.
    pub(super) fn restricted(&self) -> Option<&Facts> {
        self.steps.iter().find_map(|step| match step {
            Step::Restrict { facts } => Some(facts),
            _ => None,
        })
    }

    /// The damaged registry, where one is written anew.
    pub(super) fn damaged(&self) -> Option<&Facts> {
        self.steps.iter().find_map(|step| match step {
            Step::Registry { facts, .. } => Some(facts),
            _ => None,
        })
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
            Self::Registry { added, .. } | Self::Adopt { added, .. } => Some(added),
            Self::Restrict { .. }
            | Self::PutAside { .. }
            | Self::RemoveSocket { .. }
            | Self::Ledger { .. } => None,
        }
    }

    /// The file that it writes anew, as it was.
    pub(super) fn file(&self) -> Option<(&str, &Facts)> {
        match self {
            Self::Ledger { facts, .. } => Some((LEDGER, facts)),
            Self::Registry { facts, .. } => Some((REGISTRY, facts)),
            Self::Restrict { .. }
            | Self::PutAside { .. }
            | Self::RemoveSocket { .. }
            | Self::Adopt { .. } => None,
        }
    }

    pub(super) fn words(&self) -> String {
        match self {
            Self::Restrict { facts } => format!(
                "take all permissions on the directory from others: mode {:04o} becomes 0700",
                facts.mode
            ),
            Self::PutAside { name, aside, .. } => format!("rename {name} to {aside}"),
            Self::RemoveSocket { name } => format!("remove the socket {name}, which nobody serves"),
            Self::Ledger { aside, rows, .. } => format!(
                "rename {LEDGER} to {}, and write a new one with the {} that can be read",
                aside.name,
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
                    _ => format!(", without {}", of_the_dead(*dropped)),
                };
                format!(
                    "rename {REGISTRY} to {}, and write a new one with {} from its text{left_out} \
                     and {} found without one{}{}",
                    aside.name,
                    counted(*kept, "entry", "entries"),
                    Added::counted(added),
                    if added.is_empty() { "" } else { ": " },
                    Added::named(added)
                )
            }
            Self::Adopt { added, .. } if added.is_empty() => {
                format!("write {REGISTRY} anew, with no entry")
            }
            Self::Adopt { dropped, added } => {
                let removed = match dropped {
                    0 => String::new(),
                    _ => format!(", and remove {}", of_the_dead(*dropped)),
                };
                format!(
                    "add {} to {REGISTRY}: {}{removed}",
                    Added::counted(added),
                    Added::named(added)
                )
            }
        }
    }
}

fn of_the_dead(entries: usize) -> String {
    let entries = counted(entries, "entry", "entries");
    format!("{entries} of the dead whose sid a living worker has")
}

pub(super) fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
