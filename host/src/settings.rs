//! Which settings mean something. One that does not is most likely a misspelt one that does,
//! and a limit or a proof that silently does not count would be worse than an error.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Fault;
use crate::process::{Strength, UnknownStrength};
use crate::runtime::{Description, Setting};

/// The setting that the host reads itself.
pub(crate) const PROOF: &str = "proof";

/// Why the settings of a pool cannot be taken as they stand.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingError {
    /// The host does not know this value of `proof`.
    #[error("the setting {0}")]
    Proof(UnknownStrength),
    /// Neither the host nor the policy reads them.
    #[error(
        "nobody reads the setting{} {}: the policy {policy} reads {}, and the host `{PROOF}`; \
         correct what is misspelt, and leave out what is meant for another policy",
        if names.len() == 1 { "" } else { "s" }, list(.names), list(.read)
    )]
    Unread {
        /// Their names.
        names: Vec<String>,
        /// The policy's name.
        policy: String,
        /// The settings that it says it reads.
        read: Vec<String>,
    },
}

/// Which proofs these settings accept.
///
/// # Errors
/// When they say what there is not.
pub(crate) fn strength(settings: &BTreeMap<String, String>) -> Result<Strength, UnknownStrength> {
    let said = settings.get(PROOF).map(|value| value.parse());
    said.unwrap_or(Ok(Strength::default()))
}

/// Checks that somebody reads each of these settings. `describe` asks the policy what it is,
/// and is called only where there is something for it to read.
///
/// # Errors
/// [`SettingError`] when not; whatever `describe` fails with.
pub(crate) fn check<E: From<SettingError>>(
    settings: &BTreeMap<String, String>,
    describe: impl FnOnce() -> Result<Description, E>,
) -> Result<(), E> {
    strength(settings).map_err(SettingError::Proof)?;
    let mut for_policy = settings.keys().filter(|name| *name != PROOF).peekable();
    if for_policy.peek().is_none() {
        return Ok(());
    }
    let said = describe()?;
    let read: Vec<_> = said.settings.into_iter().map(|one| one.name).collect();
    let unread: Vec<_> = for_policy
        .filter(|name| !read.contains(name))
        .cloned()
        .collect();
    if unread.is_empty() {
        return Ok(());
    }
    Err(E::from(SettingError::Unread {
        names: unread,
        policy: said.name,
        read,
    }))
}

/// How many settings a policy may say it reads.
const MOST_DECLARED: usize = 100;

/// Checks the settings that a policy says it reads: not too many, each once, and none that the
/// host reads itself.
///
/// # Errors
/// [`Fault::Description`] when not.
pub(crate) fn check_declared(said: &Description) -> Result<(), Fault> {
    let wrong = |what: String| Err(Fault::Description(what));
    if said.settings.len() > MOST_DECLARED {
        let count = said.settings.len();
        return wrong(format!(
            "{count} settings, and a policy has {MOST_DECLARED} at most"
        ));
    }
    let mut seen = BTreeSet::new();
    for Setting { name, .. } in &said.settings {
        if name == PROOF {
            return wrong(format!(
                "the setting `{PROOF}`, which is the host's own: give it another name"
            ));
        }
        if !seen.insert(name) {
            return wrong(format!("the setting `{name}` twice"));
        }
    }
    Ok(())
}

fn list(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "none".into(),
        quoted => quoted.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(given: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        given.iter().map(owned).collect()
    }

    fn reading(names: &[&str]) -> Description {
        let setting = |name: &&str| Setting {
            name: (*name).to_owned(),
            description: String::new(),
        };
        Description {
            name: "picky".into(),
            version: "1".into(),
            settings: names.iter().map(setting).collect(),
        }
    }

    fn checked(given: &[(&str, &str)], read: &[&str]) -> Result<(), SettingError> {
        check(&settings(given), || Ok(reading(read)))
    }

    #[test]
    fn what_somebody_reads_is_taken() {
        for given in [
            &[][..],
            &[("proof", "any")],
            &[("proof", "strong"), ("max-age", "")],
        ] {
            assert_eq!(checked(given, &["max-age"]), Ok(()), "{given:?}");
        }
    }

    #[test]
    fn what_nobody_reads_is_refused_with_the_names_that_are_read() {
        let given = [("Proof", "strong"), ("max_age", "8h"), ("max-age", "8h")];
        let error = checked(&given, &["max-age", "kill-after"]).expect_err("two are unread");
        assert_eq!(
            error.to_string(),
            "nobody reads the settings `Proof`, `max_age`: the policy picky reads `max-age`, \
             `kill-after`, and the host `proof`; correct what is misspelt, and leave out what is \
             meant for another policy"
        );
        let error = checked(&[("prof", "strong")], &[]).expect_err("one is unread");
        let told = "nobody reads the setting `prof`: the policy picky reads none, and the host";
        assert!(error.to_string().starts_with(told), "{error}");
    }

    #[test]
    fn a_proof_that_there_is_not_is_refused() {
        for value in ["strng", "Strong", "STRONG", " strong", "weak", ""] {
            let error = checked(&[("proof", value)], &["proof"]).expect_err(value);
            assert_eq!(error, SettingError::Proof(UnknownStrength(value.into())));
            let text = error.to_string();
            assert!(text.contains(&format!("{value:?}")), "{text}");
            assert!(
                text.contains("`strong`") && text.contains("`any`"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_policy_declares_a_few_settings_of_its_own_and_each_once() {
        let many: Vec<_> = (0..=MOST_DECLARED).map(|n| format!("s{n}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(check_declared(&reading(&many[1..])), Ok(()));
        for (names, why) in [
            (&["max-age", "proof"][..], "the host's own"),
            (&["max-age", "max-age"], "`max-age` twice"),
            (&many, "101 settings"),
        ] {
            let error = check_declared(&reading(names)).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_policy_without_settings_is_not_asked() {
        let unasked = || -> Result<Description, SettingError> { panic!("it was asked") };
        for given in [&[][..], &[("proof", "strong")]] {
            assert_eq!(check(&settings(given), unasked), Ok(()));
        }
    }
}
