//! Running a policy against a recording.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::floor::{Grants, UnknownGrant};
use crate::pool::REGISTRY;
use crate::recording::{FailureKind, Outcome, Recording};
use crate::runtime::{Limits, LoadError, Policy, ReplayPolicy};

use super::difference::Difference;
use super::effects::Effects;
use super::past::Past;
use super::state::ReplayState;

/// A policy that is tried on recordings, each in a fresh instance.
pub struct Replay {
    policy: ReplayPolicy,
    grants: Option<Grants>,
    settings: BTreeMap<String, String>,
    clock_ahead: Duration,
    limits: Limits,
}

/// What a policy made of a recorded request, beside what the recorded one did.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// What came of the request then.
    pub recorded: Outcome,
    /// What comes of it with this policy.
    pub replayed: Outcome,
    /// What the recorded policy did.
    pub did: Effects,
    /// What this policy would do.
    pub would_do: Effects,
    /// How the two differ.
    pub difference: Difference,
}

/// Why a recording cannot be replayed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotReplayed {
    /// The client withdrew the request: what the policy would have gone on to do is not
    /// known.
    #[error("the request was withdrawn before it was over")]
    Withdrawn,
    /// The recorded policy had a grant that there is none of here.
    #[error("the recorded policy had an unknown grant")]
    Grant(#[from] UnknownGrant),
}

impl Replay {
    /// Tries this policy, with the settings and grants of each recording.
    ///
    /// # Errors
    /// When it imports what is not there in a replay.
    pub fn new(policy: impl Into<Arc<Policy>>) -> Result<Self, LoadError> {
        Ok(Self {
            policy: ReplayPolicy::new(policy.into())?,
            grants: None,
            settings: BTreeMap::new(),
            clock_ahead: Duration::ZERO,
            limits: Limits::default(),
        })
    }

    /// With these grants, and none of the recording's.
    #[must_use]
    pub fn grants(mut self, grants: Grants) -> Self {
        self.grants = Some(grants);
        self
    }

    /// With this setting, whatever it was in the recording.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// With a clock that is so far ahead of the recorded one: what the policy does when the
    /// same happens later, or has gone on for longer.
    #[must_use]
    pub fn clock_ahead(mut self, ahead: Duration) -> Self {
        self.clock_ahead = ahead;
        self
    }

    /// What each request may use.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Replays one request.
    ///
    /// # Errors
    /// When the recording is none of a whole request, or was made with what is not known
    /// here. That the policy fails is no error: it is what came of the request.
    pub fn run(&self, recording: &Recording) -> Result<Replayed, NotReplayed> {
        let recorded = recording.outcome();
        if matches!(&recorded, Outcome::Failure(failure) if failure.kind == FailureKind::Cancelled)
        {
            return Err(NotReplayed::Withdrawn);
        }
        let grants = match &self.grants {
            Some(grants) => grants.clone(),
            None => Grants::named(&recording.grants)?,
        };
        let mut settings = recording.settings.clone();
        settings.extend(self.settings.clone());
        let past = Past::new(recording, self.clock_ahead);
        let did = past.effects.clone();
        let request = recording.request.clone();
        let state = ReplayState::new(past, request, grants, settings, &self.limits);
        let registry = recording.pool.join(REGISTRY);
        let (answered, state) = self.policy.call(state, &recording.request, registry);
        let replayed = Outcome::from(&answered);
        let would_do = state.map(|state| state.effects).unwrap_or_default();
        Ok(Replayed {
            difference: Difference::between((&recorded, &did), (&replayed, &would_do)),
            recorded,
            replayed,
            did,
            would_do,
        })
    }
}

impl Replayed {
    /// Whether the policy that is tried failed: it trapped, exceeded a limit or gave no
    /// usable answer.
    pub fn policy_failed(&self) -> bool {
        matches!(&self.replayed, Outcome::Failure(failure) if failure.kind == FailureKind::Policy)
    }
}
