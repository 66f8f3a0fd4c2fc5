//! What a policy did: entries that went and came, signals that were sent.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use crate::floor::Reading;
use crate::process::{Claim, Signal};

/// What was done in one request, each in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Effects {
    /// Entries that went from the registry.
    pub removed: Vec<Entry>,
    /// Entries that came.
    pub added: Vec<Entry>,
    /// Signals that were sent.
    pub signalled: Vec<Signalled>,
    /// The registry as it was last written.
    #[serde(skip)]
    pub(super) written: Option<Vec<u8>>,
}

/// An entry, by what names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Entry {
    /// The session.
    pub sid: String,
    /// Its process.
    pub pid: u32,
}

/// A signal to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Signalled {
    /// The session.
    pub sid: String,
    /// Its process.
    pub pid: u32,
    /// Which signal.
    pub signal: Signal,
    /// Whether it went to the whole process group.
    pub group: bool,
}

impl Effects {
    /// Notes that the registry was replaced.
    pub(super) fn note_replace(&mut self, before: &Reading, after: &Reading) {
        let (old, new) = (before.claims(), after.claims());
        let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
        self.removed.extend(without(old, new).map(Entry::from));
        self.added.extend(without(new, old).map(Entry::from));
        self.written = after.bytes().map(<[u8]>::to_vec);
    }

    /// Notes that a signal was sent.
    pub(super) fn note_signal(&mut self, claim: &Claim, signal: Signal, group: bool) {
        self.signalled.push(Signalled {
            sid: claim.sid.clone(),
            pid: claim.pid,
            signal,
            group,
        });
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.removed.len() + self.added.len() + self.signalled.len()
    }
}

impl From<&Claim> for Entry {
    fn from(claim: &Claim) -> Self {
        Self {
            sid: claim.sid.clone(),
            pid: claim.pid,
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.sid, self.pid)
    }
}

impl fmt::Display for Signalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = if self.group {
            "the group of pid"
        } else {
            "pid"
        };
        write!(f, "{} {} ({to} {})", self.sid, self.signal, self.pid)
    }
}

/// What the first has and the second has not, each as often as it is missing there.
pub(super) fn without<'a, T: Eq + std::hash::Hash>(
    first: &'a [T],
    second: &[T],
) -> impl Iterator<Item = &'a T> {
    let mut there: HashMap<&T, usize> = HashMap::with_capacity(second.len());
    for one in second {
        *there.entry(one).or_default() += 1;
    }
    let mut missing = Vec::new();
    for one in first {
        match there.get_mut(one) {
            Some(count) if *count > 0 => *count -= 1,
            _ => missing.push(one),
        }
    }
    missing.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_counted() {
        let missing =
            |first: &[u8], second: &[u8]| -> Vec<u8> { without(first, second).copied().collect() };
        assert_eq!(missing(b"aab", b"a"), b"ab");
        assert_eq!(missing(b"a", b"aab"), b"");
        assert_eq!(missing(b"ba", b"ab"), b"");
    }
}
