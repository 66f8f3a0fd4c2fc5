//! What is different between a recording and its replay.

use std::hash::Hash;

use serde::Serialize;

use crate::recording::Outcome;

use super::compare::{Change, compare};
use super::effects::{Effects, Entry, Signalled, without};

/// What a policy does otherwise than the recorded one did. Empty where nothing is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// The places at which the answer differs.
    pub answer: Vec<Change>,
    /// Entries that go.
    pub removed: Delta<Entry>,
    /// Entries that come.
    pub added: Delta<Entry>,
    /// Signals.
    pub signalled: Delta<Signalled>,
    /// Whether the registry is written otherwise, beyond which entries go and come.
    pub registry: bool,
}

/// What is done by one of the two only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delta<T> {
    /// By the policy that is tried, and not by the recorded one.
    pub more: Vec<T>,
    /// By the recorded policy, and not by the one that is tried.
    pub fewer: Vec<T>,
}

impl<T> Default for Delta<T> {
    fn default() -> Self {
        Self {
            more: Vec::new(),
            fewer: Vec::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Delta<T> {
    fn between(recorded: &[T], replayed: &[T]) -> Self {
        Self {
            more: without(replayed, recorded).cloned().collect(),
            fewer: without(recorded, replayed).cloned().collect(),
        }
    }

    /// Whether both do the same.
    pub fn is_empty(&self) -> bool {
        self.more.is_empty() && self.fewer.is_empty()
    }
}

impl Difference {
    pub(super) fn between(recorded: (&Outcome, &Effects), replayed: (&Outcome, &Effects)) -> Self {
        let ((said, before), (says, after)) = (recorded, replayed);
        let removed = Delta::between(&before.removed, &after.removed);
        let added = Delta::between(&before.added, &after.added);
        Self {
            answer: compare(said, says),
            registry: removed.is_empty() && added.is_empty() && before.written != after.written,
            signalled: Delta::between(&before.signalled, &after.signalled),
            removed,
            added,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.answer.is_empty()
            && self.removed.is_empty()
            && self.added.is_empty()
            && self.signalled.is_empty()
            && !self.registry
    }
}
