//! Workers that should end although nobody asked to stop them.

use crate::host::Signal;
use crate::sweep::Surveyed;

/// One worker that a policy wants to end, made with [`Surveyed::dismiss`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dismissal {
    /// Its entry's place in the file, from 0.
    pub(crate) index: usize,
    /// What it is sent. A signal needs its grant.
    pub(crate) signal: Signal,
    /// Why, for whoever reads the answer.
    pub(crate) reason: String,
}

impl Surveyed<'_> {
    /// This worker should end: send it this signal, for this reason.
    pub fn dismiss(&self, signal: Signal, reason: impl Into<String>) -> Dismissal {
        Dismissal {
            index: self.index,
            signal,
            reason: reason.into(),
        }
    }
}
