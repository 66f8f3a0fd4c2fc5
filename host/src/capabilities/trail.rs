//! The audit trail's place in a request: before an effect and after it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use crate::audit::{After, Before, DecidedBy, Event, Id};
use crate::cancel::Cancel;
use crate::error::chain;
use crate::floor::Reading;
use crate::process::{SendError, Signal, Standing};
use crate::store::{Durability, StoreError, StoreErrorKind, Trail};

use super::bindings::poolwarden::pool::types;
use super::reach::Reach;
use super::transaction::OpenTransaction;
use super::{HostError, RequestState};

/// What the trail says about an entry. It outlives the transaction, as a target does.
#[derive(Clone)]
pub(super) struct Subject {
    /// Where it belongs, also when another pool is at this one's path by then.
    trail: Arc<dyn Trail>,
    reading: Arc<Reading>,
    index: usize,
    standing: Standing,
    evidence: Cow<'static, str>,
}

/// Effects that stand in the trail and have not happened yet.
#[must_use = "the trail is to say what came of it"]
pub(super) struct Recorded {
    event: Event,
    effects: Vec<(Id, Subject)>,
}

impl OpenTransaction {
    /// What the trail is to say about the entry with this index.
    pub(super) fn subject(&self, index: usize) -> Subject {
        let unseen = || {
            (
                Standing::Unknown,
                "not looked at in this transaction".into(),
            )
        };
        let (standing, evidence) = self.finding(index).unwrap_or_else(unseen);
        Subject {
            trail: self.locked.trail(),
            reading: self.reading.clone(),
            index,
            standing,
            evidence,
        }
    }
}

impl Subject {
    /// The sid and the pid that the entry names.
    fn named(&self) -> (&str, u32) {
        // An index is always of a reading that has such an entry.
        let claims = self.reading.claims().unwrap_or_default();
        let claim = claims.get(self.index);
        claim.map_or(("", 0), |claim| (&claim.sid, claim.pid))
    }
}

impl Recorded {
    fn new(event: Event, subjects: impl IntoIterator<Item = Subject>) -> Self {
        let numbered = subjects.into_iter().map(|subject| (Id::next(), subject));
        Self {
            event,
            effects: numbered.collect(),
        }
    }
}

impl RequestState {
    /// Records a signal that is about to be sent.
    ///
    /// # Errors
    /// When it cannot be recorded: then it must not be sent.
    pub(super) fn before_signal(
        &mut self,
        subject: Subject,
        signal: Signal,
        reach: Reach,
    ) -> Result<Recorded, HostError> {
        let recorded = Recorded::new(Event::Signal, [subject]);
        self.before(&recorded, Some((signal, reach)), Durability::Process)
            .map_err(|why| why.instead_of("no signal was sent"))?;
        Ok(recorded)
    }

    /// Records what came of a signal.
    pub(super) fn after_signal(&mut self, recorded: &Recorded, sent: &Result<(), SendError>) {
        let result = match sent {
            Ok(()) => "sent".into(),
            Err(SendError::Ended) => "ended".into(),
            Err(error) => format!("failed: {}", chain(error)),
        };
        self.after(recorded, &result);
    }

    /// Records that a kill which the client had asked for does not come, because the client
    /// cancelled the request before.
    pub(super) fn record_withdrawn_kill(&mut self, subject: Subject, reach: Reach) {
        let recorded = Recorded::new(Event::Signal, [subject]);
        let kill = Some((Signal::Kill, reach));
        match self.before(&recorded, kill, Durability::Process) {
            Ok(()) => self.after(
                &recorded,
                "withdrawn: the client cancelled the stop before it was to be killed",
            ),
            Err(error) => tracing::warn!(
                "the audit trail does not say that a kill was withdrawn: {}",
                chain(&error)
            ),
        }
    }

    /// Records the entries that are about to go from the registry, by their indices.
    ///
    /// # Errors
    /// When they cannot be recorded: then they must stay.
    pub(super) fn before_removals(&mut self, dropped: &[usize]) -> Result<Recorded, HostError> {
        let open = self.open_transaction()?;
        let subjects = dropped.iter().map(|index| open.subject(*index));
        let recorded = Recorded::new(Event::Removal, subjects);
        self.before(&recorded, None, Durability::Power)
            .map_err(|why| why.instead_of("the registry was not changed"))?;
        Ok(recorded)
    }

    /// Records what came of removals.
    pub(super) fn after_removals(&mut self, recorded: &Recorded, done: &Result<(), StoreError>) {
        let result = match done {
            Ok(()) => "removed".into(),
            Err(error @ StoreError::NotDurable { .. }) => format!("removed: {}", chain(error)),
            Err(error) => format!("failed: {}", chain(error)),
        };
        self.after(recorded, &result);
    }

    fn before(
        &mut self,
        recorded: &Recorded,
        signal: Option<(Signal, Reach)>,
        durability: Durability,
    ) -> Result<(), NotRecorded> {
        if recorded.effects.is_empty() {
            return Ok(());
        }
        let asked_by = self.origin.asker.asks(self.request.verb());
        let policy = self.decided_by();
        let at = self.now();
        let mut lines = Vec::new();
        for (id, subject) in &recorded.effects {
            let (sid, pid) = subject.named();
            let line = Before {
                at,
                id,
                event: recorded.event,
                sid,
                pid,
                signal: signal.map(|(signal, _)| signal),
                group: signal.is_some_and(|(_, reach)| reach == Reach::Group),
                standing: Some(subject.standing),
                evidence: &subject.evidence,
                entry: subject.reading.raw(subject.index),
                asked_by: &asked_by,
                policy: Some(&policy),
            };
            line.encode(&mut lines)?;
        }
        let cancel = self.cancel.clone();
        self.append(recorded, &lines, durability, Some(&cancel))
    }

    /// The effect has happened, so nothing that goes wrong here fails the request. The
    /// line before it stays without an end, and the log says why.
    fn after(&mut self, recorded: &Recorded, result: &str) {
        let at = self.now();
        let mut lines = Vec::new();
        let written = recorded
            .effects
            .iter()
            .try_for_each(|(id, subject)| {
                let (sid, pid) = subject.named();
                let line = After {
                    at,
                    id,
                    event: recorded.event,
                    sid,
                    pid,
                    result,
                };
                Ok(line.encode(&mut lines)?)
            })
            // Who withdraws the request does not undo what was done.
            .and_then(|()| self.append(recorded, &lines, Durability::Process, None));
        if let Err(error) = written {
            tracing::warn!(
                "the audit trail lacks a result ({result}): {}",
                chain(&error)
            );
        }
    }

    /// Waits no longer for others than one request waits for the pool's lock, however
    /// often it appends.
    fn append(
        &mut self,
        recorded: &Recorded,
        lines: &[u8],
        durability: Durability,
        cancel: Option<&Cancel>,
    ) -> Result<(), NotRecorded> {
        // All subjects of one record are of one pool.
        let Some((_, Subject { trail, .. })) = recorded.effects.first() else {
            return Ok(());
        };
        let begun = Instant::now();
        let appended = trail.append(lines, durability, self.trail_wait_left, cancel);
        self.trail_wait_left = self.trail_wait_left.saturating_sub(begun.elapsed());
        Ok(appended?)
    }

    /// Which policy decides. Nobody asks it here, in the middle of a request: it was asked
    /// before the request began.
    pub(super) fn decided_by(&self) -> DecidedBy {
        let mandate = &self.origin.mandate;
        DecidedBy::new(mandate.policy().sha256(), mandate.description())
    }
}

/// Why a line is not in the trail.
#[derive(Debug, thiserror::Error)]
enum NotRecorded {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot encode a line of the audit trail")]
    Line(#[from] serde_json::Error),
}

impl NotRecorded {
    /// The error of an effect that did not happen for this.
    fn instead_of(self, undone: &str) -> HostError {
        match self {
            Self::Store(error) if error.kind() == StoreErrorKind::Cancelled => error.into(),
            error => HostError::Guest(types::Error::System(format!(
                "{undone}, because it could not be recorded first: {}",
                chain(&error)
            ))),
        }
    }
}
