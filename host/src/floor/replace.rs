//! How a registry that a policy writes differs from the one that the host read.

use std::collections::HashMap;

use crate::process::Claim;

use super::{Reading, Refusal};

/// What a replacement changes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Indices of the entries that go, in the reading before.
    pub(crate) dropped: Vec<usize>,
    /// The entry that comes.
    pub(crate) added: Option<Claim>,
}

/// The entries in which two registries differ. Entries are the same where their text is, byte
/// for byte.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// Indices in the registry before, of entries that are not in the one after.
    pub(super) removed: Vec<usize>,
    /// Indices in the registry after, of entries that are not in the one before.
    pub(super) added: Vec<usize>,
    /// Whether what is outside of `sessions` is the same, byte for byte.
    pub(super) is_around_kept: bool,
}

impl Difference {
    /// Compares two registries.
    ///
    /// # Errors
    /// When one of them is no registry.
    pub(super) fn between(before: &Reading, after: &Reading) -> Result<Self, Refusal> {
        let old = texts(before).map_err(|why| {
            Refusal(format!(
                "the registry on disk cannot be read, so nothing may replace it: {why}"
            ))
        })?;
        let new = texts(after)
            .map_err(|why| Refusal(format!("the replacement is not a registry: {why}")))?;
        let mut places: HashMap<&str, Vec<usize>> = HashMap::with_capacity(new.len());
        for (index, text) in new.iter().enumerate().rev() {
            places.entry(text).or_default().push(index);
        }
        let is_kept = |text: &str| places.get_mut(text).and_then(Vec::pop).is_some();
        let removed = removed(&old, is_kept);
        let mut added: Vec<_> = places.into_values().flatten().collect();
        added.sort_unstable();
        Ok(Self {
            removed,
            added,
            is_around_kept: is_around_kept(before, after),
        })
    }
}

fn removed(old: &[&str], mut is_kept: impl FnMut(&str) -> bool) -> Vec<usize> {
    let all = old.iter().enumerate();
    all.filter(|(_, text)| !is_kept(text))
        .map(|(index, _)| index)
        .collect()
}

/// The text of each entry.
fn texts(reading: &Reading) -> Result<Vec<&str>, String> {
    let claims = reading.claims().map_err(|error| error.to_string())?;
    (0..claims.len())
        .map(|index| reading.raw(index))
        .collect::<Option<_>>()
        .ok_or_else(|| "its entries cannot be told apart".to_owned())
}

/// Whether what is outside of `sessions` stays byte for byte. In a new file nothing else may
/// stand there.
fn is_around_kept(before: &Reading, after: &Reading) -> bool {
    match (before.around(), after.around()) {
        (Some(before), Some(after)) => before == after,
        (None, Some((head, tail))) => {
            let around = [head, tail].concat();
            let text = around.iter().filter(|byte| !byte.is_ascii_whitespace());
            text.copied().eq(*br#"{"sessions":[]}"#)
        }
        (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = r#"{"sid":"a","pid":10,"sock":"","version":"","created_at":""}"#;
    const B: &str = r#"{"sid":"b","pid":11,"sock":"","version":"","created_at":""}"#;

    fn reading(text: impl Into<String>) -> Reading {
        Reading::new(Some(text.into().into_bytes()))
    }

    fn between(before: impl Into<String>, after: impl Into<String>) -> Result<Difference, String> {
        Difference::between(&reading(before), &reading(after)).map_err(|refusal| refusal.0)
    }

    #[test]
    fn entries_are_compared_by_their_text() {
        let both = format!(r#"{{"sessions":[{A},{B}]}}"#);
        for same in [both.clone(), format!("{{\"sessions\":[\n  {B} ,\t{A}\n]}}")] {
            let difference = between(&*both, same).expect("the same entries");
            assert_eq!((difference.removed, difference.added), (vec![], vec![]));
        }
        let spaced = A.replace(':', ": ");
        let version = A.replace(r#""version":"""#, r#""version":"2""#);
        let more = A.replace("{", r#"{"x":1,"#);
        for changed in [spaced, version, more] {
            let after = format!(r#"{{"sessions":[{B},{changed}]}}"#);
            let difference = between(&*both, after).expect("two registries");
            assert_eq!((difference.removed, difference.added), (vec![0], vec![1]));
        }
    }

    #[test]
    fn an_entry_that_stands_twice_counts_twice() {
        let (one, two) = (
            format!(r#"{{"sessions":[{A}]}}"#),
            format!(r#"{{"sessions":[{A},{A}]}}"#),
        );
        let lost = between(&*two, &*one).expect("two registries");
        assert_eq!((lost.removed, lost.added), (vec![1], vec![]));
        let won = between(one, two).expect("two registries");
        assert_eq!((won.removed, won.added), (vec![], vec![1]));
    }

    #[test]
    fn what_is_outside_of_sessions_stays() {
        let before = r#"{"other":{"key": 1.00},"sessions":[],"n":[]}"#;
        let is_kept = |after| {
            between(before, after)
                .expect("two registries")
                .is_around_kept
        };
        assert!(is_kept(r#"{"other":{"key": 1.00},"sessions":[ ],"n":[]}"#));
        for after in [
            r#"{"sessions":[],"n":[]}"#,
            r#"{"other":{"key": 1.0},"sessions":[],"n":[]}"#,
            r#"{"other":{"key":1.00},"sessions":[],"n":[]}"#,
            r#"{"other":{"key": 1.00},"sessions":[],"n":[1]}"#,
            r#"{"other":{"key": 1.00},"sessions":[],"n":[],"m":1}"#,
            r#"{"n":[],"other":{"key": 1.00},"sessions":[]}"#,
            "{\"other\":{\"key\": 1.00},\"sessions\":[],\"n\":[]}\n",
        ] {
            assert!(!is_kept(after), "{after}");
        }
    }

    #[test]
    fn a_new_file_has_sessions_and_nothing_else() {
        let none = Reading::new(None);
        for (text, is_fine) in [
            ("{\"sessions\":[]}\n", true),
            (" {\n\"sessions\" : [ ] }", true),
            ("{\"sessions\":[],\"x\":1}", false),
            ("{\"x\":[],\"sessions\":[]}", false),
        ] {
            let difference = Difference::between(&none, &reading(text));
            let difference = difference.expect("two registries");
            assert_eq!(difference.is_around_kept, is_fine, "{text}");
        }
    }

    #[test]
    fn nothing_replaces_what_cannot_be_read() {
        let empty = r#"{"sessions":[]}"#;
        assert!(between("{", empty).is_err());
        assert!(between(empty, "{").is_err());
    }
}
