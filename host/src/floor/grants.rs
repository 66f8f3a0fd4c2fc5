//! What the operator allows a policy.

use std::collections::BTreeSet;

use crate::process::Signal;

/// The effects that a policy may have. Observing needs no grant.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Grants {
    registry_write: bool,
    signals: BTreeSet<Signal>,
}

/// An effect without its grant.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the policy has no grant `{0}`; the operator gives grants by name")]
pub(crate) struct Denied(String);

impl Grants {
    /// No effect at all: a policy reads the registry and observes.
    pub fn none() -> Self {
        Self::default()
    }

    /// What the shipped policy needs: to write the registry, TERM and KILL.
    pub fn shipped() -> Self {
        Self::none()
            .with_registry_write()
            .with_signal(Signal::Term)
            .with_signal(Signal::Kill)
    }

    /// Adds the grant to replace the registry.
    #[must_use]
    pub fn with_registry_write(mut self) -> Self {
        self.registry_write = true;
        self
    }

    /// Adds the grant to send one signal. CONT comes with TERM, so that a stopped
    /// process can act on it.
    #[must_use]
    pub fn with_signal(mut self, signal: Signal) -> Self {
        self.signals.insert(signal);
        self
    }

    /// # Errors
    /// Without the grant `registry-write`.
    pub(crate) fn check_registry_write(&self) -> Result<(), Denied> {
        if self.registry_write {
            Ok(())
        } else {
            Err(Denied("registry-write".into()))
        }
    }

    /// # Errors
    /// Without the grant for this signal.
    pub(crate) fn check_signal(&self, signal: Signal) -> Result<(), Denied> {
        let rides_on_term = signal == Signal::Cont && self.signals.contains(&Signal::Term);
        if rides_on_term || self.signals.contains(&signal) {
            Ok(())
        } else {
            Err(Denied(format!("signal {}", signal.name())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_granted_by_default() {
        let grants = Grants::none();
        assert!(grants.check_registry_write().is_err());
        for signal in [Signal::Term, Signal::Cont, Signal::Kill, Signal::Stop] {
            assert!(grants.check_signal(signal).is_err());
        }
    }

    #[test]
    fn cont_rides_on_term_alone() {
        assert!(
            Grants::none()
                .with_signal(Signal::Term)
                .check_signal(Signal::Cont)
                .is_ok()
        );
        assert!(
            Grants::none()
                .with_signal(Signal::Kill)
                .check_signal(Signal::Cont)
                .is_err()
        );
        assert!(
            Grants::none()
                .with_signal(Signal::Cont)
                .check_signal(Signal::Term)
                .is_err()
        );
    }

    #[test]
    fn a_denial_names_the_grant() {
        let denied = Grants::none()
            .check_signal(Signal::Kill)
            .expect_err("it is refused");
        assert_eq!(
            denied.to_string(),
            "the policy has no grant `signal KILL`; the operator gives grants by name"
        );
    }
}
