//! What a watch tells.

use std::fmt;
use std::time::SystemTime;

use crate::error::Error;
use crate::process::{Claim, Standing};

/// One thing that a watch has to tell.
#[derive(Debug)]
#[non_exhaustive]
pub enum Report {
    /// Something happened to a worker.
    Event(Event),
    /// Something keeps the watch from seeing everything, for now.
    Trouble(Trouble),
}

/// What happened to one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it was seen.
    pub at: SystemTime,
    /// What happened.
    pub kind: EventKind,
    /// The worker's entry; of two, the new one.
    pub claim: Claim,
    /// The entry that it took the place of, when it was replaced.
    pub previous: Option<Claim>,
    /// What is proven about the worker; when its entry is gone, what was proven last.
    pub standing: Standing,
    /// How that was found.
    pub evidence: String,
}

/// Kinds of [`Event`]s.
///
/// Of one worker they come in this order: `present` or `appeared`; any number of
/// `changed`; `exited`; then `removed` or `replaced`, and after these nothing more. A
/// worker whose entry goes while it runs does not exit before: its next `removed` or
/// `replaced` says that it is alive, and nobody waits for its end. What is seen in one
/// reading of the registry comes in this order: who exited and whose entries went, in
/// their old order; then all others, in the order of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// It was there when the watch began.
    Present,
    /// An entry was made.
    Appeared,
    /// Its process is no more; its entry may stay. At most once for each entry.
    Exited,
    /// Its sid has an entry that makes another claim.
    Replaced,
    /// Its entry is gone.
    Removed,
    /// Another standing was found, other than by its end.
    Changed,
}

impl EventKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Appeared => "appeared",
            Self::Exited => "exited",
            Self::Replaced => "replaced",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What keeps a watch from seeing everything. It goes on all the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// The registry could not be read. It is read again when it changes, and after a while;
    /// told once, until it was read again.
    #[error(transparent)]
    Unread(Error),
    /// More processes run than may be held. Told once.
    #[error(
        "{count} of the running processes are not watched themselves, because this program \
         may hold {limit} of them (half of its open files, ulimit -n): their end is told when \
         the registry changes"
    )]
    TooMany {
        /// How many are not held.
        count: usize,
        /// How many may be held.
        limit: usize,
    },
}
