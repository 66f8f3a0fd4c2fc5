//! A policy, and what the operator allows it.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::error::{Error, Fault};
use crate::floor::Grants;
use crate::process::Strength;
use crate::runtime::{Description, Policy, Setting};
use crate::settings;
use crate::visible::bounded_line;

/// A policy together with its grants and settings. A pool takes it, and changes it, as one:
/// no request ever runs one policy with the grants of another.
#[derive(Clone)]
pub struct Mandate {
    policy: Arc<Policy>,
    grants: Grants,
    settings: BTreeMap<String, String>,
    /// What the policy says about itself with these settings, once it was asked.
    described: OnceLock<Result<Description, Fault>>,
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
            described: OnceLock::new(),
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
        self.described = OnceLock::new();
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

    /// What the policy says about itself with these settings; `ask` asks it. That is done
    /// once: its description, and a failure of its own, is kept, for it would say the same
    /// again.
    ///
    /// # Errors
    /// Why the policy does not describe itself.
    pub(crate) fn described(
        &self,
        ask: impl FnOnce() -> Result<Description, Error>,
    ) -> Result<&Description, Error> {
        let kept = match self.described.get() {
            Some(kept) => kept,
            None => {
                let said = match ask() {
                    Ok(said) => check_description(&said).map(|()| said),
                    Err(Error::Policy(fault)) => Err(fault),
                    // Not the policy's: cancelled, or refused by the system.
                    Err(error) => return Err(error),
                };
                self.described.get_or_init(|| said)
            }
        };
        kept.as_ref().map_err(|fault| fault.clone().into())
    }

    /// What the policy said about itself, where it was asked and did.
    pub(crate) fn description(&self) -> Option<&Description> {
        self.described.get()?.as_ref().ok()
    }

    /// Checks that the policy can take requests: it says what it is, and somebody reads each
    /// setting.
    ///
    /// # Errors
    /// Why the policy does not describe itself; [`Error::Setting`].
    pub(crate) fn check(
        &self,
        ask: impl FnOnce() -> Result<Description, Error>,
    ) -> Result<&Description, Error> {
        let said = self.described(ask)?;
        settings::check(&self.settings, said)?;
        Ok(said)
    }
}

/// Bytes of all texts of a description together. It is kept as long as the policy.
const LARGEST_DESCRIPTION: usize = 64 << 10;

/// Checks that a description is of a size to be kept, and that each setting is the policy's
/// and has a name of its own.
///
/// # Errors
/// [`Fault::Description`] when not.
fn check_description(said: &Description) -> Result<(), Fault> {
    let texts = |setting: &Setting| setting.name.len() + setting.description.len();
    let settings: usize = said.settings.iter().map(texts).sum();
    let size = said.name.len() + said.version.len() + settings;
    if size > LARGEST_DESCRIPTION || said.settings.len() > LARGEST_DESCRIPTION {
        let what = format!("more than {LARGEST_DESCRIPTION} bytes");
        return Err(Fault::Description(what));
    }
    let mut names = HashSet::new();
    for Setting { name, .. } in &said.settings {
        if name == Mandate::PROOF {
            let what = format!("a setting `{name}`, which is the host's");
            return Err(Fault::Description(what));
        }
        if !names.insert(name) {
            let name = bounded_line(name, 100);
            return Err(Fault::Description(format!("two settings `{name}`")));
        }
    }
    Ok(())
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

    fn described(settings: &[&str]) -> Description {
        let setting = |name: &&str| Setting {
            name: (*name).to_owned(),
            description: String::new(),
        };
        Description {
            name: "picky".into(),
            version: "1".into(),
            settings: settings.iter().map(setting).collect(),
        }
    }

    fn unasked() -> Result<Description, Error> {
        panic!("it was asked again")
    }

    fn mandate() -> Mandate {
        Mandate::new(Policy::shipped().expect("the shipped policy loads"))
    }

    #[test]
    fn a_policy_is_asked_what_it_is_once_and_again_with_another_setting() {
        let mandate = mandate().with_setting(Mandate::PROOF, "strong");
        assert_eq!(mandate.description(), None);
        mandate
            .check(|| Ok(described(&[])))
            .expect("the host reads it");
        mandate.check(unasked).expect("the host reads it");
        let copy = mandate.clone();
        assert_eq!(copy.description(), Some(&described(&[])));
        let more = mandate.with_setting("max-age", "8h");
        let checked = more.check(|| Ok(described(&[])));
        assert!(matches!(checked, Err(Error::Setting(_))), "{checked:?}");
    }

    #[test]
    fn a_policy_that_cannot_say_what_it_is_is_not_asked_again() {
        let mandate = mandate();
        let failed = || Err(Fault::Stack.into());
        for ask in [failed, unasked] {
            let said = mandate.check(ask);
            assert!(matches!(said, Err(Error::Policy(Fault::Stack))), "{said:?}");
        }
    }

    #[test]
    fn a_policy_is_asked_again_when_it_was_not_its_fault() {
        let mandate = mandate();
        let said = mandate.check(|| Err(Error::Cancelled));
        assert!(matches!(said, Err(Error::Cancelled)), "{said:?}");
        mandate
            .check(|| Ok(described(&[])))
            .expect("it says it now");
    }
}
