//! A policy, and what the operator allows it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::floor::Grants;
use crate::process::Strength;
use crate::runtime::Policy;

/// A policy together with its grants and settings. A pool takes it, and changes it, as one:
/// no request ever runs one policy with the grants of another.
#[derive(Clone)]
pub struct Mandate {
    policy: Arc<Policy>,
    grants: Grants,
    settings: BTreeMap<String, String>,
}

impl Mandate {
    /// This policy with what it gets unless the operator says otherwise: the shipped one
    /// what it needs, any other one nothing.
    pub fn new(policy: impl Into<Arc<Policy>>) -> Self {
        let policy = policy.into();
        let grants = if policy.is_shipped() {
            Grants::shipped()
        } else {
            Grants::none()
        };
        Self {
            policy,
            grants,
            settings: BTreeMap::new(),
        }
    }

    /// With these grants and no others.
    #[must_use]
    pub fn with_grants(mut self, grants: Grants) -> Self {
        self.grants = grants;
        self
    }

    /// With one more setting that the policy can read. The host itself reads `proof`: with
    /// `strong`, the time at which a process started proves nothing.
    #[must_use]
    pub fn with_setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// The policy.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// What it may do.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// What it can read.
    pub fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// What the host accepts as a proof.
    pub(crate) fn strength(&self) -> Strength {
        match self.settings.get("proof").map(String::as_str) {
            Some("strong") => Strength::Strong,
            _ => Strength::Any,
        }
    }
}

impl<P: Into<Arc<Policy>>> From<P> for Mandate {
    fn from(policy: P) -> Self {
        Self::new(policy)
    }
}

/// Where a pool keeps its mandate. A request takes what is there when it begins, and keeps
/// it to its end.
pub(crate) struct CurrentMandate(RwLock<Arc<Mandate>>);

impl CurrentMandate {
    pub(crate) fn new(mandate: Mandate) -> Self {
        Self(RwLock::new(Arc::new(mandate)))
    }

    pub(crate) fn get(&self) -> Arc<Mandate> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set(&self, mandate: Mandate) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(mandate);
    }
}
