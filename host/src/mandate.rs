//! A policy, and what the operator allows it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::error::Error;
use crate::floor::Grants;
use crate::process::Strength;
use crate::runtime::{Description, Policy};
use crate::settings;

/// A policy together with its grants and settings. A pool takes it, and changes it, as one:
/// no request ever runs one policy with the grants of another.
#[derive(Clone)]
pub struct Mandate {
    policy: Arc<Policy>,
    grants: Grants,
    settings: BTreeMap<String, String>,
    /// Set once somebody is known to read each setting.
    read: OnceLock<()>,
}

impl Mandate {
    /// The name of the one setting that the host reads itself. With the value `strong`, the
    /// time at which a process started proves nothing; `any` is the default.
    pub const PROOF: &str = settings::PROOF;

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
            read: OnceLock::new(),
        }
    }

    /// With these grants and no others.
    #[must_use]
    pub fn with_grants(mut self, grants: Grants) -> Self {
        self.grants = grants;
        self
    }

    /// With one more setting, which the policy can read; [`PROOF`](Self::PROOF) is for the
    /// host. One that neither of them reads, or that means nothing to the host, is refused by
    /// the pool: see [`SettingError`](crate::SettingError).
    #[must_use]
    pub fn with_setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.insert(name.into(), value.into());
        self.read = OnceLock::new();
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

    /// What the host accepts as a proof. A value that means nothing was meant to change
    /// something, so it never stands for the weaker one.
    pub(crate) fn strength(&self) -> Strength {
        settings::strength(&self.settings).unwrap_or(Strength::Strong)
    }

    /// Checks that somebody reads each setting, once. The policy is asked what it is only
    /// where it has settings.
    ///
    /// # Errors
    /// [`Error::Setting`] when not; why the policy does not describe itself.
    pub(crate) fn check_settings(
        &self,
        describe: impl FnOnce() -> Result<Description, Error>,
    ) -> Result<(), Error> {
        if self.read.get().is_none() {
            settings::check(&self.settings, describe)?;
            // It fails where another thread has found out the same.
            let _ = self.read.set(());
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_that_there_is_not_is_taken_for_the_stronger_one() {
        let shipped = Arc::new(Policy::shipped().expect("the shipped policy loads"));
        let with = |value: &str| Mandate::new(shipped.clone()).with_setting(Mandate::PROOF, value);
        assert_eq!(Mandate::new(shipped.clone()).strength(), Strength::Any);
        assert_eq!(with("any").strength(), Strength::Any);
        for value in ["strong", "strng", "Any", ""] {
            assert_eq!(with(value).strength(), Strength::Strong, "{value:?}");
        }
    }

    #[test]
    fn settings_are_looked_at_anew_when_one_comes() {
        let shipped = Policy::shipped().expect("the shipped policy loads");
        let reads_none = || {
            Ok(Description {
                name: "picky".into(),
                version: "1".into(),
                settings: Vec::new(),
            })
        };
        let mandate = Mandate::new(shipped).with_setting(Mandate::PROOF, "strong");
        mandate
            .check_settings(reads_none)
            .expect("the host reads it");
        let more = mandate.with_setting("max-age", "8h");
        assert!(matches!(
            more.check_settings(reads_none),
            Err(Error::Setting(_))
        ));
    }
}
