//! Which settings mean something. One that does not is most likely a misspelt one that does,
//! and a limit or a proof that silently does not count would be worse than an error.

use std::collections::BTreeMap;

use crate::process::{Strength, UnknownStrength};
use crate::runtime::Description;

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

/// Checks that the host, or the policy that says this about itself, reads each of these
/// settings.
///
/// # Errors
/// [`SettingError`] when not.
pub(crate) fn check(
    settings: &BTreeMap<String, String>,
    said: &Description,
) -> Result<(), SettingError> {
    strength(settings).map_err(SettingError::Proof)?;
    let is_read =
        |name: &String| *name == PROOF || said.settings.iter().any(|setting| setting.name == *name);
    let unread: Vec<_> = settings.keys().filter(|name| !is_read(name)).collect();
    if unread.is_empty() {
        return Ok(());
    }
    let read = said.settings.iter().map(|setting| setting.name.clone());
    Err(SettingError::Unread {
        names: unread.into_iter().cloned().collect(),
        policy: said.name.clone(),
        read: read.collect(),
    })
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
    use crate::runtime::Setting;

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
        check(&settings(given), &reading(read))
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
}
