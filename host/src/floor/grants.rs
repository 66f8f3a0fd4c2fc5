//! What the operator allows a policy.

use std::collections::BTreeSet;

use crate::process::Signal;

/// The effects that a policy may have. Observing needs no grant.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Grants {
    registry_write: bool,
    dismiss: bool,
    signals: BTreeSet<Signal>,
}

/// An effect without its grant.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the policy has no grant `{grant}`{}: the operator gives it with `--grant {grant}`, or in \
     `grants` of poolwarden.toml, which are for the policy that this file names and for none that \
     --policy names",
    without(.grant)
)]
pub(crate) struct Denied {
    grant: String,
}

/// A name that is no grant's.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no grant {0:?}; there are {list}", list = Grants::all_names().join(", "))]
pub struct UnknownGrant(pub String);

/// The grant to replace the registry.
const REGISTRY_WRITE: &str = "registry-write";

/// The grant to signal workers in `ensure`, when nobody asked to stop them.
const DISMISS: &str = "dismiss";

/// What cannot be done without a grant, where its name does not say it.
fn without(grant: &str) -> &'static str {
    if grant == DISMISS {
        ", without which `ensure` signals nobody"
    } else {
        ""
    }
}

impl Grants {
    /// No effect at all: a policy reads the registry and observes.
    pub fn none() -> Self {
        Self::default()
    }

    /// What the shipped policy needs: to write the registry, TERM and KILL. It dismisses
    /// nobody.
    pub fn shipped() -> Self {
        Self::none()
            .with_registry_write()
            .with_signal(Signal::Term)
            .with_signal(Signal::Kill)
    }

    /// The grants of these names: `registry-write`, `dismiss`, and `signal-term` and its like.
    ///
    /// # Errors
    /// When a name is none.
    pub fn named<S: AsRef<str>>(names: &[S]) -> Result<Self, UnknownGrant> {
        names.iter().try_fold(Self::none(), |grants, name| {
            let name = name.as_ref();
            let signal = Signal::ALL
                .into_iter()
                .find(|signal| signal_grant(*signal) == name);
            match signal {
                Some(signal) => Ok(grants.with_signal(signal)),
                None if name == REGISTRY_WRITE => Ok(grants.with_registry_write()),
                None if name == DISMISS => Ok(grants.with_dismiss()),
                None => Err(UnknownGrant(name.to_owned())),
            }
        })
    }

    /// All that either of the two allows.
    #[must_use]
    pub fn union(mut self, other: &Self) -> Self {
        self.registry_write |= other.registry_write;
        self.dismiss |= other.dismiss;
        self.signals.extend(&other.signals);
        self
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        let write = self.registry_write.then(|| REGISTRY_WRITE.to_owned());
        let dismiss = self.dismiss.then(|| DISMISS.to_owned());
        let signals = self.signals.iter().copied().map(signal_grant);
        write.into_iter().chain(dismiss).chain(signals).collect()
    }

    /// The names of all grants that there are.
    pub fn all_names() -> Vec<String> {
        let signals = Signal::ALL.into_iter().map(signal_grant);
        [REGISTRY_WRITE.to_owned(), DISMISS.to_owned()]
            .into_iter()
            .chain(signals)
            .collect()
    }

    /// Adds the grant to replace the registry.
    #[must_use]
    pub fn with_registry_write(mut self) -> Self {
        self.registry_write = true;
        self
    }

    /// Adds the grant to signal workers in `ensure`, when nobody asked to stop them. Each
    /// signal takes its own grant besides.
    #[must_use]
    pub fn with_dismiss(mut self) -> Self {
        self.dismiss = true;
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
            Err(Denied::of(REGISTRY_WRITE))
        }
    }

    /// # Errors
    /// Without the grant `dismiss`.
    pub(crate) fn check_dismiss(&self) -> Result<(), Denied> {
        if self.dismiss {
            Ok(())
        } else {
            Err(Denied::of(DISMISS))
        }
    }

    /// # Errors
    /// Without the grant for this signal.
    pub(crate) fn check_signal(&self, signal: Signal) -> Result<(), Denied> {
        let rides_on_term = signal == Signal::Cont && self.signals.contains(&Signal::Term);
        if rides_on_term || self.signals.contains(&signal) {
            Ok(())
        } else {
            Err(Denied::of(signal_grant(signal)))
        }
    }
}

impl Denied {
    fn of(grant: impl Into<String>) -> Self {
        Self {
            grant: grant.into(),
        }
    }
}

fn signal_grant(signal: Signal) -> String {
    format!("signal-{}", signal.name().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_granted_by_default() {
        let grants = Grants::none();
        assert!(grants.check_registry_write().is_err());
        assert!(grants.check_dismiss().is_err());
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
        let text = denied.to_string();
        assert!(text.contains("`signal-kill`"), "{text}");
        assert!(text.contains("--grant signal-kill"), "{text}");
        let denied = Grants::shipped().check_dismiss().expect_err("not shipped");
        let text = denied.to_string();
        let words = "no grant `dismiss`, without which `ensure` signals nobody: the operator gives \
                     it with `--grant dismiss`";
        assert!(text.contains(words), "{text}");
    }

    #[test]
    fn every_grant_has_a_name_that_is_read_back() {
        let all = Grants::named(&Grants::all_names()).expect("they are known");
        assert_eq!(all.names(), Grants::all_names());
        assert!(all.check_registry_write().is_ok());
        assert!(all.check_dismiss().is_ok());
        for signal in Signal::ALL {
            assert!(all.check_signal(signal).is_ok());
        }
        let error = Grants::named(&["signal-TERM"]).expect_err("no such name");
        assert!(error.to_string().contains("signal-term"), "{error}");
    }
}
